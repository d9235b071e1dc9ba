"""The perception node: a lifecycle around the engine and its cameras."""

from collections.abc import Callable, Sequence
import gc
import logging
from typing import Any

from lifecycle_msgs.srv import ChangeState
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from std_srvs.srv import SetBool
import torch

from mtl_perception.engine import Engine
from mtl_perception.ros.camera import Camera
from mtl_perception.ros.parameters import DeclaredParameters


class PerceptionNode(LifecycleNode):  # type: ignore[misc]
    """configure loads and compiles, activate subscribes, deactivate unsubscribes, cleanup frees.

    Frames are received in the executor and answered in the camera's own thread, so that the
    executor never waits for the network. A failed transition is logged in one sentence.
    """

    def __init__(self, name: str = 'perception', **node_options: Any) -> None:
        """Declare the parameters; nothing is loaded yet."""
        super().__init__(
            name, automatically_declare_parameters_from_overrides=True, **node_options
        )
        self.parameters = DeclaredParameters(self)
        # one, without a prefix; several would share a worker and a pass of the engine
        self._cameras: list[Camera] = []
        self._paused = False
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
            # whatever it is, the process lives, and the user can correct it and try again
            undo()
            if self.context.ok():
                self.get_logger().error(f'cannot {what}: {error}')
            return TransitionCallbackReturn.FAILURE
        return TransitionCallbackReturn.SUCCESS

    def _configure(self) -> None:
        parameters = self.parameters.read()
        engine = Engine(parameters.weights, parameters.device, parameters.backend)
        size = parameters.warm_up_width, parameters.warm_up_height
        width, height = size if all(size) else engine.card.training_size or size
        compiled = 'for no size yet'
        if width and height:
            engine.warm_up(height, width)
            compiled = f'for {width}x{height}'
        camera = Camera(self, engine, lambda: self.parameters.current)
        camera.paused = self._paused
        self._cameras.append(camera)
        self.parameters.configured = True
        self.get_logger().info(
            f"loaded '{engine.card.name}' ({', '.join(engine.card.tasks)}) into {engine.backend} "
            f'on {engine.device}, compiled {compiled}'
        )

    def _subscribe(self) -> None:
        for camera in self._cameras:
            camera.start()

    def _unsubscribe(self) -> None:
        for camera in self._cameras:
            camera.stop()

    def _release(self) -> None:
        for camera in self._cameras:
            camera.destroy()
        self._cameras.clear()
        self.parameters.configured = False
        # the engine went with the last camera; hand its memory back to the GPU
        torch.cuda.empty_cache()

    def _on_enable(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        """Pause or resume without unloading; frames that come meanwhile are dropped."""
        self._paused = not request.data
        for camera in self._cameras:
            camera.paused = self._paused
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
        self._log.warning(record.getMessage())


def main(args: Sequence[str] | None = None) -> None:
    """Run the node until Ctrl-C or SIGTERM."""
    rclpy.init(args=args)
    executor = SingleThreadedExecutor()
    node: PerceptionNode | None = None
    try:
        node = PerceptionNode()
        logging.getLogger('mtl_perception').addHandler(_ForwardToRos(node))
        executor.add_node(node)
        if node.get_parameter('autostart').value:
            executor.create_task(node.start)
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except RuntimeError:
        # SIGTERM within a transition leaves rclpy without a context to publish it
        if rclpy.ok():
            raise
    finally:
        executor.shutdown()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
        # what is left goes with the process; collecting it would take seconds
        gc.freeze()


if __name__ == '__main__':
    main()
