"""Backends: runtimes that compile a DeployedNetwork and run batches of one shape."""

from collections.abc import Callable
from dataclasses import dataclass
import functools
from importlib import import_module
from importlib.util import find_spec
import logging
import threading
from typing import ParamSpec, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mtl_perception.network.deployed import DeployedNetwork

from .quantisation import Ranges

log = logging.getLogger(__name__)

_Parameters = ParamSpec('_Parameters')
_Result = TypeVar('_Result')
_EXPORTING = threading.Lock()

Shape = tuple[int, int, int]
Arrays = dict[str, NDArray[np.generic]]
# runs a batch (B, H, W, 3) uint8 of the compiled shape: fields of DeployedOutputs by name, in
# buffers that the next call may write to
CompiledNetwork = Callable[[NDArray[np.uint8]], Arrays]


@dataclass(frozen=True)
class Source:
    """What is compiled: a network, and what tells it from every other.

    That is its model card, which has the checksum of the weights, and the sky of its label space.
    """

    network: DeployedNetwork
    identity: str
    # of what enters the convolutions that int8 rounds, see quantisation; None where none are known
    ranges: Ranges | None = None


class Backend(Protocol):
    """One runtime on one device, in one precision."""

    name: str
    device: str
    precision: str

    def compile(self, source: Source, shape: Shape) -> CompiledNetwork:
        """Compile for batches of shape (B, H, W). Raises RuntimeError if the runtime fails."""
        ...


# name -> libraries that it needs, to export as well; each lives in the module <name>_backend
LIBRARIES: dict[str, tuple[str, ...]] = {
    'torch': ('torch',),
    'openvino': ('openvino',),
    'onnxruntime': ('onnxruntime', 'onnx', 'onnxscript'),
}
CPU_ONLY = ('openvino',)
PRECISIONS = ('fp32', 'bf16', 'fp16', 'int8')


def one_at_a_time(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Let what exports networks run alone: torch.export patches modules of the whole process."""

    @functools.wraps(function)
    def alone(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        with _EXPORTING:
            return function(*args, **kwargs)

    return alone


def create_backend(name: str, device: str, precision: str = 'auto') -> Backend:
    """Create the backend of that name on `cpu` or `cuda:N`.

    `auto` takes PyTorch on a GPU; on a CPU the first of OpenVINO, ONNX Runtime and PyTorch that
    is installed with all that it needs. Precision is one of PRECISIONS, or `auto`: the fastest one
    of the device. Raises ValueError if name or precision are unknown or do not go with the device,
    ModuleNotFoundError if a library is not installed.
    """
    chosen = _choose(device) if name == 'auto' else name
    if chosen not in LIBRARIES:
        raise ValueError(f"backend '{name}' is unknown; choose of auto, {', '.join(LIBRARIES)}")
    if precision not in ('auto', *PRECISIONS):
        raise ValueError(
            f"precision '{precision}' is unknown; choose of auto, {', '.join(PRECISIONS)}"
        )
    if missing := _missing(chosen):
        raise ModuleNotFoundError(
            f"backend '{chosen}' needs {', '.join(missing)}; "
            f'pip install {" ".join(missing)}, or choose backend auto'
        )
    module = import_module(f'{__name__}.{chosen}_backend')
    backend: Backend = module.create(device, precision)
    if 'auto' in (name, precision):
        log.info('chose backend %s in %s for %s', chosen, backend.precision, device)
    return backend


def choose_precision(backend: str, device: str, precision: str, offered: tuple[str, ...]) -> str:
    """Resolve `auto` to the first that is offered. Raises ValueError if precision is not."""
    if precision == 'auto':
        return offered[0]
    if precision not in offered:
        raise ValueError(
            f"backend '{backend}' has no precision {precision} on {device} here; "
            f'choose of auto, {", ".join(offered)}'
        )
    return precision


def _choose(device: str) -> str:
    if device == 'cpu':
        for name in ('openvino', 'onnxruntime'):
            if not _missing(name):
                return name
    return 'torch'


def _missing(name: str) -> list[str]:
    return [library for library in LIBRARIES[name] if find_spec(library) is None]
