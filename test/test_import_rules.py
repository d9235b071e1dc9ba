"""The import rules of the architecture, read off the import lines."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
import re

from conftest import ROOT
import pytest

PACKAGE = 'mtl_perception'
FILES = sorted((ROOT / PACKAGE).rglob('*.py'))
ROS = re.compile(r'rclpy|ament_index_python|\w+_(msgs|srvs|interfaces)|cv_bridge|tf2_\w+')
HEAVY = (
    *('openvino', 'onnxruntime', 'nncf', 'onnx', 'tensorrt', 'rosbags', 'tensorboard'),
    *('moderngl', 'rerun', 'h5py', 'scipy'),
)
FILES_TO_A_ROOM = 7


def imports(path: Path) -> Iterator[str]:
    """Give the dotted names that a file imports, relative ones made absolute."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package[: len(package) - node.level + 1] if node.level else ()
            module = '.'.join((*parent, *filter(None, [node.module])))
            # `from . import x` imports the module x, and `from .x import y` perhaps x.y
            yield from (f'{module}.{alias.name}' for alias in node.names)


def room_of(path: Path) -> str:
    """Name the room that a file is in, '' for the package's own."""
    folders = path.relative_to(ROOT / PACKAGE).parts[:-1]
    return folders[0] if folders else ''


def imported_rooms(path: Path) -> set[str]:
    """Give what a file imports of the package, by the first name below it."""
    ours = [name.split('.') for name in imports(path) if name.split('.')[0] == PACKAGE]
    return {name[1] for name in ours if len(name) > 1}


def files_of(*rooms: str) -> list[Path]:
    return [path for path in FILES if room_of(path) in rooms]


def files_outside(*rooms: str) -> list[Path]:
    return [path for path in FILES if room_of(path) not in rooms]


def test_the_package_was_found() -> None:
    assert {room_of(path) for path in FILES} >= {'', 'network', 'ros', 'offline', 'training'}


def test_import_lines_are_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('test_import_rules.ROOT', tmp_path)
    path = tmp_path / PACKAGE / 'ros' / 'example.py'
    path.parent.mkdir(parents=True)
    path.write_text(
        'import rclpy.node, os\nfrom . import outputs\nfrom .. import engine\n'
        'from ..training.train import main\ndef late():\n    from sensor_msgs.msg import Image\n'
    )
    assert list(imports(path)) == [
        *('rclpy.node', 'os', f'{PACKAGE}.ros.outputs', f'{PACKAGE}.engine'),
        *(f'{PACKAGE}.training.train.main', 'sensor_msgs.msg.Image'),
    ]
    assert imported_rooms(path) == {'ros', 'engine', 'training'}


@pytest.mark.parametrize('path', files_outside('ros'), ids=lambda p: str(p.relative_to(ROOT)))
def test_ros_is_imported_in_its_room_only(path: Path) -> None:
    assert not [name for name in imports(path) if ROS.fullmatch(name.split('.')[0])]


def test_the_ros_room_does_import_ros() -> None:
    names = {name.split('.')[0] for path in files_of('ros') for name in imports(path)}
    assert {'rclpy', 'sensor_msgs'} <= names


@pytest.mark.parametrize('path', files_of('network'), ids=lambda p: p.stem)
def test_the_network_imports_nothing_of_ours(path: Path) -> None:
    assert imported_rooms(path) <= {'network'}


@pytest.mark.parametrize('path', files_outside('training'), ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_imports_training(path: Path) -> None:
    assert 'training' not in imported_rooms(path)


def test_ros_and_offline_do_not_know_each_other() -> None:
    for room, other in (('ros', 'offline'), ('offline', 'ros')):
        assert not [path for path in files_of(room) if other in imported_rooms(path)]


def test_heavy_libraries_are_imported_in_one_file_each() -> None:
    users = defaultdict(set)
    for path in FILES:
        for name in imports(path):
            if name.split('.')[0] in HEAVY:
                users[name.split('.')[0]].add(str(path.relative_to(ROOT)))
    assert {'openvino', 'rosbags'} <= users.keys()
    assert not {library: files for library, files in users.items() if len(files) > 1}


def test_a_room_has_seven_files_at_most() -> None:
    rooms = defaultdict(list)
    for path in FILES:
        if path.name != '__init__.py':
            rooms[str(path.parent.relative_to(ROOT))].append(path.name)
    assert not {room: files for room, files in rooms.items() if len(files) > FILES_TO_A_ROOM}
