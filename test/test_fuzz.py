"""Thousands of broken messages: no crash, no leak, and the next good frame is answered.

MTL_PERCEPTION_FUZZ is how many go through the callbacks, MTL_PERCEPTION_FUZZ_DDS how many through
a process of its own; by default as many as continuous integration has time for.
"""

from collections.abc import Callable, Iterator
import ctypes
import gc
import os
from pathlib import Path
import sys
import threading
import time
from typing import Any

from made_weights import make_weights
import numpy as np
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from mutations import (  # noqa: E402
    good_compressed,
    good_image,
    good_info,
    MUTATED,
    mutated_bytes,
    mutated_info,
)
from rclpy.parameter import Parameter  # noqa: E402
from ros_client import Client, NodeProcess, ros_environment, TIMEOUT_S  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2  # noqa: E402

from mtl_perception.ros.node import PerceptionNode  # noqa: E402

MESSAGES = int(os.environ.get('MTL_PERCEPTION_FUZZ', '1500'))
MESSAGES_DDS = int(os.environ.get('MTL_PERCEPTION_FUZZ_DDS', '300'))
GOOD_EVERY = 50
# resident memory that may come on top once everything has run; a leak of a kilobyte a message
# would be 20 MB in 20 000
ALLOWED_MB = 40.0
LABELS = 'segmentation/labels'
TRANSPORTS = {Image: ('raw', 'image'), CompressedImage: ('compressed', 'image/compressed')}
GOOD: dict[type, Callable[[int], Any]] = {Image: good_image, CompressedImage: good_compressed}


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('fuzz')
        for name, value in ros_environment(folder).items():
            patch.setenv(name, value)
        make_weights(folder / 'made.safetensors', {'segmentation': 8, 'depth': 1})
        yield folder


class Decoded:
    """Counts the messages that the node has come to decode, in whichever thread."""

    def __init__(self, decode: Callable[[Any], Any]) -> None:
        self.count = 0
        self._decode = decode
        self._changed = threading.Condition()

    def __call__(self, message: Any) -> Any:
        try:
            return self._decode(message)
        finally:
            with self._changed:
                self.count += 1
                self._changed.notify_all()

    def wait_for(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.count >= count, TIMEOUT_S)


class Fuzzed:
    """The node in this process, its subscriptions, and a client that gets its answers."""

    def __init__(self, folder: Path, kind: type, decoded: Decoded) -> None:
        transport, self.topic = TRANSPORTS[kind]
        self.client = Client()
        self.client.subscribe(Image, LABELS)
        self.client.subscribe(PointCloud2, 'points')
        values = {
            'weights': str(folder / 'made.safetensors'),
            'backend': 'torch',
            'image_transport': transport,
        }
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        # by its own name, as it stays in the graph until it is collected
        self.node = PerceptionNode(
            'fuzzed', context=self.client.context, parameter_overrides=overrides
        )
        self.node.start()
        self._decoded = decoded
        self._second = 0
        self._make_good = GOOD[kind]
        for topic in (LABELS, 'points'):
            self.client.wait_for('match', lambda topic=topic: self.listened(topic))

    def listened(self, topic: str) -> bool:
        [publisher] = [p for p in self.node.publishers if p.topic_name == f'/{topic}']
        return publisher.get_subscription_count() > 0

    def call(self, topic: str, message: Any) -> None:
        """Hand over a message as rclpy does, and wait until the node has looked at it."""
        before = self._decoded.count
        [one] = [s for s in self.node.subscriptions if s.topic_name == f'/{topic}']
        self._second += 1
        one.callback(message, {'source_timestamp': self._second, 'received_timestamp': 0})
        if topic == self.topic:
            self._decoded.wait_for(before + 1)

    def check_answers(self, second: int) -> None:
        """Send a good frame and wait for its labels and points."""
        self.call('camera_info', good_info())
        self.call(self.topic, self._make_good(second))
        for topic in (LABELS, 'points'):
            self.client.wait_for(
                f'{topic} of the good frame {second}',
                lambda topic=topic: any(
                    one.header.frame_id == 'good' and one.header.stamp.sec == second
                    for one in self.client.received[topic]
                ),
            )
            self.client.received[topic].clear()

    def close(self) -> None:
        self.node.destroy_node()
        self.client.close()


@pytest.fixture(params=TRANSPORTS, ids=lambda kind: kind.__name__)
def fuzzed(
    request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Fuzzed]:
    # the node decodes in one place, whichever that is
    [user] = [
        module
        for name, module in sys.modules.items()
        if name.startswith('mtl_perception.ros.') and hasattr(module, 'decode_message')
    ]
    decoded = Decoded(user.decode_message)
    monkeypatch.setattr(user, 'decode_message', decoded)
    fuzzed = Fuzzed(folder, request.param, decoded)
    yield fuzzed
    fuzzed.close()


def test_the_callbacks_take_everything(fuzzed: Fuzzed, request: pytest.FixtureRequest) -> None:
    """Half of the messages are pictures or files, a quarter of them calibrations."""
    kind = request.node.callspec.params['fuzzed']
    random = np.random.default_rng(0)
    count = MESSAGES // 2
    resident_mb = []
    for number in range(count):
        if number % 4 == 0:
            fuzzed.call('camera_info', mutated_info(random))
        else:
            fuzzed.call(fuzzed.topic, MUTATED[kind](random))
        if number % GOOD_EVERY == 0:
            fuzzed.check_answers(1 + number)
        if number in (count // 2, count - 1):
            resident_mb.append(resident())
    fuzzed.check_answers(count + 1)
    assert resident_mb[1] - resident_mb[0] < ALLOWED_MB


@pytest.mark.parametrize('kind', TRANSPORTS, ids=lambda kind: kind.__name__)
def test_a_process_takes_everything_over_dds(folder: Path, kind: type) -> None:
    transport, topic = TRANSPORTS[kind]
    weights = folder / 'made.safetensors'
    node = NodeProcess(folder, weights=weights, backend='torch', image_transport=transport)
    client = Client()
    try:
        client.subscribe(Image, LABELS)
        camera = client.node.create_publisher(kind, topic, 10)
        infos = client.node.create_publisher(CameraInfo, 'camera_info', 10)
        client.wait_for('the node', lambda: camera.get_subscription_count() and infos)
        check_answer(client, camera, GOOD[kind], 1)
        random = np.random.default_rng(1)
        for number in range(MESSAGES_DDS // 2):
            publisher, made = [(camera, kind), (infos, CameraInfo)][number % 4 == 0]
            message = MUTATED[made](random)
            # every third is damaged on the wire
            publisher.publish(mutated_bytes(random, message) if number % 3 == 0 else message)
            # there is no event for a message that nobody answers; faster, and only the last
            # of many would be looked at
            time.sleep(0.005)
            if number % GOOD_EVERY == 0:
                check_answer(client, camera, GOOD[kind], 2 + number)
        check_answer(client, camera, GOOD[kind], MESSAGES_DDS + 2)
        assert node.process.poll() is None
    finally:
        client.close()
        status = node.end()
    assert status == 0, '\n'.join(node.lines[-20:])
    assert not [line for line in node.lines if 'Traceback' in line]


def check_answer(client: Client, camera: Any, good: Callable[[int], Any], second: int) -> None:
    client.repeat_until(
        f'an answer to the good frame {second}',
        lambda: camera.publish(good(second)),
        lambda: any(
            one.header.frame_id == 'good' and one.header.stamp.sec == second
            for one in client.received[LABELS]
        ),
    )
    client.received[LABELS].clear()


def resident() -> float:
    """Give this process's resident memory in MB, without what is free again."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 2**20
