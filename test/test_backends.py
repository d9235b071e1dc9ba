from contextlib import nullcontext
import importlib.util
import logging
from pathlib import Path
import subprocess
import sys
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from made_weights import assert_same, make_picture, make_weights
import numpy as np
import pytest
import torch

from mtl_perception.backends import create_backend, LIBRARIES, Source
from mtl_perception.backends.cache import cache_folder
from mtl_perception.backends.torch_backend import CudaGraph, TorchBackend
from mtl_perception.engine import Engine
from mtl_perception.model_card import read_card

SIZE = (93, 157)
GRAPHS = ('openvino', 'onnxruntime')


def needs(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f'{library} is not installed')


@pytest.fixture(scope='module')
def lively(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tasks = {'segmentation': 8, 'depth': 1, 'normals': 3}
    return make_weights(tmp_path_factory.mktemp('weights') / 'lively.safetensors', tasks)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv('MTL_PERCEPTION_CACHE', str(tmp_path / 'cache'))
    return tmp_path / 'cache'


class Ramp(torch.nn.Module):
    """Stands for a joint network: log-depth from the brightness, at a quarter of the size."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        small = torch.nn.functional.avg_pool2d(x, 4, ceil_mode=True)
        return {'depth': small.mean(1, keepdim=True) + 2.5}


class TestChoice:
    def test_auto_is_the_cpu_for_a_backend_that_knows_no_other(
        self, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        needs('openvino')
        monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
        assert Engine(tiny_weights, 'auto', 'openvino').device == 'cpu'
        with pytest.raises(ValueError, match="'openvino' runs on cpu here, not on cuda:0; take t"):
            Engine(tiny_weights, 'cuda:0', 'openvino')

    def test_an_unknown_backend_is_refused_with_the_known_ones(self, tiny_weights: Path) -> None:
        known = 'choose of auto, torch, openvino, onnxruntime'
        with pytest.raises(ValueError, match=f"'caffe' is unknown; {known}"):
            Engine(tiny_weights, backend='caffe')

    def test_an_unknown_precision_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(ValueError, match="'fp8' is unknown; choose of auto, fp32, bf16, fp16"):
            create_backend('torch', 'cpu', 'fp8')

    @pytest.mark.parametrize(
        ('backend', 'precision'),
        [('torch', 'fp16'), ('openvino', 'fp16'), ('onnxruntime', 'bf16')],
    )
    def test_a_precision_that_the_runtime_lacks_is_refused(
        self, backend: str, precision: str
    ) -> None:
        needs(backend)
        with pytest.raises(ValueError, match=f'no precision {precision} on cpu here; choose of a'):
            create_backend(backend, 'cpu', precision)

    def test_a_backend_without_its_library_says_what_to_install(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(LIBRARIES, 'openvino', ('torch', 'not_here', 'nor_this'))
        with pytest.raises(ModuleNotFoundError, match='pip install not_here nor_this, or'):
            create_backend('openvino', 'cpu')

    @pytest.mark.parametrize(
        ('device', 'missing', 'chosen'),
        [
            ('cpu', (), 'openvino'),
            ('cpu', ('openvino',), 'onnxruntime'),
            ('cpu', ('openvino', 'onnxruntime'), 'torch'),
            # what it exports with
            ('cpu', ('openvino', 'onnx'), 'torch'),
            ('cpu', ('openvino', 'onnxscript'), 'torch'),
        ],
    )
    def test_auto_takes_the_best_that_is_installed_and_says_so(
        self,
        device: str,
        missing: tuple[str, ...],
        chosen: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        needs(chosen)
        found = importlib.util.find_spec
        monkeypatch.setattr(
            'mtl_perception.backends.find_spec',
            lambda name: None if name in missing else found(name),
        )
        with caplog.at_level(logging.INFO):
            backend = create_backend('auto', device)
        assert backend.name == chosen
        assert f'chose backend {chosen} in {backend.precision} for cpu' in caplog.text

    def test_on_a_gpu_auto_is_torch_in_half_precision(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(torch.cuda, 'is_bf16_supported', lambda **_: True)
        backend = create_backend('auto', 'cuda:0')
        assert (backend.name, backend.precision) == ('torch', 'fp16')


@pytest.mark.parametrize('name', GRAPHS)
def test_it_agrees_with_torch(name: str, lively: Path) -> None:
    needs(name)
    ours, theirs = (Engine(lively, 'cpu', backend, 'fp32') for backend in (name, 'torch'))
    assert (ours.backend, theirs.backend) == (f'{name} fp32', 'torch fp32')
    pictures = [make_picture(*SIZE, seed) for seed in (7, 8)]
    found = ours.predict_batch(pictures)
    assert not np.array_equal(found[0].labels, found[1].labels)
    for one, other in zip(found, theirs.predict_batch(pictures), strict=True):
        assert_same(one, other)
    part = ours.predict_batch(pictures, {'labels'})[0]
    assert part.depth is None
    assert (part.labels == found[0].labels).mean() > 0.999


def test_bfloat16_differs_by_its_rounding(lively: Path) -> None:
    if create_backend('torch', 'cpu').precision != 'bf16':
        pytest.skip('this CPU does not multiply bfloat16')
    half, whole = (Engine(lively, 'cpu', 'torch', precision) for precision in ('bf16', 'fp32'))
    picture = make_picture(*SIZE)
    found, expected = half.predict(picture), whole.predict(picture)
    assert (found.labels == expected.labels).mean() > 0.9
    both = np.isfinite(found.depth) & np.isfinite(expected.depth)
    # random weights amplify it: 0.09 was seen
    assert np.median(np.abs(found.depth[both] / expected.depth[both] - 1)) < 0.15


def test_openvino_does_not_phone_home() -> None:
    needs('openvino')
    code = (
        'import mtl_perception.backends.openvino_backend, openvino.tools.ovc.telemetry_utils as u;'
        'print(u.tm.__name__)'
    )
    ran = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == 'openvino.tools.ovc.telemetry_stub'


@pytest.mark.parametrize('name', GRAPHS)
class TestCache:
    def test_what_was_compiled_is_not_compiled_again(
        self, name: str, tiny_weights: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
    ) -> None:
        needs(name)
        picture = make_picture(*SIZE)
        first = Engine(tiny_weights, 'cpu', name, 'fp32').predict(picture)
        assert len(list(cache.iterdir())) == 1
        # what both export with
        monkeypatch.setattr(torch.export, 'export', None)
        monkeypatch.setattr(torch.onnx, 'export', None)
        second = Engine(tiny_weights, 'cpu', name, 'fp32').predict(picture)
        np.testing.assert_array_equal(first.labels, second.labels)
        np.testing.assert_array_equal(first.depth, second.depth)

    def test_one_that_the_runtime_does_not_take_is_made_anew(
        self,
        name: str,
        tiny_weights: Path,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Whole, but of a library that writes it in another way."""
        needs(name)
        module = f'mtl_perception.backends.{name}_backend'
        monkeypatch.setattr(f'{module}.load_artefact', lambda key: b'of another time')
        prediction = Engine(tiny_weights, 'cpu', name, 'fp32').predict(make_picture(*SIZE))
        assert prediction.labels.shape == SIZE
        assert 'does not take what' in caplog.text


def test_openvino_depth_has_no_terraces(tiny_weights: Path) -> None:
    """In bfloat16 log-depth comes in steps of 1/64, 1.6 %, where it is above 2."""
    needs('openvino')
    network = read_card(tiny_weights).deploy(Ramp())
    picture = np.tile(np.linspace(100, 250, 157).astype(np.uint8)[:, None], (93, 1, 3))
    source = Source(network, 'a ramp')
    depth = create_backend('openvino', 'cpu').compile(source, (1, *SIZE))(picture[None])['depth']
    expected = network(torch.from_numpy(picture)[None]).depth[0, 40].numpy()
    np.testing.assert_allclose(depth[0, 40], expected, rtol=0.01)
    assert np.unique(depth[0, 40]).size > 150


class TestOnnxRuntimeProviders:
    @pytest.fixture(autouse=True)
    def library(self) -> None:
        needs('onnxruntime')

    def test_tensorrt_comes_before_cuda_and_keeps_its_engines(self) -> None:
        from mtl_perception.backends.onnxruntime_backend import providers

        available = ['TensorrtExecutionProvider', 'CUDAExecutionProvider', 'CPUExecutionProvider']
        first, *others = providers('cuda:1', available, half=True)
        assert first[0] == available[0]
        assert first[1]['device_id'] == 1
        assert first[1]['trt_fp16_enable'] is True
        assert first[1]['trt_engine_cache_path'] == str(cache_folder() / 'tensorrt')
        # only the last folder of it is made by the library
        assert cache_folder().is_dir()
        assert [name for name, _ in others] == available[1:]
        assert [name for name, _ in providers('cuda:1', available[1:], half=True)] == available[1:]
        assert [name for name, _ in providers('cpu', available, half=False)] == available[2:]

    def test_tensorrt_keeps_an_engine_for_each_model_and_size(
        self, lively: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from mtl_perception.backends import onnxruntime_backend

        prefixes = []

        def session(model: bytes, _: object, providers: list[tuple[str, dict[str, Any]]]) -> Any:
            prefixes.append(dict(providers)['TensorrtExecutionProvider'])
            return SimpleNamespace(get_outputs=list, get_inputs=lambda: [None])

        monkeypatch.setattr(onnxruntime_backend.onnxruntime, 'InferenceSession', session)
        monkeypatch.setattr(onnxruntime_backend, 'export', lambda *_: b'a model')
        backend = create_backend('onnxruntime', 'cpu')
        backend.providers = [('TensorrtExecutionProvider', {'device_id': 0})]
        network = read_card(lively).deploy(Ramp())
        for identity, height in (('a', 64), ('b', 64), ('a', 96), ('a', 64)):
            backend.compile(Source(network, identity), (1, height, 64))
        names = [prefix['trt_engine_cache_prefix'] for prefix in prefixes]
        assert len(set(names)) == 3
        assert names[0] == names[3]
        assert {prefix['device_id'] for prefix in prefixes} == {0}

    def test_a_gpu_without_cuda_in_the_library_is_refused(self) -> None:
        with pytest.raises(ValueError, match=r'cannot run on cuda:0: .* without CUDA; install'):
            create_backend('onnxruntime', 'cuda:0')

    def test_half_precision_is_exported_with_float32_around_it(self, lively: Path) -> None:
        import onnxruntime

        from mtl_perception.backends.onnxruntime_backend import export

        source = Engine(lively, 'cpu', 'torch').source
        model = export(source.network, (1, *SIZE), half=True)
        session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
        picture = make_picture(*SIZE)
        names = [output.name for output in session.get_outputs()]
        found = dict(zip(names, session.run(names, {'pictures': picture[None]}), strict=True))
        expected = Engine(lively, 'cpu', 'torch', 'fp32').predict(picture)
        assert (found['labels'][0] == expected.labels).mean() > 0.98
        assert found['depth'].dtype == np.float32


def test_the_buffers_of_a_graph_serve_every_call(
    lively: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU, where a replay is the network itself, called again."""
    for name in ('Stream', 'current_stream', 'CUDAGraph'):
        monkeypatch.setattr(torch.cuda, name, MagicMock())
    for name in ('stream', 'graph'):
        monkeypatch.setattr(torch.cuda, name, lambda *_, **__: nullcontext())
    for name in ('zeros', 'empty'):
        make = getattr(torch, name)
        monkeypatch.setattr(
            torch, name, lambda *a, pin_memory=False, make=make, **k: make(*a, **k)
        )
    source = Engine(lively, 'cpu', 'torch').source
    backend = TorchBackend('cpu', 'fp32')
    with torch.inference_mode():
        graph = CudaGraph(backend._module(source), (1, *SIZE), 'cpu')

    def replay() -> None:
        for name, value in graph._module(graph._pictures)._asdict().items():
            graph._outputs[name].copy_(value)

    graph._graph.replay = replay
    for seed in (7, 8):
        batch = make_picture(*SIZE, seed)[None]
        found, expected = graph(batch), backend.run_eagerly(source)(batch)
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no CUDA GPU')
class TestCuda:
    def test_a_replayed_graph_agrees_with_the_cpu(self, lively: Path) -> None:
        gpu, cpu = (Engine(lively, device, 'torch', 'fp32') for device in ('cuda:0', 'cpu'))
        for seed in (7, 8, 7):
            picture = make_picture(*SIZE, seed)
            assert_same(gpu.predict(picture), cpu.predict(picture))

    def test_half_precision_is_close(self, lively: Path) -> None:
        picture = make_picture(*SIZE)
        found = Engine(lively, 'cuda:0').predict(picture)
        expected = Engine(lively, 'cpu', 'torch', 'fp32').predict(picture)
        assert (found.labels == expected.labels).mean() > 0.98
