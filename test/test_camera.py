from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
import threading
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_client import Client, ros_environment, TIMEOUT_S
from sensor_msgs.msg import CameraInfo, Image
from std_msgs.msg import Header

from mtl_perception.engine import Prediction
from mtl_perception.ros.camera import Camera
from mtl_perception.ros.parameters import Parameters

WIDTH, HEIGHT = 8, 4
LABELS, INFO = 'segmentation/labels', 'segmentation/camera_info'


class FakeEngine:
    """Counts its predictions; the test says what happens in each."""

    card = SimpleNamespace(tasks=('segmentation',), label_space='road8', training_f_px=None)

    def __init__(self) -> None:
        self.predictions = 0
        self.during: Callable[[], None] = lambda: None

    def predict(self, picture: NDArray[np.uint8]) -> Prediction:
        self.predictions += 1
        self.during()
        zeros = np.zeros(picture.shape[:2], np.uint8)
        return Prediction(zeros, zeros, None, None)


class Bench(Client):
    """A camera on the node of this process, which also feeds it."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = FakeEngine()
        self.camera = Camera(self.node, self.engine, Parameters)
        self.images = self.node.create_publisher(Image, 'image', 10)
        self.infos = self.node.create_publisher(CameraInfo, 'camera_info', 10)
        self.camera.start()
        self.wait_for('match', lambda: self.images.get_subscription_count())

    def send(self, number: int) -> None:
        self.images.publish(
            Image(
                header=Header(frame_id=str(number)),
                height=HEIGHT,
                width=WIDTH,
                encoding='mono8',
                step=WIDTH,
                data=array('B', bytes(WIDTH * HEIGHT)),
            )
        )

    def wait_for_count(self, name: str, count: int) -> None:
        counters = self.camera.counters
        self.wait_for(f'{count} {name}', lambda: getattr(counters, name) == count)

    def subscribe_and_match(self, kind: type, topic: str) -> None:
        self.subscribe(kind, topic)
        self.wait_for('match', lambda: topic in self.camera._outputs.wanted())


@pytest.fixture
def bench(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bench]:
    for name, value in ros_environment(Path(tmp_path_factory.mktemp('log'))).items():
        monkeypatch.setenv(name, value)
    bench = Bench()
    yield bench
    bench.execute(bench.camera.destroy)
    bench.close()


def test_the_network_does_not_run_for_nobody(bench: Bench) -> None:
    bench.send(1)
    bench.wait_for_count('unwanted', 1)
    assert bench.engine.predictions == 0


def test_the_network_does_not_run_for_a_camera_info(bench: Bench) -> None:
    bench.subscribe_and_match(CameraInfo, INFO)
    bench.infos.publish(CameraInfo(width=WIDTH, height=HEIGHT))
    bench.wait_for('camera_info', lambda: bench.camera._infos)
    bench.send(1)
    bench.wait_for('answer', lambda: bench.received[INFO])
    bench.wait_for_count('answered', 1)
    assert bench.engine.predictions == 0


def test_an_error_of_the_engine_costs_one_frame(bench: Bench) -> None:
    bench.subscribe_and_match(Image, LABELS)

    def fail() -> None:
        raise RuntimeError('out of memory')

    bench.engine.during = fail
    bench.send(1)
    bench.wait_for_count('failed', 1)
    bench.engine.during = lambda: None
    bench.send(2)
    answers = bench.wait_for('answer', lambda: bench.received[LABELS])
    assert [one.header.frame_id for one in answers] == ['2']


def test_the_executor_does_not_wait_for_the_network_and_the_newest_frame_wins(
    bench: Bench,
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def dawdle() -> None:
        began.set()
        assert go_on.wait(TIMEOUT_S)

    bench.subscribe_and_match(Image, LABELS)
    bench.engine.during = dawdle
    bench.send(1)
    assert began.wait(TIMEOUT_S)
    for number in (2, 3, 4):
        bench.send(number)
        bench.wait_for_count('received', number)
    go_on.set()
    bench.wait_for('answers', lambda: len(bench.received[LABELS]) == 2)
    assert [one.header.frame_id for one in bench.received[LABELS]] == ['1', '4']
    assert bench.camera.counters.skipped == 2


def test_stop_finishes_the_frame_in_work(bench: Bench) -> None:
    began, go_on = threading.Event(), threading.Event()

    def dawdle() -> None:
        began.set()
        assert go_on.wait(TIMEOUT_S)

    bench.subscribe_and_match(Image, LABELS)
    bench.engine.during = dawdle
    bench.send(1)
    assert began.wait(TIMEOUT_S)
    threading.Timer(0.1, go_on.set).start()
    bench.execute(bench.camera.destroy)
    assert (bench.camera.counters.answered, bench.camera.counters.failed) == (1, 0)
