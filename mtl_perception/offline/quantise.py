"""The verb quantise: calibrate weights for int8 on real pictures, and check what it costs."""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
import random
from typing import Any

from mtl_perception.backends import Source
from mtl_perception.engine import Engine, Prediction
from mtl_perception.recordings.dataset_index import AnnotatedPicture, read_index

from .evaluate import ALL, Scale, score

MAX_MIOU_LOSS = 0.01
MAX_ABS_REL_GROWTH = 0.02
_FIGURES = {'segmentation': 'miou', 'depth': 'abs_rel'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument('index', type=Path, help='an index.csv, or the folder that has one')
    parser.add_argument('--weights', default='road8', help='a name, or a .safetensors file')
    parser.add_argument('--pictures', type=int, default=200, help='of split train, to calibrate')
    parser.add_argument('--split', default='val', help='rows to check the loss on')


def run(options: argparse.Namespace) -> int:
    """Write <weights>.int8.xml and .bin if the loss is small enough; else nothing, and give 1."""
    index = options.index / 'index.csv' if options.index.is_dir() else options.index
    check = read_index(index, options.split)
    calibration = pick_evenly(read_index(index, 'train'), options.pictures)
    engine = Engine(options.weights, 'cpu', 'openvino')
    scale = Scale(engine.card.label_space, engine.card.training_f_px)
    before = _figures(score(engine.predict, check, scale))
    print(f'{engine.backend}: {before}')
    written = _write(engine, calibration, check, before)
    after = _figures(
        score(Engine(options.weights, 'cpu', 'openvino', 'int8').predict, check, scale)
    )
    print(f'openvino int8: {after}')
    if acceptable(before, after):
        print(f'wrote {written}')
        return 0
    for path in (written, written.with_suffix('.bin')):
        path.unlink()
    print(
        f'not kept: the loss exceeds {MAX_MIOU_LOSS} mIoU or {MAX_ABS_REL_GROWTH:.0%} AbsRel; '
        'calibrate on more pictures'
    )
    return 1


def acceptable(before: dict[str, float], after: dict[str, float]) -> bool:
    """Tell whether the loss of int8 is small enough to use it."""
    lost = before.get('miou', 0.0) - after.get('miou', 0.0)
    grown = after.get('abs_rel', 0.0) / before.get('abs_rel', 1.0) - 1
    return lost < MAX_MIOU_LOSS and grown < MAX_ABS_REL_GROWTH


def pick_evenly(rows: Sequence[AnnotatedPicture], count: int) -> list[AnnotatedPicture]:
    """Pick rows at random, as many of each source as there are, the same ones each time."""
    by_source = defaultdict(list)
    for row in rows:
        by_source[row.source].append(row)
    for each in by_source.values():
        random.Random(0).shuffle(each)
    rounds = range(max(map(len, by_source.values())))
    turns = [each[turn] for turn in rounds for each in by_source.values() if turn < len(each)]
    return turns[:count]


def _write(
    engine: Engine,
    calibration: Sequence[AnnotatedPicture],
    check: Sequence[AnnotatedPicture],
    before: dict[str, float],
) -> Path:
    """Quantise the engine's network and write it beside its weights."""
    scale = Scale(engine.card.label_space, engine.card.training_f_px)
    # both import libraries that only this verb needs
    openvino_backend = import_module('mtl_perception.backends.openvino_backend')
    quantisation = import_module('mtl_perception.backends.quantisation')

    def metric(compiled: Any, rows: Iterable[AnnotatedPicture]) -> float:
        run_model = openvino_backend.runner(compiled)

        def predict(picture: Any) -> Prediction:
            outputs = run_model(picture[None])
            names = Prediction.__dataclass_fields__
            return Prediction(*(outputs[n][0].copy() if n in outputs else None for n in names))

        found = _figures(score(predict, rows, scale))
        # one unit of loss is all that either may lose
        depth = found.get('abs_rel', 0.0) / before.get('abs_rel', 1.0) / MAX_ABS_REL_GROWTH
        return found.get('miou', 0.0) / MAX_MIOU_LOSS - depth

    source: Source = engine.source
    model = openvino_backend.convert(source.network)
    quantised = quantisation.quantise(
        model, calibration, check, lambda row: row.read_picture()[None], metric, max_drop=0.9
    )
    openvino_backend.write_calibrated(quantised, source)
    path: Path = openvino_backend.calibrated_path(source.path)
    return path


def _figures(report: dict[str, Any]) -> dict[str, float]:
    """Take mIoU and AbsRel out of a report, as far as it has them."""
    return {
        figure: float(report[ALL][task][figure])
        for task, figure in _FIGURES.items()
        if task in report[ALL]
    }
