"""The publishers of one camera, and arrays into messages."""

from array import array
from collections.abc import Collection, Mapping
import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField
from std_msgs.msg import Header

from mtl_perception.label_space import LabelSpace
from mtl_perception.messages import byte_array, CloudFields, ImageFields
from mtl_perception.products import CAMERA_INFOS, CLOUDS, LABEL_INFO, LABELS, topics_of

try:
    import vision_msgs.msg as vision_msgs
except ImportError:  # not in every ROS installation; all but label_info works without it
    vision_msgs = None

_DEPTH_OF_QUEUE = 5
_OVERRIDABLE = (
    *(QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH),
    *(QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY),
)


class Outputs:
    """What one camera publishes: the topics that a model with these tasks can fill."""

    def __init__(self, node: Node, tasks: Collection[str], prefix: str = '') -> None:
        """Create the publishers; prefix, as `front/`, stands before each topic.

        Raises what rclpy does if QoS overrides are wrong; then there is no publisher.
        """
        self._node = node
        self._published_threshold: float | None = None
        qos = QoSProfile(depth=_DEPTH_OF_QUEUE, reliability=ReliabilityPolicy.RELIABLE)
        topics = topics_of(tasks)
        types = {topic: PointCloud2 if topic in CLOUDS else Image for topic in topics}
        types |= {info: CameraInfo for topic, info in CAMERA_INFOS.items() if topic in topics}
        self._publishers: dict[str, Publisher] = {}
        self._buffers: dict[str, array[int]] = {}
        self._label_info: Publisher | None = None
        try:
            for topic, kind in types.items():
                self._publishers[topic] = _create_publisher(node, kind, prefix + topic, qos)
            if LABELS in topics:
                self._label_info = self._create_label_info(prefix)
        except Exception:
            self.destroy()
            raise

    def wanted(self) -> set[str]:
        """Tell the topics that somebody subscribes to, label_info apart."""
        return {
            topic
            for topic, publisher in self._publishers.items()
            if publisher.get_subscription_count()
        }

    def publish(self, header: Header, products: Mapping[str, ImageFields | CloudFields]) -> None:
        """Publish the products of a frame, by topic, under its header.

        Called by one thread at a time: publishing copies, so messages share memory with the next.
        """
        for topic, fields in products.items():
            data = self._buffers[topic] = _filled(self._buffers.get(topic), fields.data)
            self._publishers[topic].publish(_message(header, fields, data))

    def publish_camera_infos(
        self, header: Header, info: CameraInfo, wanted: Collection[str]
    ) -> None:
        """Publish the info of labels and depth under a frame's header where it is wanted."""
        for topic in CAMERA_INFOS.values():
            if topic in wanted:
                stamped = copy.copy(info)
                stamped.header = header
                self._publishers[topic].publish(stamped)

    def publish_label_info(self, space: LabelSpace, threshold: float) -> None:
        """Publish names and ids of the classes, if they are not yet or the threshold changed."""
        if self._label_info is not None and threshold != self._published_threshold:
            self._label_info.publish(_label_info(space, threshold))
            self._published_threshold = threshold

    def destroy(self) -> None:
        """Destroy the publishers."""
        publishers = [*self._publishers.values(), self._label_info]
        for publisher in filter(None, publishers):
            self._node.destroy_publisher(publisher)
        self._publishers.clear()
        self._buffers.clear()
        self._label_info = None

    def _create_label_info(self, prefix: str) -> Publisher | None:
        topic = prefix + LABEL_INFO
        if vision_msgs is None:
            self._node.get_logger().info(
                f'{topic} is not published: the package vision_msgs is not installed', once=True
            )
            return None
        qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        return _create_publisher(self._node, vision_msgs.LabelInfo, topic, qos)


def _create_publisher(node: Node, kind: type, topic: str, qos: QoSProfile) -> Publisher:
    # overrides are written into the profile, so every publisher takes its own
    overrides = QoSOverridingOptions(_OVERRIDABLE)
    return node.create_publisher(kind, topic, copy.copy(qos), qos_overriding_options=overrides)


def _filled(buffer: 'array[int] | None', data: NDArray[np.uint8]) -> 'array[int]':
    """Copy bytes to the memory of the last message if they fit, else to fresh memory."""
    if buffer is None or len(buffer) != data.size:
        return byte_array(data)
    np.frombuffer(buffer, np.uint8)[:] = data
    return buffer


def _message(
    header: Header, fields: ImageFields | CloudFields, data: 'array[int]'
) -> Image | PointCloud2:
    """Make an Image or a PointCloud2."""
    if isinstance(fields, ImageFields):
        return Image(
            header=header,
            height=fields.height,
            width=fields.width,
            encoding=fields.encoding,
            is_bigendian=fields.is_bigendian,
            step=fields.step,
            data=data,
        )
    return PointCloud2(
        header=header,
        height=fields.height,
        width=fields.width,
        fields=[
            PointField(name=one.name, offset=one.offset, datatype=one.datatype, count=one.count)
            for one in fields.fields
        ],
        is_bigendian=fields.is_bigendian,
        point_step=fields.point_step,
        row_step=fields.row_step,
        is_dense=fields.is_dense,
        data=data,
    )


def _label_info(space: LabelSpace, threshold: float) -> Any:
    classes = [
        vision_msgs.VisionClass(class_id=class_id, class_name=name)
        for class_id, name in enumerate(space.names)
    ]
    return vision_msgs.LabelInfo(class_map=classes, threshold=float(threshold))
