"""OpenVINO on the CPU: bfloat16 where the CPU has it, with integers in the decoder on demand."""

from collections.abc import Iterable
from io import BytesIO
import logging
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch

from mtl_perception.network.deployed import DeployedNetwork, FIELDS
from mtl_perception.network.rounding import round_depthwise
from mtl_perception.network.savings import FusedNetwork, save_work

from . import Arrays, choose_precision, CompiledNetwork, one_at_a_time, Shape, Source
from .byte_pooling import pool_in_bytes
from .cache import artefact_key, load_artefact, store_artefact
from .quantisation import quantise, Ranges

# a robot does not phone home: without this OpenVINO takes its own stub, which sends nothing
sys.modules['openvino_telemetry'] = None  # type: ignore[assignment]
import openvino  # noqa: E402

log = logging.getLogger(__name__)
_HINTS = {'fp32': 'f32', 'bf16': 'bf16', 'int8': 'bf16'}


def create(device: str, precision: str) -> 'OpenVinoBackend':
    """Create the backend. Raises ValueError for any device but `cpu`."""
    if device != 'cpu':
        raise ValueError(f"backend 'openvino' runs on cpu here, not on {device}; take torch")
    return OpenVinoBackend(precision)


class OpenVinoBackend:
    """A graph compiled for latency."""

    name = 'openvino'
    device = 'cpu'

    def __init__(self, precision: str = 'auto') -> None:
        """Resolve the precision. Raises ValueError if the CPU does not offer it."""
        self._core = openvino.Core()
        self._abilities = self._core.get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
        # what int8 leaves out was only measured in bfloat16
        offered = ('bf16', 'fp32', 'int8') if 'BF16' in self._abilities else ('fp32',)
        self.precision = choose_precision('openvino', 'cpu', precision, offered)
        self._hints = {
            'PERFORMANCE_HINT': 'LATENCY',
            'INFERENCE_PRECISION_HINT': _HINTS[self.precision],
        }

    def compile(self, source: Source, shape: Shape) -> CompiledNetwork:
        """Compile for batches of shape (B, H, W), or take what an earlier run compiled."""
        fields = sorted(source.network.fields)
        ranges = source.ranges if self.precision == 'int8' else None
        if self.precision == 'int8' and ranges is None:
            raise ValueError('precision int8 needs the ranges of the weights, and there are none')
        key = artefact_key(
            *(source.identity, ranges, shape, fields, self.precision, self._abilities),
            openvino.get_version(),
        )
        compiled = self._import(load_artefact(key))
        if compiled is None:
            model = convert(source.network, shape, self.precision != 'fp32', ranges)
            compiled = self._core.compile_model(model, 'CPU', self._hints)
            store_artefact(key, _export(compiled))
        return _runner(compiled)

    def _import(self, artefact: bytes | None) -> openvino.CompiledModel | None:
        if artefact is None:
            return None
        try:
            # without the hints it would compute in the precision that it likes best
            return self._core.import_model(artefact, 'CPU', self._hints)
        except RuntimeError as error:
            log.warning('OpenVINO does not take what it compiled, compiling anew: %s', error)
            return None


@one_at_a_time
def convert(
    network: DeployedNetwork, shape: Shape, half: bool = False, ranges: Ranges | None = None
) -> openvino.Model:
    """Turn a network into a model with outputs named as its fields.

    half if bf16 will run it; with ranges what is quantisable takes integers.
    """
    fused = FusedNetwork.of(save_work(network))
    if ranges is not None:
        quantise(fused, ranges)
    if half:
        pool_in_bytes(fused.network)
        round_depthwise(fused.network, torch.bfloat16)
    example = torch.zeros((*shape, 3), dtype=torch.uint8)
    with torch.no_grad():
        outputs = fused(example)
        model = openvino.convert_model(torch.export.export(fused, (example,)))
    # the conversion leaves all sizes open, and fewer operations can be fused then
    model.reshape([*shape, 3])
    _keep_bytes(model)
    names = [name for name in FIELDS if getattr(outputs, name) is not None]
    for output, name in zip(model.outputs, names, strict=True):
        output.get_tensor().set_names({name})
    return model


def _keep_bytes(model: openvino.Model) -> None:
    """Pool bytes as bytes: drop the conversions around pools, which only PyTorch needs."""
    for node in model.get_ordered_ops():
        if not node.get_input_size():
            continue
        before = node.input_value(0).get_node()
        if node.get_type_name() == 'MaxPool':
            if _converts(before) and before.get_input_element_type(0) == openvino.Type.u8:
                node.input(0).replace_source_output(before.input_value(0))
            node.validate_and_infer_types()
        elif _is_idle(node) and before.get_type_name() == 'MaxPool':
            node.output(0).replace(node.input_value(0))


def _is_idle(node: openvino.Node) -> bool:
    return _converts(node) and node.get_input_element_type(0) == node.get_element_type()


def _converts(node: openvino.Node) -> bool:
    return bool(node.get_type_name() == 'Convert')


def _export(compiled: openvino.CompiledModel) -> bytes:
    stream = BytesIO()
    compiled.export_model(stream)
    return stream.getvalue()


def _runner(compiled: openvino.CompiledModel) -> CompiledNetwork:
    """Give what runs a compiled model; its outputs come without a copy."""
    request = compiled.create_infer_request()
    names = [_name(output) for output in compiled.outputs]

    def run(pictures: NDArray[np.uint8]) -> Arrays:
        results = request.infer({0: pictures}, share_inputs=True, share_outputs=True)
        return {name: results[index] for index, name in enumerate(names)}

    return run


def _name(output: Any) -> str:
    names: Iterable[str] = output.get_names()
    return next(name for name in names if name in FIELDS)
