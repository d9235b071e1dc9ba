"""Play a bag of a KITTI drive, serve it, and show it in RViz.

The arguments of perception.launch.py (weights, device, ...) can be given here as well.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.conditions import IfCondition
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

_SHARE = FindPackageShare('mtl_perception')
_CAMERA = '/kitti/camera_color_left'
# loading and compiling a model takes its time on a small machine
_WAIT_FOR_NODE_S = '120'
# as in perception.launch.py: what counts for large messages is the publisher's profile
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
                'bag',
                description='folder of a rosbag2 as `mtl_perception kitti-to-bag` writes it',
            ),
            DeclareLaunchArgument('rate', default_value='1.0', description='speed of playing'),
            DeclareLaunchArgument(
                'loop', default_value='true', description='true: play over and over'
            ),
            DeclareLaunchArgument(
                'image',
                default_value=f'{_CAMERA}/image_raw',
                description='topic of the pictures in the bag, without /compressed',
            ),
            DeclareLaunchArgument(
                'camera_info',
                default_value=f'{_CAMERA}/camera_info',
                description='topic of the calibration in the bag',
            ),
            DeclareLaunchArgument('rviz', default_value='true', description='true: show in RViz'),
            OpaqueFunction(function=_play),
            IncludeLaunchDescription(
                PathJoinSubstitution([_SHARE, 'launch', 'perception.launch.py']),
                launch_arguments={
                    'use_sim_time': 'true',
                    'image': LaunchConfiguration('image'),
                    'camera_info': LaunchConfiguration('camera_info'),
                    'rviz': LaunchConfiguration('rviz'),
                }.items(),
            ),
        ]
    )


def _play(context: LaunchContext) -> list[Node]:
    bag = Path(LaunchConfiguration('bag').perform(context))
    if not bag.exists():
        raise FileNotFoundError(f'bag {bag} does not exist; give the folder of a rosbag2')
    loop = ['--loop'] if IfCondition(LaunchConfiguration('loop')).evaluate(context) else []
    player = Node(
        package='mtl_perception',
        executable='bag_player',
        arguments=[
            str(bag),
            *('--clock', '--rate', LaunchConfiguration('rate'), *loop),
            # RViz takes pictures from the start, camera_info only the active node
            *('--wait-for-subscribers', LaunchConfiguration('camera_info')),
            *('--wait-timeout', _WAIT_FOR_NODE_S),
        ],
        additional_env=_ENVIRONMENT,
        output='screen',
        emulate_tty=True,
        on_exit=_stop_unless_played,
    )
    return [player]


def _stop_unless_played(event: ProcessExited, _: LaunchContext) -> list[EmitEvent]:
    """Do not leave the user before an empty screen; what was played to its end stays there."""
    return [EmitEvent(event=Shutdown(reason='nothing was played'))] if event.returncode else []
