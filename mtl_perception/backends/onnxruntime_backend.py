"""ONNX Runtime: on the CPU in float32; on CUDA in half precision, by TensorRT if it is there."""

import contextlib
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
import onnxruntime
import torch

from mtl_perception.network.deployed import DeployedNetwork, FIELDS
from mtl_perception.network.rounding import round_depthwise
from mtl_perception.network.savings import FusedNetwork, save_work

from . import Arrays, choose_precision, CompiledNetwork, one_at_a_time, Shape, Source
from .cache import artefact_key, cache_folder, load_artefact, store_artefact

log = logging.getLogger(__name__)
_OPSET = 18
_CUDA, _TENSORRT = 'CUDAExecutionProvider', 'TensorrtExecutionProvider'


def create(device: str, precision: str) -> 'OnnxRuntimeBackend':
    """Create the backend for `cpu` or `cuda:N`.

    Raises ValueError if it lacks the precision there, or is installed without CUDA.
    """
    return OnnxRuntimeBackend(device, precision)


class OnnxRuntimeBackend:
    """A session for each shape; the exported model and TensorRT's engines are cached."""

    name = 'onnxruntime'

    def __init__(self, device: str, precision: str = 'auto') -> None:
        """Resolve the precision, and choose the providers."""
        offered = ('fp32',) if device == 'cpu' else ('fp16', 'fp32')
        self.device = device
        self.precision = choose_precision('onnxruntime', device, precision, offered)
        self.providers = providers(
            device, onnxruntime.get_available_providers(), self.precision == 'fp16'
        )

    def compile(self, source: Source, shape: Shape) -> CompiledNetwork:
        """Export for batches of shape (B, H, W), or take what an earlier run did, and load."""
        fields = sorted(source.network.fields)
        key = artefact_key(
            source.identity, shape, fields, self.precision, torch.__version__, _OPSET
        )
        model = load_artefact(key)
        session = self._load(model, key)
        if session is None:
            model = export(source.network, shape, self.precision == 'fp16')
            session = self._session(model, key)
            store_artefact(key, model)
        return _runner(session)

    def _load(self, model: bytes | None, key: str) -> Any:
        if model is None:
            return None
        try:
            return self._session(model, key)
        # its exceptions share no base class of their own
        except Exception as error:
            log.warning('ONNX Runtime does not take what was exported, again then: %s', error)
            return None

    def _session(self, model: bytes, key: str) -> Any:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # it names engines by graph and names of nodes, which other weights and sizes share
        chosen = [
            (name, settings | ({'trt_engine_cache_prefix': key} if name == _TENSORRT else {}))
            for name, settings in self.providers
        ]
        return onnxruntime.InferenceSession(model, options, chosen)


def providers(device: str, available: list[str], half: bool) -> list[tuple[str, dict[str, Any]]]:
    """List the providers to use, each with its options; the first that can run a node does.

    Raises ValueError if the device is a GPU and ONNX Runtime was built without CUDA.
    """
    cpu: tuple[str, dict[str, Any]] = ('CPUExecutionProvider', {})
    if device == 'cpu':
        return [cpu]
    if _CUDA not in available:
        raise ValueError(
            f"backend 'onnxruntime' cannot run on {device}: {onnxruntime.__version__} is built "
            'without CUDA; install onnxruntime-gpu in its place, or choose backend torch'
        )
    number = int(device.partition(':')[2])
    cuda = (_CUDA, {'device_id': number, 'cudnn_conv_algo_search': 'EXHAUSTIVE'})
    if _TENSORRT not in available:
        return [cuda, cpu]
    folder = cache_folder()
    with contextlib.suppress(OSError):
        # ONNX Runtime makes but the last folder of a path
        folder.mkdir(parents=True, exist_ok=True)
    # TensorRT itself rebuilds an engine of another version or GPU
    engines = {
        'trt_engine_cache_enable': True,
        'trt_engine_cache_path': str(folder / 'tensorrt'),
        'trt_fp16_enable': half,
    }
    return [(_TENSORRT, {'device_id': number, **engines}), cuda, cpu]


@one_at_a_time
def export(network: DeployedNetwork, shape: Shape, half: bool) -> bytes:
    """Write a network for batches of shape (B, H, W) as ONNX, outputs named as its fields."""
    fused = FusedNetwork.of(save_work(network))
    if half:
        round_depthwise(fused.network, torch.float16)
        fused.network.half()
    example = torch.zeros((*shape, 3), dtype=torch.uint8)
    with torch.no_grad():
        outputs = fused(example)
        names = [name for name in FIELDS if getattr(outputs, name) is not None]
        program = torch.onnx.export(
            fused, (example,), dynamo=True, opset_version=_OPSET, output_names=names, verbose=False
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def _runner(session: Any) -> CompiledNetwork:
    names = [output.name for output in session.get_outputs()]
    (entry,) = session.get_inputs()

    def run(pictures: NDArray[np.uint8]) -> Arrays:
        return dict(zip(names, session.run(names, {entry.name: pictures}), strict=True))

    return run
