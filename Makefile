# make demo: the node on a camera drive; make test: all checks. Each sets up what it needs.

# one name at a time: dash's `command -v` looks at the first only
PYTHONS := python3.11 python3.12 python3.13 python3
PYTHON ?= $(firstword $(foreach name,$(PYTHONS),$(shell command -v $(name) || true)))
VENV ?= .venv
BIN := $(VENV)/bin
# the folder of a KITTI raw drive, or a rosbag2; by default the rendered one that comes along
DRIVE ?= drives/city

# where ROS 2 is sourced its rclpy serves, elsewhere the wheels from PyPI
HAS_ROS := $(shell $(PYTHON) -c 'import rclpy' 2>/dev/null && echo yes)
comma := ,
# each has a mark of its own: what one has installed does not do for the other
READY := $(VENV)/.ready$(if $(HAS_ROS),-ros)
ifeq ($(HAS_ROS),)
ifdef ROS_DISTRO
# a ROS for another Python is sourced, whose rclpy would hide the one from PyPI
unexport PYTHONPATH AMENT_PREFIX_PATH LD_LIBRARY_PATH
endif
endif
EXTRAS := openvino,onnxruntime,rendering,training,viewer,dev$(if $(HAS_ROS),,$(comma)ros)

.PHONY: demo test setup clean

demo: $(READY)
	@test -n "$(DRIVE)" || { echo "no drive: give the folder of a KITTI raw drive or a rosbag2, make demo DRIVE=PATH" >&2; exit 2; }
	$(BIN)/python -m mtl_perception.offline demo "$(DRIVE)" --output demo_output

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy mtl_perception
	$(BIN)/python -m pytest test

setup: $(READY)

$(READY): setup.py constraints.txt
	$(PYTHON) -m venv $(if $(HAS_ROS),--system-site-packages) $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[$(EXTRAS)]'
	rm -f $(VENV)/.ready*
	touch $@

clean:
	rm -rf $(VENV) demo_output build install log
