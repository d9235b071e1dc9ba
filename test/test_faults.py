"""What a robot may do to a node, what the node says, and how soon it serves again."""

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
import shutil
import signal
import threading
import time
from typing import Any

import numpy as np
import pytest
import torch
import yaml

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.parameter import Parameter
from robot import check_ending, ending_in_peace, HEIGHT, image, Robot, WIDTH
from ros_client import NodeProcess
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image

from mtl_perception.engine import Engine
from mtl_perception.model_card import sha256_of
from mtl_perception.network.checkpoint import write_weights
from mtl_perception.network.joint_network import JointNetwork
from mtl_perception.ros.node import PerceptionNode

LABELS = 'segmentation/labels'
# seconds of the stamp; the other frames of this file have less
GOOD_FROM = 100
Record = Callable[[str, object], None]


class Streamer(Robot):
    """A camera that goes on, twenty times a second, whatever happens to the node."""

    def __init__(self, namespace: str = '') -> None:
        super().__init__(namespace)
        self.subscribe(Image, LABELS)
        self.make: Callable[[], Image | None] = self.good_image
        self.camera = self.node.create_publisher(Image, 'image', 10)
        self.timer = self.node.create_timer(0.05, self._send)

    def _send(self) -> None:
        message = self.make()
        if message is not None:
            try:
                self.camera.publish(message)
            except rclpy_implementation.RCLError as error:
                # as a driver would: DDS may give up while it waits for a reader that was killed
                self.node.get_logger().warning(f'could not publish: {error}')

    def wait_for_answer(self, since_s: float | None = None) -> float:
        """Wait for one to a frame still to be sent; give the seconds since then, or now."""
        began_s = time.monotonic() if since_s is None else since_s
        # stamps of good frames fall, those of others lie below
        later = range(GOOD_FROM, self.second)
        self.wait_for(
            'an answer',
            lambda: any(one.header.stamp.sec in later for one in self.received[LABELS][-1:]),
        )
        return time.monotonic() - began_s

    def wait_for_width(self, width: int) -> float:
        began_s = time.monotonic()
        self.wait_for('its answer', lambda: self.received[LABELS][-1].width == width)
        return time.monotonic() - began_s


def start(
    environment: Path, weights: Path, namespace: str = '', **parameters: object
) -> NodeProcess:
    return NodeProcess(
        environment,
        namespace,
        weights=weights,
        **{'backend': 'torch', 'warm_up_width': WIDTH, 'warm_up_height': HEIGHT, **parameters},
    )


@pytest.fixture(scope='module')
def node(environment: Path, tiny_weights: Path) -> Iterator[NodeProcess]:
    process = start(environment, tiny_weights, use_sim_time='true')
    with ending_in_peace(process):
        yield process


@pytest.fixture(scope='module')
def streamer(environment: Path) -> Iterator[Streamer]:
    streamer = Streamer()
    yield streamer
    streamer.close()


@pytest.fixture
def served(node: NodeProcess, streamer: Streamer) -> Streamer:
    streamer.make = streamer.good_image
    streamer.wait_for_answer()
    return streamer


def test_a_camera_that_stops_and_returns_is_served(
    node: NodeProcess, served: Streamer, record_property: Record
) -> None:
    served.make = lambda: None
    served.execute(lambda: served.node.destroy_publisher(served.camera))
    served.wait_for('silence', lambda: served.node.count_publishers('image') == 0)
    served.camera = served.node.create_publisher(Image, 'image', 10)
    served.make = served.good_image
    record_property('served again after (s)', served.wait_for_answer())


def wide(**changes: Any) -> Image:
    data = array('B', bytes(3 * 2 * WIDTH * HEIGHT))
    return image(1, **{'width': 2 * WIDTH, 'step': 6 * WIDTH, 'data': data, **changes})


def test_another_resolution_and_encoding_are_served(
    served: Streamer, record_property: Record
) -> None:
    served.make = wide
    record_property('another resolution served after (s)', served.wait_for_width(2 * WIDTH))
    served.make = lambda: image(
        2, encoding='mono8', step=WIDTH, data=array('B', bytes(WIDTH * HEIGHT))
    )
    record_property('another encoding served after (s)', served.wait_for_width(WIDTH))


def test_garbage_is_refused_and_the_next_frame_served(
    node: NodeProcess, served: Streamer, record_property: Record
) -> None:
    random, known = np.random.default_rng(0), len(node.lines)

    def garbage() -> Image:
        size, step, length = (int(n) for n in random.integers(0, 2**20, 3))
        encoding = ['rgb8', 'bayer_rggb8', 'yuv422', 'x' * 1000, ''][size % 5]
        data = array('B', random.bytes(length % 5000))
        return image(3, height=size, width=size, step=step, encoding=encoding, data=data)

    served.make = garbage
    for _ in range(30):
        node.wait_for_line('dropped a frame', after=known)
        known = len(node.lines)
    served.make = served.good_image
    record_property('served again after (s)', served.wait_for_answer())


def test_a_clock_that_jumps_changes_nothing(
    node: NodeProcess, served: Streamer, record_property: Record
) -> None:
    clock = served.node.create_publisher(Clock, '/clock', 10)
    served.wait_for('the node', clock.get_subscription_count)
    # before 1970 rclpy knows no time, and raises in the executor
    for second in (2_000_000_000, 5, 1_000_000_000, -7, 6):
        clock.publish(Clock(clock=Time(sec=second)))
        record_property(f'served after a jump to {second} (s)', served.wait_for_answer())


def test_a_stamp_before_1970_is_a_stamp(served: Streamer) -> None:
    def early() -> Image:
        message = image(0)
        message.header.stamp.sec = -3
        return message

    served.make = early
    served.wait_for('its answer', lambda: served.received[LABELS][-1].header.stamp.sec == -3)


def torn(weights: Path, folder: Path) -> Path:
    copy = copied(weights, folder)
    copy.write_bytes(copy.read_bytes()[: copy.stat().st_size // 2])
    card = yaml.safe_load(copy.with_suffix('.yaml').read_text())
    # as if torn before the card was written
    copy.with_suffix('.yaml').write_text(yaml.safe_dump({**card, 'sha256': sha256_of(copy)}))
    return copy


def foreign(weights: Path, folder: Path) -> Path:
    """Weights of another network, with this card."""
    copy = copied(weights, folder)
    write_weights(JointNetwork('resnet18', {'depth': 1}), copy)
    card = yaml.safe_load(copy.with_suffix('.yaml').read_text())
    copy.with_suffix('.yaml').write_text(yaml.safe_dump({**card, 'sha256': sha256_of(copy)}))
    return copy


def no_weights_at_all(weights: Path, folder: Path) -> Path:
    copy = copied(weights, folder)
    copy.write_bytes(b'<html>404 Not Found</html>')
    return copy


def copied(weights: Path, folder: Path) -> Path:
    for path in (weights, weights.with_suffix('.yaml')):
        shutil.copy(path, folder)
    return folder / weights.name


def wrong_checksum(weights: Path, folder: Path) -> Path:
    copy = copied(weights, folder)
    with copy.open('r+b') as file:
        file.seek(-1, 2)
        file.write(b'\x7f')
    return copy


def without_card(weights: Path, folder: Path) -> Path:
    copy = copied(weights, folder)
    copy.with_suffix('.yaml').unlink()
    return copy


def missing(weights: Path, folder: Path) -> Path:
    return folder / 'missing.safetensors'


FAULTY_WEIGHTS: dict[Callable[[Path, Path], Path], str] = {
    missing: 'do not exist; correct the path',
    without_card: 'is missing; put it beside the weights',
    wrong_checksum: 'their card expects',
    no_weights_at_all: 'their card expects',
    torn: 'cannot configure: weights',
    foreign: 'cannot configure: weights',
}


def test_faulty_weights_fail_configure_in_a_sentence_and_good_ones_serve(
    environment: Path, tiny_weights: Path, tmp_path: Path, record_property: Record
) -> None:
    node, robot = start(environment, tiny_weights, 'weights', autostart='false'), Robot('weights')
    try:
        for fault, words in FAULTY_WEIGHTS.items():
            (folder := tmp_path / fault.__name__).mkdir()
            path, known = fault(tiny_weights, folder), len(node.lines)
            assert robot.set(weights=str(path)) == ''
            assert not robot.change_state(Transition.TRANSITION_CONFIGURE), fault
            assert robot.state() == 'unconfigured'
            said = node.wait_for_line('cannot configure', words, after=known)
            assert str(folder) in said
            record_property(fault.__name__, said)
        assert robot.set(weights=str(tiny_weights)) == ''
        began_s = time.monotonic()
        assert robot.change_state(Transition.TRANSITION_CONFIGURE)
        assert robot.change_state(Transition.TRANSITION_ACTIVATE)
        robot.subscribe(Image, LABELS)
        robot.ask_until_answered(image(1), 'image', [LABELS])
        record_property('served once corrected after (s)', time.monotonic() - began_s)
    finally:
        robot.close()
        node.end()


def test_a_gpu_that_gets_full_leaves_the_work_to_the_cpu(
    environment: Path,
    tiny_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Record,
) -> None:
    """Played by an engine on the CPU, as a GPU cannot be filled everywhere."""
    full = threading.Event()

    class FakeGpu(Engine):
        def __init__(self, weights: str, device: str, *_: Any, **__: Any) -> None:
            super().__init__(weights, 'cpu', 'torch')
            self.place = device

        @property
        def device(self) -> str:
            return self.place

        def predict_batch(self, pictures: Any, wanted: Any = None) -> Any:
            if full.is_set() and self.place == 'cuda:0':
                raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2.00 GiB')
            return super().predict_batch(pictures, wanted)

    monkeypatch.setattr('mtl_perception.ros.rig.Engine', FakeGpu)
    streamer = Streamer('full')
    streamer.subscribe(DiagnosticArray, '/diagnostics')
    given = {'weights': str(tiny_weights), 'device': 'cuda:0'}
    given |= {'warm_up_width': WIDTH, 'warm_up_height': HEIGHT}
    node = PerceptionNode(
        context=streamer.context,
        namespace='full',
        parameter_overrides=[Parameter(name, value=value) for name, value in given.items()],
    )
    streamer._executor.add_node(node)

    def said() -> str | None:
        statuses = (one for array in streamer.received['/diagnostics'] for one in array.status)
        return next((one.message for one in statuses if 'CPU serves' in one.message), None)

    try:
        streamer.execute(node.start)
        streamer.wait_for_answer()
        assert said() is None
        full.set()
        began_s = time.monotonic()
        record_property('it said', streamer.wait_for('diagnostics', said))
        streamer.wait_for_answer()
        record_property('served again within (s)', time.monotonic() - began_s)
        assert 'the GPU has too little memory: CUDA out of memory' in said()
        # and no frame was lost to it
        assert node._rig.cameras[0].counters.failed == 0
    finally:
        streamer.execute(node.destroy_node)
        streamer.close()


def test_ended_amid_a_stream_and_started_again_it_serves(
    environment: Path, tiny_weights: Path, record_property: Record
) -> None:
    streamer, node = Streamer('ended'), start(environment, tiny_weights, 'ended')
    try:
        streamer.wait_for_answer()
        for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            began_s = time.monotonic()
            status = node.end(number)
            record_property(f'ended by {number.name} after (s)', time.monotonic() - began_s)
            assert status == (-number if number == signal.SIGKILL else 0)
            if number != signal.SIGKILL:
                check_ending(node, status)
            began_s = time.monotonic()
            node = start(environment, tiny_weights, 'ended')
            try:
                served_s = streamer.wait_for_answer(began_s)
            except AssertionError as error:
                said = [f'{number.name}: {error}', *node.lines]
                raise AssertionError('\n'.join(said)) from error
            record_property(f'served again after {number.name} (s)', served_s)
    finally:
        streamer.close()
        node.end()


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(
    environment: Path, tiny_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither below HOME nor where XDG points to; root may write anywhere, but not in a file."""
    (tmp_path / 'file').touch()
    for name in ('HOME', 'XDG_CACHE_HOME', 'MTL_PERCEPTION_CACHE'):
        monkeypatch.setenv(name, str(tmp_path / 'file' / 'folder'))
    streamer = Streamer('cache')
    node = start(environment, tiny_weights, 'cache', backend='auto')
    try:
        streamer.wait_for_answer()
    finally:
        streamer.close()
        status = node.end()
    check_ending(node, status)
