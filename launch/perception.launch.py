"""Start the perception node, and RViz if asked for."""

from collections.abc import Iterator
from pathlib import Path
import re
from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.conditions import IfCondition
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare
import yaml

_SHARE = FindPackageShare('mtl_perception')
_AS_IN_FILE = 'default: as in params_file'
# arguments that are parameters of the node, and of what type
_PARAMETERS = {
    'image_transport': str,
    'weights': str,
    'device': str,
    'backend': str,
    'use_sim_time': bool,
}
# pictures and clouds are megabytes: through shared memory, and without asking the kernel for
# fresh pages each time; a profile that the user has chosen stays
_ENVIRONMENT = {
    'FASTRTPS_DEFAULT_PROFILES_FILE': EnvironmentVariable(
        'FASTRTPS_DEFAULT_PROFILES_FILE',
        default_value=PathJoinSubstitution([_SHARE, 'config', 'fastdds_images.xml']),
    ),
    'MALLOC_MMAP_THRESHOLD_': '67108864',
    'MALLOC_TRIM_THRESHOLD_': '268435456',
}


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'params_file',
                default_value=PathJoinSubstitution([_SHARE, 'config', 'perception.yaml']),
                description='YAML file with the parameters of the node',
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='of the node and of all its topics'
            ),
            DeclareLaunchArgument(
                'image',
                default_value='image',
                description='topic of the pictures; <image>/compressed if compressed',
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value='camera_info',
                description='topic of the calibration of the camera',
            ),
            DeclareLaunchArgument(
                'lidar',
                default_value='lidar',
                description='topic of the lidar, if the parameter lidar.check is set',
            ),
            DeclareLaunchArgument(
                'cameras',
                default_value='',
                description='names of several cameras, as [front, left]; image, camera_info and '
                f'lidar then stand below each, unless they begin with /; {_AS_IN_FILE}',
            ),
            DeclareLaunchArgument(
                'image_transport',
                default_value='',
                description=f'raw or compressed; {_AS_IN_FILE}',
            ),
            DeclareLaunchArgument(
                'weights',
                default_value='',
                description=f'name of a model, or path of a .safetensors; {_AS_IN_FILE}',
            ),
            DeclareLaunchArgument(
                'device', default_value='', description=f'auto, cpu or cuda:N; {_AS_IN_FILE}'
            ),
            DeclareLaunchArgument(
                'backend', default_value='', description=f'auto or a runtime; {_AS_IN_FILE}'
            ),
            DeclareLaunchArgument(
                'use_sim_time',
                default_value='',
                description=f'true: take the time from /clock; {_AS_IN_FILE}',
            ),
            DeclareLaunchArgument(
                'log_level',
                default_value='info',
                description='debug, info, warn, error or fatal; or LOGGER:=LEVEL for one logger',
            ),
            DeclareLaunchArgument(
                'rviz',
                default_value='false',
                description='true: show in RViz; with several cameras set the topics there',
            ),
            DeclareLaunchArgument(
                'fixed_frame',
                default_value='',
                description='what RViz shows all in: the frame of the pictures, or one that tf '
                "connects with it; default: as in perception.rviz, that of KITTI's camera",
            ),
            OpaqueFunction(function=_start),
        ]
    )


def _start(context: LaunchContext) -> list[Node]:
    """Make the nodes, with only those parameters overridden that the user gave."""
    params_file = Path(LaunchConfiguration('params_file').perform(context))
    if not params_file.is_file():
        # launch would go on without it
        raise FileNotFoundError(f'params_file {params_file} does not exist; give a YAML file')
    given = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in _PARAMETERS.items()
        if LaunchConfiguration(name).perform(context)
    }
    cameras = yaml.safe_load(LaunchConfiguration('cameras').perform(context))
    if cameras:
        given['cameras'] = cameras
    else:
        # an enclosing launch file may have pushed one
        pushed = context.launch_configurations.get('ros_namespace', '')
        namespace = LaunchConfiguration('namespace').perform(context)
        cameras = _cameras_in(params_file, _full_name(pushed, namespace))
    names = {
        'namespace': LaunchConfiguration('namespace'),
        'remappings': [rule for camera in cameras for rule in _remappings(context, camera)],
        'additional_env': _ENVIRONMENT,
    }
    fixed_frame = LaunchConfiguration('fixed_frame').perform(context)
    node = Node(
        package='mtl_perception',
        executable='perception_node',
        name='perception',
        parameters=[str(params_file), given],
        ros_arguments=['--log-level', LaunchConfiguration('log_level')],
        output='screen',
        emulate_tty=True,
        # the frame in work is finished and the model freed, on a small machine in seconds
        sigterm_timeout='15',
        **names,
    )
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        name='rviz',
        # its topics are relative: the namespace and the remappings hold for it as well
        arguments=[
            *('-d', PathJoinSubstitution([_SHARE, 'config', 'perception.rviz'])),
            *(('-f', fixed_frame) if fixed_frame else ()),
        ],
        parameters=[{name: given[name] for name in given if name == 'use_sim_time'}],
        condition=IfCondition(LaunchConfiguration('rviz')),
        **names,
    )
    return [node, rviz]


def _full_name(pushed: str, namespace: str) -> str:
    """Give the node's name with its namespace, which stands below the one pushed if relative."""
    above = '' if namespace.startswith('/') else pushed
    parts = (part.strip('/') for part in (above, namespace, 'perception'))
    return '/'.join(part for part in parts if part)


def _cameras_in(params_file: Path, node: str) -> list[str]:
    """Give the cameras that a file has for a node: by its full name, /** or the like, the last."""
    cameras = None
    for name, parameters in _parameters_in(yaml.safe_load(params_file.read_text())):
        if _stands_for(name, node):
            cameras = parameters.get('cameras', cameras)
    return cameras or ['']


def _parameters_in(tree: Any, name: str = '') -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk a parameters file: the nodes' full names, namespaces may nest, and parameters."""
    # what is no mapping the node refuses in words
    for key, below in tree.items() if isinstance(tree, dict) else ():
        if key != 'ros__parameters':
            yield from _parameters_in(below, f'{name}/{key}')
        elif isinstance(below, dict):
            yield name, below


def _stands_for(name: str, node: str) -> bool:
    """Whether a name in a file is that of a node: * is one token of it, ** none or more."""
    wildcards = {'*': '/[^/]+', '**': '(/[^/]+)*'}
    tokens = [token for token in name.split('/') if token]
    pattern = ''.join(wildcards.get(token, f'/{re.escape(token)}') for token in tokens)
    return bool(re.fullmatch(pattern, f'/{node.strip("/")}'))


def _remappings(context: LaunchContext, camera: str) -> list[tuple[str, str]]:
    """Remap the topics of a camera to those that the user gave, below its name if relative."""
    prefix = f'{camera}/' if camera else ''
    given = {
        name: LaunchConfiguration(name).perform(context)
        for name in ('image', 'camera_info', 'lidar')
    }
    given['image/compressed'] = f'{given["image"]}/compressed'
    return [
        (prefix + name, topic if topic.startswith('/') else prefix + topic)
        for name, topic in given.items()
    ]
