"""Fields of sensor_msgs messages from and to arrays; imports no ROS, serves rclpy and rosbags."""

from mtl_perception.messages.clouds import CloudFields, encode_cloud, PointFieldSpec
from mtl_perception.messages.compressed import decode_compressed, decode_message
from mtl_perception.messages.images import (
    Buffer,
    byte_array,
    decode_image,
    depth_to_millimetres,
    encode_image,
    ENCODINGS,
    ImageFields,
    MAX_SIDE_PX,
)
from mtl_perception.messages.point_clouds import decode_colours, decode_points
from mtl_perception.messages.stamps import nanoseconds

__all__ = [
    'ENCODINGS',
    'MAX_SIDE_PX',
    'Buffer',
    'CloudFields',
    'ImageFields',
    'PointFieldSpec',
    'byte_array',
    'decode_colours',
    'decode_compressed',
    'decode_image',
    'decode_message',
    'decode_points',
    'depth_to_millimetres',
    'encode_cloud',
    'encode_image',
    'nanoseconds',
]
