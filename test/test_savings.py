"""Every saving computes what the plain network does; rounding in float32 is the only tolerance."""

from dataclasses import replace
import platform
import subprocess
import sys

from made_weights import make_picture, make_weights
import numpy as np
import pytest
import torch
from torch import nn

from mtl_perception.model_card import read_card
from mtl_perception.network.checkpoint import load_state, read_weights
from mtl_perception.network.decoder import ChainedResidualPooling
from mtl_perception.network.deployed import DeployedNetwork
from mtl_perception.network.joint_network import JointNetwork
from mtl_perception.network.savings import (
    fold_batch_norms,
    FusedNetwork,
    LinePooling,
    pool_by_lines,
    save_work,
    stretch,
    TapConvolution,
)

SIZE = (93, 157)
# relative to the largest value: sums of hundreds of products, in another order
ROUNDING = 2e-5


@pytest.fixture(
    scope='module', params=[('mobilenet_v2', 1), ('mobilenet_v2', 32), ('resnet18', 1)]
)
def network(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> DeployedNetwork:
    path = tmp_path_factory.mktemp('weights') / 'w.safetensors'
    tasks = {'segmentation': 8, 'depth': 1, 'normals': 3}
    encoder, size_divisor = request.param
    make_weights(path, tasks, encoder=encoder)
    card = replace(read_card(path), size_divisor=size_divisor)
    joint = card.build()
    load_state(joint, read_weights(path), path)
    return card.deploy(joint)


def assert_equal(found: torch.Tensor, expected: torch.Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= ROUNDING * expected.abs().max()


@torch.inference_mode()
def test_the_whole_network_is_the_same(network: DeployedNetwork) -> None:
    pictures = torch.from_numpy(np.stack([make_picture(*SIZE, seed) for seed in (1, 2)]))
    lean = save_work(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in lean.modules())
    plain, saved = network(pictures), FusedNetwork.of(lean)(pictures)
    assert plain.labels.unique().numel() > 4
    assert (plain.labels == saved.labels).float().mean() > 0.9995
    assert (plain.confidence.int() - saved.confidence.int()).abs().max() <= 1
    same = plain.depth.isfinite() & saved.depth.isfinite()
    assert same.float().mean() > 0.1
    # what the stretching rounds goes through the whole network
    rtol = 1e-4 if network.size_divisor == 1 else 3e-4
    torch.testing.assert_close(saved.depth[same], plain.depth[same], rtol=rtol, atol=0)
    assert (plain.depth.isinf() == saved.depth.isinf()).float().mean() > 0.9995
    # a normal of no length has no direction
    assert ((plain.normals * saved.normals).sum(3) > 1 - 1e-4).float().mean() > 0.9995


def test_the_plain_network_stays_as_it_is(network: DeployedNetwork) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    save_work(network)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@torch.inference_mode()
def test_batch_norms_are_folded_exactly() -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(5)
    for value in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
        value.uniform_(0.5, 2)
    pair = nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), norm, nn.ReLU6()).eval()
    x = torch.randn(2, 3, 9, 8)
    expected = pair(x)
    fold_batch_norms(pair)
    assert isinstance(pair[1], nn.Identity)
    assert_equal(pair(x), expected)


@pytest.mark.parametrize('size', [(1, 1), (2, 7), (12, 39)])
def test_a_pool_by_lines_is_the_pool_bit_by_bit(size: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *size)
    expected = nn.functional.max_pool2d(x, 5, stride=1, padding=2)
    assert torch.equal(pool_by_lines(x), expected)


@pytest.mark.parametrize('groups', [1, 16])
@torch.inference_mode()
def test_a_chain_of_pools_by_lines_is_the_same(groups: int) -> None:
    chain = ChainedResidualPooling(16, groups)
    x = torch.randn(1, 16, 11, 13)
    torch.testing.assert_close(LinePooling(chain)(x), chain(x), rtol=0, atol=0)


@pytest.mark.parametrize('channels', [1, 3, 8, 15])
@torch.inference_mode()
def test_a_convolution_is_the_same_by_its_taps(channels: int) -> None:
    convolution = nn.Conv2d(32, channels, 3, padding=1)
    by_taps = TapConvolution(convolution)
    for size in ((9, 14), (1, 1)):
        x = torch.randn(2, 32, *size) * 4
        assert_equal(by_taps(x), convolution(x))


@pytest.mark.parametrize(('channels', 'by_taps'), [(15, True), (16, False)])
def test_only_heads_of_few_channels_are_taken_by_taps(channels: int, by_taps: bool) -> None:
    joint = JointNetwork('mobilenet_v2', {'segmentation': channels, 'depth': 1})
    lean = save_work(DeployedNetwork(joint, 'symmetric', 'exp', (0.5, 80.0)))
    lasts = [head[-1] for head in lean.network.heads.values()]
    assert [isinstance(last, TapConvolution) for last in lasts] == [by_taps, True]


@pytest.mark.parametrize(('length', 'count'), [(94, 375), (7, 7), (1, 5), (9, 4)])
def test_stretching_is_bilinear_upsampling(length: int, count: int) -> None:
    x = torch.randn(1, 2, length, length)
    expected = nn.functional.interpolate(x.double(), (count, count), mode='bilinear').float()
    found = stretch(stretch(x, 3, count), 2, count)
    assert_equal(found, expected)


def test_ties_are_given_to_the_first_class() -> None:
    class Flat(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {'segmentation': torch.ones(1, 8, 2, 3)}

    network = FusedNetwork.of(DeployedNetwork(Flat(), 'symmetric', 'exp', (0.5, 80.0)))
    outputs = network(torch.zeros(1, 8, 12, 3, dtype=torch.uint8))
    assert outputs.labels.unique().tolist() == [0]
    assert outputs.confidence.unique().tolist() == [round(255 / 8)]


@torch.inference_mode()
def test_heads_that_nobody_needs_are_not_run() -> None:
    joint = JointNetwork('mobilenet_v2', {'segmentation': 8, 'depth': 1, 'normals': 3})
    network = DeployedNetwork(joint, 'symmetric', 'exp', (0.5, 80.0), sky=0).eval()
    picture = torch.from_numpy(make_picture(*SIZE)[None])
    whole = network(picture)
    for field, heads in (
        ('labels', {'segmentation'}),
        # where the sky is, depth has no end
        ('depth', {'segmentation', 'depth'}),
        ('normals', {'normals'}),
    ):
        part = network.only({field})
        assert set(part.network.heads) == heads
        outputs = part(picture)._asdict()
        assert torch.equal(outputs.pop(field), getattr(whole, field))
        assert set(outputs.values()) == {None}
    assert set(network.network.heads) == {'segmentation', 'depth', 'normals'}


# frees half a gigabyte of tensors as large as a step's, and prints what stays resident, in MiB
FREEING = """
import os, sys, torch
from mtl_perception.network.savings import keep_freed_memory
if sys.argv[1] == 'kept':
    keep_freed_memory()
tensors = [torch.ones(16, 2**20) for _ in range(8)]
del tensors
pages = int(open('/proc/self/statm').read().split()[1])
print(pages * os.sysconf('SC_PAGE_SIZE') / 2**20)
"""


def resident_mib(word: str) -> float:
    command = (sys.executable, '-c', FREEING, word)
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='mallopt is of glibc')
def test_what_is_freed_stays_with_the_process() -> None:
    assert resident_mib('kept') > resident_mib('given back') + 400
