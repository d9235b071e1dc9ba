"""A configured node: an engine, the cameras that share it, and the pipeline between them."""

from functools import partial

from rclpy.node import Node

from mtl_perception.engine import Engine
from mtl_perception.ros.camera import Camera
from mtl_perception.ros.parameters import DeclaredParameters, Parameters
from mtl_perception.ros.pipeline.pipeline import Pipeline
from mtl_perception.ros.pipeline.recovering_engine import RecoveringEngine


class Rig:
    """Everything that configure makes and cleanup destroys."""

    def __init__(self, node: Node, parameters: DeclaredParameters, paused: bool) -> None:
        """Load the weights, compile, warm up and create the publishers.

        Raises what Engine does, and what rclpy does if QoS overrides are wrong.
        """
        self._parameters = parameters
        current = parameters.current
        self.engine = RecoveringEngine(partial(create_engine, current), current.device)
        self.compiled = self._warm_up(current)
        self.cameras: list[Camera] = []
        self._pipeline: Pipeline | None = None
        try:
            for name in current.camera_names:
                of_camera = partial(parameters.of, name)
                self.cameras.append(Camera(node, self.engine.card, of_camera, name))
        except Exception:
            self.destroy()
            raise
        self.pause(paused)

    def start(self) -> None:
        """Subscribe and serve. Raises what rclpy does if QoS overrides are wrong."""
        self._pipeline = Pipeline(
            self.engine.predict_batch,
            len(self.cameras),
            lambda: self._parameters.current.batch_window_ms / 1e3,
        )
        for camera in self.cameras:
            camera.start(self._pipeline.put)

    def stop(self) -> None:
        """Unsubscribe and let the frames in work finish."""
        for camera in self.cameras:
            camera.stop()
        if self._pipeline is not None:
            self._pipeline.close()
            self._pipeline = None
            for camera in self.cameras:
                camera.log_counters()

    def pause(self, paused: bool) -> None:
        """Pass over frames, or serve them again."""
        for camera in self.cameras:
            camera.paused = paused

    def destroy(self) -> None:
        """Stop, and destroy the publishers."""
        self.stop()
        for camera in self.cameras:
            camera.destroy()
        self.cameras.clear()

    def _warm_up(self, current: Parameters) -> str:
        """Compile for each number of cameras in a pass; say for what."""
        size = current.warm_up_width, current.warm_up_height
        width, height = size if all(size) else self.engine.card.training_size or size
        if not (width and height):
            return 'for no size yet'
        for batch in range(1, len(current.camera_names) + 1):
            self.engine.warm_up(height, width, batch)
        together = f', up to {batch} at once' if batch > 1 else ''
        return f'for {width}x{height}{together}'


def create_engine(parameters: Parameters, device: str) -> Engine:
    """Create the engine that the parameters ask for, on a device."""
    # a runtime and a precision for the GPU cannot take over on the CPU
    fell_back = device == 'cpu' != parameters.device
    return Engine(
        parameters.weights,
        device,
        'auto' if fell_back else parameters.backend,
        'auto' if fell_back else parameters.precision,
        parameters.scale,
        in_background=True,
    )
