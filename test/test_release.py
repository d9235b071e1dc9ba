import csv
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from made_recipe import make_data, make_recipe, one_thread
import pytest
import torch
from torch import nn

from mtl_perception.engine import Engine
from mtl_perception.model_card import parse_card
from mtl_perception.training.loop.run import Run
from mtl_perception.training.recipe import read_recipe
from mtl_perception.training.release import _history, _trained, main, round_as_trained
from mtl_perception.training.train import validate_parts

__all__ = ['one_thread']


@pytest.fixture
def joint(tmp_path: Path) -> Path:
    """The recipe of two label spaces side by side, and a checkpoint of it at its first step."""
    path = make_recipe(tmp_path, name='both', label_space='nyud40+kitti6')
    Run(read_recipe(path), Path(), torch.device('cpu')).save(tmp_path / 'checkpoint.pt')
    return path


@pytest.fixture
def options(joint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What releases that checkpoint, scored on small data in the folder `data`."""
    # no time for a compiling backend
    engine = partial(Engine, device='cpu', backend='torch')
    monkeypatch.setattr('mtl_perception.training.release.Engine', engine)
    data = make_data(tmp_path / 'data')
    return [str(joint), str(tmp_path / 'checkpoint.pt'), '--data', str(data)]


def test_a_joint_network_is_released_for_one_of_its_label_spaces(
    options: list[str], tmp_path: Path
) -> None:
    with pytest.raises(
        ValueError, match=r"'None' is none of nyud40, kitti6, .* name one by --dom"
    ):
        main(options)
    main([*options, '--output', str(tmp_path), '--domain', 'kitti6'])
    card = parse_card(tmp_path / 'both-kitti6.yaml')
    assert (card.label_space, card.classes) == ('kitti6', (40, 46))
    assert card.tasks == {'segmentation': 46, 'depth': 1}
    assert card.metrics['all']['segmentation']['pictures'] == 2
    assert card.data.startswith('0 steps from random weights, on the train pictures of labelled')


def test_pictures_whose_labels_mean_nothing_to_the_weights_are_not_scored(
    options: list[str], tmp_path: Path
) -> None:
    options += ['--domain', 'kitti6', '--output']
    index = tmp_path / 'data/index.csv'
    *others, last = index.read_text().splitlines()
    index.write_text('\n'.join([*others, last.replace('road8', 'nyud40')]) + '\n')
    main([*options, str(tmp_path / 'out')])
    card = parse_card(tmp_path / 'out/both-kitti6.yaml')
    assert card.metrics['all']['segmentation']['pictures'] == 1
    index.write_text(index.read_text().replace('road8', 'nyud40'))
    with pytest.raises(
        ValueError, match=r"no picture of split val .* means anything in 'kitti6'; na"
    ):
        main([*options, str(tmp_path / 'none')])
    assert not (tmp_path / 'none').exists()


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'label_space': 'road8', 'training_f_px': 500.0}, 'label_space, training_f_px'),
        ({'crop': [64, 72]}, 'size_divisor'),
        ({'tasks': ['depth'], 'encoder': 'resnet18'}, 'encoder, tasks'),
        ({'normalisation': 'imagenet', 'depth_activation': 'abs'}, 'normalisation, depth_activ'),
    ],
)
def test_a_recipe_that_the_weights_are_not_of_is_refused(
    joint: Path, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    (tmp_path / 'other').mkdir()
    other = make_recipe(tmp_path / 'other', **{'label_space': 'nyud40+kitti6', **changes})
    with pytest.raises(ValueError, match=f'by a recipe that differs in {words}.*; give the rec'):
        main([str(other), str(tmp_path / 'checkpoint.pt'), '--data', str(tmp_path)])


@pytest.mark.parametrize(
    ('state', 'pretrained', 'begun'),
    [
        ({'start_from': 'road8'}, None, 'road8'),
        ({'start_from': None}, 'torchvision', 'the encoder of torchvision'),
        ({'start_from': None}, None, 'random weights'),
        ({}, 'torchvision', 'what the checkpoint does not tell'),
    ],
)
def test_a_card_tells_what_its_run_started_from(
    tmp_path: Path, state: dict[str, Any], pretrained: str | None, begun: str
) -> None:
    recipe = read_recipe(make_recipe(tmp_path, pretrained=pretrained))
    data = str(make_data(tmp_path / 'data'))
    told = _history([data], [recipe], {**state, 'step': 7})
    assert told == (
        f'7 steps from {begun}, on the train pictures of labelled (3), ranged (3); '
        'left out: nothing'
    )


def test_a_card_tells_all_that_a_run_has_seen(
    options: list[str], joint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = read_recipe(joint)
    before = replace(recipe, pretrained='torchvision')
    monkeypatch.setattr('mtl_perception.training.loop.run.load_pretrained', lambda *_: None)
    first = Run(before, Path(), torch.device('cpu'))
    first.step = 5
    checkpoint = tmp_path / 'checkpoint.pt'
    first.save(checkpoint)
    ranged = replace(recipe, groups=recipe.groups[1:], without_sources=('labelled',))
    second = Run(ranged, Path(), torch.device('cpu'))
    second.restore(checkpoint)
    second.step = 9
    second.save(checkpoint)
    # and once more, with the recipe as it is
    third = Run(ranged, Path(), torch.device('cpu'))
    third.restore(checkpoint)
    third.save(checkpoint)
    assert [each['step'] for each in third.earlier] == [5]
    main([*options, '--output', str(tmp_path / 'out'), '--domain', 'kitti6'])
    assert parse_card(tmp_path / 'out/both-kitti6.yaml').data == (
        '9 steps from the encoder of torchvision, on the train pictures of labelled (3), '
        'ranged (3); left out: nothing'
    )


def test_nothing_is_written_where_no_truth_is(options: list[str], tmp_path: Path) -> None:
    index = tmp_path / 'data/index.csv'
    rows = list(csv.DictReader(index.read_text().splitlines()))
    with index.open('w', newline='') as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({**r, 'label_source': 'teacher', 'depth_source': 'expert'} for r in rows)
    with pytest.raises(ValueError, match='no picture of split val with truth of people or sen'):
        main([*options, '--output', str(tmp_path / 'out'), '--domain', 'kitti6'])
    assert not (tmp_path / 'out').exists()


def test_a_checkpoint_without_a_recipe_is_taken_for_one_of_the_recipe_given(joint: Path) -> None:
    recipe = read_recipe(joint)
    assert _trained({}, recipe, joint) is recipe


def test_validation_goes_by_label_space(joint: Path, tmp_path: Path) -> None:
    from mtl_perception.training.train import read_all

    rows = read_all([make_data(tmp_path / 'data')], 'val')
    run = Run(read_recipe(joint), Path(), torch.device('cpu'))
    report = validate_parts(run, [rows[0]])
    assert report['kitti6']['all']['segmentation']['pictures'] == 1
    # its labels say nothing of the classes of rooms
    assert report['nyud40']['all'] == {}


def test_filters_are_rounded_as_autocast_rounded_them() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    nn.init.normal_(network[1].weight)
    exact = {name: value.clone() for name, value in network.state_dict().items()}
    round_as_trained(network, 'fp32')
    assert all(torch.equal(value, exact[name]) for name, value in network.state_dict().items())
    round_as_trained(network, 'bf16')
    for name, value in network.state_dict().items():
        rounded = exact[name].to(torch.bfloat16).float() if name.startswith('0.') else exact[name]
        assert torch.equal(value, rounded), name
    assert not torch.equal(network[0].weight, exact['0.weight'])
