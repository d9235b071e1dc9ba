"""Pooling in bytes: the chain itself but for one rounding, and bytes in the compiled graph too."""

from made_weights import lively, make_picture, weights
import numpy as np
import pytest
import torch

from mtl_perception.backends.byte_pooling import BytePooling, pool_bytes, pool_in_bytes
from mtl_perception.network.decoder import ChainedResidualPooling
from mtl_perception.network.deployed import DeployedNetwork
from mtl_perception.network.rounding import round_depthwise
from mtl_perception.network.savings import LinePooling, save_work

__all__ = ['lively', 'weights']

CHANNELS = 32
STEP = 6 / 255
SIZE = (93, 157)


def make_chain(seed: int) -> ChainedResidualPooling:
    """Make one whose factors have every order of signs, and a zero."""
    torch.manual_seed(seed)
    chain = ChainedResidualPooling(CHANNELS, CHANNELS)
    for conv in chain.convs:
        torch.nn.init.normal_(conv.weight)
    signs = [[1 - 2 * (channel >> stage & 1) for channel in range(CHANNELS)] for stage in range(4)]
    for conv, row in zip(chain.convs, signs, strict=True):
        conv.weight.data = conv.weight.abs() * torch.tensor(row).view(-1, 1, 1, 1)
    chain.convs[1].weight.data[5] = 0
    return chain.requires_grad_(False)


@pytest.mark.parametrize('seed', range(3))
def test_a_chain_of_whole_steps_is_the_same(seed: int) -> None:
    chain = make_chain(seed)
    x = torch.randint(0, 256, (2, CHANNELS, 17, 23)) * STEP
    expected = chain(x)
    found = BytePooling(LinePooling(chain))(x)
    torch.testing.assert_close(found, expected, rtol=0, atol=2e-6 * float(expected.abs().max()))


@pytest.mark.parametrize('seed', range(3))
def test_what_is_rounded_is_half_a_step_of_each_term(seed: int) -> None:
    chain = make_chain(seed)
    x = (torch.rand(2, CHANNELS, 17, 23) * 8 - 1).clamp(0, 6)
    error = (BytePooling(LinePooling(chain))(x) - chain(x)).abs()
    factors = torch.stack([conv.weight.flatten() for conv in chain.convs])
    terms = 1 + factors.cumprod(0).abs().sum(0)
    assert (error <= (terms * STEP / 2 * 1.001).view(-1, 1, 1)).all()
    # it is rounded at all
    assert error.max() > STEP / 4


def test_only_depthwise_chains_of_a_network_pool_bytes(lively: DeployedNetwork) -> None:
    lean = save_work(lively)
    pool_in_bytes(lean)
    kinds = [type(stage.pooling) for stage in lean.network.decoder.stages]
    assert kinds == [BytePooling, LinePooling, LinePooling, LinePooling]


def test_bytes_of_large_maps_are_pooled() -> None:
    # PyTorch itself refuses maps of bytes from 256 values on
    x = torch.randint(0, 256, (1, 2, 40, 40), dtype=torch.uint8)
    expected = torch.nn.functional.max_pool2d(x.float(), 5, stride=1, padding=2)
    assert torch.equal(pool_bytes(x), expected.to(torch.uint8))


class TestOpenVino:
    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip('openvino')

    def test_the_graph_pools_bytes_and_is_the_same_network(self, lively: DeployedNetwork) -> None:
        """In float32, so that nothing but bytes is rounded, whatever the CPU can multiply."""
        import openvino

        from mtl_perception.backends.openvino_backend import convert

        lean = save_work(lively)
        pool_in_bytes(lean)
        round_depthwise(lean.network, torch.bfloat16)
        picture = make_picture(*SIZE)[None]
        with torch.inference_mode():
            expected = lean(torch.from_numpy(picture))
        model = convert(lively, (1, *SIZE), half=True)
        pools = [node for node in model.get_ops() if node.get_type_name() == 'MaxPool']
        assert len(pools) == 32
        assert [pool.get_output_element_type(0) for pool in pools].count(openvino.Type.u8) == 8
        found = openvino.compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})(picture)
        # a sum that another order takes across the half of a step becomes another byte
        assert (found['labels'] == expected.labels.numpy()).mean() > 0.999
        depth = expected.depth.numpy()
        near = np.isfinite(depth) & np.isfinite(found['depth'])
        assert near.mean() > 0.1
        assert np.abs(found['depth'][near] / depth[near] - 1).mean() < 1e-3
