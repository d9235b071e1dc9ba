from collections.abc import Iterator
import time

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from ros_client import Client, ros_environment
from std_msgs.msg import String

from mtl_perception.ros.incoming import CameraSubscription

RELIABLE, BEST_EFFORT = ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT


class Listener(Client):
    """Hears a topic by a CameraSubscription, and publishes on it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self.lost = 0
        self.pause_s = 0.0

    def listen(self, reliability: str) -> None:
        def receive(message: String) -> None:
            with self.changed:
                self.heard.append(message.data)
                self.changed.notify_all()
            time.sleep(self.pause_s)

        def lose(count: int) -> None:
            with self.changed:
                self.lost += count

        self.subscription = CameraSubscription(
            self.node, String, 'word', reliability, receive, lose
        )

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


def test_durability_can_be_overridden(listener: Listener) -> None:
    name = 'qos_overrides./word.subscription.durability'
    listener.node._parameter_overrides[name] = Parameter(name, value='transient_local')
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    listener.node.create_publisher(String, 'word', latched).publish(String(data='before'))
    listener.listen('auto')
    listener.wait_for('what was sent before', lambda: listener.heard == ['before'])


def test_silence_is_explained_by_who_publishes_and_how(listener: Listener) -> None:
    listener.listen('reliable')
    assert 'nobody publishes there; start the camera' in listener.subscription.silence()
    publisher = listener.publisher(RELIABLE)
    listener.wait_for('match', publisher.get_subscription_count)
    said = listener.subscription.silence()
    assert said.startswith('/client (reliable, volatile) publishes there, to us (reliable, vol')


@pytest.mark.parametrize('reliability', [RELIABLE, BEST_EFFORT])
def test_what_the_middleware_replaced_is_told(
    listener: Listener, reliability: ReliabilityPolicy
) -> None:
    listener.listen('auto')
    listener.pause_s = 0.1
    publisher = listener.publisher(reliability)
    listener.repeat_until(
        'a word', lambda: publisher.publish(String(data='before')), lambda: listener.heard
    )
    listener.wait_for_reliability(reliability)
    time.sleep(0.5)
    heard, lost = len(listener.heard), listener.lost
    for number in range(20):
        publisher.publish(String(data=str(number)))
        time.sleep(0.02)
    listener.wait_for('the last', lambda: listener.heard[-1] == '19')
    assert listener.lost > lost
    assert len(listener.heard) - heard + listener.lost - lost == 20
    # another one counts anew
    listener.execute(lambda: listener.node.destroy_publisher(publisher))
    lost = listener.lost
    other = listener.publisher(reliability)
    listener.repeat_until(
        'a word',
        lambda: other.publish(String(data='after')),
        lambda: listener.heard[-1] == 'after',
    )
    assert listener.lost == lost


def test_silence_names_the_policy_that_does_not_fit(listener: Listener) -> None:
    listener.listen('reliable')
    listener.publisher(BEST_EFFORT)

    def said() -> bool:
        return 'with a reliability that does not fit' in listener.subscription.silence()

    listener.wait_for('the policy', said)
    assert '/client (best effort, volatile)' in listener.subscription.silence()
