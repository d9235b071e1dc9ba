from array import array
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_client import Client, ros_environment, TIMEOUT_S
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header

from mtl_perception.engine import output_size, Prediction
from mtl_perception.geometry import Intrinsics
from mtl_perception.ground import GroundPlane
from mtl_perception.label_space import label_space
from mtl_perception.ros.calibration import scale
from mtl_perception.ros.camera import Camera
from mtl_perception.ros.health.causes import causes_of
from mtl_perception.ros.outputs import Outputs
from mtl_perception.ros.parameters import Parameters
from mtl_perception.ros.pipeline.pipeline import Pipeline

WIDTH, HEIGHT = 8, 4
LABELS, INFO = 'segmentation/labels', 'segmentation/camera_info'
DEPTH, OBSTACLES = 'depth/image', 'points/obstacles'


CARD = SimpleNamespace(tasks=('segmentation',), label_space='road8', training_f_px=None)


class FakeEngine:
    """Counts its predictions; the test says what happens in each."""

    def __init__(self) -> None:
        self.predictions = 0
        self.scale = 1.0
        self.during: Callable[[], None] = lambda: None

    def predict_batch(
        self, pictures: Sequence[NDArray[np.uint8]], wanted: Collection[str]
    ) -> list[Prediction]:
        assert wanted == {'labels', 'confidence'}
        self.predictions += 1
        self.during()
        height, width = pictures[0].shape[:2]
        zeros = np.zeros(output_size(height, width, self.scale), np.uint8)
        return [Prediction(zeros, zeros, None, None) for _ in pictures]


class Bench(Client):
    """A camera on the node of this process, which also feeds it."""

    def __init__(
        self,
        predict_batch: Callable[..., list[Prediction]] | None = None,
        card: Any = CARD,
        parameters: Callable[[], Parameters] = Parameters,
    ) -> None:
        super().__init__()
        self.engine = FakeEngine()
        self.pipeline = Pipeline(predict_batch or self.engine.predict_batch, 1, lambda: 0.0)
        self.camera = Camera(self.node, card, parameters)
        self.images = self.node.create_publisher(Image, 'image', 10)
        self.infos = self.node.create_publisher(CameraInfo, 'camera_info', 10)
        self.camera.start(self.pipeline.put)
        self.wait_for('match', lambda: self.images.get_subscription_count())

    def stop(self) -> None:
        self.camera.stop()
        self.pipeline.close()

    def send(self, number: int, size: tuple[int, int] = (HEIGHT, WIDTH)) -> None:
        height, width = size
        self.images.publish(
            Image(
                header=Header(frame_id=str(number)),
                height=height,
                width=width,
                encoding='mono8',
                step=width,
                data=array('B', bytes(width * height)),
            )
        )

    def wait_for_count(self, name: str, count: int) -> None:
        counters = self.camera.counters
        self.wait_for(f'{count} {name}', lambda: getattr(counters, name) == count)

    def subscribe_and_match(self, kind: type, topic: str) -> None:
        self.subscribe(kind, topic)
        self.wait_for('match', lambda: topic in self.camera._outputs.wanted())


@pytest.fixture
def make_bench(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Bench]]:
    for name, value in ros_environment(Path(tmp_path_factory.mktemp('log'))).items():
        monkeypatch.setenv(name, value)
    benches = []

    def make(*arguments: Any) -> Bench:
        benches.append(Bench(*arguments))
        return benches[-1]

    yield make
    for bench in benches:
        bench.execute(bench.stop)
        bench.execute(bench.camera.destroy)
        bench.close()


@pytest.fixture
def bench(make_bench: Callable[..., Bench]) -> Bench:
    return make_bench()


def test_the_network_does_not_run_for_nobody(bench: Bench) -> None:
    bench.send(1)
    bench.wait_for_count('unwanted', 1)
    assert bench.engine.predictions == 0


def test_the_network_does_not_run_for_a_camera_info(bench: Bench) -> None:
    bench.subscribe_and_match(CameraInfo, INFO)
    bench.infos.publish(CameraInfo(width=WIDTH, height=HEIGHT))
    bench.wait_for('camera_info', lambda: bench.camera._infos.of(WIDTH, HEIGHT))
    bench.send(1)
    bench.wait_for('answer', lambda: bench.received[INFO])
    bench.wait_for_count('answered', 1)
    assert bench.engine.predictions == 0


def test_outputs_of_a_reduced_picture_come_with_a_camera_info_of_their_size(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.engine.scale = 0.5
    monkeypatch.setattr(bench.camera, '_parameters', lambda: Parameters(scale=0.5))
    bench.subscribe_and_match(CameraInfo, INFO)
    bench.subscribe_and_match(Image, LABELS)
    p = [10.0, 0.0, 4.0, 0.0, 0.0, 10.0, 2.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    bench.infos.publish(CameraInfo(width=WIDTH, height=HEIGHT, p=p))
    bench.wait_for('camera_info', lambda: bench.camera._infos.of(WIDTH, HEIGHT))
    bench.send(1)
    (labels,) = bench.wait_for('labels', lambda: bench.received[LABELS])
    (info,) = bench.wait_for('camera_info', lambda: bench.received[INFO])
    assert labels.header == info.header
    assert (labels.width, labels.height) == (info.width, info.height) == (4, 2)
    assert (info.p[0], info.p[2], info.p[5], info.p[6]) == (5.0, 1.75, 5.0, 0.75)


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
    bench.wait_for_count('skipped', 2)
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
    bench.execute(bench.stop)
    assert (bench.camera.counters.answered, bench.camera.counters.failed) == (1, 0)


def test_each_camera_may_complain_at_once(bench: Bench, capfd: pytest.CaptureFixture[str]) -> None:
    """The same complaint of another camera is not one too many."""
    other = Camera(bench.node, CARD, Parameters, 'other')
    for camera in (bench.camera, other):
        for _ in range(2):
            camera.fail(RuntimeError('no memory'))
    bench.execute(other.destroy)
    said = capfd.readouterr().err
    for topic in ('/image', '/other/image'):
        assert said.count(f' {topic}: could not answer a frame: RuntimeError: no memory') == 1


def test_its_state_tells_what_came_and_what_is_missing(bench: Bench) -> None:
    bench.subscribe_and_match(Image, LABELS)
    bench.send(1)
    bench.wait_for_count('answered', 1)
    state = bench.camera.state()
    assert (state.image_topic, state.info_topic) == ('/image', '/camera_info')
    assert state.interval.size == (WIDTH, HEIGHT)
    assert state.interval.counters.answered == 1
    assert 'publishes there, to us (reliable, volatile)' in state.silence
    # labels do not need a calibration
    assert not state.info_lack
    # the stamp of the frame is that of 1970
    assert [cause.sentence.split(',')[0] for cause in causes_of(state)] == [
        'stamps are of another clock'
    ]


def test_not_subscribed_it_has_no_state_and_begins_anew(bench: Bench) -> None:
    bench.send(1)
    bench.wait_for_count('unwanted', 1)
    bench.execute(bench.camera.stop)
    assert bench.camera.state() is None
    bench.execute(lambda: bench.camera.start(bench.pipeline.put))
    assert bench.camera.counters.received == 0


def test_a_cloud_that_was_not_asked_for_is_not_made_of_less(
    make_bench: Callable[..., Bench],
) -> None:
    """A calibration that comes while a frame is in work is for the next one."""
    asked: list[set[str]] = []
    calibration = CameraInfo(width=WIDTH, height=HEIGHT, p=[5.0, *[0.0] * 4, 5.0, *[0.0] * 6])
    calibration.p[10] = 1.0

    def predict_batch(pictures: Sequence[Any], wanted: Collection[str]) -> list[Prediction]:
        asked.append({*wanted})
        if len(asked) == 1:
            bench.infos.publish(calibration)
            bench.wait_for('camera_info', lambda: bench.camera._infos.of(WIDTH, HEIGHT))
        shape = pictures[0].shape[:2]
        depth = np.full(shape, 5.0, np.float32)
        labels = np.zeros(shape, np.uint8) if 'labels' in wanted else None
        return [Prediction(labels, labels, depth, None) for _ in pictures]

    card = SimpleNamespace(tasks=('segmentation', 'depth'), label_space='road8', training_f_px=5.0)
    bench = make_bench(predict_batch, card)
    bench.subscribe_and_match(Image, DEPTH)
    bench.subscribe_and_match(PointCloud2, OBSTACLES)
    for number in (1, 2):
        bench.send(number)
        bench.wait_for_count('answered', number)
    assert asked == [{'depth'}, {'labels', 'confidence', 'depth'}]
    bench.wait_for('depth', lambda: len(bench.received[DEPTH]) == 2)
    (cloud,) = bench.wait_for('cloud', lambda: bench.received[OBSTACLES])
    assert cloud.header.frame_id == '2'


def test_depth_is_scaled_by_the_ground_once_that_is_known(
    make_bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Depth alone is wanted, yet the network is asked for labels, which tell the ground."""
    monkeypatch.setattr(scale, '_EVERY_S', 0.0)
    shape, f_px = (120, 160), 200.0
    intrinsics = Intrinsics.centred(f_px, None, 20.0, shape)
    seen = GroundPlane.level(intrinsics, 2.0).depth(*np.indices(shape))
    road = np.full(shape, label_space('road8').id_of('road'), np.uint8)

    def predict_batch(pictures: Sequence[Any], wanted: Collection[str]) -> list[Prediction]:
        assert wanted == {'labels', 'depth'}
        return [Prediction(road, None, seen, None) for _ in pictures]

    # the network was trained on half the focal length: things are twice as far away
    card = SimpleNamespace(
        tasks=('segmentation', 'depth'), label_space='road8', training_f_px=f_px / 2
    )
    known = Parameters(ground_check=True, ground_apply=True, camera_height_m=1.0)
    bench = make_bench(predict_batch, card, lambda: known)
    bench.subscribe_and_match(Image, DEPTH)
    p = [f_px, 0.0, intrinsics.cx_px, 0.0, 0.0, f_px, 20.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    bench.infos.publish(CameraInfo(width=shape[1], height=shape[0], p=p))
    bench.wait_for('camera_info', lambda: bench.camera._infos.of(shape[1], shape[0]))
    for number in range(4):
        bench.send(number, shape)
        bench.wait_for_count('answered', number + 1)
    answers = bench.wait_for('depth', lambda: bench.received[DEPTH][3:] and bench.received[DEPTH])
    first, last = (
        np.frombuffer(answer.data, np.float32).reshape(shape)[60:] / seen[60:]
        for answer in (answers[0], answers[3])
    )
    np.testing.assert_allclose(first, 2.0, rtol=1e-5)
    # 4 m below the camera instead of one
    np.testing.assert_allclose(last, 0.5, rtol=1e-3)
    assert bench.camera.state().ground_scale.ratio == pytest.approx(0.25, rel=1e-3)

    publish = Outputs.publish_camera_infos

    def changed_meanwhile(*arguments: Any) -> None:
        nonlocal known
        known = replace(known, depth_scale=2.0)
        publish(*arguments)

    monkeypatch.setattr(Outputs, 'publish_camera_infos', changed_meanwhile)
    bench.send(4, shape)
    answers = bench.wait_for('depth', lambda: bench.received[DEPTH][4:] and bench.received[DEPTH])
    amid = np.frombuffer(answers[4].data, np.float32).reshape(shape)
    np.testing.assert_allclose(amid[60:] / seen[60:], 0.5, rtol=1e-3)


def test_sweeps_are_missed_only_after_a_while(make_bench: Callable[..., Bench]) -> None:
    patient, hasty = (
        make_bench(None, CARD, lambda s=s: Parameters(lidar_check=True, diagnostics_no_image_s=s))
        for s in (60.0, 0.1)
    )
    time.sleep(0.2)
    assert patient.camera.state().lidar_fault == ''
    assert hasty.camera.state().lidar_fault.startswith('no sweep on /lidar: nobody publishes')


@pytest.mark.parametrize('applied', [True, False])
def test_what_cannot_be_compared_misses_a_camera_info(
    make_bench: Callable[..., Bench], applied: bool
) -> None:
    parameters = Parameters(ground_check=True, ground_apply=applied, camera_height_m=1.0)
    bench = make_bench(None, CARD, lambda: parameters)
    bench.subscribe_and_match(Image, LABELS)
    assert bench.camera._misses_info({LABELS}) == applied
