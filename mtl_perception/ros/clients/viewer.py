"""Live topics in the rerun viewer, or in a recording or a screenshot of some seconds."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
import time
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.utilities import remove_ros_args

from mtl_perception.label_space import label_space
from mtl_perception.ros import ros_process
from mtl_perception.ros.bags.topics import common_offer, message_class, qos_profile
from mtl_perception.viewing.bag import add_viewing_arguments, choose_topics
from mtl_perception.viewing.screen import (
    check_closed,
    find_viewer,
    open_live,
    take_screenshot,
)

_LOOK_EVERY_S = 0.2
_SETTLE_S = 2.0


class Viewer(Node):  # type: ignore[misc]
    """Subscribes to each topic with the QoS that is offered, keep last 1; `shown` counts."""

    def __init__(self) -> None:
        """Subscribe to nothing yet."""
        super().__init__('viewer')
        self.shown: dict[str, int] = {}
        self._take: Callable[[str, Any], None] = lambda topic, message: None

    def find(self, topics: list[str] | None, kinds: Sequence[str]) -> dict[str, str]:
        """Give the topics of these kinds that are published, or those wanted, with their types.

        Raises ValueError as long as one that is wanted is missing, or there is none.
        """
        published = {
            name: types[0]
            for name, types in self.get_topic_names_and_types()
            if self.count_publishers(name)
        }
        wanted = topics and [self.resolve_topic_name(topic) for topic in topics]
        return choose_topics(published, wanted, kinds, 'this ROS domain')

    def watch(self, topics: dict[str, str], take: Callable[[str, Any], None]) -> None:
        """Hand over what comes from now on, with its topic; ValueError of take is logged."""
        self._take = take
        for topic, kind in topics.items():
            self.shown[topic] = 0
            publishers = self.get_publishers_info_by_topic(topic)
            self.create_subscription(
                message_class(kind),
                topic,
                partial(self._receive, topic),
                qos_profile(replace(common_offer(publishers), depth=1)),
            )

    def _receive(self, topic: str, message: Any) -> None:
        try:
            self._take(topic, message)
        except ValueError as error:
            self.get_logger().error(f'{topic}: {error}', throttle_duration_sec=5.0)
        else:
            self.shown[topic] += 1


def main(args: Sequence[str] | None = None) -> int:
    """Show until the window is closed, Ctrl-C, or the seconds are over; give the exit status."""
    arguments = sys.argv[1:] if args is None else list(args)
    options = _parser().parse_args(remove_ros_args(arguments))
    try:
        find_viewer()
        with ros_process(arguments) as executor:
            node = Viewer()
            executor.add_node(node)
            return _run(node, executor, options)
    except (OSError, ValueError) as error:
        print(f'perception_viewer: {error}', file=sys.stderr)
        return 1
    return 0


def _run(node: Viewer, executor: SingleThreadedExecutor, options: argparse.Namespace) -> int:
    # rerun is optional, and slow to import
    from mtl_perception.viewing.scene import Scene, SHOWN_TYPES

    topics = _wait_for_topics(node, executor, options, SHOWN_TYPES)
    scene = Scene(topics, label_space(options.label_space), still=bool(options.screenshot))
    if not (options.screenshot or options.save):
        window, address = open_live()
        scene.connect(address)
        node.watch(topics, scene.show)
        while window.poll() is None:
            executor.spin_once(timeout_sec=_LOOK_EVERY_S)
        check_closed(window.returncode)
        return 0
    with TemporaryDirectory() as folder:
        recording = options.save or Path(folder) / 'live.rrd'
        scene.save(recording)
        last: dict[str, Any] = {}
        # a screenshot shows no more than the last of each
        node.watch(topics, last.__setitem__ if options.screenshot else scene.show)
        _spin_for(executor, options.seconds)
        for topic, message in last.items():
            scene.show(topic, message)
        scene.finish()
        if options.screenshot:
            take_screenshot(recording, options.screenshot, options.size)
    print(', '.join(f'{count} of {topic}' for topic, count in node.shown.items()))
    return 0


def _spin_for(executor: SingleThreadedExecutor, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        executor.spin_once(timeout_sec=left_s)


def _wait_for_topics(
    node: Viewer,
    executor: SingleThreadedExecutor,
    options: argparse.Namespace,
    kinds: Sequence[str],
) -> dict[str, str]:
    """Wait until the topics are published, or no more of them appear.

    Raises ValueError if they are not in time.
    """
    end_s = time.monotonic() + options.wait
    found: dict[str, str] = {}
    since_s = time.monotonic()
    while True:
        executor.spin_once(timeout_sec=_LOOK_EVERY_S)
        now_s = time.monotonic()
        try:
            current = node.find(options.topics, kinds)
        except ValueError:
            if now_s > end_s:
                raise
            continue
        if current != found:
            found, since_s = current, now_s
        # nodes are discovered one after another
        if options.topics or now_s - since_s > _SETTLE_S:
            return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        'perception_viewer', description=__doc__, epilog='Remappings stand behind --ros-args.'
    )
    add_viewing_arguments(parser)
    parser.add_argument(
        '--seconds', type=float, default=5.0, help='to record for a file; default: 5'
    )
    parser.add_argument(
        '--wait', type=float, default=30.0, metavar='SECONDS', help='for topics; default: 30'
    )
    return parser


if __name__ == '__main__':
    sys.exit(main())
