"""Record topics into a rosbag2 where there is no `ros2 bag`, under the time of their arrival."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
import sys
import time

from rclpy.node import Node
from rclpy.topic_endpoint_info import TopicEndpointInfo
from rclpy.utilities import remove_ros_args

from mtl_perception.recordings.bags import BagWriter, RawMessage, STORAGES
from mtl_perception.ros import ros_process
from mtl_perception.ros.bags.topics import common_offer, message_class, qos_profile

# messages that wait to be written; the disk may pause
_QUEUE = 100
_LOOK_EVERY_S = 0.1


class Recorder(Node):  # type: ignore[misc]
    """Subscribes to each topic as soon as somebody publishes it, with the QoS that is offered.

    A topic of a type that is not installed, or that bags are not written with, is left out, with
    an error in the log.
    """

    def __init__(self, writer: BagWriter, topics: Sequence[str]) -> None:
        """Wait for the topics, and log those that are still missing whenever one has come."""
        super().__init__('recorder')
        self._writer = writer
        # by the name that remappings make of it, under which it is recorded
        self._missing = {self.resolve_topic_name(topic): topic for topic in topics}
        self._counts: dict[str, int] = {}
        self._timer = self.create_timer(_LOOK_EVERY_S, self._look)

    def _look(self) -> None:
        offers = {n: self.get_publishers_info_by_topic(t) for n, t in self._missing.items()}
        counts = {name: len(publishers) for name, publishers in offers.items()}
        # publishers are discovered one after another: those of now are all, once as many twice
        found = {n: p for n, p in offers.items() if p and counts[n] == self._counts.get(n)}
        self._counts = counts
        for name, publishers in found.items():
            self._record(name, self._missing.pop(name), publishers)
        if found:
            missing = ', '.join(sorted(self._missing)) or 'none'
            self.get_logger().info(f'found {len(found)} more topics, waiting for {missing}')
        if not self._missing:
            self._timer.cancel()

    def _record(self, name: str, topic: str, publishers: Sequence[TopicEndpointInfo]) -> None:
        kind, offered = publishers[0].topic_type, common_offer(publishers)
        try:
            message_type = message_class(kind)
            self._writer.add_topic(name, kind, offered)
        except (ImportError, AttributeError, ValueError) as error:
            self.get_logger().error(f'{name} of the type {kind} is left out: {error}')
            return
        qos = qos_profile(replace(offered, depth=_QUEUE))
        self.create_subscription(message_type, topic, partial(self._write, name), qos, raw=True)

    def _write(self, topic: str, data: bytes) -> None:
        self._writer.write_raw(RawMessage(time.time_ns(), topic, data))


def main(args: Sequence[str] | None = None) -> int:
    """Record until Ctrl-C or SIGTERM, then complete the bag; give the exit status.

    Upon an error the bag is completed as well: it has what came before.
    """
    arguments = sys.argv[1:] if args is None else list(args)
    options = _parser().parse_args(remove_ros_args(arguments))
    try:
        writer = BagWriter(options.bag, options.storage, keep=True)
        with ros_process(arguments) as executor:
            recorder = Recorder(writer, options.topics)
            executor.add_node(recorder)
            with writer:
                executor.spin()
    except (OSError, ValueError) as error:
        print(f'bag_recorder: {error}', file=sys.stderr)
        return 1
    for topic, count in writer.counts.items():
        print(f'{count:6} {topic}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'bag_recorder', description=__doc__, epilog='Remappings stand behind --ros-args.'
    )
    parser.add_argument('bag', type=Path, help='folder of the bag to write')
    parser.add_argument('topics', nargs='+', metavar='TOPIC')
    parser.add_argument('--storage', choices=STORAGES, default=STORAGES[0])
    return parser


if __name__ == '__main__':
    sys.exit(main())
