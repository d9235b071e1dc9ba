"""What comes in from a camera: topics that follow their publishers, and the newest frame."""

from collections.abc import Callable
from dataclasses import dataclass
import threading
from typing import Any, Generic, TypeVar

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

Frame = TypeVar('Frame')

_RELIABILITIES = {
    'reliable': ReliabilityPolicy.RELIABLE,
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
}


@dataclass
class Counters:
    """What became of the frames received since activation; the others add up to `received`.

    `skipped` were replaced by newer ones (or the end) before their turn, `unwanted` found no
    subscriber or a paused node, `bad` could not be decoded, `failed` met an error of our own.
    """

    received: int = 0
    answered: int = 0
    skipped: int = 0
    unwanted: int = 0
    bad: int = 0
    failed: int = 0

    def __str__(self) -> str:
        """Write them in one line."""
        return ', '.join(f'{count} {name}' for name, count in vars(self).items())


class LatestFrameWorker(Generic[Frame]):
    """One thread and a slot for one frame: a newer frame replaces the one that still waits.

    Whoever puts a frame never waits for the one in work.
    """

    def __init__(
        self, serve: Callable[[Frame], None], report: Callable[[Exception], None]
    ) -> None:
        """Start the thread. It calls serve for each frame, report with what serve raises."""
        self._serve = serve
        self._report = report
        self._changed = threading.Condition()
        self._waiting: Frame | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name='latest-frame', daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> bool:
        """Hand over a frame; True if a frame was skipped for it, or it came after close."""
        with self._changed:
            skipped = self._closed or self._waiting is not None
            if not self._closed:
                self._waiting = frame
                self._changed.notify()
        return skipped

    def close(self) -> bool:
        """Let the frame in work finish and end the thread; True if a waiting one was skipped."""
        with self._changed:
            skipped = self._waiting is not None
            self._waiting = None
            self._closed = True
            self._changed.notify()
        self._thread.join()
        return skipped

    def _run(self) -> None:
        while (frame := self._take()) is not None:
            try:
                self._serve(frame)
            except Exception as error:
                self._report(error)

    def _take(self) -> Frame | None:
        """Wait for a frame; None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting is not None)
            frame, self._waiting = self._waiting, None
        return frame


class CameraSubscription:
    """One topic of a camera, keep last 1; QoS overrides are honoured.

    With reliability `auto` it subscribes reliably unless a publisher does not offer that, and
    looks again whenever one comes or goes. Before the first has come it is reliable, since a best
    effort subscription misses what is sent while the two still discover each other.
    """

    def __init__(
        self, node: Node, kind: type, topic: str, reliability: str, receive: Callable[[Any], None]
    ) -> None:
        """Subscribe: auto, reliable or best_effort. receive is called in the executor."""
        self.topic: str = node.resolve_topic_name(topic)
        self._node = node
        self._kind = kind
        self._unresolved_topic = topic
        self._receive = receive
        self._overrides = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
        # declared only where a user did: rclpy would freeze the first choice of `auto`
        if node.has_parameter(f'qos_overrides.{self.topic}.subscription.reliability'):
            self._overrides.append(QoSPolicyKind.RELIABILITY)
        self._follows = reliability == 'auto' and QoSPolicyKind.RELIABILITY not in self._overrides
        self._last_source_timestamp = 0
        self._retired: Subscription | None = None
        self._current = self._subscribe(
            _RELIABILITIES.get(reliability)
            or self._offered_reliability()
            or ReliabilityPolicy.RELIABLE
        )

    def destroy(self) -> None:
        """Unsubscribe."""
        self._destroy_retired()
        self._node.destroy_subscription(self._current)

    def _subscribe(self, reliability: ReliabilityPolicy) -> Subscription:
        return self._node.create_subscription(
            self._kind,
            self._unresolved_topic,
            self._take,
            QoSProfile(depth=1, reliability=reliability),
            event_callbacks=SubscriptionEventCallbacks(
                matched=self._review, incompatible_qos=self._report_incompatible
            ),
            qos_overriding_options=QoSOverridingOptions(self._overrides),
        )

    def _offered_reliability(self) -> ReliabilityPolicy | None:
        """Tell what serves every publisher of the topic; None if there is none."""
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        offers = {publisher.qos_profile.reliability for publisher in publishers}
        if not offers:
            return None
        everyone = offers == {ReliabilityPolicy.RELIABLE}
        return ReliabilityPolicy.RELIABLE if everyone else ReliabilityPolicy.BEST_EFFORT

    def _review(self, _: object = None) -> None:
        """Subscribe anew where the offer changed; the old one serves until the new is matched."""
        self._destroy_retired()
        offered = self._offered_reliability() if self._follows else None
        if offered not in (None, self._current.qos_profile.reliability):
            self._retired, self._current = self._current, self._subscribe(offered)

    def _destroy_retired(self) -> None:
        if self._retired is not None:
            self._node.destroy_subscription(self._retired)
            self._retired = None

    def _report_incompatible(self, event: Any) -> None:
        policy = QoSPolicyKind(event.last_policy_kind)
        if self._follows and policy == QoSPolicyKind.RELIABILITY:
            self._review()
        else:
            self._node.get_logger().warning(
                f'{self.topic}: a publisher offers an incompatible {policy.name.lower()}, nothing '
                "comes from it; set reliability to 'auto' or 'best_effort', or correct the "
                'qos_overrides of this topic'
            )

    def _take(self, message: Any, about: dict[str, int]) -> None:
        # while two subscriptions overlap, both bring the same publication
        timestamp = about['source_timestamp']
        if not timestamp or timestamp != self._last_source_timestamp:
            self._last_source_timestamp = timestamp
            self._receive(message)
