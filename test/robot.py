"""A robot with a camera: what the tests of the whole node share."""

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
import re
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from made_cloud import make_cloud
import numpy as np
from rcl_interfaces.srv import SetParametersAtomically
from rclpy.parameter import Parameter
from rclpy.time import Time
from ros_client import Client, NodeProcess
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField

WIDTH, HEIGHT = 160, 96
# the focal length that the test's model card states
TRAINING_F_PX = 721.5377
IMAGES = {
    'segmentation/labels': 'mono8',
    'segmentation/confidence': 'mono8',
    'segmentation/color': 'rgb8',
    'segmentation/overlay': 'rgb8',
    'depth/image': '32FC1',
    'depth/color': 'rgb8',
}
INFOS = ('segmentation/camera_info', 'depth/camera_info')


def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)


def header(second: int) -> dict[str, Any]:
    stamp = Time(seconds=second, nanoseconds=123_456_789).to_msg()
    return {'header': Image().header.__class__(stamp=stamp, frame_id='camera_optical')}


def image(second: int, **changes: Any) -> Image:
    fields = {
        'height': HEIGHT,
        'width': WIDTH,
        'encoding': 'rgb8',
        'step': 3 * WIDTH,
        'data': array('B', picture().tobytes()),
    }
    return Image(**header(second), **{**fields, **changes})


def camera_info(f_px: float, width: int = WIDTH, height: int = HEIGHT) -> CameraInfo:
    p = [f_px, 0.0, width / 2, 0.0, 0.0, f_px, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    # of the distorted picture: must not be used
    k = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    return CameraInfo(width=width, height=height, p=p, k=k, distortion_model='plumb_bob')


class Robot(Client):
    """A client with a camera that asks for frames, one at a time."""

    def __init__(self, namespace: str = '') -> None:
        super().__init__(namespace)
        self.second = 1_000_000
        self.cameras: dict[str, Any] = {}

    def send(self, topic: str, message: Any, qos: Any = 10) -> None:
        """Publish once the node has subscribed."""
        if topic not in self.cameras:
            self.cameras[topic] = self.node.create_publisher(type(message), topic, qos)
        camera = self.cameras[topic]
        self.wait_for(f'subscription of {topic}', lambda: camera.get_subscription_count() > 0)
        camera.publish(message)

    def ask(self, message: Any, topic: str, answers: list[str]) -> dict[str, Any]:
        """Send a frame and wait for its answers."""
        self.send(topic, message)
        return self.wait_for(
            f'answers to {topic} at {message.header.stamp}', lambda: self.answers(message, answers)
        )

    def ask_until_answered(self, message: Any, topic: str, answers: list[str]) -> None:
        """Send a frame again and again, to a node that may not know of our subscriptions yet."""
        self.repeat_until(
            f'answers to {topic}',
            lambda: self.send(topic, message),
            lambda: self.answers(message, answers),
        )

    def answers(self, message: Any, topics: list[str]) -> dict[str, Any] | None:
        """Give what was received under the message's header, if it is complete."""
        found = {
            topic: one
            for topic in topics
            for one in self.received[topic]
            if one.header == message.header
        }
        return found if len(found) == len(topics) else None

    def ask_good(self, *answers: str) -> dict[str, Any]:
        """Send a good frame; its stamp is before the last one's, as at the start of a loop."""
        return self.ask(self.good_image(), 'image', list(answers))

    def good_image(self) -> Image:
        self.second -= 1
        return image(self.second)

    def calibrate(self, f_px: float) -> None:
        """Send a camera_info, and frames until it is used for answers on every topic."""
        self.send('camera_info', camera_info(f_px))

        def used() -> bool:
            infos = (one for one in self.received['depth/camera_info'] if one.p[0] == f_px)
            return any(self.answers(info, [*IMAGES, *INFOS, 'points']) for info in infos)

        self.repeat_until('its use', lambda: self.send('image', self.good_image()), used)

    def change_state(self, transition: int) -> bool:
        return self.call(
            ChangeState,
            'perception/change_state',
            # no transition has this number: it is refused
            harmless={'transition': Transition(id=255)},
            transition=Transition(id=transition),
        ).success

    def state(self) -> str:
        return self.call(GetState, 'perception/get_state').current_state.label

    def set(self, **values: Any) -> str:
        """Set parameters of the node at once; '' or the reason why not."""
        result = self.call(
            SetParametersAtomically,
            'perception/set_parameters_atomically',
            parameters=[
                Parameter(name.replace('__', '.'), value=value).to_parameter_msg()
                for name, value in values.items()
            ],
        ).result
        assert result.successful == (not result.reason)
        return result.reason


@contextmanager
def ending_in_peace(process: NodeProcess) -> Iterator[NodeProcess]:
    """End a node after its tests, whatever they were, and check how it went."""
    try:
        yield process
    finally:
        status = process.end()
    check_ending(process, status)


def cloud_message(header: Any, points: np.ndarray) -> PointCloud2:
    """Make the message of points (N, 3)."""
    made = make_cloud(points)
    fields = {name: getattr(made, name) for name in ('height', 'width', 'row_step', 'data')}
    message = PointCloud2(point_step=made.point_step, header=header, **fields)
    message.fields = [PointField(**vars(field)) for field in made.fields]
    return message


def check_ending(process: NodeProcess, status: int) -> None:
    assert status == 0, '\n'.join(process.lines)
    for sign in ('Traceback', 'context is invalid', 'could not answer a frame'):
        text = '\n'.join(process.lines)
        assert sign not in text, text
    # nothing got lost between the counters
    counters = counters_of(process.wait_for_line(' received, '))
    assert counters.pop('received') == sum(counters.values())


def counters_of(line: str) -> dict[str, int]:
    return {name: int(count) for count, name in re.findall(r'(\d+) ([a-z]+)', line)}
