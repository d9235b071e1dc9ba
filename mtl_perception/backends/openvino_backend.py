"""OpenVINO on the CPU: bfloat16 where the CPU has it, float32 elsewhere."""

import numpy as np
from numpy.typing import NDArray
import openvino
from openvino import opset13 as operations
import torch

from mtl_perception.network.deployed import DeployedNetwork
from mtl_perception.network.joint_network import FIXED_CHANNELS

from . import Arrays, CompiledNetwork, Shape


def create(device: str) -> 'OpenVinoBackend':
    """Create the backend. Raises ValueError for any device but `cpu`."""
    if device != 'cpu':
        raise ValueError(f"backend 'openvino' runs on cpu here, not on {device}; take torch")
    return OpenVinoBackend()


class OpenVinoBackend:
    """A graph compiled for latency."""

    name = 'openvino'
    device = 'cpu'

    def __init__(self) -> None:
        """Choose the precision that the CPU offers."""
        self._core = openvino.Core()
        offered = self._core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        self.precision = 'bfloat16' if 'BF16' in offered else 'float32'

    def compile(self, network: DeployedNetwork, shape: Shape) -> CompiledNetwork:
        """Export the network and compile it for batches of shape (B, H, W)."""
        example = torch.zeros((*shape, 3), dtype=torch.uint8)
        with torch.no_grad():
            names = [n for n, v in network(example)._asdict().items() if v is not None]
            model = openvino.convert_model(torch.export.export(network, (example,)))
        model.reshape([*shape, 3])
        _upsample_in_float32(model, shape[1:])
        precision = {'bfloat16': 'bf16', 'float32': 'f32'}[self.precision]
        compiled = self._core.compile_model(
            model, 'CPU', {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': precision}
        )
        request = compiled.create_infer_request()

        def run(pictures: NDArray[np.uint8]) -> Arrays:
            results = request.infer({0: pictures}, share_inputs=True)
            return {name: results[index] for index, name in enumerate(names)}

        return run


def _upsample_in_float32(model: openvino.Model, size: tuple[int, int]) -> None:
    """Rewrite the last upsampling of depth and normals as weighted sums of rows and columns.

    In bfloat16 OpenVINO rounds what Interpolate gives, and log-depth then comes in steps of 1.6 %,
    terraces in a point cloud; what follows the last heavy operation it leaves in float32. Logits
    only need their order, and stay as they are.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() != 'Interpolate':
            continue
        _, channels, *large = node.get_output_shape(0)
        if tuple(large) != size or channels not in FIXED_CHANNELS.values():
            continue
        x = node.input_value(0)
        for axis, count in zip((2, 3), size, strict=True):
            x = _stretch(x, axis, count)
        for consumer in node.output(0).get_target_inputs():
            consumer.replace_source_output(x)
    model.validate_nodes_and_infer_types()


def _stretch(x: openvino.Output, axis: int, count: int) -> openvino.Output:
    """Interpolate linearly along an axis, as align_corners=False does."""
    length = x.get_shape()[axis]
    position = ((np.arange(count) + 0.5) * length / count - 0.5).clip(0, length - 1)
    lower = np.floor(position).astype(np.int64)
    weight = (position - lower).astype(np.float32).reshape((-1, 1) if axis == 2 else (-1,))
    near, far = (
        operations.gather(x, operations.constant(index), operations.constant(np.int64(axis)))
        for index in (lower, np.minimum(lower + 1, length - 1))
    )
    step = operations.multiply(operations.subtract(far, near), operations.constant(weight))
    return operations.add(near, step).output(0)
