"""Send pictures at a rate, await the outputs of each, and print the latencies as JSON."""

import argparse
from collections.abc import Sequence
import json
import sys
import threading
import time
from typing import Any

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from mtl_perception.messages import byte_array

_TIMEOUT_S = 60.0
_WARM_UPS = 5
# longer than any frame in work takes
_LAST_ANSWER_S = 3.0


class Probe(Node):  # type: ignore[misc]
    """Sends frames under stamps of their numbers, and notes when all topics have answered."""

    def __init__(self, width: int, height: int, topics: Sequence[str]) -> None:
        """Publish image and camera_info of a size, subscribe to topics."""
        super().__init__('probe')
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
        self._images = self.create_publisher(Image, 'image', qos)
        self._infos = self.create_publisher(CameraInfo, 'camera_info', qos)
        self._topics = tuple(topics)
        for topic in topics:
            kind = PointCloud2 if topic.startswith('points') else Image
            self.create_subscription(
                kind, topic, lambda message, topic=topic: self._receive(topic, message), qos
            )
        self._image = _picture(width, height)
        self._info = _camera(width, height)
        self._changed = threading.Condition()
        self._missing: dict[int, set[str]] = {}
        self._sent_s: dict[int, float] = {}
        # frame number -> seconds from sending it to its last answer
        self.latencies_s: dict[int, float] = {}

    def wait_for_node(self) -> None:
        """Wait until the node listens and speaks. Raises TimeoutError if it does not."""
        end = time.monotonic() + _TIMEOUT_S
        while not all(
            (
                self._images.get_subscription_count(),
                self._infos.get_subscription_count(),
                *(self.count_publishers(topic) for topic in self._topics),
            )
        ):
            if time.monotonic() > end:
                raise TimeoutError(f'no node answers on {", ".join(self._topics)}')
            time.sleep(0.05)

    def send(self, number: int) -> None:
        """Send one frame, its camera_info before it."""
        stamp = self._image.header.stamp
        stamp.sec, stamp.nanosec = divmod(number, 10**9)
        with self._changed:
            self._missing[number] = set(self._topics)
            self._sent_s[number] = time.monotonic()
        self._infos.publish(self._info)
        self._images.publish(self._image)

    def wait_for_answer(self, number: int, seconds: float) -> bool:
        """Wait for all outputs of a frame; False if they do not come."""
        with self._changed:
            return self._changed.wait_for(lambda: number in self.latencies_s, seconds)

    def _receive(self, topic: str, message: Any) -> None:
        number = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        with self._changed:
            missing = self._missing.get(number, set())
            missing.discard(topic)
            if number in self._sent_s and not missing:
                self.latencies_s[number] = time.monotonic() - self._sent_s.pop(number)
                self._changed.notify_all()


def load(probe: Probe, rate_hz: float, frames: int) -> dict[str, float]:
    """Send frames at a rate, or each upon the answer to the one before if it is 0."""
    probe.wait_for_node()
    for number in range(_WARM_UPS):
        probe.send(number)
        probe.wait_for_answer(number, _TIMEOUT_S)
    print('counting', flush=True)
    start = time.monotonic()
    numbers = range(_WARM_UPS, _WARM_UPS + frames)
    for number in numbers:
        if rate_hz:
            time.sleep(max(0.0, start + (number - _WARM_UPS) / rate_hz - time.monotonic()))
        probe.send(number)
        if not rate_hz:
            probe.wait_for_answer(number, _LAST_ANSWER_S)
    seconds = time.monotonic() - start
    probe.wait_for_answer(numbers[-1], _LAST_ANSWER_S)
    ms = [1e3 * probe.latencies_s[n] for n in numbers if n in probe.latencies_s] or [np.inf]
    p50, p95, greatest = np.percentile(ms, (50, 95, 100))
    answered = sum(n in probe.latencies_s for n in numbers)
    summary = {'sent': frames, 'answered': answered, 'seconds': seconds}
    return {**summary, 'p50_ms': float(p50), 'p95_ms': float(p95), 'max_ms': float(greatest)}


def _picture(width: int, height: int) -> Image:
    pixels = np.random.default_rng(0).integers(0, 256, height * width * 3, dtype=np.uint8)
    picture = Image(height=height, width=width, encoding='rgb8', step=width * 3)
    picture.header.frame_id = 'camera'
    picture.data = byte_array(pixels)
    return picture


def _camera(width: int, height: int) -> CameraInfo:
    f_px, x, y = 0.6 * width, width / 2, height / 2
    k = [f_px, 0.0, x, 0.0, f_px, y, 0.0, 0.0, 1.0]
    p = [f_px, 0.0, x, 0.0, 0.0, f_px, y, 0.0, 0.0, 0.0, 1.0, 0.0]
    info = CameraInfo(width=width, height=height, k=k, p=p)
    info.header.frame_id = 'camera'
    return info


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the node and print the figures in one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('size', help='WIDTHxHEIGHT')
    parser.add_argument('--rate', type=float, default=10.0, help='in Hz; 0: upon each answer')
    parser.add_argument('--frames', type=int, default=100)
    parser.add_argument('--topics', nargs='+', required=True)
    options = parser.parse_args(arguments)
    width, height = map(int, options.size.split('x'))
    rclpy.init(args=[])
    probe = Probe(width, height, options.topics)
    executor = SingleThreadedExecutor()
    executor.add_node(probe)
    spinning = threading.Thread(target=executor.spin, daemon=True)
    spinning.start()
    try:
        print(json.dumps(load(probe, options.rate, options.frames)), flush=True)
    finally:
        executor.shutdown()
        spinning.join()
        probe.destroy_node()
        rclpy.try_shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
