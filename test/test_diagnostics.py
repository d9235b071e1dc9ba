"""The diagnostics of a node, as a robot sees them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from lifecycle_msgs.msg import Transition
from rclpy.qos import qos_profile_sensor_data
from robot import camera_info, ending_in_peace, HEIGHT, image, Robot, TRAINING_F_PX, WIDTH
from ros_client import NodeProcess
from sensor_msgs.msg import Image, PointCloud2
from std_srvs.srv import SetBool

OK, WARN, ERROR = b'\0', b'\1', b'\2'
MODEL, CAMERA = '/perception: model', '/perception: camera'


class Patient(Robot):
    """A robot that reads diagnostics."""

    def __init__(self) -> None:
        super().__init__()
        self.subscribe(DiagnosticArray, '/diagnostics')

    def statuses(self, name: str) -> list[Any]:
        arrays = self.received['/diagnostics']
        return [one for array in arrays for one in array.status if one.name == name]

    def wait_for_status(self, name: str, level: bytes, *words: str) -> Any:
        """Wait for a new status of this level with these words."""
        known = len(self.statuses(name))

        def found() -> Any:
            return next(
                (
                    one
                    for one in self.statuses(name)[known:]
                    if one.level == level and all(part in one.message for part in words)
                ),
                None,
            )

        try:
            return self.wait_for(f'{name} with {words}', found)
        except AssertionError as error:
            said = [one.message for one in self.statuses(name)[-3:]]
            raise AssertionError(f'{error}; it says {said}') from None

    def now_image(self, **changes: Any) -> Image:
        message = image(0, **changes)
        message.header.stamp = self.node.get_clock().now().to_msg()
        return message

    def stream(self, make: Callable[[], Image], topic: str = 'image') -> Any:
        """Send frames ten times a second, until the timer that this gives is destroyed."""
        self.send(topic, make())
        return self.node.create_timer(0.1, lambda: self.send(topic, make()))

    def end_stream(self, timer: Any) -> None:
        self.execute(lambda: self.node.destroy_timer(timer))


@pytest.fixture(scope='module')
def node(environment: Path, tiny_weights: Path) -> Iterator[NodeProcess]:
    process = NodeProcess(
        environment,
        weights=tiny_weights.with_name('absent.safetensors'),
        backend='torch',
        reliability='reliable',
        diagnostics__no_image_s=1.0,
        diagnostics__max_latency_ms=60000.0,
        diagnostics__max_skipped=1.0,
        warm_up_width=WIDTH,
        warm_up_height=HEIGHT,
    )
    with ending_in_peace(process):
        yield process


@pytest.fixture(scope='module')
def robot(node: NodeProcess) -> Iterator[Patient]:
    robot = Patient()
    yield robot
    robot.close()


# the tests are the life of one robot, and in this order


def test_a_failed_configure_is_reported(robot: Patient, tiny_weights: Path) -> None:
    robot.wait_for_status(MODEL, ERROR, 'cannot configure: weights', 'absent.safetensors')
    assert robot.set(weights=str(tiny_weights)) == ''
    assert robot.change_state(Transition.TRANSITION_CONFIGURE)
    robot.wait_for_status(CAMERA, OK, 'not active')


def test_the_model_reports_what_runs_where(robot: Patient) -> None:
    status = robot.wait_for_status(MODEL, OK, 'torch', 'on cpu')
    values = {one.key: one.value for one in status.values}
    assert values['model'] == status.hardware_id == 'random8'
    assert values['device'] == 'cpu'
    assert values['backend'].startswith('torch')
    assert (values['compiled'], values['being compiled']) == ('160x96', 'nothing')
    assert values['tasks'] == 'segmentation, depth'


def test_without_a_camera_it_says_that_nobody_publishes(robot: Patient) -> None:
    assert robot.change_state(Transition.TRANSITION_ACTIVATE)
    robot.wait_for_status(CAMERA, ERROR, 'no image on /image since activation', 'nobody publishes')


def test_a_camera_of_another_qos_is_named(robot: Patient) -> None:
    """The parameter asks for reliability, which this camera does not offer."""
    camera = robot.node.create_publisher(Image, 'image', qos_profile_sensor_data)
    robot.wait_for_status(
        CAMERA, ERROR, '/client (best effort, volatile)', 'with a reliability that does not fit'
    )
    robot.execute(lambda: robot.node.destroy_publisher(camera))


def test_nobody_listens(robot: Patient) -> None:
    timer = robot.stream(robot.now_image)
    robot.wait_for_status(CAMERA, OK, 'nobody subscribes')
    robot.end_stream(timer)


def test_what_waits_for_a_camera_info_is_said(robot: Patient) -> None:
    robot.subscribe(PointCloud2, 'points')
    robot.subscribe(Image, 'segmentation/labels')
    timer = robot.stream(robot.now_image)
    robot.wait_for_status(CAMERA, WARN, 'wait for a camera_info on /camera_info: there is none of')
    robot.send('camera_info', camera_info(0.0))
    # K has a focal length of 1; a camera without any is uncalibrated
    blank = camera_info(0.0)
    blank.k = [0.0] * 9
    robot.send('camera_info', blank)
    robot.wait_for_status(CAMERA, WARN, 'that of 160x96 is uncalibrated')
    robot.send('camera_info', camera_info(TRAINING_F_PX))
    robot.wait_for_status(CAMERA, OK, 'serving')
    robot.end_stream(timer)


def test_a_camera_that_serves_reports_rates_and_times(robot: Patient) -> None:
    timer = robot.stream(robot.now_image)
    robot.wait_for_status(CAMERA, OK, 'serving')
    status = robot.wait_for_status(CAMERA, OK, 'serving')
    values = {one.key: one.value for one in status.values}
    assert float(values['images per second']) > 0
    assert float(values['longest wait for the network (ms)']) >= 0
    assert 0 < float(values['network (ms)']) <= float(values['end to end (ms)'])
    assert 0 < float(values['now - stamp (ms)']) < 60_000
    assert (values['size'], values['bad']) == ('160x96', '0')
    robot.end_stream(timer)


def test_stamps_of_another_clock_are_said(robot: Patient) -> None:
    timer = robot.stream(robot.good_image)
    status = robot.wait_for_status(CAMERA, WARN, 'stamps are of another clock', 'use_sim_time')
    assert 'now - stamp (ms)' not in {one.key for one in status.values}
    robot.end_stream(timer)


def test_limits_are_parameters(robot: Patient) -> None:
    timer = robot.stream(robot.now_image)
    assert robot.set(diagnostics__max_latency_ms=0.0) == ''
    robot.wait_for_status(CAMERA, WARN, 'latency is', 'above diagnostics.max_latency_ms 0')
    assert robot.set(diagnostics__max_latency_ms=60000.0) == ''
    robot.wait_for_status(CAMERA, OK, 'serving')
    robot.end_stream(timer)


def test_a_pause_is_no_fault(robot: Patient) -> None:
    timer = robot.stream(robot.now_image)
    robot.call(SetBool, 'perception/enable', data=False)
    robot.wait_for_status(CAMERA, OK, 'paused by ~/enable')
    robot.call(SetBool, 'perception/enable', data=True)
    robot.wait_for_status(CAMERA, OK, 'serving')
    robot.end_stream(timer)


def test_garbage_is_counted_and_quoted(robot: Patient) -> None:
    timer = robot.stream(lambda: robot.now_image(encoding='rgb9'))
    robot.wait_for_status(CAMERA, WARN, 'images could not be read, the last for', "'rgb9'")
    robot.end_stream(timer)


def test_a_change_of_size_is_told_and_a_camera_that_stops(robot: Patient) -> None:
    half = {'height': HEIGHT // 2}
    timer = robot.stream(lambda: robot.now_image(**half, data=image(0).data[: 3 * 160 * 48]))
    robot.wait_for_status(CAMERA, WARN, 'changed from 160x96 to 160x48')
    robot.end_stream(timer)
    robot.wait_for_status(
        CAMERA, ERROR, 'no image on /image any more', '/client (reliable, volatile) publishes'
    )
