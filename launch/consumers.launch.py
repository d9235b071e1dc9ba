"""Start a consumer of the node's topics with its remappings and its file in config/consumers.

Nav2's layers are no processes of their own: merge their files into the costmap's parameters.
"""

from typing import NamedTuple

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import EnvironmentVariable, LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

_SHARE = FindPackageShare('mtl_perception')
# stands for what the argument `image` says
_CAMERA = '<image>'


class Consumer(NamedTuple):
    """A program, and which of our topics each of its own is."""

    package: str
    executable: str
    topics: dict[str, str]


CONSUMERS = {
    'depth_image_proc': Consumer(
        'depth_image_proc',
        'point_cloud_xyz_node',
        {
            'image_rect': 'depth/image',
            'camera_info': 'depth/camera_info',
            'points': 'depth/points',
        },
    ),
    'depthimage_to_laserscan': Consumer(
        'depthimage_to_laserscan',
        'depthimage_to_laserscan_node',
        {'depth': 'depth/image', 'depth_camera_info': 'depth/camera_info'},
    ),
    'rtabmap': Consumer(
        'rtabmap_sync',
        'rgbd_sync',
        {
            'rgb/image': _CAMERA,
            'depth/image': 'depth/image',
            'rgb/camera_info': 'depth/camera_info',
        },
    ),
    'nvblox': Consumer(
        'nvblox_ros',
        'nvblox_node',
        {
            'camera_0/depth/image': 'depth/image',
            'camera_0/depth/camera_info': 'depth/camera_info',
            'camera_0/color/image': 'segmentation/color',
            'camera_0/color/camera_info': 'segmentation/camera_info',
        },
    ),
    'octomap': Consumer('octomap_server', 'octomap_server_node', {'cloud_in': 'points/obstacles'}),
}


def generate_launch_description() -> LaunchDescription:
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                'consumer', description='which to start', choices=sorted(CONSUMERS)
            ),
            DeclareLaunchArgument(
                'namespace', default_value='', description='of the node whose topics it takes'
            ),
            DeclareLaunchArgument(
                'image', default_value='image', description='topic of the camera, for rtabmap'
            ),
            DeclareLaunchArgument(
                'params_file',
                default_value=[
                    PathJoinSubstitution([_SHARE, 'config', 'consumers', '']),
                    LaunchConfiguration('consumer'),
                    '.yaml',
                ],
                description='YAML file with its parameters',
            ),
            OpaqueFunction(function=_start),
        ]
    )


def _start(context: LaunchContext) -> list[Node]:
    consumer = CONSUMERS[LaunchConfiguration('consumer').perform(context)]
    image = LaunchConfiguration('image').perform(context)
    remappings = [
        (theirs, image if ours == _CAMERA else ours) for theirs, ours in consumer.topics.items()
    ]
    return [
        Node(
            package=consumer.package,
            executable=consumer.executable,
            namespace=LaunchConfiguration('namespace'),
            parameters=[LaunchConfiguration('params_file')],
            remappings=remappings,
            # it takes megabytes, and the profile makes room for them on both sides
            additional_env={
                'FASTRTPS_DEFAULT_PROFILES_FILE': EnvironmentVariable(
                    'FASTRTPS_DEFAULT_PROFILES_FILE',
                    default_value=PathJoinSubstitution([_SHARE, 'config', 'fastdds_images.xml']),
                )
            },
            output='screen',
        )
    ]
