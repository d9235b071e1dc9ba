"""Backends: runtimes that compile a DeployedNetwork and run batches of one shape."""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mtl_perception.network.deployed import DeployedNetwork

Shape = tuple[int, int, int]
Arrays = dict[str, NDArray[np.generic]]
# runs a batch (B, H, W, 3) uint8 of the compiled shape: fields of DeployedOutputs by name
CompiledNetwork = Callable[[NDArray[np.uint8]], Arrays]


class Backend(Protocol):
    """One runtime on one device."""

    name: str
    device: str
    precision: str

    def compile(self, network: DeployedNetwork, shape: Shape) -> CompiledNetwork:
        """Compile for batches of shape (B, H, W). Raises RuntimeError if the runtime fails."""
        ...


# name -> library that it needs; each lives in the module of its name
LIBRARIES = {'torch': 'torch', 'openvino': 'openvino'}
CPU_ONLY = ('openvino',)


def create_backend(name: str, device: str) -> Backend:
    """Create the backend of that name on `cpu` or `cuda:N`.

    `auto` takes PyTorch on a GPU; on a CPU OpenVINO where it is installed. Raises ValueError if
    the name is unknown, ModuleNotFoundError if its library is not installed.
    """
    if name == 'auto':
        name = 'openvino' if device == 'cpu' and find_spec('openvino') else 'torch'
    if name not in LIBRARIES:
        raise ValueError(f"backend '{name}' is unknown; choose of auto, {', '.join(LIBRARIES)}")
    if find_spec(LIBRARIES[name]) is None:
        raise ModuleNotFoundError(
            f"backend '{name}' needs the library {LIBRARIES[name]}; "
            f'pip install {LIBRARIES[name]}, or choose backend auto'
        )
    backend: Backend = import_module(f'{__name__}.{name}_backend').create(device)
    return backend
