from collections.abc import Callable
from dataclasses import replace
import inspect
import logging
import math
from pathlib import Path
import shutil
from types import ModuleType
from typing import Any

from made_index import make_index
from made_layouts import make_kitti_2015, write
from made_recipe import made_batch, make_data, make_recipe, one_thread, SIZE
from made_weights import make_picture, make_weights
import numpy as np
import pytest
import torch
from torch import Tensor

from mtl_perception.model_card import load_network
from mtl_perception.network.checkpoint import read_weights
from mtl_perception.recordings.layouts.catalogue import read_annotated
from mtl_perception.training import train
from mtl_perception.training.experts import annotate
from mtl_perception.training.loop.run import build_network, Run
from mtl_perception.training.recipe import read_recipe, Recipe
from mtl_perception.training.train import main

__all__ = ['one_thread']


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_data(tmp_path_factory.mktemp('data'))


@pytest.fixture(scope='module')
def recipe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recipe(tmp_path_factory.mktemp('recipe'))


@pytest.fixture
def recipe(recipe_path: Path) -> Recipe:
    return read_recipe(recipe_path)


def start(recipe: Recipe, data: Path) -> Run:
    return Run(recipe, data, torch.device('cpu'))


def train_to_the_end(recipe_path: Path, data: Path, output: Path) -> dict[str, Any]:
    main([str(recipe_path), '--data', str(data), '--output', str(output), *OPTIONS])
    return torch.load(output / 'checkpoint.pt', weights_only=True)


OPTIONS = ('--device', 'cpu', '--workers', '0')


def test_an_interrupted_run_ends_as_an_uninterrupted_one(
    recipe_path: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train_to_the_end(recipe_path, data, tmp_path / 'whole')
    assert whole['step'] == 3

    advance = Run.advance

    def interrupted(run: Run, *batch: Any) -> dict[str, Tensor]:
        if run.step == 2:
            raise KeyboardInterrupt
        return advance(run, *batch)

    monkeypatch.setattr(Run, 'advance', interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_to_the_end(recipe_path, data, tmp_path / 'parts')
    half = torch.load(tmp_path / 'parts' / 'checkpoint.pt', weights_only=True)
    assert half['step'] == 2
    monkeypatch.setattr(Run, 'advance', advance)
    parts = train_to_the_end(recipe_path, data, tmp_path / 'parts')

    assert parts['step'] == 3
    for part in ('network', 'average'):
        for name, value in whole[part].items():
            torch.testing.assert_close(parts[part][name], value, rtol=0, atol=1e-6, msg=name)
    assert not all(torch.equal(v, whole['network'][n]) for n, v in half['network'].items())
    rates = [[g['lr'] for g in end['optimiser']['param_groups']] for end in (whole, parts, half)]
    assert rates[0] == rates[1] != rates[2]
    left = {path.name for path in (tmp_path / 'parts').iterdir()}
    assert left - {'events'} == {'checkpoint.pt'}


def test_a_finished_run_takes_no_more_steps(
    recipe_path: Path, recipe: Recipe, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(recipe, data)
    run.step = recipe.steps
    run.save(tmp_path / 'checkpoint.pt')
    monkeypatch.setattr(Run, 'advance', None)
    assert train_to_the_end(recipe_path, data, tmp_path)['step'] == recipe.steps


def test_training_learns_each_task_from_the_pictures_that_have_it(
    recipe: Recipe, data: Path
) -> None:
    """One labelled and one ranged picture, again and again: both losses must fall."""
    run = start(replace(recipe, steps=40, warmup_steps=1), data)
    history = [run.advance([made_batch()]) for _ in range(14)]
    for task in recipe.tasks:
        assert history[-1][task] < 0.5 * history[0][task], task


def test_the_rates_warm_up_and_fall_to_zero(recipe: Recipe, data: Path) -> None:
    run = start(replace(recipe, steps=100, warmup_steps=10), data)
    encoder, others = run.optimiser.param_groups
    assert (encoder['initial_lr'], others['initial_lr']) == (1e-4, 5e-4)
    rates = []
    for _ in range(100):
        rates.append((encoder['lr'], others['lr']))
        run.optimiser.step()
        run.schedule.step()
    assert rates[0] == pytest.approx((1e-5, 5e-5))
    assert rates[50] == pytest.approx((0.5e-4, 2.5e-4))
    assert rates[99][1] < 1e-6
    assert max(rates)[1] < 5e-4
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_a_run_starts_from_released_weights(
    recipe: Recipe, data: Path, tiny_weights: Path
) -> None:
    run = start(recipe, data)
    run.start_from(str(tiny_weights))
    released = read_weights(tiny_weights)
    # depth as the recipe's camera of 700 px sees it
    shown = 'heads.depth.2.bias'
    released[shown] = released[shown] + math.log(700 / 721.5377)
    for network in (run.network, run.average.module):
        state = network.state_dict()
        assert all(torch.equal(state[name], value) for name, value in released.items())
    other = start(replace(recipe, tasks=('depth',), loss_weights={'depth': 1.0}), data)
    with pytest.raises(ValueError, match=r'do not fit .* is foreign'):
        other.start_from(str(tiny_weights))


@pytest.mark.parametrize('activation', ['exp', 'abs'])
def test_depth_of_released_weights_is_taken_to_the_focal_length_of_the_recipe(
    recipe: Recipe, data: Path, tmp_path: Path, activation: str
) -> None:
    weights = make_weights(
        tmp_path / 'w.safetensors',
        {'segmentation': 8, 'depth': 1},
        depth_activation=activation,
        training_f_px=500.0,
        depth_range_m=(1e-6, 1e9),
    )
    run = start(replace(recipe, depth_activation=activation), data)
    run.start_from(str(weights))
    card, released = load_network(weights)
    picture = torch.from_numpy(make_picture(64, 96))[None]
    with torch.inference_mode():
        was, now = (
            card.deploy(network.eval())(picture).depth
            for network in (released, run.average.module)
        )
    seen = torch.isfinite(was)
    assert seen.any()
    torch.testing.assert_close(now[seen], was[seen] * 700 / 500, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'normalisation': 'imagenet'}, 'of normalisation symmetric, which the recipe has'),
        ({'depth_activation': 'abs'}, 'of depth_activation exp, which'),
        ({'label_space': 'kitti6'}, 'of label_space road8, which'),
    ],
)
def test_released_weights_that_answer_in_other_terms_are_refused(
    recipe: Recipe, data: Path, tiny_weights: Path, changes: dict[str, Any], words: str
) -> None:
    run = start(replace(recipe, **changes), data)
    with pytest.raises(ValueError, match=words):
        run.start_from(str(tiny_weights))


def test_what_is_scored_and_drawn_lies_where_the_run_does(recipe: Recipe, data: Path) -> None:
    run = Run(recipe, data, torch.device('meta'))
    pictures = torch.empty((1, 64, 64, 3), dtype=torch.uint8, device='meta')
    assert run.deployed()(pictures).depth.device.type == 'meta'


def test_labels_without_a_meaning_are_refused_before_the_first_step(
    data: Path, tmp_path: Path
) -> None:
    foreign = tmp_path / 'foreign'
    shutil.copytree(data, foreign)
    index = foreign / 'index.csv'
    first, row, *others = index.read_text().splitlines()
    index.write_text('\n'.join([first, row.replace('road8', 'nyud40'), *others]) + '\n')
    path = make_recipe(tmp_path, steps=1)
    words = (
        "labels of 1 pictures of split train are of 'nyud40', which means nothing in 'road8'; "
        r'the first is image_0\.png of labelled; correct'
    )
    with pytest.raises(ValueError, match=words):
        train_to_the_end(path, foreign, tmp_path / 'output')
    # nobody looks at them
    arguments = ['--data', str(foreign), '--output', str(tmp_path / 'output'), *OPTIONS]
    main([str(path), *arguments, '--set', 'tasks=[depth]', 'loss_weights={depth: 1.0}'])


@pytest.mark.parametrize('task', ['normals', 'depth'])
def test_a_task_that_nobody_teaches_is_refused(data: Path, tmp_path: Path, task: str) -> None:
    without = tmp_path / 'without'
    shutil.copytree(data, without)
    index = without / 'index.csv'
    # of no known focal length depth teaches nothing
    index.write_text(index.read_text().replace('700.0', ''))
    tasks = ['segmentation', task]
    weights = dict.fromkeys(tasks, 1.0)
    groups = [{'sources': ['labelled', 'ranged'], 'per_batch': 2}]
    path = make_recipe(tmp_path, tasks=tasks, loss_weights=weights, groups=groups)
    with pytest.raises(ValueError, match=f'no picture of split train has anything for {task}, '):
        train_to_the_end(path, without, tmp_path / 'output')
    assert not (tmp_path / 'output').exists()


@pytest.mark.parametrize('split', ['train', 'val'])
def test_files_that_are_gone_are_named_before_the_first_step(
    data: Path, tmp_path: Path, split: str
) -> None:
    torn = tmp_path / 'torn'
    shutil.copytree(data, torn)
    row, *_ = read_annotated(torn, split)
    row.picture.path.unlink()
    words = f'1 files of the data are not there, the first is .*{row.picture.path.name}; restore'
    with pytest.raises(FileNotFoundError, match=words):
        train_to_the_end(make_recipe(tmp_path, steps=1), torn, tmp_path / 'output')
    assert not (tmp_path / 'output').exists()


def test_a_broken_file_of_val_costs_the_figures_alone(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / 'broken'
    shutil.copytree(data, broken)
    row, *_ = read_annotated(broken, 'val')
    row.picture.path.write_text('no picture')
    with caplog.at_level(logging.ERROR):
        state = train_to_the_end(make_recipe(tmp_path, steps=1), broken, tmp_path / 'output')
    assert state['step'] == 1
    assert 'step 1: no figures, training goes on' in caplog.text
    assert f'{row.picture.path.name} is missing or no picture' in caplog.text


def test_every_parameter_is_optimised_once(recipe: Recipe, data: Path) -> None:
    run = start(recipe, data)
    optimised = [p for group in run.optimiser.param_groups for p in group['params']]
    assert len(optimised) == len({id(p) for p in optimised})
    assert {id(p) for p in optimised} == {id(p) for p in run.network.parameters()}


def test_the_moving_average_follows_weights_and_statistics(recipe: Recipe, data: Path) -> None:
    run = start(replace(recipe, ema_decay=0.75, decoder_rate=0.1, warmup_steps=1), data)
    names = ('heads.depth.2.weight', 'encoder.stem.1.running_mean')
    expected = {}
    for step in range(3):
        run.advance([made_batch(step)])
        state = run.network.state_dict()
        for name in names:
            # the first step is where the average starts
            before = expected.get(name, state[name])
            expected[name] = 0.75 * before + 0.25 * state[name].clone()
    average = run.average.module.state_dict()
    for name in names:
        torch.testing.assert_close(average[name], expected[name])
        assert not torch.equal(average[name], run.network.state_dict()[name])
    assert run.deployed().network is run.average.module


def test_equal_seeds_start_equal_networks(recipe: Recipe, data: Path) -> None:
    def weights(seed: int) -> Tensor:
        return start(replace(recipe, seed=seed), data).network.state_dict()[
            'encoder.stem.0.weight'
        ]

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_log_depth_starts_at_ten_metres(recipe: Recipe, data: Path) -> None:
    network = build_network(recipe, data)
    assert float(network.heads['depth'][2].bias.detach()) == pytest.approx(math.log(10))
    network = build_network(replace(recipe, depth_activation='abs'), data)
    assert abs(float(network.heads['depth'][2].bias.detach())) < 1


def test_the_pretrained_encoder_is_looked_for_in_the_data(recipe: Recipe, data: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'weights/none\.npz do not exist'):
        build_network(replace(recipe, pretrained='weights/none.npz'), data)


def test_validation_scores_the_average_on_whole_pictures(recipe: Recipe, data: Path) -> None:
    rows = train.read_all([data], 'val')
    run = start(recipe, data)
    report = train.validate(run.deployed(), rows, recipe, torch.device('cpu'))
    assert report['all']['segmentation']['pictures'] == report['all']['depth']['pictures'] == 2
    assert 0 <= report['all']['segmentation']['pixel_accuracy'] <= 1
    assert report['all']['depth']['abs_rel'] > 0


def test_a_checkpoint_is_whole_or_not_there(
    recipe: Recipe, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(recipe, data)
    path = tmp_path / 'checkpoint.pt'
    run.save(path)
    before = path.read_bytes()
    save: Callable[..., None] = torch.save

    def torn(state: Any, file: Path) -> None:
        save(state, file)
        file.write_bytes(file.read_bytes()[:100])
        raise OSError('no space left on device')

    monkeypatch.setattr(torch, 'save', torn)
    with pytest.raises(OSError, match='no space'):
        run.save(path)
    assert path.read_bytes() == before


def test_losses_are_written_for_tensorboard(
    recipe_path: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    monkeypatch.setattr('mtl_perception.training.train.LOG_EVERY', 1)
    train_to_the_end(recipe_path, data, tmp_path)
    events = accumulator.EventAccumulator(str(tmp_path / 'events')).Reload()
    for task in ('segmentation', 'depth'):
        assert [event.step for event in events.Scalars(f'loss/{task}')] == [1, 2, 3]


def test_data_may_be_named_by_layout(data: Path, tmp_path: Path) -> None:
    """Scenes with disparity beside an index: the layout's name is a source of the recipe."""
    disparity = np.full(SIZE, 256 * 30, np.uint16)
    folder = make_kitti_2015(tmp_path / 'kitti', range(4), disp_occ_0=disparity)
    for path in folder.rglob('image_2/*.png'):
        write(path, make_picture(*SIZE, seed=1))
    groups = [
        {'sources': ['labelled'], 'per_batch': 2},
        {'sources': ['kitti_stereo_2015'], 'per_batch': 1, 'needs': ['depth']},
    ]
    changed = make_recipe(tmp_path, groups=groups)
    output = tmp_path / 'output'
    names = [str(data), f'kitti_stereo_2015:{folder}']
    main([str(changed), '--data', *names, '--output', str(output), *OPTIONS, '--set', 'steps=1'])
    assert torch.load(output / 'checkpoint.pt', weights_only=True)['step'] == 1


@pytest.mark.parametrize('native', [True, False])
@pytest.mark.parametrize('precision', ['bf16', 'fp32'])
def test_emulated_bfloat16_is_warned_of(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    native: bool,
    precision: str,
) -> None:
    monkeypatch.setattr(train, 'has_bf16', lambda: native)
    monkeypatch.setattr(train, '_train', lambda *_: None)
    main(
        [
            *(str(make_recipe(tmp_path, precision=precision)), '--data', str(data)),
            *('--output', str(tmp_path / 'run'), *OPTIONS),
        ]
    )
    warned = 'give the recipe precision: fp32' in caplog.text
    assert warned == (precision == 'bf16' and not native)


@pytest.mark.parametrize('command', [train, annotate], ids=['train', 'annotate'])
def test_the_commands_keep_what_they_free(command: ModuleType) -> None:
    """Not main(), which may be called by a process that goes on."""
    source = inspect.getsource(command)
    assert source.endswith("if __name__ == '__main__':\n    keep_freed_memory()\n    main()\n")


def test_a_data_set_may_have_nothing_to_validate_with(data: Path, tmp_path: Path) -> None:
    rows = [{'picture': make_picture(*SIZE, 0), 'depth': np.full(SIZE, 9.0), 'fx_px': 700.0}]
    ranged = make_index(tmp_path / 'raw', rows).parent
    groups, alone = [{'sources': ['made'], 'per_batch': 1}], {'depth': 1.0}
    path = make_recipe(tmp_path, groups=groups, steps=1, tasks=[*alone], loss_weights=alone)
    arguments = [str(path), '--output', str(tmp_path / 'output'), *OPTIONS, '--data', str(ranged)]
    with pytest.raises(ValueError, match=r"has no picture of split 'val'; it has the splits trai"):
        main(arguments)
    main([*arguments, str(data)])


def test_pictures_of_foreign_classes_are_not_scored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    known = {'labels': np.zeros(SIZE, np.uint8), 'label_space': 'cityscapes19'}
    foreign = {**known, 'label_space': 'camvid11', 'split': 'val', 'depth': np.full(SIZE, 9.0)}
    taught = {**known, 'depth': np.full(SIZE, 9.0), 'fx_px': 700.0}
    rows = [taught, {**known, 'split': 'val'}, foreign, {**foreign, 'label_source': 'teacher'}]
    picture = make_picture(*SIZE, 0)
    folder = make_index(tmp_path / 'data', [{'picture': picture, **row} for row in rows]).parent
    groups = [{'sources': ['made'], 'per_batch': 1}]
    path = make_recipe(tmp_path, groups=groups, steps=1, label_space='cityscapes19')
    with caplog.at_level(logging.INFO):
        train_to_the_end(path, folder, tmp_path / 'output')
    [words] = [words for words in caplog.messages if 'not scored' in words]
    assert words.startswith('1 of 3 pictures of split val are not scored: their labels mean noth')
    validation = train.read_all([folder], 'val')
    figures = train.validate_parts(start(read_recipe(path), folder), validation)['all']
    assert figures['segmentation']['pictures'] == figures['depth']['pictures'] == 1
    # where nobody asks for classes, all depth is
    recipe = read_recipe(path, tasks=['depth'])
    figures = train.validate_parts(start(recipe, folder), validation)['all']
    assert figures['depth']['pictures'] == 2


def test_without_distillation_teachers_are_not_heard(data: Path, tmp_path: Path) -> None:
    index = data / 'index.csv'
    taught = tmp_path / 'taught'
    shutil.copytree(data, taught)
    (taught / 'index.csv').write_text(index.read_text().replace(',human,', ',teacher,'))
    groups = [{'sources': ['labelled'], 'per_batch': 1, 'needs': ['segmentation']}]
    alone = {'segmentation': 1.0}
    path = make_recipe(tmp_path, groups=groups, steps=1, tasks=[*alone], loss_weights=alone)
    arguments = [str(path), '--data', str(taught), '--output', str(tmp_path / 'output'), *OPTIONS]
    with pytest.raises(ValueError, match='no picture of split train has anything for segmentat'):
        main([*arguments, '--set', 'distillation=false'])
    main(arguments)


def test_a_misspelt_source_is_refused_beside_others(data: Path, tmp_path: Path) -> None:
    groups = [{'sources': ['labelled', 'range'], 'per_batch': 1}]
    path = make_recipe(tmp_path, groups=groups, steps=1)
    arguments = [str(path), '--data', str(data), '--output', str(tmp_path / 'output'), *OPTIONS]
    words = 'split train has no picture of range; it has the sources labelled, ranged'
    with pytest.raises(ValueError, match=words):
        main(arguments)
