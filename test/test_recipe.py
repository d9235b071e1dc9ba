import argparse
from dataclasses import fields, MISSING, replace
from pathlib import Path
import re
from typing import Any

from conftest import ROOT
import pytest
import yaml

from mtl_perception.label_space import label_space, LABEL_SPACES
from mtl_perception.network.encoders import ENCODERS
from mtl_perception.recordings.layouts.catalogue import read_all
from mtl_perception.training.datasets import QuotaSampler
from mtl_perception.training.recipe import (
    add_recipe_arguments,
    chosen_recipe,
    Group,
    read_recipe,
    Recipe,
    recipe_from,
)
from mtl_perception.training.recipe_values import CHOICES

RECIPES = sorted((ROOT / 'config' / 'training').glob('*.yaml'))
ROAD8 = ROOT / 'config' / 'training' / 'road8.yaml'


@pytest.fixture
def values() -> dict[str, Any]:
    return yaml.safe_load(ROAD8.read_text())


def write(folder: Path, values: object) -> Path:
    path = folder / 'recipe.yaml'
    path.write_text(yaml.safe_dump(values))
    return path


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_the_recipes_of_the_package_are_read(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == path.stem
    assert recipe.encoder in ENCODERS
    assert recipe.label_space in LABEL_SPACES
    assert set(recipe.loss_weights) == set(recipe.tasks)
    assert all(isinstance(rate, float) for rate in (recipe.encoder_rate, recipe.decoder_rate))


def test_lists_become_tuples_and_groups_groups(tmp_path: Path, values: dict[str, Any]) -> None:
    values['groups'] = [{'sources': ['a', 'b'], 'per_batch': 3}]
    recipe = read_recipe(write(tmp_path, values | {'crop': [24, 32]}))
    assert recipe.groups == (Group(('a', 'b'), 3, needs=()),)
    assert recipe.crop == (24, 32)
    assert recipe.loss_weights == values['loss_weights']


@pytest.mark.parametrize(
    ('crop', 'divisor'), [([320, 288], 32), ([350, 350], 2), ([400, 320], 16), ([64, 375], 1)]
)
def test_sizes_divide_by_what_the_crops_do(crop: list[int], divisor: int) -> None:
    groups = [{'sources': ['a'], 'per_batch': 2}, {'sources': ['b'], 'per_batch': 1, 'crop': crop}]
    assert read_recipe(ROAD8, groups=groups).size_divisor == divisor
    assert read_recipe(ROAD8, groups=groups[:1], crop=crop).size_divisor == divisor


def test_changes_replace_values() -> None:
    assert read_recipe(ROAD8, steps=3).steps == 3


def test_the_road8_recipe_suits_the_real_index(data_folder: Path) -> None:
    recipe = read_recipe(ROAD8)
    rows = read_all([data_folder], 'train', recipe.without_sources)
    # the drive of the demo shows what the network makes of what it has never seen
    assert 'kitti_drive' not in {row.source for row in rows}
    # rendered frames are made, see docs/rendering.md
    groups = tuple(group for group in recipe.groups if group.sources != ('rendered',))
    assert len(groups) == len(recipe.groups) - 1
    framings = replace(recipe, groups=groups).framings()
    batches = QuotaSampler(rows, groups, framings, range(1), recipe.seed)
    assert sum(map(len, batches)) == sum(group.per_batch for group in groups)
    assert recipe.pretrained is None or (data_folder / recipe.pretrained).is_file()


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'no\.yaml does not exist; see config/training/'):
        read_recipe(tmp_path / 'no.yaml')


def test_unknown_keys_are_refused_with_the_known_ones(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    path = write(tmp_path, values | {'epochs': 3, 'batch': 2})
    words = f'recipe {path} has unknown keys batch, epochs; known are name, encoder, label_space'
    with pytest.raises(ValueError, match=re.escape(words)):
        read_recipe(path)
    with pytest.raises(ValueError, match='unknown keys epochs'):
        read_recipe(ROAD8, epochs=3)


def test_missing_keys_are_named_but_those_with_a_default(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    for key in ('seed', 'pretrained', 'licence'):
        del values[key]
    assert read_recipe(write(tmp_path, values)).pretrained is None
    for key in ('crop', 'zoom'):
        del values[key]
    with pytest.raises(ValueError, match=r'recipe\.yaml lacks crop, zoom$'):
        read_recipe(write(tmp_path, values))


@pytest.mark.parametrize(
    ('group', 'words'),
    [
        ({'sources': ['a'], 'per_batch': 1, 'share': 2}, 'unknown keys share; known are sources'),
        ({'sources': ['a']}, 'lacks per_batch'),
    ],
)
def test_groups_are_checked_as_well(
    tmp_path: Path, values: dict[str, Any], group: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=rf'recipe\.yaml .*{words}'):
        read_recipe(write(tmp_path, values | {'groups': [group]}))


@pytest.mark.parametrize('content', [None, ['steps'], 'steps'])
def test_what_is_no_recipe_is_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(ValueError, match=r'recipe\.yaml holds \w+; expected keys'):
        read_recipe(write(tmp_path, content))


@pytest.mark.parametrize('key', CHOICES)
def test_keys_that_choose_name_what_there_is(key: str) -> None:
    defaults = {field.name: field.default for field in fields(Recipe)}
    assert defaults[key] in (CHOICES[key][0], MISSING)
    for choice in CHOICES[key]:
        assert getattr(read_recipe(ROAD8, **{key: choice}), key) == choice
    with pytest.raises(ValueError, match=f"{key} is 'best'; choose of {', '.join(CHOICES[key])}"):
        read_recipe(ROAD8, **{key: 'best'})


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ('encoder_rate=fast', "encoder_rate is 'fast'; expected a number, 0 or more"),
        ('steps=0', 'steps is 0; expected a whole number above 0'),
        ('steps=1.5', 'steps is 1.5; expected a whole'),
        ('validate_every=', 'validate_every is None; expected a whole'),
        ('crop=320', 'crop is 320; expected two whole numbers above 0'),
        ('crop="64"', "crop is '64'; expected two"),
        ('crop=[320]', 'crop is [320]; expected two'),
        ('crop=[320, 0]', 'crop is [320, 0]; expected two'),
        ('zoom=[2.4, 0.9]', 'zoom is [2.4, 0.9]; expected two numbers above 0, the lower first'),
        ('zoom=[0, 1]', 'zoom is [0, 1]; expected two'),
        ('depth_range_m=[.nan, 1]', 'depth_range_m is [nan, 1]; expected two'),
        ('training_f_px=.inf', 'training_f_px is inf; expected a number above 0'),
        ('ema_decay=1', 'ema_decay is 1; expected a number from 0 to below 1'),
        ('loss_weights=1', 'loss_weights is 1; expected numbers by task'),
        ('tasks=[labels]', "tasks is ['labels']; expected a list of segmentation, depth, normals"),
        ('groups=[]', 'groups is []; expected a list of groups, one or more'),
        ('groups=[camvid]', "groups is ['camvid']; expected a list of groups"),
        ('groups=[{sources: a, per_batch: 1}]', "sources is 'a'; expected a list of names"),
        ('groups=[{sources: [a], per_batch: 0}]', 'per_batch is 0; expected a whole'),
        (
            'groups=[{sources: [a], per_batch: 1, needs: [labels]}]',
            "needs is ['labels']; expected a list of segmentation, depth, normals",
        ),
        (
            'groups=[{sources: [a], per_batch: 1, zoom: [-1, 2]}]',
            'zoom is [-1, 2]; expected two',
        ),
        (
            'groups=[{sources: [a], per_batch: 1, blur_px: -1}]',
            'blur_px is -1; expected a number, 0 or more',
        ),
        (
            'groups=[{sources: [a], per_batch: 1, blur_px: 30, crop: [64, 96]}]',
            'blur_px is 30.0 for views of 64 pixels; expected less than a third',
        ),
        (
            'crop=[64, 64',
            '--set crop=[64, 64 is not YAML',
        ),
    ],
)
def test_what_a_key_cannot_say_is_refused_with_what_is_expected(change: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        chosen_recipe(options('--set', change))


def test_numbers_that_yaml_takes_for_text_are_read() -> None:
    changes = ['encoder_rate=1e-4', 'steps=1e3', 'loss_weights={segmentation: 1e0, depth: 5e-1}']
    recipe = chosen_recipe(options('--set', *changes))
    assert (recipe.encoder_rate, recipe.steps) == (1e-4, 1000)
    assert recipe.loss_weights == {'segmentation': 1.0, 'depth': 0.5}


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_a_recipe_is_made_of_its_own_values(path: Path) -> None:
    recipe = read_recipe(path)
    values = yaml.safe_load(yaml.safe_dump(recipe.values()))
    assert recipe_from(values, path) == recipe


def test_the_card_of_a_joined_space_is_of_one_part() -> None:
    recipe = read_recipe(ROAD8.with_name('nyud40-kitti6.yaml'))
    _, kitti6 = label_space(recipe.label_space).parts()
    card = recipe.card(kitti6)
    assert (card.name, card.label_space) == ('nyud40-kitti6-kitti6', 'kitti6')
    assert (card.classes, card.tasks) == ((40, 46), recipe.channels())
    whole = read_recipe(ROAD8).card()
    assert (whole.name, whole.classes, whole.size_divisor) == ('road8', None, 32)


@pytest.mark.parametrize(
    'fixed', ['[backbone]', '[encoder, decoder, heads.segmentation, heads.depth]']
)
def test_what_is_fixed_is_some_of_the_network(fixed: str) -> None:
    with pytest.raises(ValueError, match=r'name some, not all, of encoder, decoder, heads\.segm'):
        chosen_recipe(options('--set', f'fixed={fixed}'))


def test_every_task_needs_a_weight() -> None:
    with pytest.raises(ValueError, match='loss_weights gives depth None; expected a number above'):
        read_recipe(ROAD8, loss_weights={'segmentation': 1.0})


def test_the_joint_recipe_has_the_46_logits_of_the_paper() -> None:
    recipe = read_recipe(ROAD8.with_name('nyud40-kitti6.yaml'))
    assert recipe.channels() == {'segmentation': 46, 'depth': 1}
    tasks = read_recipe(ROAD8.with_name('nyud40.yaml')).channels()
    assert tasks == {'segmentation': 40, 'depth': 1, 'normals': 3}


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_recipe_arguments(parser)
    return parser.parse_args([str(ROAD8), *words])


def test_a_command_line_may_change_a_recipe() -> None:
    changes = ['steps=3', 'tasks=[depth]', 'groups=[{sources: [a], per_batch: 2}]', 'pretrained=']
    recipe = chosen_recipe(options('--set', *changes))
    assert (recipe.steps, recipe.tasks, recipe.pretrained) == (3, ('depth',), None)
    assert recipe.groups == (Group(('a',), 2),)
    assert chosen_recipe(options()) == read_recipe(ROAD8)


@pytest.mark.parametrize(
    ('change', 'words'),
    [('steps', "--set has 'steps'; expected KEY=VALUE"), ('epochs=3', 'unknown keys epochs')],
)
def test_a_change_that_is_none_is_refused(change: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        chosen_recipe(options('--set', change))
