"""OpenVINO on the CPU: bfloat16 where the CPU has it, int8 where the weights were calibrated."""

from collections.abc import Iterable
from io import BytesIO
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import openvino
import torch

from mtl_perception.network.deployed import DeployedNetwork, FIELDS
from mtl_perception.network.savings import FusedNetwork, save_work

from . import Arrays, choose_precision, CompiledNetwork, Shape, Source
from .cache import artefact_key, load_artefact, store_artefact

log = logging.getLogger(__name__)
_HINTS = {'fp32': 'f32', 'bf16': 'bf16', 'int8': 'bf16'}
_SHA256 = ('mtl_perception', 'weights_sha256')


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
        floats = ('bf16', 'fp32') if 'BF16' in self._abilities else ('fp32',)
        self.precision = choose_precision('openvino', 'cpu', precision, (*floats, 'int8'))
        self._hint = _HINTS[self.precision if self.precision != 'int8' else floats[0]]

    def compile(self, source: Source, shape: Shape) -> CompiledNetwork:
        """Compile for batches of shape (B, H, W), or take what an earlier run compiled.

        Raises FileNotFoundError or ValueError if int8 is asked for and the weights are not
        calibrated, or others were.
        """
        fields = sorted(source.network.fields)
        key = artefact_key(
            *(source.sha256, shape, fields, self.precision, self._abilities),
            *(self._calibration(source), openvino.get_version()),
        )
        compiled = self._import(load_artefact(key))
        if compiled is None:
            model = self._model(source, shape)
            hints = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_PRECISION_HINT': self._hint}
            compiled = self._core.compile_model(model, 'CPU', hints)
            store_artefact(key, _export(compiled))
        return runner(compiled)

    def _import(self, artefact: bytes | None) -> openvino.CompiledModel | None:
        if artefact is None:
            return None
        try:
            return self._core.import_model(artefact, 'CPU')
        except RuntimeError as error:
            log.warning('OpenVINO does not take what it compiled, compiling anew: %s', error)
            return None

    def _calibration(self, source: Source) -> int:
        """Tell one calibration of the same weights from the next."""
        if self.precision != 'int8':
            return 0
        path = calibrated_path(source.path)
        if not path.is_file():
            raise FileNotFoundError(
                f'{path} is missing, so these weights cannot run in int8; make it by '
                '`mtl_perception quantise`, or choose precision auto'
            )
        return path.stat().st_mtime_ns

    def _model(self, source: Source, shape: Shape) -> openvino.Model:
        if self.precision == 'int8':
            model = read_calibrated(source)
        else:
            model = convert(source.network, shape)
        unwanted = [r for r in model.results if _name(r.output(0)) not in source.network.fields]
        for result in unwanted:
            model.remove_result(result)
        model.reshape([*shape, 3])
        return model


def convert(network: DeployedNetwork, shape: Shape | None = None) -> openvino.Model:
    """Turn a network into a model with outputs named as its fields; for any H, W if no shape."""
    fused = FusedNetwork.of(save_work(network))
    example = torch.zeros((*(shape or (1, 64, 96)), 3), dtype=torch.uint8)
    free = None if shape else ({1: torch.export.Dim.DYNAMIC, 2: torch.export.Dim.DYNAMIC},)
    with torch.no_grad():
        outputs = fused(example)
        model = openvino.convert_model(torch.export.export(fused, (example,), dynamic_shapes=free))
    names = [name for name in FIELDS if getattr(outputs, name) is not None]
    for output, name in zip(model.outputs, names, strict=True):
        output.get_tensor().set_names({name})
    return model


def calibrated_path(weights: Path) -> Path:
    """Give where the int8 model of a weights file lies: beside it."""
    return weights.with_suffix('.int8.xml')


def write_calibrated(model: openvino.Model, source: Source) -> None:
    """Write an int8 model beside its weights, with their checksum in it."""
    model.set_rt_info(source.sha256, list(_SHA256))
    openvino.save_model(model, calibrated_path(source.path))


def read_calibrated(source: Source) -> openvino.Model:
    """Read the int8 model of these weights. Raises ValueError if it is torn or of others."""
    path = calibrated_path(source.path)
    try:
        model = openvino.Core().read_model(path)
        found = model.get_rt_info(list(_SHA256)).astype(str)
    except RuntimeError as error:
        raise ValueError(f'{path} is no calibrated model: {error}; quantise again') from error
    if found != source.sha256:
        raise ValueError(
            f'{path} was made of weights of sha256 {found}, not {source.sha256}; make it '
            'again by `mtl_perception quantise`'
        )
    return model


def _export(compiled: openvino.CompiledModel) -> bytes:
    stream = BytesIO()
    compiled.export_model(stream)
    return stream.getvalue()


def runner(compiled: openvino.CompiledModel) -> CompiledNetwork:
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
