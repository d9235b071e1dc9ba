from collections.abc import Iterator
import threading

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_client import Client, ros_environment, TIMEOUT_S
from std_msgs.msg import String

from mtl_perception.ros.incoming import (
    CameraSubscription,
    Counters,
    LatestFrameWorker,
)


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


RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


class Listener(Client):
    """Hears a topic by a CameraSubscription, and publishes on it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def listen(self, reliability: str) -> None:
        def receive(message: String) -> None:
            with self.changed:
                self.heard.append(message.data)
                self.changed.notify_all()

        self.subscription = CameraSubscription(self.node, String, 'word', reliability, receive)

    def publisher(self, reliability: ReliabilityPolicy):
        return self.node.create_publisher(
            String, 'word', QoSProfile(depth=10, reliability=reliability)
        )

    def wait_for_reliability(self, expected: ReliabilityPolicy) -> None:
        def found() -> bool:
            infos = self.node.get_subscriptions_info_by_topic('word')
            return [info.qos_profile.reliability for info in infos] == [expected]

        self.wait_for(f'one subscription, {expected.name}', found)


@pytest.fixture
def listener(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Listener]:
    for name, value in ros_environment(tmp_path_factory.mktemp('log')).items():
        monkeypatch.setenv(name, value)
    listener = Listener()
    yield listener
    listener.execute(listener.subscription.destroy)
    listener.close()


def test_auto_takes_what_the_publishers_there_offer(listener: Listener) -> None:
    listener.publisher(BEST_EFFORT)
    listener.wait_for('publisher', lambda: listener.node.count_publishers('word'))
    listener.listen('auto')
    listener.wait_for_reliability(BEST_EFFORT)


def test_auto_hears_the_first_word_of_a_reliable_publisher(listener: Listener) -> None:
    listener.listen('auto')
    publisher = listener.publisher(RELIABLE)
    listener.wait_for('match', publisher.get_subscription_count)
    publisher.publish(String(data='first'))
    listener.wait_for('it', lambda: listener.heard == ['first'])


def test_auto_follows_publishers_that_come_and_go(listener: Listener) -> None:
    listener.listen('auto')
    reliable = listener.publisher(RELIABLE)
    listener.wait_for('match', reliable.get_subscription_count)
    best_effort = listener.publisher(BEST_EFFORT)
    listener.wait_for_reliability(BEST_EFFORT)
    for publisher, word in ((reliable, 'reliable'), (best_effort, 'best effort')):
        listener.repeat_until(
            word,
            lambda publisher=publisher, word=word: publisher.publish(String(data=word)),
            lambda word=word: word in listener.heard,
        )
    listener.execute(lambda: listener.node.destroy_publisher(best_effort))
    listener.wait_for_reliability(RELIABLE)


def test_auto_hears_a_best_effort_publisher_that_comes_later(listener: Listener) -> None:
    listener.listen('auto')
    publisher = listener.publisher(BEST_EFFORT)
    listener.wait_for_reliability(BEST_EFFORT)
    listener.repeat_until(
        'a word', lambda: publisher.publish(String(data='late')), lambda: listener.heard
    )


def test_reliable_stays_reliable(listener: Listener) -> None:
    warnings: list[str] = []
    listener.node.get_logger = lambda: type('Log', (), {'warning': warnings.append})
    listener.listen('reliable')
    listener.publisher(BEST_EFFORT)
    (warning,) = listener.wait_for('warning', lambda: warnings)
    assert '/word: a publisher offers an incompatible reliability' in warning
    listener.wait_for_reliability(RELIABLE)
