import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from mtl_perception.network.checkpoint import load_state, read_authors_checkpoint
from mtl_perception.network.decoder import LightWeightRefineNet
from mtl_perception.network.encoders import build_encoder, ENCODERS, STRIDES
from mtl_perception.network.joint_network import FIXED_CHANNELS, JointNetwork, TASKS

CHANNELS = {'segmentation': 7, **FIXED_CHANNELS}
HEAD_SETS = [set_ for n in (1, 2, 3) for set_ in itertools.combinations(TASKS, n)]


@pytest.fixture(scope='module', params=ENCODERS)
def encoder(request: pytest.FixtureRequest) -> str:
    return request.param


class TestEveryEncoder:
    # neither side is divisible by 32, nor by 4
    HEIGHT, WIDTH = 37, 70

    @pytest.mark.parametrize('tasks', HEAD_SETS, ids='+'.join)
    def test_every_head_set_at_odd_sizes_with_gradients(
        self, encoder: str, tasks: tuple[str, ...]
    ) -> None:
        network = JointNetwork(encoder, {task: CHANNELS[task] for task in tasks}).train()
        outputs = network(torch.randn(2, 3, self.HEIGHT, self.WIDTH))
        assert {task: tuple(x.shape) for task, x in outputs.items()} == {
            task: (2, CHANNELS[task], 10, 18) for task in tasks
        }
        torch.stack([x.square().mean() for x in outputs.values()]).sum().backward()
        without = [n for n, p in network.named_parameters() if p.grad is None]
        assert not without
        assert all(p.grad.isfinite().all() for p in network.parameters())
        assert network.encoder.stem[0].weight.grad.abs().sum() > 0

    def test_features_have_the_declared_channels_and_strides(self, encoder: str) -> None:
        network = build_encoder(encoder).eval()
        features = network(torch.zeros(1, 3, 64, 96))
        for stride, declared, found in zip(STRIDES, network.feature_channels, features):
            assert [tuple(x.shape) for x in found] == [
                (1, channels, 64 // stride, 96 // stride) for channels in declared
            ]


def test_resnet34_is_built_layer_by_layer_as_published() -> None:
    """He et al., table 1: 7x7/2 stem of 64, max-pool, 3/4/6/3 basic blocks of 64/128/256/512."""
    encoder = build_encoder('resnet34').eval()
    conv, _, _, pool = encoder.stem
    assert (conv.kernel_size, conv.stride, conv.out_channels) == ((7, 7), (2, 2), 64)
    assert (pool.kernel_size, pool.stride) == (3, 2)
    assert [len(stage) for stage in encoder.stages] == [3, 4, 6, 3]
    for stage in encoder.stages:
        for block in stage:
            assert block.conv1.kernel_size == block.conv2.kernel_size == (3, 3)
    picture = torch.zeros(1, 3, 224, 224)
    assert encoder.stem[:3](picture).shape == (1, 64, 112, 112)
    assert encoder.stem(picture).shape == (1, 64, 56, 56)
    assert [tuple(x.shape) for [x] in encoder(picture)] == [
        (1, 64, 56, 56),
        (1, 128, 28, 28),
        (1, 256, 14, 14),
        (1, 512, 7, 7),
    ]
    # torchvision's resnet34 of 21 797 672 less its classifier of 513 000
    assert sum(p.numel() for p in encoder.parameters()) == 21_284_672


@pytest.mark.parametrize(
    ('tasks', 'parameters'),
    [
        ({'segmentation': 6, 'depth': 1}, 2_991_687),
        ({'segmentation': 40, 'depth': 1, 'normals': 3}, 3_077_228),
    ],
)
def test_parameter_counts_are_the_published_ones(tasks: dict[str, int], parameters: int) -> None:
    network = JointNetwork('mobilenet_v2', tasks)
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.fixture
def authors_network(reference_folder: Path) -> JointNetwork:
    checkpoint = reference_folder / 'kitti_two_task.ckpt'
    network = JointNetwork('mobilenet_v2', {'segmentation': 6, 'depth': 1}).eval()
    load_state(network, read_authors_checkpoint(checkpoint), checkpoint)
    return network


@pytest.mark.parametrize('size', ['96x160', '93x157'])
class TestAgreementWithTheAuthorsNetwork:
    """Random weights amplify rounding: the float32 reference is 1e-3 from the exact outputs."""

    def test_to_the_reference_s_own_rounding_in_double_precision(
        self, reference_folder: Path, authors_network: JointNetwork, size: str
    ) -> None:
        expected = np.load(reference_folder / 'kitti_two_task_outputs.npz')
        with torch.inference_mode():
            outputs = authors_network.double()(
                torch.from_numpy(expected[f'input_{size}']).double()
            )
        for task, output in outputs.items():
            np.testing.assert_allclose(output, expected[f'{task}_{size}'], rtol=0, atol=2e-3)

    @pytest.mark.skipif(
        torch.backends.cpu.get_cpu_capability() != 'AVX512' or torch.cpu._is_amx_tile_supported(),
        reason='the reference was summed in the order of a CPU with AVX-512 and without AMX',
    )
    def test_to_1e_4_when_summed_in_the_same_order(
        self, reference_folder: Path, authors_network: JointNetwork, size: str
    ) -> None:
        expected = np.load(reference_folder / 'kitti_two_task_outputs.npz')
        threads = torch.get_num_threads()
        torch.set_num_threads(2)
        with torch.inference_mode():
            outputs = authors_network(torch.from_numpy(expected[f'input_{size}']))
        torch.set_num_threads(threads)
        for task, output in outputs.items():
            np.testing.assert_allclose(output, expected[f'{task}_{size}'], rtol=0, atol=1e-4)


def test_residual_units_are_an_option_of_the_decoder() -> None:
    """Units of two 1x1 convolutions: two a feature, one a stage (arXiv 1810.03272)."""
    channels = ((24,), (32,), (64, 96), (160, 320))
    plain, units = (LightWeightRefineNet(channels, 256, residual_units=on) for on in (False, True))
    more = sum(p.numel() for p in units.parameters()) - sum(p.numel() for p in plain.parameters())
    assert more == (6 * 2 + 4) * 2 * 256 * 256
    features = [[torch.randn(1, c, s, s) for c in cs] for cs, s in zip(channels, (16, 8, 4, 2))]
    assert units(features).shape == (1, 256, 16, 16)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'vgg16' is unknown; choose one of mobilenet_v2, res"):
        build_encoder('vgg16')
    with pytest.raises(
        ValueError, match=r"task 'edges' is unknown; choose of segmentation, depth"
    ):
        JointNetwork('mobilenet_v2', {'edges': 1})
    with pytest.raises(ValueError, match="'depth' has 2 channels; expected 1"):
        JointNetwork('mobilenet_v2', {'depth': 2})
    with pytest.raises(ValueError, match='at least one task'):
        JointNetwork('mobilenet_v2', {})
