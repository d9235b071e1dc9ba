"""Types and QoS of a bag's topics as rclpy takes them, and the other way round."""

from collections.abc import Sequence
from importlib import import_module

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.topic_endpoint_info import TopicEndpointInfo

from mtl_perception.recordings.bags import TopicQos


def message_class(name: str) -> type:
    """Import the class of a type like `sensor_msgs/msg/Image`.

    Raises ImportError, AttributeError or ValueError if there is none.
    """
    package, _, kind = name.split('/')
    found: type = getattr(import_module(f'{package}.msg'), kind)
    return found


def qos_profile(qos: TopicQos) -> QoSProfile:
    """Give a bag's QoS as rclpy takes it."""
    return QoSProfile(
        depth=qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL
        if qos.transient_local
        else DurabilityPolicy.VOLATILE,
    )


def common_offer(publishers: Sequence[TopicEndpointInfo]) -> TopicQos:
    """Tell what every one of the publishers offers; how much they keep they do not tell.

    Who asks for more than one of them offers gets nothing of that one.
    """
    offers = [publisher.qos_profile for publisher in publishers]
    return TopicQos(
        reliable=all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers),
        transient_local=all(
            offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers
        ),
    )
