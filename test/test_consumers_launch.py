"""launch/consumers.launch.py: its table against the files and topics, and by launch itself."""

import ast
from pathlib import Path
from typing import Any

from conftest import ROOT
import pytest

from mtl_perception.products import CAMERA_INFOS, TOPICS

LAUNCH = ROOT / 'launch' / 'consumers.launch.py'
# these are layers of a costmap, no processes
LAYERS = {'nav2_obstacles', 'nav2_semantic'}
# of the table, for where launch_ros is absent
OURS = {*TOPICS, *CAMERA_INFOS.values(), 'points/obstacles', 'depth/points', '<image>'}


def table() -> dict[str, tuple[str, str, dict[str, str]]]:
    """Read CONSUMERS off the source: package, executable and topics by name."""
    for statement in ast.parse(LAUNCH.read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == 'CONSUMERS':
            assert isinstance(statement.value, ast.Dict)
            pairs = zip(statement.value.keys, statement.value.values, strict=True)
            return {ast.literal_eval(key): consumer_of(call) for key, call in pairs}
    raise AssertionError('consumers.launch.py has no CONSUMERS')


def consumer_of(call: Any) -> tuple[str, str, dict[str, str]]:
    package, executable, topics = call.args
    names = {
        ast.literal_eval(theirs): '<image>' if isinstance(ours, ast.Name) else ours.value
        for theirs, ours in zip(topics.keys, topics.values, strict=True)
    }
    return package.value, executable.value, names


def test_each_config_of_a_node_can_be_started() -> None:
    configs = {path.stem for path in (ROOT / 'config' / 'consumers').glob('*.yaml')}
    assert table().keys() | LAYERS == configs


def test_it_takes_topics_that_exist() -> None:
    for _, _, topics in table().values():
        assert topics
        assert set(topics.values()) <= OURS


def test_an_image_stands_with_its_camera_info() -> None:
    """Consumers pair them by stamp: both must be of one product, or of the camera's size."""
    for _, _, topics in table().values():
        infos = [ours for ours in topics.values() if ours.endswith('camera_info')]
        for info in infos:
            room = info.partition('/')[0]
            assert [t for t in topics.values() if t.startswith(room) and t != info]


class TestWithLaunch:
    """By the launch system itself, which comes with every ROS installation but not from PyPI."""

    @pytest.fixture(autouse=True)
    def launch(self) -> None:
        pytest.importorskip('launch_ros.actions', reason='launch_ros is not installed')

    def start(self, **arguments: str) -> list[Any]:
        from launch import LaunchContext
        from launch.launch_description_sources import (
            get_launch_description_from_python_launch_file as describe,
        )

        context, nodes = LaunchContext(), []
        context.launch_configurations.update(arguments)
        for entity in describe(str(LAUNCH)).entities:
            nodes += entity.execute(context) or []
        for node in nodes:
            node._perform_substitutions(context)
        return nodes

    @pytest.mark.parametrize('consumer', sorted(table()))
    def test_each_starts_with_its_file_and_its_topics(self, consumer: str) -> None:
        file = str(ROOT / 'config' / 'consumers' / f'{consumer}.yaml')
        [node] = self.start(consumer=consumer, image='/camera/image_raw', params_file=file)
        package, executable, topics = table()[consumer]
        assert (node.node_package, node.node_executable) == (package, executable)
        expected = {
            theirs: '/camera/image_raw' if ours == '<image>' else ours
            for theirs, ours in topics.items()
        }
        assert dict(node.expanded_remapping_rules) == expected
        words = [getattr(part, 'text', '') for word in node.cmd for part in word]
        assert Path(file).is_file()
        assert file in words
