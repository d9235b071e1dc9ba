import threading

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from mtl_perception.ros.incoming import Counters, LatestFrameWorker

TIMEOUT_S = 30.0


class Desk:
    """Serves frames, each only once it is released."""

    def __init__(self) -> None:
        self.served: list[int] = []
        self.errors: list[Exception] = []
        self.began = threading.Semaphore(0)
        self.released = threading.Semaphore(0)
        self.worker = LatestFrameWorker[int](self.serve, self.errors.append)

    def serve(self, frame: int) -> None:
        self.began.release()
        assert self.released.acquire(timeout=TIMEOUT_S)
        if frame < 0:
            raise ValueError(f'frame {frame}')
        self.served.append(frame)


@pytest.fixture
def desk():
    desk = Desk()
    yield desk
    for _ in range(10):
        desk.released.release()
    desk.worker.close()


def test_the_newest_frame_wins(desk: Desk) -> None:
    assert not desk.worker.put(1)
    assert desk.began.acquire(timeout=TIMEOUT_S)
    assert not desk.worker.put(2)
    assert desk.worker.put(3)
    assert desk.worker.put(4)
    for _ in range(2):
        desk.released.release()
    assert desk.began.acquire(timeout=TIMEOUT_S)
    assert not desk.worker.close()
    assert desk.served == [1, 4]


def test_an_error_is_reported_and_the_next_frame_served(desk: Desk) -> None:
    for frame in (-1, 2):
        desk.worker.put(frame)
        assert desk.began.acquire(timeout=TIMEOUT_S)
        desk.released.release()
    desk.worker.close()
    assert [str(error) for error in desk.errors] == ['frame -1']
    assert desk.served == [2]


def test_close_finishes_the_frame_in_work_and_skips_the_waiting_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    join = threading.Thread.join

    def release_and_join(thread: threading.Thread) -> None:
        desk.released.release()
        join(thread)

    monkeypatch.setattr(threading.Thread, 'join', release_and_join)
    desk.worker.put(1)
    assert desk.began.acquire(timeout=TIMEOUT_S)
    desk.worker.put(2)
    assert desk.worker.close()
    assert desk.served == [1]


def test_a_frame_after_close_is_skipped(desk: Desk) -> None:
    desk.worker.close()
    assert desk.worker.put(1)
    assert desk.served == []


def test_counters_read_as_a_line() -> None:
    assert str(Counters(received=3, answered=2, bad=1)) == (
        '3 received, 2 answered, 0 skipped, 0 unwanted, 1 bad, 0 failed'
    )
