"""Train a joint network by a recipe: `python -m mtl_perception.training.train RECIPE --data …`.

On several GPUs, or machines: `torchrun --nproc-per-node N -m mtl_perception.training.train …`.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch.utils.data import DataLoader
from tqdm import tqdm

from mtl_perception.argument_types import natural
from mtl_perception.engine import Prediction
from mtl_perception.label_space import label_space
from mtl_perception.network.deployed import DeployedNetwork
from mtl_perception.network.rounding import has_bf16
from mtl_perception.network.savings import keep_freed_memory
from mtl_perception.offline.evaluate import Scale, score
from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.layouts.catalogue import check_sources, folder_of, read_all

from .datasets import (
    AsymmetricDataset,
    check_files,
    check_labels,
    check_tasks,
    has_truth,
    QuotaSampler,
    scorable,
    teaches,
)
from .loop.distributed import mean_over_ranks, process_group, rank, ranks
from .loop.record import Record
from .loop.run import Batch, predict, Run
from .recipe import add_recipe_arguments, chosen_recipe, Recipe

log = logging.getLogger(__name__)

LOG_EVERY = 50


def main(arguments: Sequence[str] | None = None) -> None:
    """Train to the recipe's last step, from the newest checkpoint where there is one."""
    options = _parse(arguments)
    recipe = chosen_recipe(options)
    with process_group(options.device) as device:
        logging.basicConfig(
            level=logging.INFO if rank() == 0 else logging.WARNING,
            format='%(asctime)s %(message)s',
        )
        if rank() == 0 and device.type == 'cpu' and recipe.precision == 'bf16' and not has_bf16():
            log.warning(
                "precision is 'bf16', which this CPU only emulates, several times slower; give "
                'the recipe precision: fp32'
            )
        _train(recipe, options, device)


def _train(recipe: Recipe, options: argparse.Namespace, device: torch.device) -> None:
    rows, validation = (
        read_all(options.data, split, recipe.without_sources) for split in ('train', 'val')
    )
    named = {source for group in recipe.groups for source in group.sources}
    check_sources(named.difference(recipe.without_sources), rows, 'split train')
    if not recipe.distillation:
        rows = [row.without_teachers() for row in rows]
    taught = [row for row in rows if row.source in named]
    check_files([*taught, *validation])
    check_labels(taught, recipe)
    check_tasks(taught, recipe.tasks)
    if idle := sum(not teaches(row, recipe.tasks) for row in taught):
        words = '%d of %d pictures to train with teach none of the tasks; leave out their sources'
        log.warning(words, idle, len(taught))
    validation = [row for row in validation if has_truth(row, recipe.tasks)]
    foreign = sum(not scorable(row, recipe.tasks, recipe.label_space) for row in validation)
    if foreign:
        words = '%d of %d pictures of split val are not scored: their labels mean nothing in %s'
        log.info(words, foreign, len(validation), recipe.label_space)
    if options.start_from:
        run = Run(replace(recipe, pretrained=None), folder_of(options.data[0]), device)
        run.start_from(options.start_from)
    else:
        run = Run(recipe, folder_of(options.data[0]), device)
    run.restore(options.output / 'checkpoint.pt')
    record = None
    if rank() == 0:
        record = Record(run, options.output, lambda: validate_parts(run, validation))
    for batches in _steps(rows, recipe, run.step, options.workers):
        losses = run.advance(batches)
        if run.step % LOG_EVERY == 0:
            # only now, since reading them waits for the device, and for the other processes
            values = {task: float(mean_over_ranks(loss)) for task, loss in losses.items()}
            if record:
                record.losses(values)
        if record:
            record.step(batches)
    if record:
        record.events.close()


def validate_parts(run: Run, rows: Sequence[AnnotatedPicture]) -> dict[str, Any]:
    """Score the run on the pictures that suit its label space; where several are joined, in each.

    Pictures of which no labels are scored suit them all.
    """
    recipe = run.recipe
    parts = label_space(recipe.label_space).parts()
    reports = {
        part.space: validate(
            run.deployed(part),
            [row for row in rows if scorable(row, recipe.tasks, part.space)],
            replace(recipe, label_space=part.space),
            run.device,
        )
        for part in parts
    }
    return reports if len(parts) > 1 else reports[recipe.label_space]


def validate(
    network: DeployedNetwork,
    rows: Sequence[AnnotatedPicture],
    recipe: Recipe,
    device: torch.device,
) -> dict[str, Any]:
    """Score the network on pictures at full size, see offline.evaluate.score."""

    def answer(picture: NDArray[np.uint8]) -> Prediction:
        return predict(network, picture, device, recipe.precision)

    return score(answer, rows, Scale(recipe.label_space, recipe.training_f_px))


def _steps(
    rows: Sequence[AnnotatedPicture], recipe: Recipe, first: int, workers: int
) -> Iterator[list[Batch]]:
    """Give the batches of each step, those that this process has a share in."""
    dataset = AsymmetricDataset(rows, recipe.label_space, recipe.training_f_px, recipe.tasks)
    steps = range(first, recipe.steps)
    sampler = QuotaSampler(
        *(rows, recipe.groups, recipe.framings(), steps, recipe.seed),
        by_group=recipe.passes == 'by_group',
        share=(rank(), ranks()),
    )
    batches = iter(DataLoader(dataset, batch_sampler=sampler, num_workers=workers))
    progress = {'initial': first, 'total': recipe.steps, 'unit': 'step', 'mininterval': 10}
    for _ in tqdm(steps, **progress, disable=rank() > 0):
        yield list(islice(batches, len(sampler.passes)))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_recipe_arguments(parser)
    parser.add_argument(
        '--data',
        nargs='+',
        required=True,
        help='folders with an index.csv, or LAYOUT:FOLDER as in docs/datasets.md; the first '
        'folder holds the pretrained weights',
    )
    parser.add_argument('--output', type=Path, required=True, help='folder for checkpoints')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--workers', type=natural, default=1, help='processes that read pictures')
    parser.add_argument('--start-from', help='released weights to go on from (name or path)')
    return parser.parse_args(arguments)


if __name__ == '__main__':
    keep_freed_memory()
    main()
