"""One camera: what comes from it, what is known of it, what is answered."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rclpy.logging import get_logger
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from mtl_perception.engine import Engine, Prediction
from mtl_perception.geometry import focal_factor, Intrinsics, RayTable
from mtl_perception.label_space import label_space, UNLABELLED
from mtl_perception.messages import decode_message
from mtl_perception.products import DEPTH, DEPTH_COLOURS, POINTS, products, ProductSettings, TOPICS
from mtl_perception.ros.incoming import CameraSubscription, Counters, LatestFrameWorker
from mtl_perception.ros.outputs import Outputs
from mtl_perception.ros.parameters import Parameters

_THROTTLE_S = 5.0
_WARN_EVERY_S = 60.0
_SIZES_KEPT = 4


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
        self._space = label_space(engine.card.label_space)
        self._outputs = Outputs(node, engine.card.tasks, prefix)
        self._inputs = [
            (CameraInfo, f'{prefix}camera_info', self._receive_info),
            (Image, f'{prefix}image', self._receive),
        ]
        if parameters().image_transport == 'compressed':
            # as in image_transport, a remapped image takes its compressed sibling along
            topic = node.resolve_topic_name(f'{prefix}image') + '/compressed'
            self._inputs[1] = CompressedImage, topic, self._receive
        self._info_topic, self._image_topic = (
            node.resolve_topic_name(topic) for _, topic, _ in self._inputs
        )
        self._infos: dict[tuple[int, int], CameraInfo] = {}
        self._subscriptions: list[CameraSubscription] = []
        self._worker: LatestFrameWorker[Image | CompressedImage] | None = None

    def start(self) -> None:
        """Subscribe and serve. Raises what rclpy does if QoS overrides are wrong."""
        parameters = self._parameters()
        self.counters = Counters()
        self._worker = LatestFrameWorker(self._serve, self._report_failure)
        self._outputs.publish_label_info(self._space, parameters.confidence_threshold)
        for kind, topic, receive in self._inputs:
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
            # after Ctrl-C the node's own logger cannot publish any more
            log = self._log if self._node.context.ok() else get_logger('mtl_perception')
            log.info(f'{self._image_topic}: {self.counters}')
        # another camera may stand there next time
        self._infos.clear()

    def destroy(self) -> None:
        """Stop, and destroy the publishers."""
        self.stop()
        self._outputs.destroy()

    def _receive(self, message: Image | CompressedImage) -> None:
        self.counters.received += 1
        if self._worker is not None:
            self.counters.skipped += self._worker.put(message)

    def _receive_info(self, info: CameraInfo) -> None:
        """Keep the newest info of each size; only the few last sizes, should they be garbage."""
        try:
            _intrinsics(info)
        except ValueError as error:
            self._log_dropped(f'{self._info_topic}: dropped a camera_info: {error}')
            return
        size = info.width, info.height
        others = {other: self._infos[other] for other in self._infos if other != size}
        self._infos = dict([*others.items(), (size, info)][-_SIZES_KEPT:])

    def _serve(self, message: Image | CompressedImage) -> None:
        wanted = self._outputs.wanted()
        if self.paused or not wanted:
            self.counters.unwanted += 1
            reason = 'paused' if self.paused else 'nobody subscribes to its outputs'
            self._log.debug(f'{self._image_topic}: passed over a frame: {reason}')
            return
        try:
            picture = decode_message(message)
        except ValueError as error:
            self.counters.bad += 1
            self._log_dropped(
                f'{self._image_topic}: dropped a frame ({self.counters.bad} of '
                f'{self.counters.received} so far): {error}'
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
        wanted = wanted.intersection(TOPICS)
        if intrinsics is None:
            self._warn_if_missed(wanted, width, height)
            wanted.discard(POINTS)
        if not wanted:
            return
        self._outputs.publish_label_info(self._space, parameters.confidence_threshold)
        prediction = _confident(self._engine.predict(picture), parameters.confidence_threshold)
        rays = None if intrinsics is None else RayTable(intrinsics, parameters.points_stride)
        settings = self._settings(parameters, intrinsics)
        self._outputs.publish(header, products(picture, prediction, wanted, rays, settings))

    def _settings(self, parameters: Parameters, intrinsics: Intrinsics | None) -> ProductSettings:
        factor = parameters.depth_scale
        if parameters.focal_correction and intrinsics is not None:
            factor *= focal_factor(intrinsics.fx_px, self._engine.card.training_f_px)
        return ProductSettings(
            label_space=self._space,
            depth_encoding=parameters.depth_encoding,
            depth_factor=factor,
            depth_colour_range_m=(parameters.depth_color_near_m, parameters.depth_color_far_m),
            overlay_opacity=parameters.overlay_opacity,
        )

    def _warn_if_missed(self, wanted: set[str], width: int, height: int) -> None:
        """Say so if the lack of intrinsics changes what is wanted."""
        corrects = self._parameters().focal_correction and self._engine.card.training_f_px
        if wanted & ({POINTS, DEPTH, DEPTH_COLOURS} if corrects else {POINTS}):
            sizes = ', '.join(f'{w}x{h}' for w, h in self._infos) or 'none'
            self._log.warning(
                f'points and the focal correction of depth wait for a calibrated camera_info of '
                f'{width}x{height} on {self._info_topic} (so far: {sizes})',
                throttle_duration_sec=_WARN_EVERY_S,
            )

    def _log_dropped(self, sentence: str) -> None:
        # whoever debugs a driver wants them all
        self._log.debug(sentence)
        self._log.error(sentence, throttle_duration_sec=_THROTTLE_S)

    def _report_failure(self, error: Exception) -> None:
        if not self._node.context.ok():
            # a signal came while the frame was in work: there is nobody to answer any more
            self.counters.skipped += 1
            return
        self.counters.failed += 1
        self._log.error(
            f'{self._image_topic}: could not answer a frame: {type(error).__name__}: {error}',
            throttle_duration_sec=_THROTTLE_S,
        )


def _intrinsics(info: CameraInfo) -> Intrinsics | None:
    """Read the intrinsics; None if uncalibrated. Raises ValueError if they are no camera's."""
    return Intrinsics.from_camera_info(info.k, info.p, info.width, info.height)


def _confident(prediction: Prediction, threshold: float) -> Prediction:
    """Unlabel pixels of less confidence than threshold (0 to 1)."""
    labels, confidence = prediction.labels, prediction.confidence
    if threshold == 0 or labels is None or confidence is None:
        return prediction
    kept = np.where(confidence < threshold * 255, np.uint8(UNLABELLED), labels)
    return replace(prediction, labels=kept)
