"""Types and QoS of a bag's topics as rclpy takes them, and the other way round."""

from importlib import import_module

from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mtl_perception.recordings.bags import TopicQos


def message_class(name: str) -> type:
    """Import the class of a type like `sensor_msgs/msg/Image`.

    Raises ImportError, AttributeError or ValueError if there is none.
    """
    package, _, kind = name.split('/')
    found: type = getattr(import_module(f'{package}.msg'), kind)
    return found


def publisher_qos(qos: TopicQos) -> QoSProfile:
    """Offer what the publisher in the bag did."""
    return QoSProfile(
        depth=qos.depth,
        reliability=ReliabilityPolicy.RELIABLE if qos.reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL
        if qos.transient_local
        else DurabilityPolicy.VOLATILE,
    )


def subscriber_qos(offered: QoSProfile, depth: int) -> QoSProfile:
    """Take all that a publisher offers, and keep the last `depth` messages."""
    return QoSProfile(depth=depth, reliability=offered.reliability, durability=offered.durability)


def bag_qos(offered: QoSProfile) -> TopicQos:
    """Note for the bag what a publisher offers; how much it keeps it does not tell."""
    return TopicQos(
        reliable=offered.reliability == ReliabilityPolicy.RELIABLE,
        transient_local=offered.durability == DurabilityPolicy.TRANSIENT_LOCAL,
    )
