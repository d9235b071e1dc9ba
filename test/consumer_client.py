"""A camera and a consumer of the node's topics, with the consumer's own quality of service."""

from array import array
from typing import Any

from made_weights import make_picture
import numpy as np
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from ros_client import Client
from sensor_msgs.msg import CameraInfo, Image

WIDTH, HEIGHT = 160, 96
FRAME = 'camera_optical'
F_PX = 120.0
# what subscribers ask for: rmw's sensor data, its default, and latched topics
SENSOR_DATA = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(
    depth=5,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class ConsumerClient(Client):
    """Sends one picture again and again until all outputs have come under one stamp."""

    def __init__(self) -> None:
        super().__init__()
        self._images = self.node.create_publisher(Image, 'image', RELIABLE)
        self._infos = self.node.create_publisher(CameraInfo, 'camera_info', RELIABLE)
        self._second = 0

    def listen(self, kind: type, topic: str, qos: QoSProfile) -> None:
        """Subscribe with a consumer's QoS; what comes is kept under (topic, reliable)."""
        key = key_of(topic, qos)
        self.received[key] = []

        def receive(message: Any) -> None:
            with self.changed:
                self.received[key].append(message)
                self.changed.notify_all()

        self.node.create_subscription(kind, topic, receive, qos)

    def answer(self, keys: list[str]) -> dict[str, Any]:
        """Give the outputs of one frame, all of them; the frame itself under `image`."""
        self.wait_for('the node', self._images.get_subscription_count)
        found: dict[str, Any] = {}

        def complete() -> bool:
            for message in self.received[keys[0]]:
                frame = {key: self._of_stamp(key, message.header.stamp) for key in keys}
                if all(frame.values()):
                    found.update(frame)
            return bool(found)

        self.repeat_until(f'one frame on {keys}', self.send, complete)
        return found | {'image': picture_message(0)}

    def send(self) -> None:
        self._second += 1
        self._infos.publish(camera_info())
        self._images.publish(picture_message(self._second))

    def _of_stamp(self, key: str, stamp: Any) -> Any:
        return next((one for one in self.received[key] if one.header.stamp == stamp), None)


def key_of(topic: str, qos: QoSProfile) -> str:
    return f'{topic} {qos.reliability.name.lower()}'


def picture_message(second: int) -> Image:
    message = Image(
        height=HEIGHT,
        width=WIDTH,
        encoding='rgb8',
        step=3 * WIDTH,
        data=array('B', make_picture(HEIGHT, WIDTH, seed=1).tobytes()),
    )
    message.header.frame_id = FRAME
    message.header.stamp = Time(seconds=1_000 + second, nanoseconds=123_456_789).to_msg()
    return message


def camera_info() -> CameraInfo:
    cx, cy = WIDTH / 2 - 3, HEIGHT / 2 + 2
    return CameraInfo(
        width=WIDTH,
        height=HEIGHT,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=[F_PX, 0.0, cx, 0.0, F_PX, cy, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[F_PX, 0.0, cx, 0.0, 0.0, F_PX, cy, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


def records(cloud: Any) -> np.ndarray:
    """View a cloud as records, (height, width)."""
    types = {1: 'i1', 2: 'u1', 3: '<i2', 4: '<u2', 5: '<i4', 6: '<u4', 7: '<f4', 8: '<f8'}
    layout = {
        'names': [field.name for field in cloud.fields],
        'formats': [types[field.datatype] for field in cloud.fields],
        'offsets': [field.offset for field in cloud.fields],
        'itemsize': cloud.point_step,
    }
    values = np.frombuffer(bytes(cloud.data), np.dtype(layout))
    return values.reshape(cloud.height, cloud.width)
