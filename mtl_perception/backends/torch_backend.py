"""PyTorch: bfloat16 where the CPU has it, half precision on CUDA, channels_last on both."""

import copy

import numpy as np
from numpy.typing import NDArray
import torch

from mtl_perception.network.deployed import DeployedNetwork

from . import Arrays, CompiledNetwork, Shape


def create(device: str) -> 'TorchBackend':
    """Create the backend for `cpu` or `cuda:N`."""
    return TorchBackend(device)


class TorchBackend:
    """Eager PyTorch under autocast."""

    name = 'torch'

    def __init__(self, device: str) -> None:
        """Choose the precision for the device."""
        self.device = device
        self._dtype = torch.float16 if device.startswith('cuda') else _cpu_dtype()
        self.precision = str(self._dtype).removeprefix('torch.')

    def compile(self, network: DeployedNetwork, shape: Shape) -> CompiledNetwork:
        """Move a copy of the network to the device; every shape runs."""
        module = copy.deepcopy(network).eval().to(self.device)
        module.to(memory_format=torch.channels_last)

        @torch.inference_mode()
        def run(pictures: NDArray[np.uint8]) -> Arrays:
            batch = torch.tensor(pictures, device=self.device)
            kind = torch.device(self.device).type
            with torch.autocast(kind, self._dtype, enabled=self._dtype != torch.float32):
                outputs = module(batch)
            return {
                name: value.cpu().numpy()
                for name, value in outputs._asdict().items()
                if value is not None
            }

        return run


def _cpu_dtype() -> torch.dtype:
    """Give bfloat16 where the CPU multiplies it in hardware; emulation is slower than float32."""
    capabilities = torch.cpu.get_capabilities()
    native = any(capabilities.get(name) for name in ('avx512_bf16', 'amx_bf16', 'bf16'))
    return torch.bfloat16 if native else torch.float32
