"""Processes that speak ROS 2 end in good order, whatever they are at."""

import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest
from ros_client import ros_environment

# busy all the time, so that a signal comes in the middle of something
BUSY = """
from rclpy.node import Node
from std_msgs.msg import Header
from mtl_perception.ros import ros_process

with ros_process() as executor:
    node = Node('busy')
    executor.add_node(node)
    publisher = node.create_publisher(Header, 'header', 1)
    node.create_subscription(Header, 'header', lambda message: None, 1)
    for _ in range(4):
        node.create_timer(0.001, lambda: publisher.publish(Header()))
    print('spinning', flush=True)
    try:
        executor.spin()
    finally:
        node.destroy_node()
print('has ended')
"""
FAULTY = """
from mtl_perception.ros import ros_process

with ros_process():
    raise ValueError('no such bag')
"""


def start(program: str, log_folder: Path) -> 'subprocess.Popen[str]':
    return subprocess.Popen(
        [sys.executable, '-c', program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | ros_environment(log_folder),
    )


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_busy_process_in_good_order(
    number: signal.Signals, tmp_path: Path
) -> None:
    process = start(BUSY, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == 'spinning\n'
    process.send_signal(number)
    said, complaints = process.communicate(timeout=60)
    assert (said, process.returncode) == ('has ended\n', 0), complaints


def test_an_error_is_no_end(tmp_path: Path) -> None:
    process = start(FAULTY, tmp_path)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 1
    assert 'ValueError: no such bag' in complaints
