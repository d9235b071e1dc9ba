from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_client import Client, ros_environment
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from mtl_perception.label_space import label_space
from mtl_perception.messages import encode_cloud, encode_image
from mtl_perception.products import topics_of
from mtl_perception.ros import outputs as module
from mtl_perception.ros.outputs import Outputs


@dataclass
class FakePublisher:
    kind: type
    topic: str
    qos: QoSProfile
    subscribers: int = 0
    published: list[Any] = field(default_factory=list)

    def get_subscription_count(self) -> int:
        return self.subscribers

    def publish(self, message: Any) -> None:
        assert isinstance(message, self.kind)
        self.published.append(message)


class FakeNode:
    """Stands for rclpy's node, which does not know vision_msgs here."""

    def __init__(self) -> None:
        self.publishers: dict[str, FakePublisher] = {}
        self.said: list[str] = []
        self.refused = ''

    def create_publisher(
        self, kind: type, topic: str, qos: QoSProfile, qos_overriding_options: object
    ) -> FakePublisher:
        assert qos_overriding_options is not None
        if topic == self.refused:
            raise RuntimeError('Unexpected QoS override')
        self.publishers[topic] = FakePublisher(kind, topic, qos)
        return self.publishers[topic]

    def destroy_publisher(self, publisher: FakePublisher) -> None:
        del self.publishers[publisher.topic]

    def get_logger(self) -> SimpleNamespace:
        return SimpleNamespace(info=lambda message, once: self.said.append(message))


@dataclass
class VisionClass:
    class_id: int
    class_name: str


@dataclass
class LabelInfo:
    class_map: list[VisionClass]
    threshold: float


@pytest.fixture
def with_vision_msgs(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = SimpleNamespace(LabelInfo=LabelInfo, VisionClass=VisionClass)
    monkeypatch.setattr(module, 'vision_msgs', fake)


@pytest.fixture
def without_vision_msgs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, 'vision_msgs', None)


@pytest.mark.usefixtures('without_vision_msgs')
@pytest.mark.parametrize(
    ('tasks', 'infos'),
    [
        (['segmentation'], {'segmentation/camera_info'}),
        (['depth', 'normals'], {'depth/camera_info'}),
        (['normals'], set()),
        (
            ['segmentation', 'depth', 'normals'],
            {'segmentation/camera_info', 'depth/camera_info'},
        ),
    ],
)
def test_the_topics_are_those_that_the_model_can_fill(tasks: list[str], infos: set[str]) -> None:
    node = FakeNode()
    Outputs(node, tasks, 'front/')
    assert set(node.publishers) == {f'front/{topic}' for topic in {*topics_of(tasks), *infos}}
    for publisher in node.publishers.values():
        assert publisher.qos.reliability == ReliabilityPolicy.RELIABLE


@pytest.mark.usefixtures('without_vision_msgs')
def test_the_lack_of_vision_msgs_is_said() -> None:
    node = FakeNode()
    outputs = Outputs(node, ['segmentation'])
    assert node.said == [
        'segmentation/label_info is not published: the package vision_msgs is not installed'
    ]
    outputs.publish_label_info(label_space('road8'), 0.0)


@pytest.mark.usefixtures('with_vision_msgs')
def test_label_info_is_latched_and_follows_the_threshold() -> None:
    node = FakeNode()
    outputs = Outputs(node, ['segmentation'])
    publisher = node.publishers['segmentation/label_info']
    assert publisher.qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert (publisher.qos.depth, publisher.qos.reliability) == (1, ReliabilityPolicy.RELIABLE)
    for threshold in (0.0, 0.0, 0.5):
        outputs.publish_label_info(label_space('road8'), threshold)
    assert [info.threshold for info in publisher.published] == [0.0, 0.5]
    classes = {one.class_id: one.class_name for one in publisher.published[0].class_map}
    assert classes == dict(enumerate(label_space('road8').names))


@pytest.mark.usefixtures('with_vision_msgs')
def test_wanted_is_what_somebody_subscribes_to_and_label_info_needs_no_frame() -> None:
    node = FakeNode()
    outputs = Outputs(node, ['segmentation', 'depth'])
    assert outputs.wanted() == set()
    for topic in ('points', 'depth/camera_info', 'segmentation/label_info'):
        node.publishers[topic].subscribers = 1
    assert outputs.wanted() == {'points', 'depth/camera_info'}


@pytest.mark.usefixtures('with_vision_msgs')
def test_destroy_leaves_no_publisher() -> None:
    node = FakeNode()
    outputs = Outputs(node, ['segmentation', 'depth', 'normals'])
    outputs.destroy()
    assert node.publishers == {}
    assert outputs.wanted() == set()


def test_a_wrong_override_leaves_no_publisher() -> None:
    node = FakeNode()
    node.refused = 'depth/camera_info'
    with pytest.raises(RuntimeError, match='Unexpected QoS override'):
        Outputs(node, ['segmentation', 'depth'])
    assert node.publishers == {}


@pytest.mark.usefixtures('without_vision_msgs')
def test_qos_can_be_overridden(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    for name, value in ros_environment(tmp_path_factory.mktemp('log')).items():
        monkeypatch.setenv(name, value)
    client = Client()
    try:
        for policy, value in (('durability', 'transient_local'), ('reliability', 'best_effort')):
            name = f'qos_overrides./segmentation/labels.publisher.{policy}'
            client.node._parameter_overrides[name] = Parameter(name, value=value)
        outputs = Outputs(client.node, ['segmentation'])
        labels, colours = (
            outputs._publishers[f'segmentation/{name}'].qos_profile for name in ('labels', 'color')
        )
        assert labels.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert labels.reliability == ReliabilityPolicy.BEST_EFFORT
        assert colours.durability == DurabilityPolicy.VOLATILE
        client.execute(outputs.destroy)
    finally:
        client.close()


def test_messages_have_the_fields_and_the_header() -> None:
    node = FakeNode()
    outputs = Outputs(node, ['segmentation', 'depth'])
    header = Header(frame_id='optical')
    labels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    points = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    cloud = encode_cloud(points, np.zeros((2, 3, 3), np.uint8), labels, labels)
    outputs.publish(
        header, {'segmentation/labels': encode_image(labels, 'mono8'), 'points': cloud}
    )
    (image,) = node.publishers['segmentation/labels'].published
    assert isinstance(image, Image)
    assert (image.header, image.height, image.width, image.step) == (header, 2, 3, 3)
    assert (image.encoding, bytes(image.data)) == ('mono8', bytes(range(6)))
    (message,) = node.publishers['points'].published
    assert isinstance(message, PointCloud2)
    assert (message.header, message.row_step) == (header, 3 * message.point_step)
    offsets = {one.name: one.offset for one in message.fields}
    z = np.frombuffer(bytes(message.data), np.float32).reshape(2, 3, -1)[..., offsets['z'] // 4]
    np.testing.assert_array_equal(z, points[..., 2])


def test_camera_infos_take_the_header_of_the_frame_where_they_are_wanted() -> None:
    node = FakeNode()
    outputs = Outputs(node, ['segmentation', 'depth'])
    info = CameraInfo(header=Header(frame_id='its own'), width=3, height=2)
    outputs.publish_camera_infos(Header(frame_id='frame'), info, {'depth/camera_info', 'points'})
    (published,) = node.publishers['depth/camera_info'].published
    assert (published.header.frame_id, published.width) == ('frame', 3)
    assert info.header.frame_id == 'its own'
    assert node.publishers['segmentation/camera_info'].published == []
