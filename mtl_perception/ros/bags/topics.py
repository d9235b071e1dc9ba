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


def publisher_qos(qos: TopicQos) -> QoSProfile:
    """Give the profile of what a publisher in a bag offered."""
    return QoSProfile(
        depth=qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL
        if qos.transient_local
        else DurabilityPolicy.VOLATILE,
    )


def subscriber_qos(publishers: Sequence[TopicEndpointInfo], depth: int) -> QoSProfile:
    """Take all that every one of the publishers offers, and keep the last `depth` messages.

    Who asks for more than one of them offers gets nothing of that one.
    """
    offers = [publisher.qos_profile for publisher in publishers]
    reliable = all(offer.reliability == ReliabilityPolicy.RELIABLE for offer in offers)
    lasting = all(offer.durability == DurabilityPolicy.TRANSIENT_LOCAL for offer in offers)
    return publisher_qos(TopicQos(reliable=reliable, transient_local=lasting, depth=depth))


def bag_qos(offered: QoSProfile) -> TopicQos:
    """Note for the bag what is offered; how much a publisher keeps it does not tell."""
    return TopicQos(
        reliable=offered.reliability == ReliabilityPolicy.RELIABLE,
        transient_local=offered.durability == DurabilityPolicy.TRANSIENT_LOCAL,
    )
