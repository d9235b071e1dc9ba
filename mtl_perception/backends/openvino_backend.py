"""OpenVINO on the CPU: bfloat16 where the CPU has it, float32 elsewhere."""

import numpy as np
from numpy.typing import NDArray
import openvino
import torch

from mtl_perception.network.deployed import DeployedNetwork

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
        precision = {'bfloat16': 'bf16', 'float32': 'f32'}[self.precision]
        compiled = self._core.compile_model(
            model, 'CPU', {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': precision}
        )
        request = compiled.create_infer_request()

        def run(pictures: NDArray[np.uint8]) -> Arrays:
            results = request.infer({0: pictures}, share_inputs=True)
            return {name: results[index] for index, name in enumerate(names)}

        return run
