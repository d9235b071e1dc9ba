"""Record topics into a rosbag2 where there is no `ros2 bag`, under the time of their arrival."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
import time

from rclpy.node import Node
from rclpy.qos import QoSProfile

from mtl_perception.recordings.bags import BagWriter, RawMessage, STORAGES
from mtl_perception.ros import ros_process
from mtl_perception.ros.bags.topics import bag_qos, message_class, subscriber_qos

# messages that wait to be written; the disk may pause
_QUEUE = 100
_LOOK_EVERY_S = 0.1


class Recorder(Node):  # type: ignore[misc]
    """Subscribes to each topic as soon as somebody publishes it, with the QoS that is offered."""

    def __init__(self, writer: BagWriter, topics: Sequence[str]) -> None:
        """Wait for the topics, and log those that are still missing whenever one has come."""
        super().__init__('recorder')
        self._writer = writer
        self._missing = set(topics)
        self._timer = self.create_timer(_LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        offers = {topic: self.get_publishers_info_by_topic(topic) for topic in self._missing}
        found = {topic: offer[0] for topic, offer in offers.items() if offer}
        for topic, publisher in found.items():
            self._record(topic, publisher.topic_type, publisher.qos_profile)
        if found:
            missing = ', '.join(sorted(self._missing)) or 'none'
            self.get_logger().info(f'{len(found)} more topics, waiting for {missing}')
        if not self._missing:
            self._timer.cancel()

    def _record(self, topic: str, kind: str, offered: QoSProfile) -> None:
        self._writer.add_topic(topic, kind, bag_qos(offered))
        qos = subscriber_qos(offered, _QUEUE)
        self.create_subscription(
            message_class(kind), topic, partial(self._write, topic), qos, raw=True
        )
        self._missing.discard(topic)

    def _write(self, topic: str, data: bytes) -> None:
        self._writer.write_raw(RawMessage(time.time_ns(), topic, data))


def main(arguments: Sequence[str] | None = None) -> None:
    """Record until Ctrl-C or SIGTERM, then complete the bag."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('bag', type=Path, help='folder of the bag to write')
    parser.add_argument('topics', nargs='+', metavar='TOPIC', help='with leading slash')
    parser.add_argument('--storage', choices=STORAGES, default=STORAGES[0])
    options = parser.parse_args(arguments)
    with BagWriter(options.bag, options.storage) as writer, ros_process() as executor:
        executor.add_node(Recorder(writer, options.topics))
        executor.spin()
    for topic, count in writer.counts.items():
        print(f'{count:6} {topic}')


if __name__ == '__main__':
    main()
