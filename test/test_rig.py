from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from robot import camera_info, ending_in_peace, HEIGHT, image, Robot, TRAINING_F_PX, WIDTH
from ros_client import NodeProcess
from sensor_msgs.msg import Image, PointCloud2

from mtl_perception.ros import rig as module
from mtl_perception.ros.parameters import Parameters
from mtl_perception.ros.rig import create_engine

CAMERAS = ('front', 'left')


@pytest.fixture(scope='module')
def node(environment: Path, tiny_weights: Path) -> Iterator[NodeProcess]:
    """A node with two cameras, of which one sees twice as far."""
    process = NodeProcess(
        environment,
        weights=tiny_weights,
        backend='torch',
        cameras='[front, left]',
        left__depth_scale=2.0,
        batch_window_ms=1000.0,
        warm_up_width=WIDTH,
        warm_up_height=HEIGHT,
    )
    with ending_in_peace(process):
        process.wait_for_line("loaded 'random8'", 'compiled for 160x96, up to 2 at once')
        yield process


@pytest.fixture(scope='module')
def robot(node: NodeProcess) -> Iterator[Robot]:
    robot = Robot()
    for camera in CAMERAS:
        for kind, topic in ((Image, 'depth/image'), (PointCloud2, 'points')):
            robot.subscribe(kind, f'{camera}/{topic}')
    for camera in CAMERAS:
        robot.ask_until_answered(
            image(1), f'{camera}/image', [f'{camera}/{topic}' for topic in ('depth/image',)]
        )
    yield robot
    robot.close()


def test_each_camera_has_its_header_and_its_scale(robot: Robot) -> None:
    frames = {camera: image(100 + number) for number, camera in enumerate(CAMERAS)}
    for camera, frame in frames.items():
        frame.header.frame_id = f'{camera}_optical'
        robot.send(f'{camera}/image', frame)
    depths = {}
    for camera, frame in frames.items():
        topic = f'{camera}/depth/image'
        answers = robot.wait_for(topic, lambda f=frame, t=topic: robot.answers(f, [t]))
        depths[camera] = np.frombuffer(answers[topic].data, np.float32)
    np.testing.assert_allclose(depths['left'], 2 * depths['front'], rtol=1e-6)


def test_each_camera_has_its_intrinsics(robot: Robot) -> None:
    """That of one camera gives the other no points."""
    robot.send('front/camera_info', camera_info(TRAINING_F_PX))
    robot.ask_until_answered(image(200), 'front/image', ['front/points'])
    robot.ask(image(201), 'left/image', ['left/depth/image'])
    assert robot.received['left/points'] == []


def test_a_silent_camera_does_not_stop_the_other(robot: Robot) -> None:
    for second in range(300, 303):
        robot.ask(image(second), 'front/image', ['front/depth/image'])


def test_a_bad_frame_of_one_camera_is_its_own(node: NodeProcess, robot: Robot) -> None:
    known = len(node.lines)
    robot.send('left/image', image(400, encoding='rgb9'))
    node.wait_for_line('/left/image: dropped a frame', "'rgb9'", after=known)
    robot.ask(image(401), 'front/image', ['front/depth/image'])
    robot.ask(image(402), 'left/image', ['left/depth/image'])


@pytest.mark.parametrize(
    ('device', 'asked', 'expected'),
    [
        ('cuda:0', 'cuda:0', ('onnxruntime', 'fp16')),
        ('cpu', 'cuda:0', ('auto', 'auto')),
        ('cpu', 'cpu', ('onnxruntime', 'fp16')),
    ],
)
def test_what_takes_over_on_the_cpu_need_not_be_the_runtime_of_the_gpu(
    monkeypatch: pytest.MonkeyPatch, device: str, asked: str, expected: tuple[str, str]
) -> None:
    monkeypatch.setattr(module, 'Engine', lambda *given, **_: SimpleNamespace(given=given))
    backend, precision = 'onnxruntime', 'fp16'
    parameters = Parameters(
        weights='w', device=asked, backend=backend, precision=precision, scale=0.5
    )
    assert create_engine(parameters, device).given == ('w', device, *expected, 0.5)
