"""Two processes that hand clouds to each other: `large_messages.py publish|receive`.

The receiver prints how many of COUNT clouds came.
"""

from array import array
import sys

import rclpy
from rclpy.event_handler import PublisherEventCallbacks, QoSPublisherMatchedInfo
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Empty

COUNT = 10
# an organised cloud of 1280x720 points: of a smaller one a few get through, now and then
_BYTES = 1280 * 720 * 24
_PERIOD_S = 0.3
_TIMEOUT_S = 60.0
# for clouds that are on their way when the last one is said to be sent
_GRACE_S = 3.0
_BEST_EFFORT = QoSProfile(depth=COUNT, reliability=ReliabilityPolicy.BEST_EFFORT)


def publish() -> None:
    """Send the clouds once somebody listens, say so, and stay as long as they do."""
    node = rclpy.create_node('large_publisher')
    matched, sent, left_alone = Future(), Future(), Future()

    def on_match(match: QoSPublisherMatchedInfo) -> None:
        (matched if match.current_count else left_alone).set_result(None)

    events = PublisherEventCallbacks(matched=on_match)
    clouds = node.create_publisher(PointCloud2, 'large', _BEST_EFFORT)
    done = node.create_publisher(Empty, 'large_done', 1, event_callbacks=events)
    # the receiver subscribes to this last
    rclpy.spin_until_future_complete(node, matched, timeout_sec=_TIMEOUT_S)
    cloud, left = PointCloud2(data=array('B', bytes(_BYTES))), iter(range(COUNT))

    def send() -> None:
        if next(left, None) is None:
            sent.set_result(None)
        else:
            clouds.publish(cloud)

    node.create_timer(_PERIOD_S, send)
    rclpy.spin_until_future_complete(node, sent, timeout_sec=_TIMEOUT_S)
    done.publish(Empty())
    rclpy.spin_until_future_complete(node, left_alone, timeout_sec=_TIMEOUT_S)


def receive() -> None:
    """Print how many clouds came, once all did or no more can come."""
    node, received, whole, last = rclpy.create_node('large_receiver'), [], Future(), Future()

    def take(cloud: PointCloud2) -> None:
        received.append(len(cloud.data))
        if received == [_BYTES] * COUNT:
            whole.set_result(None)
            last.set_result(None)

    node.create_subscription(PointCloud2, 'large', take, _BEST_EFFORT)
    node.create_subscription(Empty, 'large_done', lambda _: last.set_result(None), 1)
    rclpy.spin_until_future_complete(node, last, timeout_sec=_TIMEOUT_S)
    rclpy.spin_until_future_complete(node, whole, timeout_sec=_GRACE_S)
    print(received.count(_BYTES))


if __name__ == '__main__':
    rclpy.init()
    {'publish': publish, 'receive': receive}[sys.argv[1]]()
    rclpy.try_shutdown()
