"""Messages to write into bags, of ROS 2 Jazzy's types, without ROS."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import LabelSpace
from mtl_perception.messages import CloudFields, ImageFields

from .bags import TYPES


def new_message(message_type: str, **fields: Any) -> Any:
    """Make a message of a type like `sensor_msgs/msg/Image`; every field must be given."""
    return TYPES.types[message_type](**fields)


def new_header(stamp_ns: int, frame_id: str) -> Any:
    """Make a std_msgs/Header; the stamp is in nanoseconds since 1970."""
    sec, nanosec = divmod(stamp_ns, 10**9)
    stamp = new_message('builtin_interfaces/msg/Time', sec=sec, nanosec=nanosec)
    return new_message('std_msgs/msg/Header', stamp=stamp, frame_id=frame_id)


def field_message(header: Any, fields: ImageFields | CloudFields) -> Any:
    """Make a sensor_msgs/Image or PointCloud2 of its fields."""
    if isinstance(fields, ImageFields):
        return new_message('sensor_msgs/msg/Image', header=header, **vars(fields))
    points = [new_message('sensor_msgs/msg/PointField', **vars(f)) for f in fields.fields]
    return new_message(
        'sensor_msgs/msg/PointCloud2', header=header, **(vars(fields) | {'fields': points})
    )


def transform_message(header: Any, child_frame: str, pose: NDArray[np.floating[Any]]) -> Any:
    """Make a geometry_msgs/TransformStamped of the child's pose (4, 4) in the header's frame."""
    turn, _ = cv2.Rodrigues(pose[:3, :3])
    angle = float(np.linalg.norm(turn))
    # of the quaternion: axis x sin(angle / 2), without a division by an angle of zero
    x, y, z = (turn.ravel() * np.sinc(angle / 2 / np.pi) / 2).tolist()
    quaternion = {'x': x, 'y': y, 'z': z, 'w': float(np.cos(angle / 2))}
    shift_m = dict(zip('xyz', pose[:3, 3].tolist(), strict=True))
    return new_message(
        'geometry_msgs/msg/TransformStamped',
        header=header,
        child_frame_id=child_frame,
        transform=new_message(
            'geometry_msgs/msg/Transform',
            translation=new_message('geometry_msgs/msg/Vector3', **shift_m),
            rotation=new_message('geometry_msgs/msg/Quaternion', **quaternion),
        ),
    )


def label_info(space: LabelSpace, threshold: float = 0.0) -> Any:
    """Make a vision_msgs/LabelInfo of the names of classes and the least confidence of labels."""
    classes = [
        new_message('vision_msgs/msg/VisionClass', class_id=class_id, class_name=name)
        for class_id, name in enumerate(space.names)
    ]
    return new_message(
        'vision_msgs/msg/LabelInfo',
        header=new_header(0, ''),
        class_map=classes,
        threshold=threshold,
    )
