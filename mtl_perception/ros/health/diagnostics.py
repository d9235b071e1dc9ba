"""The node's diagnostics, once a second in every state."""

from collections.abc import Callable

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from mtl_perception.ros.health.causes import Cause, Level
from mtl_perception.ros.health.report import camera_status, model_status, status
from mtl_perception.ros.health.shared_memory import shared_memory_fault
from mtl_perception.ros.rig import Rig

_TOPIC, _EVERY_S = '/diagnostics', 1.0


class Diagnostics:
    """Publishes one status for the model and one for each camera.

    `failure` is the sentence of the last transition that failed, '' if it succeeded.
    """

    def __init__(self, node: Node, rig: Callable[[], Rig | None]) -> None:
        """Begin to publish; rig gives what is configured."""
        self.failure = ''
        self._node = node
        self._rig = rig
        fault = shared_memory_fault()
        self._shortages = [Cause(Level.WARN, fault)] if fault else []
        if fault:
            node.get_logger().warning(fault)
        self._publisher = node.create_publisher(DiagnosticArray, _TOPIC, 10)
        # by a clock that neither stands still nor jumps when the time is simulated
        self._timer = node.create_timer(
            _EVERY_S, self._publish, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )

    def statuses(self) -> list[DiagnosticStatus]:
        """Report on what is configured."""
        rig, name = self._rig(), self._node.get_fully_qualified_name()
        failures = [Cause(Level.ERROR, self.failure)] if self.failure else []
        if rig is None:
            return [status(f'{name}: model', '', failures, 'not configured', {})]
        causes = failures + self._shortages
        reports = [model_status(f'{name}: model', rig.engine, causes)]
        for camera in rig.cameras:
            title, model = f'{name}: camera {camera.name}'.rstrip(), rig.engine.card.name
            state = camera.state()
            reports.append(
                status(title, model, [], 'not active', {'image topic': camera.image_topic})
                if state is None
                else camera_status(title, model, state, camera.paused)
            )
        return reports

    def _publish(self) -> None:
        array = DiagnosticArray(status=self.statuses())
        array.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(array)
