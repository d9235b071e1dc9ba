"""The perception node: a lifecycle around the engine and its cameras."""

from collections.abc import Callable, Sequence
import gc
import logging
from typing import Any

from lifecycle_msgs.srv import ChangeState
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool

from mtl_perception.ros import ros_process
from mtl_perception.ros.health.diagnostics import Diagnostics
from mtl_perception.ros.parameters import DeclaredParameters
from mtl_perception.ros.pipeline.recovering_engine import empty_caches
from mtl_perception.ros.rig import Rig

_THROTTLE_S = 5.0


class PerceptionNode(LifecycleNode):  # type: ignore[misc]
    """configure loads and compiles, activate subscribes, deactivate unsubscribes, cleanup frees.

    Frames are received in the executor and answered in threads of their own, so that the executor
    never waits for the network. A failed transition is logged in one sentence, which the
    diagnostics repeat.
    """

    def __init__(self, name: str = 'perception', **node_options: Any) -> None:
        """Declare the parameters; nothing is loaded yet."""
        super().__init__(name, **node_options)
        self.parameters = DeclaredParameters(self)
        self._rig: Rig | None = None
        self._paused = False
        self._diagnostics = Diagnostics(self, lambda: self._rig)
        self._enable = self.create_service(SetBool, '~/enable', self._on_enable)
        self._refuse_impossible_transitions()

    def start(self) -> None:
        """Configure and activate, as a lifecycle manager would."""
        if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
            self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Read the parameters, load the weights, compile and warm up, create the publishers."""
        return self._attempt('configure', self._configure, undo=self._release)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe."""
        return self._attempt('activate', self._subscribe, undo=self._unsubscribe)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Unsubscribe and let the frame in work finish."""
        return self._attempt('deactivate', self._unsubscribe)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Free the engine's memory and destroy the publishers."""
        return self._attempt('clean up', self._release)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop and free from any state."""
        return self._attempt('shut down', self._release)

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured."""
        return self._attempt('recover', self._release)

    def destroy_node(self) -> None:
        """Stop serving before the publishers go."""
        self._release()
        super().destroy_node()

    def _attempt(
        self, what: str, action: Callable[[], None], undo: Callable[[], None] = lambda: None
    ) -> TransitionCallbackReturn:
        try:
            action()
        except Exception as error:
            # not the error itself, whose traceback holds what undo is to free
            failure = f'cannot {what}: {error}'
        else:
            self._diagnostics.failure = ''
            return TransitionCallbackReturn.SUCCESS
        # whatever it is, the process lives, and the user can correct it and try again
        undo()
        self._diagnostics.failure = failure
        if self.context.ok():
            self.get_logger().error(failure)
        return TransitionCallbackReturn.FAILURE

    def _configure(self) -> None:
        self.parameters.read()
        self._rig = Rig(self, self.parameters, self._paused)
        self.parameters.configured = True
        card, engine = self._rig.engine.card, self._rig.engine
        self.get_logger().info(
            f"loaded '{card.name}' ({', '.join(card.tasks)}) into {engine.backend} on "
            f'{engine.device}, compiled {self._rig.compiled}'
        )

    def _subscribe(self) -> None:
        if self._rig is not None:
            self._rig.start()
            self.parameters.warn_of_unread_qos()

    def _unsubscribe(self) -> None:
        if self._rig is not None:
            self._rig.stop()

    def _release(self) -> None:
        if self._rig is not None:
            self._rig.destroy()
            self._rig = None
        self.parameters.configured = False
        # the engine, or what was made of it, went with the rig
        empty_caches()

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Pause or resume without unloading; frames that come meanwhile are dropped."""
        self._paused = not request.data
        if self._rig is not None:
            self._rig.pause(self._paused)
        response.success, response.message = True, 'paused' if self._paused else 'enabled'
        return response

    def _refuse_impossible_transitions(self) -> None:
        """Answer them with success=False; in Jazzy they end the process (ros2/rclpy#1209)."""
        change_state = self._service_change_state.callback

        def on_change_state(
            request: ChangeState.Request, response: ChangeState.Response
        ) -> ChangeState.Response:
            try:
                return change_state(request, response)
            except RuntimeError as error:
                self.get_logger().error(f'impossible transition {request.transition.id}: {error}')
                response.success = False
                return response

        self._service_change_state.callback = on_change_state


class _ForwardToRos(logging.Handler):
    """Warnings of the ROS-free rooms, as that of a device fallback, to the node's log."""

    def __init__(self, node: PerceptionNode) -> None:
        super().__init__(logging.WARNING)
        self._log = node.get_logger()

    def emit(self, record: logging.LogRecord) -> None:
        # what compiles may outlast the node
        if rclpy.ok():
            self._log.warning(record.getMessage())


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until Ctrl-C or SIGTERM."""
    with ros_process(args) as executor:
        node = PerceptionNode()
        logging.getLogger('mtl_perception').addHandler(_ForwardToRos(node))
        executor.add_node(node)
        if node.get_parameter('autostart').value:
            executor.create_task(node.start)
        try:
            _spin(executor, node)
        finally:
            node.destroy_node()
    # what is left goes with the process; collecting it would take seconds
    gc.freeze()


def _spin(executor: SingleThreadedExecutor, node: PerceptionNode) -> None:
    """Serve callbacks until the context ends; an error in one of them costs that one."""
    while rclpy.ok():
        try:
            executor.spin()
        except Exception as error:
            # as rclpy's own about a /clock before 1970; a signal raises, too, between callbacks or
            # within one, but leaves no context to go on with
            if rclpy.ok():
                node.get_logger().error(
                    f'an error in a callback: {type(error).__name__}: {error}',
                    throttle_duration_sec=_THROTTLE_S,
                )


if __name__ == '__main__':
    main()
