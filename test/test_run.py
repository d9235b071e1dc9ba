from dataclasses import replace
from pathlib import Path

from made_recipe import made_batch, make_recipe, one_thread
import numpy as np
import pytest
import torch
from torch import nn, Tensor
import yaml

from mtl_perception.label_space import label_space
from mtl_perception.training.loop.run import _synchronise, Batch, Run
from mtl_perception.training.recipe import read_recipe, Recipe

__all__ = ['one_thread']


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return read_recipe(make_recipe(tmp_path, steps=100, warmup_steps=0))


def start(recipe: Recipe, **changes: object) -> Run:
    return Run(replace(recipe, **changes), Path(), torch.device('cpu'))


def half(batch: Batch, index: int) -> Batch:
    pictures, targets = batch
    kept = slice(index, index + 1)
    return pictures[kept], {task: target[kept] for task, target in targets.items()}


def test_batches_of_a_step_add_up_their_gradients(recipe: Recipe) -> None:
    """Each picture has one annotation: without batch statistics it is all one how they come."""
    exact = {'batch_norm': 'frozen', 'precision': 'fp32', 'optimiser': 'sgd'}
    whole, parts = start(recipe, **exact), start(recipe, **exact)
    batch = made_batch()
    losses = whole.advance([batch]), parts.advance([half(batch, 0), half(batch, 1)])
    torch.testing.assert_close(*losses)
    assert whole.step == parts.step == 1
    for one, other in zip(whole.network.parameters(), parts.network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_half_precision_learns_and_scales_its_loss(recipe: Recipe, tmp_path: Path) -> None:
    run = start(recipe, precision='fp16')
    before = run.network.get_parameter('heads.depth.2.weight').detach().clone()
    # the first steps may overflow, which the scale follows
    while not run.optimiser.state and run.step < 8:
        run.advance([made_batch()])
    after = run.network.get_parameter('heads.depth.2.weight')
    assert after.isfinite().all()
    assert not torch.equal(after, before)
    run.save(tmp_path / 'checkpoint.pt')
    again = start(recipe, precision='fp16')
    again.restore(tmp_path / 'checkpoint.pt')
    assert again.scaler.state_dict() == run.scaler.state_dict()
    assert again.scaler.get_scale() > 1


def test_a_step_that_overflows_is_not_taken(recipe: Recipe) -> None:
    run = start(recipe, precision='fp16')
    before = [p.detach().clone() for p in run.network.parameters()]
    scale = run.scaler.get_scale()
    run.network.get_parameter('heads.depth.2.bias').register_hook(lambda grad: grad * torch.inf)
    run.advance([made_batch()])
    assert all(torch.equal(p, q) for p, q in zip(run.network.parameters(), before, strict=True))
    assert run.scaler.get_scale() == scale / 2


def test_frozen_statistics_stay_while_the_weights_learn(recipe: Recipe) -> None:
    def moved(**changes: object) -> tuple[bool, bool]:
        run = start(recipe, **changes)
        norm = run.network.get_submodule('encoder.stem.1')
        mean, weight = norm.running_mean.clone(), norm.weight.detach().clone()
        run.advance([made_batch()])
        return not torch.equal(norm.running_mean, mean), not torch.equal(norm.weight, weight)

    assert moved() == (True, True)
    assert moved(batch_norm='frozen') == (False, True)


def test_what_is_fixed_stays_while_the_rest_learns(recipe: Recipe) -> None:
    run = start(recipe, fixed=('encoder', 'heads.depth'), weight_decay=0.5)
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    for _ in range(2):
        run.advance([made_batch()])
    moved = {
        name for name, value in run.network.state_dict().items() if not value.equal(before[name])
    }
    assert not any(name.startswith(('encoder.', 'heads.depth.')) for name in moved)
    assert {name.split('.')[0] for name in moved} == {'decoder', 'heads'}


def test_learnt_weights_move_and_go_into_the_checkpoint(recipe: Recipe, tmp_path: Path) -> None:
    path = tmp_path / 'checkpoint.pt'
    run = start(recipe, task_weights='uncertainty', decoder_rate=0.1)
    before = run.weighting.weights()
    run.advance([made_batch()])
    weights = run.weighting.weights()
    assert all(weights[task] != pytest.approx(before[task], rel=1e-3) for task in before)
    run.save(path)
    again = start(recipe, task_weights='uncertainty')
    again.restore(path)
    assert again.weighting.weights() == weights
    with pytest.raises(ValueError, match=r'also holds weighting, which the recipe has no use for'):
        start(recipe).restore(path)


def test_a_plain_checkpoint_holds_its_recipe_and_what_it_always_did(
    recipe: Recipe, tmp_path: Path, tiny_weights: Path
) -> None:
    path = tmp_path / 'checkpoint.pt'
    run = start(recipe)
    run.start_from(str(tiny_weights))
    run.save(path)
    state = torch.load(path, weights_only=True)
    before = {'network', 'average', 'optimiser', 'step'}
    assert state.keys() == before | {'recipe', 'start_from', 'earlier'}
    assert yaml.safe_load(yaml.safe_dump(state['recipe'])) == recipe.values()
    assert state['start_from'] == tiny_weights.stem
    again = start(recipe)
    again.restore(path)
    assert again.started_from == tiny_weights.stem


def test_a_recipe_that_changed_is_warned_of_unless_only_in_length(
    recipe: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / 'checkpoint.pt'
    start(recipe).save(path)
    start(recipe, steps=7, validate_every=3).restore(path)
    assert not caplog.records
    start(recipe, seed=5, groups=recipe.groups[:1]).restore(path)
    assert f'the recipe of {path} differs from this one in groups, seed;' in caplog.text


def test_rates_and_decay_are_those_of_the_recipe_that_goes_on(
    recipe: Recipe, tmp_path: Path
) -> None:
    path = tmp_path / 'checkpoint.pt'
    run = start(recipe)
    run.advance([made_batch()])
    run.save(path)
    again = start(recipe, encoder_rate=recipe.encoder_rate / 10, weight_decay=0.3)
    again.restore(path)
    # halfway through the warm-up in both
    assert again.rates()['encoder'] == pytest.approx(run.rates()['encoder'] / 10)
    assert again.rates()['decoder'] == run.rates()['decoder'] > 0
    assert {group['lr'] for group in again.optimiser.param_groups} == set(again.rates().values())
    decays = [{g['weight_decay'] for g in r.optimiser.param_groups} for r in (run, again)]
    assert decays == [{recipe.weight_decay}, {0.3}]
    again.advance([made_batch()])


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'optimiser': 'sgd'}, 'optimiser adamw'),
        ({'encoder': 'resnet18'}, 'encoder mobilenet_v2'),
        ({'label_space': 'kitti6'}, 'label_space road8'),
        ({'depth_activation': 'abs'}, 'depth_activation exp'),
        ({'training_f_px': 1400.0}, r'training_f_px 700\.0'),
    ],
)
def test_what_was_learnt_in_other_terms_is_not_gone_on_with(
    recipe: Recipe, tmp_path: Path, change: dict[str, object], words: str
) -> None:
    path = tmp_path / 'checkpoint.pt'
    start(recipe).save(path)
    with pytest.raises(ValueError, match=f'is of a run with {words}, which .* give it the same'):
        start(recipe, **change).restore(path)


@pytest.mark.parametrize('content', [None, b'', b'torn'])
def test_what_is_no_checkpoint_is_refused(
    recipe: Recipe, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / 'checkpoint.pt'
    if content is None:
        torch.save({'weights': 1}, path)
    else:
        path.write_bytes(content)
    words = 'cannot be read' if content is not None else 'holds no training run'
    with pytest.raises(ValueError, match=words):
        start(recipe).restore(path)


def test_gradients_are_cut_to_the_recipe_s_norm(recipe: Recipe) -> None:
    exact = {'precision': 'fp32', 'optimiser': 'sgd', 'momentum': 0.0, 'weight_decay': 0.0}
    moved = []
    for norm in (1e-3, 1e-4):
        run = start(recipe, gradient_norm=norm, encoder_rate=1.0, decoder_rate=1.0, **exact)
        before = [p.detach().clone() for p in run.network.parameters()]
        run.advance([made_batch()])
        after = [p.detach() for p in run.network.parameters()]
        moved.append(sum(float((a - b).square().sum()) for a, b in zip(after, before)) ** 0.5)
    assert moved == pytest.approx([1e-3, 1e-4], rel=0.01)


def test_a_checkpoint_that_does_not_know_its_recipe_is_read(
    recipe: Recipe, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / 'checkpoint.pt'
    start(recipe).save(path)
    state = torch.load(path, weights_only=True)
    torch.save({k: v for k, v in state.items() if k not in ('recipe', 'start_from')}, path)
    run = start(recipe, seed=5)
    run.started_from = 'road8'
    run.restore(path)
    assert run.started_from == 'road8'
    assert not caplog.records


@pytest.mark.parametrize(('space', 'sky'), [('road8', (0,)), ('nyud40+kitti6', (None, 0))])
def test_what_is_validated_knows_the_sky_as_what_is_released(
    recipe: Recipe, space: str, sky: tuple[int | None, ...]
) -> None:
    run = start(recipe, label_space=space)
    assert tuple(run.deployed(part).sky for part in label_space(space).parts()) == sky


def test_validation_looks_for_the_sky_beyond_all_depth(recipe: Recipe) -> None:
    run = start(recipe)
    with torch.no_grad():
        run.average.module.get_parameter('heads.segmentation.2.bias')[0] = 99
    prediction = run.predict(run.deployed(), np.zeros((64, 64, 3), np.uint8))
    assert np.isinf(prediction.depth).all()


def test_without_a_checkpoint_a_run_starts_at_step_0(recipe: Recipe, tmp_path: Path) -> None:
    run = start(recipe)
    run.restore(tmp_path / 'none.pt')
    assert run.step == 0


def test_statistics_are_synchronised_on_gpus_only() -> None:
    def network() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3))

    with pytest.raises(ValueError, match=r"on cuda only, not on cpu; choose 'each' or 'frozen'"):
        _synchronise(network(), torch.device('cpu'))


def test_rates_are_those_of_the_next_step(recipe: Recipe) -> None:
    run = start(recipe, warmup_steps=4)
    assert run.rates() == pytest.approx({'encoder': 0.25e-4, 'decoder': 1.25e-4})


def test_tasks_share_the_gradient_by_their_weights(recipe: Recipe) -> None:
    def gradient(depth: float) -> Tensor:
        run = start(recipe, loss_weights={'segmentation': 1.0, 'depth': depth}, precision='fp32')
        run._add_gradients(*made_batch())
        return run.network.get_parameter('heads.depth.2.bias').grad

    torch.testing.assert_close(gradient(3.0), 3 * gradient(1.0))
