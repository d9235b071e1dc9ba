import importlib.util
from pathlib import Path

from made_weights import assert_same, compute_exactly, make_picture, make_weights
import numpy as np
import pytest
import torch

from mtl_perception.backends import create_backend, LIBRARIES
from mtl_perception.engine import Engine
from mtl_perception.model_card import read_card

SIZE = (93, 157)
needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec('openvino') is None, reason='openvino is not installed'
)


class Ramp(torch.nn.Module):
    """Stands for a joint network: log-depth from the brightness, at a quarter of the size."""

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        small = torch.nn.functional.avg_pool2d(x, 4, ceil_mode=True)
        return {'depth': small.mean(1, keepdim=True) + 2.5}


@needs_openvino
def test_auto_is_the_cpu_for_a_backend_that_knows_no_other(
    tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    assert Engine(tiny_weights, 'auto', 'openvino').device == 'cpu'
    with pytest.raises(ValueError, match="'openvino' runs on cpu here, not on cuda:0; take t"):
        Engine(tiny_weights, 'cuda:0', 'openvino')


def test_an_unknown_backend_is_refused_with_the_known_ones(tiny_weights: Path) -> None:
    with pytest.raises(ValueError, match=r"'caffe' is unknown; choose of auto, torch, openvino"):
        Engine(tiny_weights, backend='caffe')


def test_a_backend_without_its_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(LIBRARIES, 'openvino', 'a_library_that_is_not_here')
    with pytest.raises(ModuleNotFoundError, match=r'pip install a_library_that_is_not_here, or'):
        create_backend('openvino', 'cpu')


def test_auto_is_torch_where_openvino_is_not_installed(
    tiny_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        'mtl_perception.backends.find_spec', lambda name: None if name == 'openvino' else name
    )
    assert Engine(tiny_weights, 'cpu').backend.split()[0] == 'torch'


@needs_openvino
class TestOpenVino:
    def test_auto_takes_it_on_a_cpu(self, tiny_weights: Path) -> None:
        assert Engine(tiny_weights, 'cpu').backend.split()[0] == 'openvino'

    def test_it_agrees_with_torch(self, tmp_path: Path) -> None:
        tasks = {'segmentation': 8, 'depth': 1, 'normals': 3}
        weights = make_weights(tmp_path / 'lively.safetensors', tasks)
        ours, theirs = (
            compute_exactly(Engine(weights, 'cpu', backend)) for backend in ('openvino', 'torch')
        )
        assert (ours.backend, theirs.backend) == ('openvino float32', 'torch float32')
        pictures = [make_picture(*SIZE, seed) for seed in (7, 8)]
        found = ours.predict_batch(pictures)
        assert not np.array_equal(found[0].labels, found[1].labels)
        for one, other in zip(found, theirs.predict_batch(pictures), strict=True):
            assert_same(one, other)

    def test_depth_has_no_terraces(self, tiny_weights: Path) -> None:
        """In bfloat16 log-depth comes in steps of 1/64, 1.6 %, where it is above 2."""
        backend = create_backend('openvino', 'cpu')
        network = read_card(tiny_weights).deploy(Ramp())
        picture = np.tile(np.linspace(100, 250, 157).astype(np.uint8)[:, None], (93, 1, 3))
        depth = backend.compile(network, (1, *SIZE))(picture[None])['depth'][0, 40]
        expected = network(torch.from_numpy(picture)[None]).depth[0, 40].numpy()
        np.testing.assert_allclose(depth, expected, rtol=0.01)
        assert np.unique(depth).size > 150
