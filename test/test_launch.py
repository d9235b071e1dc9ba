import ast
from collections.abc import Iterator
from pathlib import Path
import re
from typing import Any

import pytest
import yaml

from mtl_perception.offline.processes import ros_environment
from mtl_perception.recordings.kitti import LEFT
from mtl_perception.recordings.kitti_to_bag import CAMERA_FRAMES

LAUNCH = Path(__file__).resolve().parents[1] / 'launch'
CONFIG = LAUNCH.parent / 'config'
ARGUMENTS = {
    'perception': {
        *('params_file', 'namespace', 'image', 'camera_info', 'lidar', 'cameras'),
        *('image_transport', 'weights', 'device', 'backend', 'use_sim_time', 'log_level'),
        *('rviz', 'fixed_frame'),
    },
    'kitti_demo': {'bag', 'rate', 'loop', 'image', 'camera_info', 'rviz'},
}
FINDERS = ('_cameras_in', '_full_name', '_parameters_in', '_stands_for')
launch_files = pytest.mark.parametrize('name', ARGUMENTS)


def source_of(name: str) -> ast.Module:
    path = LAUNCH / f'{name}.launch.py'
    tree = ast.parse(path.read_text(), path)
    compile(tree, path, 'exec')
    return tree


def value_of(name: str, variable: str) -> ast.expr:
    """Give the expression that a variable of a launch file stands for."""
    for statement in source_of(name).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == variable:
            return statement.value
    raise AssertionError(f'{name}.launch.py has no {variable}')


def finders() -> dict[str, Any]:
    """Give the functions of a launch file that need nothing of `launch`."""
    found = [one for one in source_of('perception').body if getattr(one, 'name', '') in FINDERS]
    scope: dict[str, Any] = {
        'yaml': yaml,
        'Path': Path,
        're': re,
        'Any': Any,
        'Iterator': Iterator,
    }
    exec(compile(ast.Module(found, []), 'perception.launch.py', 'exec'), scope)
    return scope


@launch_files
def test_arguments_are_declared_and_described(name: str) -> None:
    declared = {}
    for call in ast.walk(source_of(name)):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == 'DeclareLaunchArgument':
            described = {word.arg: ast.unparse(word.value) for word in call.keywords}
            declared[ast.literal_eval(call.args[0])] = described.get('description', '')
    assert declared.keys() == ARGUMENTS[name]
    assert min(len(description) for description in declared.values()) > len("'true'")


def test_node_and_player_have_the_same_environment(tmp_path: Path) -> None:
    """Large messages need it on the side that publishes; the verbs' processes have it too."""
    node, player = (ast.unparse(value_of(name, '_ENVIRONMENT')) for name in ARGUMENTS)
    assert node == player
    verbs = ros_environment(tmp_path)
    for name in ('MALLOC_MMAP_THRESHOLD_', 'MALLOC_TRIM_THRESHOLD_'):
        assert f"'{name}': '{verbs[name]}'" in node
    assert Path(verbs['FASTRTPS_DEFAULT_PROFILES_FILE']) == CONFIG / 'fastdds_images.xml'
    assert "PathJoinSubstitution([_SHARE, 'config', 'fastdds_images.xml'])" in node


def test_parameters_are_the_nodes_own() -> None:
    defaults = yaml.safe_load((CONFIG / 'perception.yaml').read_text())['/**']['ros__parameters']
    overridden = value_of('perception', '_PARAMETERS')
    assert isinstance(overridden, ast.Dict)
    for key, kind in zip(overridden.keys, overridden.values, strict=True):
        parameter = ast.literal_eval(key)
        default = False if parameter == 'use_sim_time' else defaults[parameter]
        assert type(default).__name__ == ast.unparse(kind)


@pytest.mark.parametrize(
    ('text', 'namespace', 'expected'),
    [
        ('', '', ['']),
        ('/**: {ros__parameters: {device: cpu}}', '', ['']),
        ('/**: {ros__parameters: {cameras: []}}', '', ['']),
        ('/**: {ros__parameters: {cameras: [front, left]}}', 'robot', ['front', 'left']),
        ('perception: {ros__parameters: {cameras: [front]}}', '', ['front']),
        ('/perception: {ros__parameters: {cameras: [front]}}', '/robot', ['']),
        ('/robot/perception: {ros__parameters: {cameras: [front]}}', '/robot', ['front']),
        ('/*/perception: {ros__parameters: {cameras: [front]}}', '/robot', ['front']),
        ('/*/perception: {ros__parameters: {cameras: [front]}}', '', ['']),
        ('/*/perception: {ros__parameters: {cameras: [front]}}', '/a/b', ['']),
        ('/*: {ros__parameters: {cameras: [front]}}', '', ['front']),
        ('/*: {ros__parameters: {cameras: [front]}}', '/robot', ['']),
        ('/**/perception: {ros__parameters: {cameras: [front]}}', '', ['front']),
        ('/**/perception: {ros__parameters: {cameras: [front]}}', '/a/b', ['front']),
        ('/a/**/perception: {ros__parameters: {cameras: [front]}}', '/a', ['front']),
        ('/a/**/perception: {ros__parameters: {cameras: [front]}}', '/b', ['']),
        ('/a/**: {ros__parameters: {cameras: [front]}}', '/a/b', ['front']),
        ('robot: {perception: {ros__parameters: {cameras: [front]}}}', '/robot', ['front']),
        ('robot: {perception: {ros__parameters: {cameras: [front]}}}', '', ['']),
        ('/a: {b: {perception: {ros__parameters: {cameras: [front]}}}}', '/a/b', ['front']),
        ('/**: {perception: {ros__parameters: {cameras: [front]}}}', '/a/b', ['front']),
        ('/other: {ros__parameters: {cameras: [front]}}', '', ['']),
        ('/**/other: {ros__parameters: {cameras: [front]}}', '/robot', ['']),
        ('robot: {other: {ros__parameters: {cameras: [front]}}}', '/robot', ['']),
        ('/**: {ros__parameters: {perception: {cameras: [front]}}}', '/robot', ['']),
        (
            '/**: {ros__parameters: {cameras: [left]}}\n'
            '/perception: {ros__parameters: {cameras: [front]}}',
            '',
            ['front'],
        ),
        (
            '/perception: {ros__parameters: {cameras: [front]}}\n'
            '/**: {ros__parameters: {cameras: [left]}}',
            '',
            ['left'],
        ),
    ],
)
def test_cameras_are_found_in_a_parameters_file(
    tmp_path: Path, text: str, namespace: str, expected: list[str]
) -> None:
    """As rclpy finds them, by the launch file's own functions."""
    file = tmp_path / 'mine.yaml'
    file.write_text(text)
    assert finders()['_cameras_in'](file, f'{namespace}/perception') == expected


@pytest.mark.parametrize(
    ('pushed', 'namespace', 'expected'),
    [
        ('', '', 'perception'),
        ('', 'a', 'a/perception'),
        ('', '/a/', 'a/perception'),
        ('/robot', '', 'robot/perception'),
        ('/robot', 'a', 'robot/a/perception'),
        ('/robot', '/a', 'a/perception'),
    ],
)
def test_a_namespace_that_an_enclosing_launch_file_pushed_counts(
    pushed: str, namespace: str, expected: str
) -> None:
    assert finders()['_full_name'](pushed, namespace) == expected


def test_the_demo_plays_what_kitti_to_bag_writes() -> None:
    assert ast.literal_eval(value_of('kitti_demo', '_CAMERA')) == f'/kitti/{CAMERA_FRAMES[LEFT]}'


class TestWithLaunch:
    """By the launch system itself, which comes with every ROS installation but not from PyPI."""

    @pytest.fixture(autouse=True)
    def launch(self) -> None:
        # `launch` alone is also the folder of this project
        pytest.importorskip('launch_ros.actions', reason='launch_ros is not installed')

    @launch_files
    def test_arguments_can_be_shown(self, name: str) -> None:
        described = {
            one.name: one.description
            for one in self.describe(name).entities
            if type(one).__name__ == 'DeclareLaunchArgument'
        }
        assert described.keys() == ARGUMENTS[name]
        assert all(described.values())

    def test_nothing_but_what_is_given_overrides_the_file(self, tmp_path: Path) -> None:
        file = tmp_path / 'mine.yaml'
        file.write_text('/**: {ros__parameters: {device: cpu}}')
        assert self.parameters_of(params_file=str(file)) == [str(file), '/perception', {}]
        given = {'weights': 'mine', 'use_sim_time': 'True'}
        # the full name takes precedence over any in the file
        assert self.parameters_of(params_file=str(file), namespace='front', **given) == [
            *(str(file), '/front/perception', {'weights': 'mine', 'use_sim_time': True}),
        ]

    def test_a_missing_parameters_file_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r'absent\.yaml does not exist; give a YAML'):
            self.start('perception', params_file=str(tmp_path / 'absent.yaml'))

    def test_topics_of_the_camera_are_remapped_for_node_and_rviz(self) -> None:
        params_file = str(CONFIG / 'perception.yaml')
        context, nodes = self.start(
            'perception', params_file=params_file, image='/a/image_raw', camera_info='/a/info'
        )
        for node in nodes:
            node._perform_substitutions(context)
            assert dict(node.expanded_remapping_rules) == {
                'image': '/a/image_raw',
                'image/compressed': '/a/image_raw/compressed',
                'camera_info': '/a/info',
                'lidar': 'lidar',
            }

    @pytest.mark.parametrize(('given', 'words'), [('', []), ('base_link', ['-f', 'base_link'])])
    def test_the_fixed_frame_of_rviz_can_be_given(self, given: str, words: list[str]) -> None:
        params_file = str(CONFIG / 'perception.yaml')
        _, [_, rviz] = self.start('perception', params_file=params_file, fixed_frame=given)
        own = [''.join(getattr(part, 'text', '') for part in word) for word in rviz.cmd]
        assert own[1] == '-d'
        assert own[3 : own.index('--ros-args')] == words

    def test_topics_of_several_cameras_stand_below_their_names(self) -> None:
        params_file = str(CONFIG / 'perception.yaml')
        context, [node, _] = self.start(
            'perception', params_file=params_file, cameras='[front, left]', image='image_raw'
        )
        node._perform_substitutions(context)
        words = [getattr(part, 'text', '') for word in node.cmd for part in word]
        own = [words[i + 1] for i, word in enumerate(words) if word == '--params-file'][1]
        # launch_ros writes a tuple, whose tag is nothing to the node
        (group,) = yaml.full_load(Path(own).read_text()).values()
        parameters = {name: list(value) for name, value in group['ros__parameters'].items()}
        assert parameters == {'cameras': ['front', 'left']}
        rules = dict(node.expanded_remapping_rules)
        assert rules['front/image'] == 'front/image_raw'
        assert rules['left/image/compressed'] == 'left/image_raw/compressed'
        assert rules['left/camera_info'] == 'left/camera_info'

    def test_cameras_of_the_file_are_remapped_but_not_overridden(self, tmp_path: Path) -> None:
        file = tmp_path / 'mine.yaml'
        file.write_text('/front/perception: {ros__parameters: {cameras: [left, right]}}')
        given = {'params_file': str(file), 'namespace': 'front'}
        assert self.parameters_of(**given)[-1] == {}
        context, [node, _] = self.start('perception', image='image_raw', **given)
        node._perform_substitutions(context)
        rules = dict(node.expanded_remapping_rules)
        assert rules['left/image'] == 'left/image_raw'
        assert rules['right/image/compressed'] == 'right/image_raw/compressed'
        assert 'image' not in rules

    def test_the_player_waits_for_the_node(self, tmp_path: Path) -> None:
        context, [player] = self.start('kitti_demo', bag=str(tmp_path), rate='2', loop='false')
        words = [''.join(part.perform(context) for part in word) for word in player.cmd[1:]]
        assert words[:4] == [str(tmp_path), '--clock', '--rate', '2']
        assert '--loop' not in words
        waits_for = words[words.index('--wait-for-subscribers') + 1]
        assert waits_for == '/kitti/camera_color_left/camera_info'

    def test_a_missing_bag_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match='absent does not exist; give the folder'):
            self.start('kitti_demo', bag=str(tmp_path / 'absent'))

    def describe(self, name: str) -> Any:
        from launch.launch_description_sources import (
            get_launch_description_from_python_launch_file as describe,
        )

        return describe(str(LAUNCH / f'{name}.launch.py'))

    def start(self, name: str, **arguments: str) -> tuple[Any, list[Any]]:
        """Give the context and the nodes that a launch file would start of itself."""
        from launch import LaunchContext

        context, nodes = LaunchContext(), []
        context.launch_configurations.update(arguments)
        for entity in self.describe(name).entities:
            if type(entity).__name__ in ('DeclareLaunchArgument', 'OpaqueFunction'):
                nodes += entity.execute(context) or []
        return context, nodes

    def parameters_of(self, **arguments: str) -> list[object]:
        """Give the user's file, and for which node launch writes which parameters itself."""
        context, [node, _] = self.start('perception', **arguments)
        node._perform_substitutions(context)
        words = [getattr(part, 'text', '') for word in node.cmd for part in word]
        first, own = (words[i + 1] for i, word in enumerate(words) if word == '--params-file')
        [(name, group)] = yaml.safe_load(Path(own).read_text()).items()
        return [first, name, group['ros__parameters']]
