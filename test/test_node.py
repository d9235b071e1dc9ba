from array import array
from collections.abc import Iterator
from pathlib import Path
import signal
from typing import Any

import cv2
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from lifecycle_msgs.msg import Transition  # noqa: E402
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy  # noqa: E402
from robot import (  # noqa: E402
    camera_info,
    check_ending,
    ending_in_peace,
    header,
    HEIGHT,
    image,
    IMAGES,
    INFOS,
    picture,
    Robot,
    TRAINING_F_PX,
    WIDTH,
)
from ros_client import NodeProcess  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2  # noqa: E402
from std_srvs.srv import SetBool  # noqa: E402

from mtl_perception.label_space import label_space  # noqa: E402


@pytest.fixture(scope='module')
def node(environment: Path, tiny_weights: Path) -> Iterator[NodeProcess]:
    """The node as a user starts it; it must end in peace."""
    process = NodeProcess(
        environment,
        weights=tiny_weights,
        backend='torch',
        warm_up_width=WIDTH,
        warm_up_height=HEIGHT,
    )
    with ending_in_peace(process):
        process.wait_for_line("loaded 'random8'", 'compiled for 160x96')
        yield process


@pytest.fixture(scope='module')
def robot(node: NodeProcess) -> Iterator[Robot]:
    robot = Robot()
    for topic in IMAGES:
        robot.subscribe(Image, topic)
    for topic in INFOS:
        robot.subscribe(CameraInfo, topic)
    robot.subscribe(PointCloud2, 'points')
    robot.subscribe(PointCloud2, 'points/obstacles')
    yield robot
    robot.close()


@pytest.fixture
def served(robot: Robot) -> Robot:
    """A robot with a calibrated camera, answered on every topic."""
    for messages in robot.received.values():
        messages.clear()
    robot.calibrate(TRAINING_F_PX)
    return robot


def test_all_outputs_belong_to_the_frame(served: Robot) -> None:
    answers = served.ask_good(*IMAGES, *INFOS, 'points')
    stamped = image(served.second).header
    for topic, answer in answers.items():
        assert (topic, answer.header) == (topic, stamped)
        assert (topic, answer.width, answer.height) == (topic, WIDTH, HEIGHT)
    for topic, encoding in IMAGES.items():
        assert answers[topic].encoding == encoding
    assert answers['segmentation/labels'].step == WIDTH
    assert max(answers['segmentation/labels'].data) < 8
    for topic in INFOS:
        assert answers[topic].p[0] == TRAINING_F_PX
        assert answers[topic].distortion_model == 'plumb_bob'
    points = answers['points']
    names = [field.name for field in points.fields]
    assert names == ['x', 'y', 'z', 'rgb', 'label', 'confidence']
    assert not points.is_dense
    assert len(points.data) == points.row_step * HEIGHT


def test_depth_follows_the_focal_length_and_points_follow_depth(served: Robot) -> None:
    before = depth_of(served.ask_good('depth/image'))
    finite = np.isfinite(before)
    assert finite.any()
    served.calibrate(TRAINING_F_PX / 2)
    answers = served.ask_good('depth/image', 'points')
    np.testing.assert_allclose(depth_of(answers)[finite], before[finite] / 2, rtol=1e-6)
    assert np.isposinf(depth_of(answers)[~finite]).all()
    assert served.set(depth_scale=4.0) == ''
    answers = served.ask_good('depth/image', 'points')
    np.testing.assert_allclose(depth_of(answers)[finite], before[finite] * 2, rtol=1e-6)
    points = np.frombuffer(answers['points'].data, np.float32)
    points = points.reshape(HEIGHT, WIDTH, -1)[..., :3]
    np.testing.assert_array_equal(points[..., 2][finite], depth_of(answers)[finite])
    assert np.isnan(points[~finite]).all()
    assert served.set(depth_scale=1.0) == ''


def depth_of(answers: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(answers['depth/image'].data, np.float32).reshape(HEIGHT, WIDTH)


def test_obstacles_are_points_without_the_classes_that_are_none(served: Robot) -> None:
    assert served.set(obstacles__excluded_classes=[''], obstacles__max_range_m=5000.0) == ''
    answers = served.ask_good('points', 'points/obstacles', 'depth/image')
    everything = answers['points/obstacles']
    assert (everything.height, everything.is_dense) == (1, True)
    assert [field.name for field in everything.fields] == [
        f.name for f in answers['points'].fields
    ]
    assert everything.width == np.isfinite(depth_of(answers)).sum() > 0
    label = next(field.offset for field in everything.fields if field.name == 'label')
    labels = np.array(everything.data).reshape(everything.width, -1)[:, label]
    common = label_space('road8').names[np.bincount(labels).argmax()]
    assert served.set(obstacles__excluded_classes=[common]) == ''
    fewer = served.ask_good('points/obstacles')['points/obstacles']
    assert fewer.width == everything.width - np.bincount(labels).max()
    assert 'raod' in served.set(obstacles__excluded_classes=['raod'])
    assert served.set(obstacles__excluded_classes=['road'], obstacles__max_range_m=0.31) == ''
    nothing = served.ask_good('points/obstacles')['points/obstacles']
    assert (nothing.width, len(nothing.data)) == (0, 0)


BAD_IMAGES = {
    'data is short': {'data': array('B', bytes(100))},
    'data is empty': {'data': array('B')},
    'data is long': {'data': array('B', bytes(3 * WIDTH * HEIGHT + 7))},
    'no size': {'height': 0, 'width': 0, 'step': 0, 'data': array('B')},
    'no height': {'height': 0},
    'unknown encoding': {'encoding': 'rgb9'},
    'no encoding': {'encoding': ''},
    'step too small': {'step': WIDTH, 'data': array('B', bytes(WIDTH * HEIGHT))},
    'absurd size': {'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1},
    'half a mono16': {
        **{'encoding': 'mono16', 'is_bigendian': 1, 'step': 2 * WIDTH},
        'data': array('B', bytes(2 * WIDTH * HEIGHT - 1)),
    },
    'another encoding than its data': {'encoding': 'bgra8'},
    'odd yuv': {'encoding': 'yuv422', 'width': WIDTH - 1, 'step': 2 * WIDTH - 2},
}


@pytest.mark.parametrize('fault', BAD_IMAGES)
def test_a_bad_image_is_dropped_and_the_next_frame_served(
    node: NodeProcess, served: Robot, fault: str
) -> None:
    known = len(node.lines)
    bad = image(1, **BAD_IMAGES[fault])
    served.send('image', bad)
    sizes = f'{bad.width}x{bad.height}'
    node.wait_for_line('/image: dropped a frame', f"'{bad.encoding}'", sizes, after=known)
    assert served.ask_good(*IMAGES, 'points')


BAD_INFOS = {
    'not a number': camera_info(float('nan')),
    'negative focal length': camera_info(-700.0),
}


@pytest.mark.parametrize('fault', BAD_INFOS)
def test_a_bad_camera_info_is_dropped_and_the_good_one_kept(
    node: NodeProcess, served: Robot, fault: str
) -> None:
    known = len(node.lines)
    served.send('camera_info', BAD_INFOS[fault])
    node.wait_for_line('/camera_info: dropped', after=known)
    assert served.ask_good('points', *INFOS)['depth/camera_info'].p[0] == TRAINING_F_PX


def test_a_camera_info_of_another_size_is_not_used(served: Robot) -> None:
    served.send('camera_info', camera_info(100.0, WIDTH * 2, HEIGHT * 2))
    for _ in range(3):
        assert served.ask_good('points', *INFOS)['depth/camera_info'].p[0] == TRAINING_F_PX


def test_without_a_camera_info_of_its_size_a_frame_has_labels_and_depth(
    node: NodeProcess, served: Robot
) -> None:
    half = image(5, height=HEIGHT // 2, data=array('B', bytes(3 * WIDTH * HEIGHT // 2)))
    answers = served.ask(half, 'image', ['segmentation/labels', 'depth/image'])
    assert answers['depth/image'].height == HEIGHT // 2
    node.wait_for_line('points, and what corrects or checks depth, wait', '160x48', '/camera_info')
    served.ask_good('points')
    assert not served.answers(half, ['points'])


def test_parameters_change_while_it_runs(served: Robot) -> None:
    assert served.set(points__stride=3, confidence_threshold=1.0) == ''
    answers = served.ask_good('points', 'segmentation/labels', 'segmentation/confidence')
    assert (answers['points'].width, answers['points'].height) == (54, 32)
    labels, confidence = (
        np.frombuffer(answers[f'segmentation/{name}'].data, np.uint8)
        for name in ('labels', 'confidence')
    )
    assert (labels[confidence < 255] == 255).all()
    assert (confidence < 255).any()
    assert served.set(points__stride=1, confidence_threshold=0.0) == ''


def test_a_parameter_that_does_not_fit_is_rejected_and_nothing_changes(served: Robot) -> None:
    assert 'not below' in served.set(points__stride=2, depth_color__near_m=500.0)
    assert 'weights cannot change while' in served.set(weights='other')
    assert 'range' in served.set(points__stride=0)
    assert served.ask_good('points')['points'].width == WIDTH


def test_the_subscription_follows_what_publishers_offer(served: Robot) -> None:
    def reliabilities() -> set[ReliabilityPolicy]:
        infos = served.node.get_subscriptions_info_by_topic('image')
        return {info.qos_profile.reliability for info in infos}

    reliable, best_effort = {ReliabilityPolicy.RELIABLE}, {ReliabilityPolicy.BEST_EFFORT}
    served.wait_for('a reliable subscription', lambda: reliabilities() == reliable)
    served.node.destroy_publisher(served.cameras.pop('image'))
    served.send('image', image(2), qos=rclpy.qos.qos_profile_sensor_data)
    served.wait_for('a best-effort subscription', lambda: reliabilities() == best_effort)
    served.ask_until_answered(image(4), 'image', [*IMAGES])
    served.node.destroy_publisher(served.cameras.pop('image'))


def test_deactivated_it_listens_no_more_and_activated_again_it_serves(
    node: NodeProcess, served: Robot
) -> None:
    camera = served.cameras['image']
    assert served.change_state(Transition.TRANSITION_DEACTIVATE)
    assert served.state() == 'inactive'
    served.wait_for('no subscription', lambda: camera.get_subscription_count() == 0)
    assert served.change_state(Transition.TRANSITION_ACTIVATE)
    served.ask_good('segmentation/labels', 'depth/image')


def test_an_impossible_transition_is_refused(served: Robot) -> None:
    assert not served.change_state(Transition.TRANSITION_ACTIVATE)
    assert not served.change_state(Transition.TRANSITION_CONFIGURE)
    assert served.state() == 'active'
    served.ask_good('segmentation/labels')


def test_paused_it_answers_nothing(node: NodeProcess, served: Robot) -> None:
    known = len(node.lines)
    assert served.call(SetBool, 'perception/enable', data=False).message == 'paused'
    unanswered = image(6)
    served.send('image', unanswered)
    node.wait_for_line('/image: passed over a frame: paused', after=known)
    assert served.call(SetBool, 'perception/enable', data=True).message == 'enabled'
    served.ask_good('segmentation/labels')
    assert not served.answers(unanswered, ['segmentation/labels'])


def test_a_subscriber_that_asks_for_what_is_not_offered_is_logged(
    node: NodeProcess, served: Robot
) -> None:
    """As rclpy does it for publishers, with topic and policy."""
    known = len(node.lines)
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    subscription = served.node.create_subscription(Image, 'depth/image', print, latched)
    node.wait_for_line("'depth/image'", 'incompatible QoS', 'DURABILITY', after=known)
    served.execute(lambda: served.node.destroy_subscription(subscription))


def test_a_failed_configure_is_explained_and_can_be_corrected(
    environment: Path, tiny_weights: Path
) -> None:
    missing = tiny_weights.with_name('missing.safetensors')
    overrides = {
        'qos_overrides./second/image/compressed.subscription.reliability': 'best_effort',
        'qos_overrides./second/imgae.subscription.depth': 3,
    }
    node = NodeProcess(
        environment,
        'second',
        weights=missing,
        backend='torch',
        image_transport='compressed',
        depth_encoding='16UC1',
        strid=2,
        **overrides,
    )
    robot = Robot('second')
    try:
        node.wait_for_line('unknown parameters strid are ignored; known are autostart, weights')
        node.wait_for_line(f'cannot configure: weights {missing} do not exist; correct the path')
        assert robot.state() == 'unconfigured'
        assert not robot.change_state(Transition.TRANSITION_CONFIGURE)
        assert robot.set(weights=str(tiny_weights)) == ''
        assert robot.set(warm_up_width=WIDTH, warm_up_height=HEIGHT) == ''
        assert robot.change_state(Transition.TRANSITION_CONFIGURE)
        assert robot.change_state(Transition.TRANSITION_ACTIVATE)
        node.wait_for_line('qos_overrides./second/imgae.subscription.depth are ignored; write')
        check_compressed(node, robot)
    finally:
        robot.close()
        status = node.end(signal.SIGTERM)
    check_ending(node, status)


def check_compressed(node: NodeProcess, robot: Robot) -> None:
    jpeg, png = (cv2.imencode(suffix, picture())[1].tobytes() for suffix in ('.jpg', '.png'))
    topic = 'image/compressed'

    def compressed(second: int, data: bytes, name: str = 'jpeg') -> CompressedImage:
        return CompressedImage(**header(second), format=name, data=array('B', data))

    def ask(second: int, data: bytes, name: str) -> None:
        frame = compressed(second, data, name)
        answer = robot.ask(frame, topic, ['segmentation/labels'])['segmentation/labels']
        assert (answer.width, answer.height) == (WIDTH, HEIGHT)

    robot.repeat_until(
        'a frame is passed over',
        lambda: robot.send(topic, compressed(9, jpeg)),
        lambda: node.line('/image/compressed: passed over a frame: nobody subscribes'),
    )
    outputs = ['segmentation/labels', 'depth/image']
    for output in outputs:
        robot.subscribe(Image, output)
    robot.ask_until_answered(compressed(10, png, 'png'), topic, outputs)
    ask(11, png, 'png')
    depth = robot.received['depth/image'][0]
    assert (depth.encoding, depth.step, len(depth.data)) == (
        '16UC1',
        2 * WIDTH,
        2 * WIDTH * HEIGHT,
    )
    (subscription,) = robot.node.get_subscriptions_info_by_topic(topic)
    assert subscription.qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT
    for second, data in enumerate((jpeg[: len(jpeg) // 2], b'', b'no picture', png[:60])):
        known = len(node.lines)
        robot.send(topic, compressed(second, data))
        node.wait_for_line('/image/compressed: dropped a frame', "'jpeg'", after=known)
        ask(20 + second, jpeg, 'rgb8; jpeg compressed bgr8')
