from contextlib import nullcontext
from pathlib import Path
from typing import Any

from made_recipe import made_batch, make_recipe, one_thread
import numpy as np
import pytest
import torch

from mtl_perception.label_space import label_space
from mtl_perception.training.loop.pictures import (
    panels,
    part_of,
)
from mtl_perception.training.loop.record import Record
from mtl_perception.training.loop.run import Run
from mtl_perception.training.recipe import read_recipe

__all__ = ['one_thread']


def start(folder: Path, **changes: object) -> Run:
    return Run(read_recipe(make_recipe(folder, **changes)), Path(), torch.device('cpu'))


def test_a_picture_is_of_the_part_that_it_was_labelled_in() -> None:
    space = label_space('nyud40+kitti6')
    assert part_of(space, np.array([[0, 1 << 41]])).space == 'kitti6'
    assert part_of(space, np.array([[0, 1 << 3]])).space == 'nyud40'
    assert part_of(space, np.array([[0, 0]])).space == part_of(space, None).space == 'nyud40'


def test_panels_show_what_should_be_beside_what_is(tmp_path: Path) -> None:
    run = start(tmp_path, label_space='nyud40+kitti6')
    pictures, targets = made_batch()
    # a street of the second part
    targets['segmentation'] = targets['segmentation'] << 40
    drawn = panels(run, [(pictures, targets)])
    kinds = ('input', 'labels', 'labels predicted', 'depth', 'depth predicted')
    assert tuple(drawn) == kinds
    assert {panel.shape for panel in drawn.values()} == {(64, 128, 3)}
    np.testing.assert_array_equal(drawn['input'][:, :64], pictures[0].permute(1, 2, 0))
    colours = label_space('nyud40+kitti6').colours
    assert tuple(drawn['labels'][0, 0]) == colours[40]
    assert {tuple(c) for c in drawn['labels predicted'][:, :64].reshape(-1, 3)} <= {*colours[40:]}
    # only the second picture has depth
    assert not drawn['depth'][:, :64].any()
    assert drawn['depth'][:, 64:].any()


def test_panels_of_several_sizes_stand_in_a_row(tmp_path: Path) -> None:
    (pictures, targets), low = made_batch(0), made_batch(2)
    low = low[0][..., :32, :], {task: target[..., :32, :] for task, target in low[1].items()}
    drawn = panels(start(tmp_path), [(pictures, targets), low])
    assert {panel.shape for panel in drawn.values()} == {(64, 256, 3)}
    np.testing.assert_array_equal(drawn['input'][:, :64], pictures[0].permute(1, 2, 0))
    np.testing.assert_array_equal(drawn['input'][:32, 128:192], low[0][0].permute(1, 2, 0))
    assert not drawn['input'][32:, 128:].any()


@pytest.mark.parametrize('error', [ValueError('torn'), RuntimeError('ours')])
def test_a_run_is_saved_before_a_validation_that_fails(tmp_path: Path, error: Exception) -> None:
    def fail() -> dict[str, Any]:
        raise error

    run = start(tmp_path, validate_every=2)
    run.step = 2
    record = Record(run, tmp_path, fail)
    # a file that is broken costs its figures; an error of our own is one
    with nullcontext() if isinstance(error, ValueError) else pytest.raises(RuntimeError):
        record.step([made_batch()])
    assert (tmp_path / 'checkpoint.pt').is_file()


def test_tensorboard_shows_numbers_and_pictures(tmp_path: Path) -> None:
    accumulator = pytest.importorskip('tensorboard.backend.event_processing.event_accumulator')
    run = start(tmp_path, validate_every=2)
    record = Record(run, tmp_path, lambda: {'all': {'depth': {'abs_rel': 0.5, 'name': 'x'}}})
    run.step = 1
    record.step([made_batch()])
    assert not (tmp_path / 'checkpoint.pt').exists()
    run.step = 2
    record.losses({'depth': 0.25})
    record.step([made_batch()])
    assert (tmp_path / 'checkpoint.pt').is_file()
    record.events.close()
    events = accumulator.EventAccumulator(str(tmp_path / 'events')).Reload()
    scalars = {tag: events.Scalars(tag)[0].value for tag in events.Tags()['scalars']}
    assert scalars == pytest.approx(
        {
            'loss/depth': 0.25,
            'rate/encoder': 0.5e-4,
            'rate/decoder': 2.5e-4,
            'weight/segmentation': 1.0,
            'weight/depth': 1.0,
            'validation/all/depth/abs_rel': 0.5,
        }
    )
    assert {'input', 'labels', 'labels predicted', 'depth', 'depth predicted'} == {
        *events.Tags()['images']
    }
    assert [event.step for event in events.Images('input')] == [1, 2]
