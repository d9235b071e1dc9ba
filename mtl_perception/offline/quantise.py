"""Find the ranges that int8 needs on pictures of a data set; keep them if little is lost."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
import tempfile
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from mtl_perception.backends.quantisation import observe, ranges_path, write_ranges
from mtl_perception.engine import Engine
from mtl_perception.model_card import find_weights
from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.layouts.catalogue import read_annotated

from .evaluate.run import evaluate

# what may be lost against float32, of each source
MIOU_LOSS = 0.01
ABS_REL_GROWTH = 0.02


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument('weights', nargs='?', default='road8', help='a name, or a .safetensors')
    parser.add_argument(
        '--data', required=True, help='an index.csv, the folder of one, or LAYOUT:FOLDER'
    )
    parser.add_argument('--split', default='train', help='its pictures are observed')
    parser.add_argument('--pictures', type=int, default=24, help='how many of them')
    parser.add_argument('--check', default='val', help='what is lost is measured on this split')
    parser.add_argument(
        '--keep-anyway', action='store_true', help='keep the ranges however much is lost'
    )


def run(options: argparse.Namespace) -> int:
    """Observe, and write the ranges beside the weights unless too much is lost by them.

    Raises ValueError if it is, with the figures.
    """
    weights = find_weights(options.weights)
    plain = Engine(weights, 'cpu', 'openvino', 'fp32')
    # else it would be told only after all is observed
    read_annotated(options.data, options.check)
    pictures = _spread(read_annotated(options.data, options.split), options.pictures)
    ranges = observe(plain.source.network, _tensors(pictures))
    path = ranges_path(weights)
    # where nobody takes them for checked
    with tempfile.TemporaryDirectory(prefix='.checking-', dir=path.parent) as folder:
        same = Path(folder) / weights.name
        for file in (weights, weights.with_suffix('.yaml')):
            same.with_name(file.name).symlink_to(file.resolve())
        write_ranges(same, plain.card.sha256, ranges)
        _check(options, plain, Engine(same, 'cpu', 'openvino', 'int8'))
        ranges_path(same).replace(path)
    print(f'{path}: ranges of {len(ranges)} convolutions, from {len(pictures)} pictures')
    return 0


def _check(options: argparse.Namespace, plain: Engine, rounded: Engine) -> None:
    """Compare both on annotated pictures. Raises ValueError if too much is lost."""
    reports = [evaluate(options.data, engine, options.check) for engine in (plain, rounded)]
    compared = list(compare(*reports))
    if not compared and not options.keep_anyway:
        raise ValueError(
            f"split '{options.check}' of {options.data} has no truth of people or sensors for "
            'labels or depth, by which to tell what int8 loses; --check another, or --keep-anyway'
        )
    for line, _ in compared:
        print(line)
    lost = [line for line, too_much in compared if too_much]
    if lost and not options.keep_anyway:
        raise ValueError(
            f'int8 loses too much: {"; ".join(lost)}; at most {MIOU_LOSS} of mIoU and '
            f'{ABS_REL_GROWTH:.0%} of abs_rel may be lost; observe '
            'other --pictures, or --keep-anyway'
        )


def compare(plain: dict[str, Any], rounded: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """Compare the figures of two reports of `evaluate`, and tell whether each lost too much."""
    for source, tasks in plain['sources'].items():
        for task, key in (('segmentation', 'miou'), ('depth', 'abs_rel')):
            if task in tasks:
                was, now = (float(r['sources'][source][task][key]) for r in (plain, rounded))
                too_much = (
                    was - now > MIOU_LOSS if key == 'miou' else now > was * (1 + ABS_REL_GROWTH)
                )
                yield f'{source} {key} {was:.4f} in fp32, {now:.4f} in int8', too_much


def _spread(rows: Sequence[AnnotatedPicture], count: int) -> list[AnnotatedPicture]:
    """Choose rows that lie evenly in the index: of each source, and of each drive in it."""
    if count < 1 or not rows:
        raise ValueError(f'{count} of {len(rows)} pictures cannot be observed; take at least 1')
    return [rows[index * len(rows) // count] for index in range(min(count, len(rows)))]


def _tensors(rows: Sequence[AnnotatedPicture]) -> Iterator[Tensor]:
    for row in tqdm(rows, unit='picture'):
        yield torch.from_numpy(row.read_picture())
