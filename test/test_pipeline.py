from collections.abc import Iterator, Sequence
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_client import TIMEOUT_S, Watched

from mtl_perception.engine import Prediction
from mtl_perception.ros.pipeline.pipeline import Frame, Pass, Pipeline, Received

Pictures = Sequence[NDArray[np.uint8]]


class FakeCamera(Watched):
    """Decodes numbers to pictures of that value; what becomes of them is kept."""

    def __init__(self, size: tuple[int, int] = (2, 3)) -> None:
        super().__init__()
        self.size = size
        self.decoded: list[int] = []
        self.answered: list[tuple[int, bool]] = []
        self.errors: list[str] = []
        self.skipped = 0

    def decode(self, received: Received) -> Frame | None:
        number = received.message
        if number < 0:
            raise RuntimeError(f'cannot decode {number}')
        with self.changed:
            self.decoded.append(number)
            self.changed.notify_all()
        if number == 0:
            return None
        picture = np.full((*self.size, 3), number, np.uint8)
        fields = frozenset({'labels'} if number < 100 else ())
        return Frame(number, picture, received.received_s, frozenset(), fields)

    def answer(self, frame: Frame, prediction: Prediction | None, through: Pass) -> None:
        if prediction is not None:
            assert (prediction.labels == frame.picture[..., 0]).all()
        assert frame.received_s <= through.began_s <= through.ended_s
        with self.changed:
            self.answered.append((frame.header, prediction is not None))
            self.changed.notify_all()
        if frame.header == 13:
            raise RuntimeError('cannot publish 13')

    def skip(self) -> None:
        with self.changed:
            self.skipped += 1
            self.changed.notify_all()

    def fail(self, error: Exception) -> None:
        with self.changed:
            self.errors.append(str(error))
            self.changed.notify_all()


class Desk:
    """A pipeline whose network answers only once it is released."""

    def __init__(self, cameras: int, window_s: float = 0.0) -> None:
        self.batches: list[list[int]] = []
        self.began, self.released = threading.Semaphore(0), threading.Semaphore(0)
        self.pipeline = Pipeline(self.predict_batch, cameras, lambda: window_s)

    def predict_batch(self, pictures: Pictures, wanted: frozenset[str]) -> list[Prediction]:
        assert wanted == {'labels'}
        self.batches.append([int(picture[0, 0, 0]) for picture in pictures])
        self.began.release()
        assert self.released.acquire(timeout=TIMEOUT_S)
        if 66 in self.batches[-1]:
            raise RuntimeError('the network failed')
        return [Prediction(picture[..., 0], None, None, None) for picture in pictures]

    def put(self, camera: FakeCamera, number: int) -> None:
        self.pipeline.put(camera, Received(number, 0.0))

    def wait_for_network(self) -> None:
        assert self.began.acquire(timeout=TIMEOUT_S)


@pytest.fixture
def made() -> Iterator[Any]:
    desks: list[Desk] = []

    def make(cameras: int, window_s: float = 0.0) -> Desk:
        desks.append(Desk(cameras, window_s))
        return desks[-1]

    yield make
    for desk in desks:
        for _ in range(20):
            desk.released.release()
        desk.pipeline.close()


def test_decoding_goes_on_beside_the_network_and_the_newest_frame_wins(made: Any) -> None:
    desk, camera = made(1), FakeCamera()
    desk.put(camera, 1)
    desk.wait_for_network()
    for number in (2, 3, 4):
        desk.put(camera, number)
        camera.wait_for('decoding', lambda number=number: number in camera.decoded)
    camera.wait_for('skipped', lambda: camera.skipped == 2)
    desk.released.release()
    desk.wait_for_network()
    desk.released.release()
    camera.wait_for('answers', lambda: camera.answered == [(1, True), (4, True)])


def test_frames_of_several_cameras_share_a_pass_and_keep_apart(made: Any) -> None:
    desk, cameras = made(3, TIMEOUT_S), [FakeCamera(), FakeCamera((4, 5)), FakeCamera()]
    for number, camera in enumerate(cameras, 1):
        desk.put(camera, number)
    for _ in range(2):
        desk.wait_for_network()
        desk.released.release()
    for number, camera in enumerate(cameras, 1):
        camera.wait_for('answer', lambda camera=camera: camera.answered)
        assert camera.answered == [(number, True)]
    # one pass for each size
    assert sorted(desk.batches) == [[1, 3], [2]]


def test_a_silent_camera_holds_the_others_only_for_the_window(made: Any) -> None:
    desk, camera = made(2, 0.02), FakeCamera()
    for number in (1, 2):
        desk.put(camera, number)
        desk.wait_for_network()
        desk.released.release()
        camera.wait_for('answer', lambda number=number: (number, True) in camera.answered)


def test_what_needs_no_prediction_goes_past_the_network(made: Any) -> None:
    desk, camera = made(1), FakeCamera()
    desk.put(camera, 100)
    camera.wait_for('answer', lambda: camera.answered == [(100, False)])
    desk.put(camera, 0)
    camera.wait_for('decoding', lambda: camera.decoded == [100, 0])
    assert desk.batches == []


def test_every_error_costs_one_frame(made: Any) -> None:
    desk, camera = made(1), FakeCamera()
    for _ in range(20):
        desk.released.release()
    faults = {-1: 'cannot decode -1', 66: 'the network failed', 13: 'cannot publish 13'}
    for number, words in faults.items():
        desk.put(camera, number)
        camera.wait_for(words, lambda words=words: words in camera.errors)
    desk.put(camera, 5)
    camera.wait_for('answer', lambda: (5, True) in camera.answered)
    assert camera.errors == list(faults.values())


def test_close_finishes_the_frame_in_work_and_skips_the_others(made: Any) -> None:
    desk, camera = made(1), FakeCamera()
    desk.put(camera, 1)
    desk.wait_for_network()
    desk.put(camera, 2)
    camera.wait_for('decoding', lambda: camera.decoded == [1, 2])

    def release() -> None:
        camera.wait_for('skipped', lambda: camera.skipped == 1)
        desk.released.release()

    threading.Thread(target=release).start()
    desk.pipeline.close()
    assert camera.answered == [(1, True)]
    assert camera.skipped == 1
    desk.put(camera, 3)
    assert camera.skipped == 2
