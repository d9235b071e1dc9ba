"""One camera: what comes from it, what is known of it, what is answered."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from mtl_perception.engine import Engine, Prediction
from mtl_perception.geometry import focal_factor, Intrinsics, RayTable
from mtl_perception.label_space import label_space, UNLABELLED
from mtl_perception.messages import decode_compressed, decode_image
from mtl_perception.products import POINTS, products, ProductSettings, TOPICS
from mtl_perception.ros.latest_frame import LatestFrameWorker
from mtl_perception.ros.outputs import Outputs
from mtl_perception.ros.parameters import Parameters
from mtl_perception.ros.subscription import CameraSubscription
import numpy as np
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

_THROTTLE_S = 5.0
_SIZES_KEPT = 4


@dataclass
class Counters:
    """What became of the frames received since activation; the others add up to `received`.

    `skipped` were replaced by newer ones before their turn, `unwanted` found no subscriber or a
    paused node, `bad` could not be decoded, `failed` ended in an error of the node's own.
    """

    received: int = 0
    answered: int = 0
    skipped: int = 0
    unwanted: int = 0
    bad: int = 0
    failed: int = 0

    def __str__(self) -> str:
        """Write them in one line."""
        return ', '.join(f'{count} {name}' for name, count in vars(self).items())


class Camera:
    """Subscriptions, newest frame, intrinsics and publishers of one camera.

    Frames are received in the executor and served in a thread of their own, one at a time.
    """

    def __init__(
        self, node: Node, engine: Engine, parameters: Callable[[], Parameters], prefix: str = ''
    ) -> None:
        """Create the publishers; prefix, as `front/`, stands before each topic."""
        self.paused = False
        self.counters = Counters()
        self._node = node
        self._log = node.get_logger()
        self._engine = engine
        self._parameters = parameters
        self._prefix = prefix
        self._space = label_space(engine.card.label_space)
        self._outputs = Outputs(node, engine.card.tasks, prefix)
        self._infos: dict[tuple[int, int], CameraInfo] = {}
        self._subscriptions: list[CameraSubscription] = []
        self._worker: LatestFrameWorker[Image | CompressedImage] | None = None

    def start(self) -> None:
        """Subscribe and serve. Raises what rclpy does if QoS overrides are wrong."""
        parameters = self._parameters()
        self.counters = Counters()
        self._worker = LatestFrameWorker(self._serve, self._report_failure)
        self._outputs.publish_label_info(self._space, parameters.confidence_threshold)
        # as in image_transport, a remapped image takes its compressed sibling along
        image = self._node.resolve_topic_name(f'{self._prefix}image')
        raw = parameters.image_transport == 'raw'
        for kind, topic, receive in (
            (CameraInfo, f'{self._prefix}camera_info', self._receive_info),
            (Image, image, self._receive) if raw
            else (CompressedImage, f'{image}/compressed', self._receive),
        ):
            self._subscriptions.append(
                CameraSubscription(self._node, kind, topic, parameters.reliability, receive)
            )

    def stop(self) -> None:
        """Unsubscribe and let the frame in work finish."""
        for subscription in self._subscriptions:
            subscription.destroy()
        self._subscriptions.clear()
        if self._worker is not None:
            self.counters.skipped += self._worker.close()
            self._worker = None
        # another camera may stand there next time
        self._infos.clear()

    def destroy(self) -> None:
        """Stop, and destroy the publishers."""
        self.stop()
        self._outputs.destroy()

    def _receive(self, message: Image | CompressedImage) -> None:
        self.counters.received += 1
        if self.paused:
            self.counters.unwanted += 1
        elif self._worker is not None:
            self.counters.skipped += self._worker.put(message)

    def _receive_info(self, info: CameraInfo) -> None:
        """Keep the newest info of each size; only the few last sizes, should they be garbage."""
        try:
            _intrinsics(info)
        except ValueError as error:
            self._log.error(
                f'{self._topic(0)}: dropped a camera_info: {error}',
                throttle_duration_sec=_THROTTLE_S,
            )
            return
        size = info.width, info.height
        others = {other: self._infos[other] for other in self._infos if other != size}
        self._infos = dict([*others.items(), (size, info)][-_SIZES_KEPT:])

    def _serve(self, message: Image | CompressedImage) -> None:
        wanted = self._outputs.wanted()
        if not wanted:
            self.counters.unwanted += 1
            return
        try:
            picture = _decode(message)
        except ValueError as error:
            self.counters.bad += 1
            self._log.error(
                f'{self._topic(1)}: dropped a frame ({self.counters.bad} of '
                f'{self.counters.received} so far): {error}',
                throttle_duration_sec=_THROTTLE_S,
            )
            return
        self._answer(message.header, picture, wanted)
        self.counters.answered += 1

    def _answer(self, header: Header, picture: NDArray[np.uint8], wanted: set[str]) -> None:
        parameters = self._parameters()
        height, width = picture.shape[:2]
        info = self._infos.get((width, height))
        intrinsics = None if info is None else _intrinsics(info)
        if info is not None:
            self._outputs.publish_camera_infos(header, info, wanted)
        if intrinsics is None:
            wanted = wanted - {POINTS}
            self._warn_uncalibrated(width, height)
        wanted = wanted.intersection(TOPICS)
        if not wanted:
            return
        self._outputs.publish_label_info(self._space, parameters.confidence_threshold)
        prediction = _confident(self._engine.predict(picture), parameters.confidence_threshold)
        rays = None if intrinsics is None else RayTable(intrinsics, parameters.points_stride)
        settings = self._settings(parameters, intrinsics)
        self._outputs.publish(header, products(picture, prediction, wanted, rays, settings))

    def _settings(self, parameters: Parameters, intrinsics: Intrinsics | None) -> ProductSettings:
        factor, training_f_px = parameters.depth_scale, self._engine.card.training_f_px
        if parameters.focal_correction and intrinsics is not None and training_f_px is not None:
            factor *= focal_factor(intrinsics.fx_px, training_f_px)
        return ProductSettings(
            label_space=self._space,
            depth_encoding=parameters.depth_encoding,
            depth_factor=factor,
            depth_colour_range_m=(parameters.depth_color_near_m, parameters.depth_color_far_m),
            overlay_opacity=parameters.overlay_opacity,
        )
