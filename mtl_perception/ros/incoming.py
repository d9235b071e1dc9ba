"""What comes in from a camera: topics that follow their publishers."""

from collections.abc import Callable
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

_RELIABILITIES = {
    'reliable': ReliabilityPolicy.RELIABLE,
    'best_effort': ReliabilityPolicy.BEST_EFFORT,
}


# of a middleware that does not count publications; older ones of rclpy pass no number
_NO_NUMBER = 2**64 - 1


class CameraSubscription:
    """One topic of a camera, keep last 1; QoS overrides are honoured.

    With reliability `auto` it subscribes reliably unless a publisher does not offer that, and
    looks again whenever one comes or goes. Before the first has come it is reliable, since a best
    effort subscription misses what is sent while the two still discover each other.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        reliability: str,
        receive: Callable[[Any], None],
        lose: Callable[[int], None] | None = None,
    ) -> None:
        """Subscribe: auto, reliable or best_effort.

        receive is called in the executor, as is lose with how many were replaced before that.
        """
        self.topic: str = node.resolve_topic_name(topic)
        self._node = node
        self._kind = kind
        self._unresolved_topic = topic
        self._receive = receive
        self._lose = lose
        self._overrides = [QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH]
        # declared only where a user did: rclpy would freeze the first choice of `auto`
        for policy in (QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY):
            name = f'qos_overrides.{self.topic}.subscription.{policy.name.lower()}'
            if name in node._parameter_overrides:
                self._overrides.append(policy)
        self._follows = reliability == 'auto' and QoSPolicyKind.RELIABILITY not in self._overrides
        self._last_source_timestamp = 0
        self._last_number: int | None = None
        self._incompatible = ''
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

    def silence(self) -> str:
        """Say why nothing may come: who publishes on the topic, and by which QoS."""
        publishers = [
            f'{one.node_namespace.rstrip("/")}/{one.node_name} ({_words(one.qos_profile)})'
            for one in self._node.get_publishers_info_by_topic(self.topic)
        ]
        if not publishers:
            return 'nobody publishes there; start the camera, or correct the remapping'
        said = f'{", ".join(publishers)} publishes there'
        if self._incompatible:
            return f'{said}, with a {self._incompatible} that does not fit our subscription'
        return (
            f'{said}, to us ({_words(self._current.qos_profile)}), but sends nothing that arrives'
        )

    def _subscribe(self, reliability: ReliabilityPolicy) -> Subscription:
        self._incompatible = ''
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
        self._last_number = None
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
            self._incompatible = policy.name.lower()
            self._node.get_logger().warning(
                f'{self.topic}: a publisher offers an incompatible {policy.name.lower()}, nothing '
                "comes from it; set reliability to 'auto' or 'best_effort', or correct the "
                'qos_overrides of this topic'
            )

    def _take(self, message: Any, about: dict[str, int]) -> None:
        # what arrives fits
        self._incompatible = ''
        # while two subscriptions overlap, both bring the same publication
        timestamp = about['source_timestamp']
        if not timestamp or timestamp != self._last_source_timestamp:
            self._last_source_timestamp = timestamp
            if self._lose is not None:
                self._count_lost(self._lose, about.get('publication_sequence_number'))
            self._receive(message)

    def _count_lost(self, lose: Callable[[int], None], number: int | None) -> None:
        """Tell of publications that never came, by the number of the present one.

        The middleware keeps the last one only, and drops those before it without a word.
        """
        before, self._last_number = self._last_number, number
        if number is None or number == _NO_NUMBER or before is None:
            return
        # each publisher counts by itself
        if number > before + 1 and self._node.count_publishers(self.topic) == 1:
            lose(number - before - 1)


class CameraInputs:
    """The topics of one camera: its images, their camera_info and, if asked for, a lidar."""

    def __init__(
        self,
        node: Node,
        prefix: str,
        transport: str,
        receive: Callable[[Any], None],
        lose: Callable[[int], None],
        receive_info: Callable[[Any], None],
        receive_sweep: Callable[[Any], None] | None,
    ) -> None:
        """Name the topics; transport is raw or compressed.

        The receivers are called in the executor, as is lose with how many images were replaced
        before they came; without a receiver for sweeps there is no lidar.
        """
        self._node = node
        # resolved, as subscriptions and messages have them
        image, self.info_topic, self.lidar_topic = (
            str(node.resolve_topic_name(f'{prefix}{name}'))
            for name in ('image', 'camera_info', 'lidar')
        )
        kind, topic = Image, f'{prefix}image'
        if transport == 'compressed':
            # as in image_transport, a remapped image takes its compressed sibling along
            kind, topic = CompressedImage, f'{image}/compressed'
        self.image_topic = str(node.resolve_topic_name(topic))
        self._wanted: list[tuple[Any, ...]] = [
            (kind, topic, receive, lose),
            (CameraInfo, f'{prefix}camera_info', receive_info),
        ]
        if receive_sweep is not None:
            self._wanted.append((PointCloud2, f'{prefix}lidar', receive_sweep))
        self._subscriptions: dict[str, CameraSubscription] = {}

    @property
    def subscribed(self) -> bool:
        """Whether messages can come."""
        return bool(self._subscriptions)

    def subscribe(self, reliability: str) -> None:
        """Subscribe to all of them. Raises what rclpy does if QoS overrides are wrong."""
        for kind, topic, *receivers in self._wanted:
            subscription = CameraSubscription(self._node, kind, topic, reliability, *receivers)
            self._subscriptions[subscription.topic] = subscription

    def unsubscribe(self) -> None:
        """Unsubscribe."""
        for subscription in self._subscriptions.values():
            subscription.destroy()
        self._subscriptions.clear()

    def silence(self, topic: str) -> str:
        """Say why nothing may come on a topic."""
        return self._subscriptions[topic].silence()


def _words(qos: QoSProfile) -> str:
    """Name the policies on which publisher and subscription must agree."""
    return ', '.join(
        policy.name.lower().replace('_', ' ') for policy in (qos.reliability, qos.durability)
    )
