"""A node that plays a rosbag2, for machines without `ros2 bag`."""

from collections.abc import Sequence
import sys
import time

from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.time import Time
from rosgraph_msgs.msg import Clock

from mtl_perception.recordings.bags import BagReader, BagTopic, RawMessage
from mtl_perception.ros import ros_process
from mtl_perception.ros.bags.play_options import parse_arguments, PlayOptions
from mtl_perception.ros.bags.topics import message_class, qos_profile

_CLOCK = '/clock'
# for the last messages to arrive before the publishers go
_PATIENCE = Duration(seconds=5)


class BagPlayer(Node):  # type: ignore[misc]
    """Publishes what lies in an open bag: the same bytes, types and QoS at the same intervals.

    `published` counts the messages. A topic of a type that is not installed is left out, with a
    warning; a message that is due late is published late, never left out.
    """

    def __init__(
        self, reader: BagReader, options: PlayOptions, executor: SingleThreadedExecutor
    ) -> None:
        """Create the publishers; the executor spins this node while it waits.

        Raises ValueError if there is nothing to play, or to wait for.
        """
        super().__init__('bag_player')
        self.published = 0
        self._reader, self._options = reader, options
        self._executor = executor
        executor.add_node(self)
        chosen = set(reader.topics) if options.topics is None else set(options.topics)
        reader.check_topics(chosen | set(options.wait_for))
        self._clock_publisher = None
        if options.clock_hz > 0:
            chosen.discard(_CLOCK)
            self._clock_publisher = self.create_publisher(Clock, _CLOCK, 10)
        made = {name: self._create_publisher(reader.topics[name]) for name in sorted(chosen)}
        self._bag_publishers = {name: p for name, p in made.items() if p is not None}
        silent = set(options.wait_for) - self._bag_publishers.keys()
        if silent or not self._bag_publishers:
            raise ValueError(
                f'bag {reader.path}: nothing to play on {", ".join(sorted(silent)) or "any topic"}'
                '; choose other topics, or install the message packages named above'
            )

    def wait_for_subscribers(self) -> None:
        """Wait until each topic to wait for has one, then the delay. Raises TimeoutError."""
        deadline_s = time.monotonic() + self._options.wait_timeout_s
        while missing := [
            name
            for name in self._options.wait_for
            if not self._bag_publishers[name].get_subscription_count()
        ]:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                raise TimeoutError(
                    f'nobody subscribed to {", ".join(missing)} in '
                    f'{self._options.wait_timeout_s:g} s; start the subscriber, and look at its '
                    'remappings, ROS_DOMAIN_ID and QoS'
                )
            self._spin(left_s)
        start_s = time.monotonic() + self._options.delay_s
        while (left_s := start_s - time.monotonic()) > 0:
            self._spin(left_s)

    def play(self) -> None:
        """Play to the end, or for ever in a loop. Raises ValueError if nothing is left to play."""
        start_ns = self._reader.start_ns + round(self._options.start_offset_s * 1e9)
        while True:
            self._publish_latched_before(start_ns)
            if not self._play_from(start_ns):
                raise ValueError(
                    f'bag {self._reader.path} has nothing from {self._options.start_offset_s:g} s '
                    f'on; it lasts {(self._reader.end_ns - self._reader.start_ns) / 1e9:g} s'
                )
            if not self._options.loop:
                break
        for publisher in self._bag_publishers.values():
            publisher.wait_for_all_acked(_PATIENCE)

    def _create_publisher(self, topic: BagTopic) -> Publisher | None:
        try:
            message_type = message_class(topic.type)
        except (ImportError, AttributeError, ValueError):
            self.get_logger().warning(
                f'{topic.name} is left out: its type {topic.type} is not installed'
            )
            return None
        # the event wakes whoever waits for subscribers
        events = PublisherEventCallbacks(matched=lambda _: None)
        qos = qos_profile(topic.qos)
        return self.create_publisher(message_type, topic.name, qos, event_callbacks=events)

    def _publish_latched_before(self, start_ns: int) -> None:
        """Publish what a late joiner would get: latched messages of before the start."""
        latched = {n for n in self._bag_publishers if self._reader.topics[n].qos.transient_local}
        for message in self._reader.messages(latched):
            if message.stamp_ns < start_ns:
                self._publish(message)

    def _play_from(self, start_ns: int) -> bool:
        """Play once to the end, and tell whether there was anything."""
        published = self.published
        began_s = time.monotonic()
        for message in self._reader.messages(set(self._bag_publishers), start_ns):
            due_s = began_s + (message.stamp_ns - start_ns) / 1e9 / self._options.rate
            self._wait_until(due_s, message.stamp_ns)
            self._publish_clock(message.stamp_ns)
            self._publish(message)
        return self.published > published

    def _wait_until(self, due_s: float, due_ns: int) -> None:
        """Spin until a monotonic time, which is `due_ns` in the bag, with /clock going on."""
        while (left_s := due_s - time.monotonic()) > 0:
            if self._clock_publisher is not None:
                self._publish_clock(due_ns - round(left_s * 1e9 * self._options.rate))
                left_s = min(left_s, 1 / self._options.clock_hz)
            self._spin(left_s)

    def _spin(self, timeout_s: float) -> None:
        """Serve events for a while, or until one came. Raises if a signal ended the context."""
        self._executor.spin_once(timeout_sec=timeout_s)
        if not self.context.ok():
            raise ExternalShutdownException

    def _publish_clock(self, now_ns: int) -> None:
        if self._clock_publisher is not None:
            self._clock_publisher.publish(Clock(clock=Time(nanoseconds=now_ns).to_msg()))

    def _publish(self, message: RawMessage) -> None:
        self._bag_publishers[message.topic].publish(message.data)
        self.published += 1


def main(args: Sequence[str] | None = None) -> int:
    """Play until the end or Ctrl-C; give the exit status: 0, or 1 after a sentence on why."""
    arguments = sys.argv[1:] if args is None else list(args)
    try:
        bag, options = parse_arguments(arguments)
        with BagReader(bag) as reader, ros_process(arguments) as executor:
            _play(BagPlayer(reader, options, executor))
    except (OSError, ValueError) as error:
        print(f'bag_player: {error}', file=sys.stderr)
        return 1
    return 0


def _play(player: BagPlayer) -> None:
    try:
        player.wait_for_subscribers()
        player.play()
    finally:
        print(f'bag_player: {player.published} messages published')
        player.destroy_node()


if __name__ == '__main__':
    sys.exit(main())
