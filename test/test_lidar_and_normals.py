"""What needs a lidar, or a third head, from outside."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from made_weights import make_weights
from robot import (
    camera_info,
    cloud_message,
    ending_in_peace,
    HEIGHT,
    image,
    Robot,
    TRAINING_F_PX,
    WIDTH,
)
from ros_client import NodeProcess
from sensor_msgs.msg import Image, PointCloud2

from mtl_perception.geometry import Transform
from mtl_perception.messages import decode_points

# of the node's defaults: x ahead, z up, and what is set below
TO_CAMERA = Transform.from_quaternion((0.1, -0.2, -0.3), (0.5, -0.5, 0.5, 0.5))
FARTHER = 1.25


@pytest.fixture(scope='module')
def node(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    tasks = {'segmentation': 8, 'depth': 1, 'normals': 3}
    path = tmp_path_factory.mktemp('weights') / 'three.safetensors'
    process = NodeProcess(
        environment,
        weights=make_weights(path, tasks, training_f_px=TRAINING_F_PX),
        backend='torch',
        lidar__check=True,
        lidar__translation_m='[0.1, -0.2, -0.3]',
        diagnostics__max_latency_ms=60000.0,
        warm_up_width=WIDTH,
        warm_up_height=HEIGHT,
    )
    with ending_in_peace(process):
        process.wait_for_line("loaded 'three'")
        yield process


@pytest.fixture(scope='module')
def robot(node: NodeProcess) -> Iterator[Robot]:
    robot = Robot()
    robot.subscribe(Image, 'normals/image')
    robot.subscribe(PointCloud2, 'points')
    robot.subscribe(DiagnosticArray, '/diagnostics')
    robot.ask_until_answered(image(1), 'image', ['normals/image'])
    yield robot
    robot.close()


def test_normals_are_unit_vectors_of_the_frame(robot: Robot) -> None:
    frame = image(10)
    answer = robot.ask(frame, 'image', ['normals/image'])['normals/image']
    assert (answer.encoding, answer.height, answer.width) == ('32FC3', HEIGHT, WIDTH)
    assert answer.step == 12 * WIDTH
    normals = np.frombuffer(answer.data, np.float32).reshape(HEIGHT, WIDTH, 3)
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-3)
    assert len(np.unique(normals.round(2).reshape(-1, 3), axis=0)) > 100


def test_a_lidar_that_measures_farther_is_told_of(robot: Robot) -> None:
    """The cloud that the node made, moved away from the camera and seen by a lidar."""
    robot.repeat_until(
        'points',
        lambda: (calibrate(robot), robot.send('image', robot.good_image())),
        lambda: robot.received['points'],
    )
    points = decode_points(robot.received['points'][-1])
    points = points[np.isfinite(points).all(-1)]
    seen = (points * np.float32(FARTHER) - TO_CAMERA.translation_m) @ TO_CAMERA.rotation

    def compare() -> None:
        frame = robot.good_image()
        robot.send('lidar', cloud_message(frame.header, seen.astype(np.float32)))
        robot.send('image', frame)

    robot.repeat_until('a scale', compare, lambda: told(robot, 'the lidar measures'))
    status = told(robot, 'the lidar measures')
    values = {value.key: value.value for value in status.values}
    assert float(values['lidar / depth']) == pytest.approx(FARTHER, rel=0.01)
    assert int(values['lidar: points compared']) > 1000
    assert f'set depth_scale to {FARTHER:.3f}'[:-1] in status.message


def test_a_lidar_that_stops_is_told_of(robot: Robot) -> None:
    robot.send('lidar', cloud_message(robot.good_image().header, np.ones((1, 3), np.float32)))
    words = 'no sweep on /lidar any more, for '
    robot.wait_for('a silent lidar', lambda: told(robot, words))
    assert '/client (reliable, volatile) publishes there' in told(robot, words).message


def calibrate(robot: Robot) -> None:
    robot.send('camera_info', camera_info(TRAINING_F_PX))


def told(robot: Robot, words: str) -> Any:
    return next(
        (
            one
            for array in robot.received['/diagnostics']
            for one in array.status
            if words in one.message
        ),
        None,
    )
