from pathlib import Path

from conftest import ROOT
import pytest
import torch
from torch import nn

from mtl_perception.network.joint_network import JointNetwork
from mtl_perception.training.loop.optimisation import (
    autocast,
    build_optimiser,
    gradient_scaler,
    rate_factor,
)
from mtl_perception.training.losses import JointLoss
from mtl_perception.training.recipe import read_recipe

ROAD8 = ROOT / 'config' / 'training' / 'road8.yaml'
CPU = torch.device('cpu')


@pytest.mark.parametrize('name', ['nyud40', 'kitti6', 'nyud40-kitti6'])
def test_the_paper_s_networks_are_trained_by_sgd_with_momentum(name: str) -> None:
    recipe = read_recipe(Path(ROAD8).with_name(f'{name}.yaml'))
    network = JointNetwork(recipe.encoder, recipe.channels())
    optimiser = build_optimiser(recipe, network, nn.Identity())
    assert isinstance(optimiser, torch.optim.SGD)
    encoder, others = optimiser.param_groups
    assert (encoder['lr'], others['lr']) == (1e-3, 1e-2)
    assert {group['momentum'] for group in (encoder, others)} == {0.9}
    assert {id(p) for p in encoder['params']} == {id(p) for p in network.encoder.parameters()}
    assert len(encoder['params']) + len(others['params']) == len(list(network.parameters()))


def test_learnt_weights_do_not_decay() -> None:
    recipe = read_recipe(ROAD8)
    loss = JointLoss(recipe.loss_weights, 'exp', learnt=True)
    *_, group = build_optimiser(
        recipe, JointNetwork('mobilenet_v2', {'depth': 1}), loss
    ).param_groups
    assert group['weight_decay'] == 0
    assert {id(p) for p in group['params']} == {id(p) for p in loss.parameters()}


@pytest.mark.parametrize(
    ('schedule', 'half', 'end'),
    [('cosine', 0.5, 0.0), ('poly', 0.5**0.9, 0.0), ('constant', 1.0, 1.0)],
)
def test_schedules_by_hand(schedule: str, half: float, end: float) -> None:
    recipe = read_recipe(ROAD8, schedule=schedule, steps=100, warmup_steps=0)
    assert [rate_factor(recipe, step) for step in (0, 50, 100)] == pytest.approx([1, half, end])
    warm = read_recipe(ROAD8, schedule=schedule, steps=1000, warmup_steps=10)
    assert rate_factor(warm, 4) == pytest.approx(0.5 * rate_factor(recipe, 0), rel=0.01)


def test_precisions_are_what_matrices_are_multiplied_in() -> None:
    x = torch.ones(2, 2)
    expected = {'bf16': torch.bfloat16, 'fp16': torch.float16, 'fp32': torch.float32}
    for precision, dtype in expected.items():
        with autocast(CPU, precision):
            assert (x @ x).dtype == dtype
        assert gradient_scaler(CPU, precision).is_enabled() == (precision == 'fp16')
