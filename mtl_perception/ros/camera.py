"""One camera: what comes from it, what is known of it, what is answered."""

from collections.abc import Callable, Collection
import time

from rclpy.logging import get_logger
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2
from std_msgs.msg import Header

from mtl_perception.engine import output_size, Prediction
from mtl_perception.geometry import Intrinsics
from mtl_perception.label_space import label_space
from mtl_perception.messages import nanoseconds
from mtl_perception.model_card import ModelCard
from mtl_perception.products import (
    CLOUDS,
    DEPTH,
    DEPTH_COLOURS,
    fields_of,
    products,
    TOPICS,
)
from mtl_perception.ros.calibration.camera_infos import CameraInfos
from mtl_perception.ros.calibration.ground_check import GroundCheck
from mtl_perception.ros.calibration.lidar_check import LidarCheck
from mtl_perception.ros.health.causes import CameraState, info_is_missing
from mtl_perception.ros.health.measurements import Counters, Interval, Measurements, Times
from mtl_perception.ros.incoming import CameraInputs
from mtl_perception.ros.outputs import Outputs
from mtl_perception.ros.parameters import Parameters
from mtl_perception.ros.parameters.settings import depth_factor, product_settings
from mtl_perception.ros.pipeline.decoding import picture_of
from mtl_perception.ros.pipeline.pipeline import Frame, Pass, Received

_THROTTLE_S = 5.0
_WARN_EVERY_S = 60.0


class Camera:
    """Subscriptions, intrinsics, publishers and counters of one camera.

    Messages are received in the executor and handed to a pipeline, whose threads call decode and
    answer.
    """

    def __init__(
        self, node: Node, card: ModelCard, parameters: Callable[[], Parameters], name: str = ''
    ) -> None:
        """Create the publishers; a name stands before each topic."""
        self.paused = False
        self.name = name
        self._node = node
        # a logger throttles by its own record of who called: with the node's, only one camera in
        # five seconds could complain
        self._log = get_logger(node.get_logger().name)
        self._card = card
        self._parameters = parameters
        self._space = label_space(card.label_space)
        prefix = f'{name}/' if name else ''
        self._outputs = Outputs(node, card.tasks, prefix)
        self._inputs = CameraInputs(
            node,
            prefix,
            parameters().image_transport,
            self._receive,
            self._lose,
            self._receive_info,
            self._receive_sweep if parameters().lidar_check else None,
        )
        self.image_topic = self._inputs.image_topic
        self._put: Callable[[Camera, Received], None] | None = None
        self._forget()

    @property
    def counters(self) -> Counters:
        """What became of the frames received since activation."""
        return self._measured.counters

    def start(self, put: Callable[['Camera', Received], None]) -> None:
        """Subscribe; put takes what comes. Raises what rclpy does if QoS overrides are wrong."""
        self._forget()
        self._put = put
        parameters = self._parameters()
        self._outputs.publish_label_info(self._space, parameters.confidence_threshold)
        self._inputs.subscribe(parameters.reliability)

    def stop(self) -> None:
        """Unsubscribe."""
        self._inputs.unsubscribe()
        self._put = None

    def log_counters(self) -> None:
        """Say what became of the frames."""
        # after Ctrl-C the node's own logger cannot publish any more
        log = self._log if self._node.context.ok() else get_logger('mtl_perception')
        log.info(f'{self.image_topic}: {self.counters}')

    def destroy(self) -> None:
        """Unsubscribe, and destroy the publishers."""
        self.stop()
        self._outputs.destroy()

    def state(self) -> CameraState | None:
        """Give what a report is made of; None while it is not subscribed."""
        inputs = self._inputs
        if not inputs.subscribed:
            return None
        interval, parameters = self._measured.take(), self._parameters()
        lack = self._infos.lack(*interval.size) if interval.size else ''
        lidar = self._lidar.scale
        ground = self._ground.scale if parameters.ground_check else None
        return CameraState(
            image_topic=self.image_topic,
            info_topic=inputs.info_topic,
            interval=interval,
            parameters=parameters,
            silence=inputs.silence(self.image_topic),
            info_lack=lack if lack and self._misses_info(self._outputs.wanted()) else '',
            lidar_scale=lidar and lidar.after(self._ground.factor(parameters)),
            ground_scale=ground and ground.after(self._lidar.factor(parameters)),
            lidar_fault=self._lidar_fault(parameters, interval) if parameters.lidar_check else '',
        )

    def decode(self, received: Received) -> Frame | None:
        """Make a picture of a message; None, counted, if it is not wanted or bad."""
        wanted = self._outputs.wanted()
        if self.paused or not wanted:
            self._measured.count('unwanted')
            reason = 'paused' if self.paused else 'nobody subscribes to its outputs'
            self._log.debug(f'{self.image_topic}: passed over a frame: {reason}')
            return None
        try:
            picture = picture_of(received.message)
        except ValueError as error:
            self._measured.count('bad', str(error))
            self._log_dropped(
                f'{self.image_topic}: dropped a frame ({self.counters.bad} of '
                f'{self.counters.received} so far): {error}'
            )
            return None
        height, width = picture.shape[:2]
        self._measured.saw_size((width, height))
        lack = self._infos.lack(width, height)
        if lack and self._misses_info(wanted):
            self._log.warning(
                info_is_missing(self._inputs.info_topic, lack),
                throttle_duration_sec=_WARN_EVERY_S,
            )
        return Frame(
            received.message.header,
            picture,
            received.received_s,
            wanted=frozenset(wanted),
            fields=self._fields_of(wanted.difference(CLOUDS if lack else ())),
        )

    def answer(self, frame: Frame, prediction: Prediction | None, through: Pass) -> None:
        """Publish what is made of a frame."""
        height, width = frame.picture.shape[:2]
        calibration, parameters = self._infos.of(width, height), self._parameters()
        # that of what is published
        height, width = output_size(height, width, parameters.scale)
        intrinsics = None if calibration is None else calibration.intrinsics
        factor = depth_factor(parameters, intrinsics, self._card.training_f_px)
        focal = factor / parameters.depth_scale
        if calibration is not None:
            info = calibration.info_of(width, height)
            self._outputs.publish_camera_infos(frame.header, info, frame.wanted)
        if prediction is not None:
            self._outputs.publish_label_info(self._space, parameters.confidence_threshold)
            stride = parameters.points_stride
            rays = None if calibration is None else calibration.rays(stride, width, height)
            if intrinsics is not None:
                factor *= self._lidar.factor(parameters) * self._ground.factor(parameters)
            settings = product_settings(parameters, self._space, factor)
            # no clouds of which less was asked, as the calibration came only since then
            wanted = {
                topic
                for topic in frame.wanted.intersection(TOPICS)
                if fields_of((topic,)) <= frame.fields
            }
            self._outputs.publish(
                frame.header, products(frame.picture, prediction, wanted, rays, settings)
            )
        times = Times(
            waited_ms=(through.began_s - frame.received_s) * 1e3,
            network_ms=(through.ended_s - through.began_s) * 1e3,
            end_to_end_ms=(time.monotonic() - frame.received_s) * 1e3,
        )
        self._measured.answered(times, self._age_s(frame.header))
        if prediction is not None and intrinsics is not None:
            self._check_scale(frame, prediction, focal, intrinsics)

    def skip(self) -> None:
        """Count a frame that a newer one replaced, or the end."""
        self._measured.count('skipped')

    def fail(self, error: Exception) -> None:
        """Count and log a frame that met an error of our own."""
        if not self._node.context.ok():
            # a signal came while the frame was in work: there is nobody to answer any more
            self._measured.count('skipped')
            return
        said = f'{type(error).__name__}: {error}'
        self._measured.count('failed', said)
        self._log.error(
            f'{self.image_topic}: could not answer a frame: {said}',
            throttle_duration_sec=_THROTTLE_S,
        )

    def _forget(self) -> None:
        """Begin anew: another camera may stand there next time."""
        self._measured = Measurements()
        self._infos = CameraInfos()
        self._lidar = LidarCheck(self._parameters)
        self._ground = GroundCheck(self._parameters, self._space)

    def _lose(self, count: int) -> None:
        """Count frames that newer ones replaced before they reached us."""
        for name in ('received', 'skipped'):
            self._measured.count(name, times=count)

    def _receive(self, message: Image | CompressedImage) -> None:
        self._measured.count('received')
        if self._put is not None:
            self._put(self, Received(message, time.monotonic()))

    def _receive_info(self, info: CameraInfo) -> None:
        try:
            self._infos.put(info)
        except ValueError as error:
            self._log_dropped(f'{self._inputs.info_topic}: dropped a camera_info: {error}')

    def _receive_sweep(self, sweep: PointCloud2) -> None:
        self._lidar.put(sweep)

    def _check_scale(
        self, frame: Frame, prediction: Prediction, focal: float, intrinsics: Intrinsics
    ) -> None:
        """Compare depth with the ground and the lidar, where it can be."""
        parameters = self._parameters()
        if parameters.ground_check:
            self._ground.compare(prediction, focal, intrinsics)
        if not parameters.lidar_check or prediction.depth is None:
            return
        try:
            self._lidar.compare(frame.header.stamp, prediction.depth, focal, intrinsics)
        except ValueError as error:
            self._log_dropped(f'{self._inputs.lidar_topic}: dropped a sweep: {error}')

    def _lidar_fault(self, parameters: Parameters, interval: Interval) -> str:
        """Say that sweeps do not come, or not at the time of frames; '' if they do, or may yet."""
        since_s, topic = self._lidar.since_sweep_s, self._inputs.lidar_topic
        if since_s is None:
            late = interval.active_s > parameters.diagnostics_no_image_s
            return f'no sweep on {topic}: {self._inputs.silence(topic)}' if late else ''
        if since_s > parameters.diagnostics_no_image_s:
            silence = self._inputs.silence(topic)
            return f'no sweep on {topic} any more, for {since_s:.1f} s: {silence}'
        return self._lidar.mismatch

    def _fields_of(self, topics: Collection[str]) -> frozenset[str]:
        """Tell what these topics are made of, and what tells the scale if they are."""
        fields, parameters = fields_of(topics), self._parameters()
        if not fields:
            return fields
        by_lidar = {'depth'} if parameters.lidar_check else set()
        return fields | by_lidar | ({'labels', 'depth'} if parameters.ground_check else set())

    def _age_s(self, header: Header) -> float:
        """Tell how old a stamp is by the clock of the node."""
        now_ns = self._node.get_clock().now().nanoseconds
        return float(now_ns - nanoseconds(header.stamp)) / 1e9

    def _misses_info(self, wanted: Collection[str]) -> bool:
        """Tell whether the lack of intrinsics changes what is wanted."""
        parameters = self._parameters()
        if parameters.ground_apply or parameters.lidar_apply:
            # whatever is wanted now, there is nothing to compare
            return True
        corrects = parameters.focal_correction and self._card.training_f_px
        scales = corrects or parameters.ground_check or parameters.lidar_check
        return bool({*CLOUDS, *((DEPTH, DEPTH_COLOURS) if scales else ())}.intersection(wanted))

    def _log_dropped(self, sentence: str) -> None:
        # whoever debugs a driver wants them all
        self._log.debug(sentence)
        self._log.error(sentence, throttle_duration_sec=_THROTTLE_S)
