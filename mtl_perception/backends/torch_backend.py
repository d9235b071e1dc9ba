"""PyTorch: bfloat16 where the CPU has it; on CUDA half precision, replayed as a CUDA graph."""

import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

from mtl_perception.network.deployed import DeployedNetwork, DeployedOutputs
from mtl_perception.network.rounding import DTYPES, has_bf16, round_depthwise
from mtl_perception.network.savings import save_work

from . import Arrays, choose_precision, CompiledNetwork, Shape, Source

# before its capture a CUDA graph wants to be run on the stream of the capture
_WARM_UPS = 3


def create(device: str, precision: str) -> 'TorchBackend':
    """Create the backend for `cpu` or `cuda:N`. Raises ValueError if it lacks the precision."""
    return TorchBackend(device, precision)


class TorchBackend:
    """Eager on the CPU, where every shape runs at once; a graph for each shape on CUDA."""

    name = 'torch'

    def __init__(self, device: str, precision: str = 'auto') -> None:
        """Resolve the precision. Raises ValueError if the device does not offer it."""
        self.device = device
        self.precision = choose_precision('torch', device, precision, _offered(device))

    def compile(self, source: Source, shape: Shape) -> CompiledNetwork:
        """Move a copy of the network to the device; on CUDA capture it for (B, H, W)."""
        if self.device == 'cpu':
            return self.run_eagerly(source)
        with torch.inference_mode(), torch.cuda.device(self.device):
            return CudaGraph(self._module(source), shape, self.device)

    def run_eagerly(self, source: Source) -> CompiledNetwork:
        """Give what runs batches of every shape, operation by operation."""
        module = self._module(source)

        @torch.inference_mode()
        def run(pictures: NDArray[np.uint8]) -> Arrays:
            # torch warns of read-only arrays, such as views of messages
            batch = torch.from_numpy(pictures if pictures.flags.writeable else pictures.copy())
            outputs = _made(module(batch.to(self.device)))
            return {name: value.cpu().numpy() for name, value in outputs.items()}

        return run

    def _module(self, source: Source) -> DeployedNetwork:
        lean = save_work(source.network).to(self.device)
        dtype = DTYPES[self.precision]
        round_depthwise(lean.network, dtype)
        lean.network.to(dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return lean


class CudaGraph:
    """One captured pass: pictures go in and outputs come back through pinned memory.

    All is queued on one stream of its own: copy in, the graph, copies out; the only wait is at
    the end. Outputs stay in the same buffers.
    """

    def __init__(self, module: DeployedNetwork, shape: Shape, device: str) -> None:
        """Allocate the buffers, warm up and capture. Raises RuntimeError if CUDA does."""
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._pinned = torch.zeros((*shape, 3), dtype=torch.uint8, pin_memory=True)
        self._pictures = self._pinned.to(device)
        self._graph = torch.cuda.CUDAGraph()
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            for _ in range(_WARM_UPS):
                module(self._pictures)
        self._stream.synchronize()
        # other threads may use CUDA meanwhile: a frame is answered while this one compiles
        with torch.cuda.graph(self._graph, stream=self._stream, capture_error_mode='thread_local'):
            self._outputs = _made(module(self._pictures))
        self._results = {
            name: torch.empty(value.shape, dtype=value.dtype, pin_memory=True)
            for name, value in self._outputs.items()
        }
        # the weights must outlive the graph, which knows only their addresses
        self._module = module

    # the buffers were made in inference mode, and are not written to outside of it
    @torch.inference_mode()
    def __call__(self, pictures: NDArray[np.uint8]) -> Arrays:
        """Run a batch of the captured shape."""
        np.copyto(self._pinned.numpy(), pictures)
        with torch.cuda.stream(self._stream):
            self._pictures.copy_(self._pinned, non_blocking=True)
            self._graph.replay()
            for name, value in self._outputs.items():
                self._results[name].copy_(value, non_blocking=True)
        self._stream.synchronize()
        return {name: value.numpy() for name, value in self._results.items()}


def _made(outputs: DeployedOutputs) -> dict[str, Tensor]:
    return {name: value for name, value in outputs._asdict().items() if value is not None}


def _offered(device: str) -> tuple[str, ...]:
    """List precisions, the best first; emulated bfloat16 is slower than float32."""
    if device != 'cpu':
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return ('fp16', 'bf16', 'fp32') if native else ('fp16', 'fp32')
    return ('bf16', 'fp32') if has_bf16() else ('fp32',)
