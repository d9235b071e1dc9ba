"""A camera and a consumer in one process: how the node answers, second by second.

Each line of the output is JSON: the time since the start, pictures sent and answered so far, the
latencies of the second's answers, and what the node said of itself last.
"""

import argparse
from array import array
from collections.abc import Sequence
import json
import sys
import time
from typing import Any

import cv2
from diagnostic_msgs.msg import DiagnosticArray
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.utilities import remove_ros_args
from sensor_msgs.msg import CameraInfo, Image, PointCloud2

from mtl_perception.products import CLOUDS, DEPTH, LABELS, POINTS
from mtl_perception.ros import ros_process
from mtl_perception.ros.health.report import NETWORK_MS, WAITED_MS

_OUTPUTS = (LABELS, DEPTH, POINTS)
_PICTURES = 16
# a picture that is not answered by then never will be
_FORGET_S = 10.0
_CALIBRATE_EVERY_S = 1.0
# flat out, an answer that has not come by then is not waited for
_PATIENCE_S = 1.0


class Probe(Node):  # type: ignore[misc]
    """Publishes pictures at a rate, and takes the time until all outputs of each have come.

    At a rate of 0 each picture is sent upon the answer to the one before. One that is older than
    an answered one will not be answered any more, and counts as waiting no longer. Latency is by
    the clock of this process, from handing over the picture to the arrival of the last of its
    outputs.
    """

    def __init__(
        self, size: tuple[int, int], rate_hz: float, outputs: Sequence[str] = _OUTPUTS
    ) -> None:
        """Draw the pictures, (width, height), and begin as soon as the node listens."""
        super().__init__('probe')
        self._pictures = _draw(size)
        self._info = _camera_info(size)
        self._outputs = frozenset(outputs)
        self._flat_out = rate_hz == 0
        self._sent = self._answered = 0
        # stamp → when sent, outputs that have not come yet
        self._waiting: dict[tuple[int, int], tuple[float, set[str]]] = {}
        self._latencies_ms: list[float] = []
        self._began_s: float | None = None
        qos = QoSProfile(depth=5)
        self._own_ms: dict[str, float] = {}
        self._images = self.create_publisher(Image, 'image', qos)
        self._infos = self.create_publisher(CameraInfo, 'camera_info', qos)
        for topic in outputs:
            kind = PointCloud2 if topic in CLOUDS else Image
            self.create_subscription(kind, topic, self._receiver(topic), qos)
        self.create_subscription(DiagnosticArray, '/diagnostics', self._read_diagnostics, 5)
        self.create_timer(_PATIENCE_S if self._flat_out else 1.0 / rate_hz, self._on_timer)
        self.create_timer(_CALIBRATE_EVERY_S, self._report)

    def _on_timer(self) -> None:
        newest_s = max((sent_s for sent_s, _ in self._waiting.values()), default=-_PATIENCE_S)
        if not self._flat_out or time.monotonic() - newest_s >= _PATIENCE_S:
            self._send()

    def _send(self) -> None:
        if self._images.get_subscription_count() == 0:
            return
        stamp = self.get_clock().now().to_msg()
        picture = self._pictures[self._sent % _PICTURES]
        picture.header.stamp = stamp
        now_s = time.monotonic()
        if self._began_s is None:
            self._began_s = now_s
        self._waiting[stamp.sec, stamp.nanosec] = now_s, set(self._outputs)
        self._sent += 1
        self._images.publish(picture)

    def _receiver(self, topic: str) -> Any:
        def receive(message: Any) -> None:
            stamp = message.header.stamp.sec, message.header.stamp.nanosec
            if stamp not in self._waiting:
                return
            sent_s, missing = self._waiting[stamp]
            missing.discard(topic)
            if missing:
                return
            self._answered += 1
            self._latencies_ms.append(1000 * (time.monotonic() - sent_s))
            self._waiting = {k: v for k, v in self._waiting.items() if v[0] > sent_s}
            if self._flat_out and not self._waiting:
                self._send()

        return receive

    def _read_diagnostics(self, message: DiagnosticArray) -> None:
        values = {one.key: one.value for status in message.status for one in status.values}
        self._own_ms = {
            name: float(values[key])
            for name, key in (('network_ms', NETWORK_MS), ('longest_wait_ms', WAITED_MS))
            if key in values
        }

    def _report(self) -> None:
        self._infos.publish(self._info)
        if self._began_s is None:
            return
        now_s = time.monotonic()
        self._waiting = {k: v for k, v in self._waiting.items() if now_s - v[0] < _FORGET_S}
        line = {
            't_s': round(now_s - self._began_s, 3),
            'sent': self._sent,
            'answered': self._answered,
            'waiting': len(self._waiting),
            'latencies_ms': [round(latency, 2) for latency in self._latencies_ms],
            **self._own_ms,
        }
        self._latencies_ms.clear()
        print(json.dumps(line), flush=True)


def main(args: Sequence[str] | None = None) -> None:
    """Probe until Ctrl-C or SIGTERM."""
    arguments = sys.argv[1:] if args is None else list(args)
    parser = argparse.ArgumentParser(
        description=__doc__, epilog='Remappings stand behind --ros-args.'
    )
    parser.add_argument('--width', type=int, default=640)
    parser.add_argument('--height', type=int, default=480)
    parser.add_argument('--rate', type=float, default=10.0, help='pictures a second; 0: flat out')
    parser.add_argument('--outputs', nargs='+', default=_OUTPUTS, help='topics to wait for')
    options = parser.parse_args(remove_ros_args(arguments))
    with ros_process(arguments) as executor:
        size = options.width, options.height
        executor.add_node(Probe(size, options.rate, options.outputs))
        executor.spin()


def _draw(size: tuple[int, int]) -> list[Image]:
    """Draw pictures of blobs, as messages without a stamp."""
    random = np.random.default_rng(0)
    blobs = random.integers(0, 256, (_PICTURES, 8, 12, 3), dtype=np.uint8)
    return [_message(cv2.resize(b, size, interpolation=cv2.INTER_CUBIC)) for b in blobs]


def _message(picture: NDArray[np.uint8]) -> Image:
    height, width, _ = picture.shape
    message = Image(
        height=height,
        width=width,
        encoding='rgb8',
        step=3 * width,
        data=array('B', picture.tobytes()),
    )
    message.header.frame_id = 'camera_optical_frame'
    return message


def _camera_info(size: tuple[int, int]) -> CameraInfo:
    """Give a camera that sees 90 degrees across."""
    width, height = size
    f_px = width / 2
    return CameraInfo(
        width=width,
        height=height,
        distortion_model='plumb_bob',
        d=[0.0] * 5,
        k=[f_px, 0.0, width / 2, 0.0, f_px, height / 2, 0.0, 0.0, 1.0],
        r=[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        p=[f_px, 0.0, width / 2, 0.0, 0.0, f_px, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0],
    )


if __name__ == '__main__':
    main()
