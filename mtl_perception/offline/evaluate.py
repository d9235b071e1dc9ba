"""Score a model on the annotated pictures of an index, per source and together."""

import argparse
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mtl_perception.engine import Engine, Prediction
from mtl_perception.geometry import focal_factor
from mtl_perception.label_space import label_space
from mtl_perception.recordings.dataset_index import AnnotatedPicture, read_index

from .metrics import DepthMetrics, SegmentationMetrics

ALL = 'all'


@dataclass(frozen=True)
class Scale:
    """What predictions mean: the label space of their ids, the focal length of their depth."""

    label_space: str
    training_f_px: float | None


class _Scores:
    """The metrics of one source."""

    def __init__(self, space: str) -> None:
        self.segmentation = SegmentationMetrics(label_space(space).names)
        self.depth = DepthMetrics()
        # the classes that arXiv 1809.04766 scores on KITTI
        self._kitti6 = list(label_space(space).mappings.get('kitti6', ()))

    def summary(self) -> dict[str, Any]:
        tasks = {'segmentation': self.segmentation.summary(), 'depth': self.depth.summary()}
        if self._kitti6:
            tasks['segmentation']['miou_kitti6'] = self.segmentation.miou(self._kitti6)
        return {task: summary for task, summary in tasks.items() if summary['pictures']}


def score(
    predict: Callable[[NDArray[np.uint8]], Prediction],
    rows: Iterable[AnnotatedPicture],
    scale: Scale,
) -> dict[str, Any]:
    """Score what predict says of the pictures: {'sources': {name: {task: …}}, 'all': {task: …}}.

    Labels count where a person made them, depth where a sensor did; machine labels never do.
    """
    scores: dict[str, _Scores] = {ALL: _Scores(scale.label_space)}
    for row in rows:
        prediction = predict(row.read_picture())
        each = scores.setdefault(row.source, _Scores(scale.label_space))
        _add_labels((scores[ALL], each), row, prediction, scale)
        _add_depth((scores[ALL], each), row, prediction, scale)
    summaries = {name: each.summary() for name, each in scores.items()}
    return {'sources': {n: s for n, s in summaries.items() if s and n != ALL}, ALL: summaries[ALL]}


def evaluate(
    index: Path, engine: Engine, split: str | None = None, sources: Collection[str] = ()
) -> dict[str, Any]:
    """Score an engine on the rows of an index; of all its sources if none is named.

    Raises ValueError if the index has no such rows.
    """
    rows = read_index(index, split)
    rows = [row for row in rows if not sources or row.source in sources]
    if not rows:
        raise ValueError(f"index {index} has no row of {', '.join(sources)} in split '{split}'")
    scale = Scale(engine.card.label_space, engine.card.training_f_px)
    report = score(engine.predict, tqdm(rows, unit='picture'), scale)
    header = {'weights': engine.card.name, 'backend': engine.backend, 'split': split or ALL}
    return {**header, **report}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument('index', type=Path, help='an index.csv, or the folder that has one')
    parser.add_argument('--split', default='val', help="rows to score; 'all' for every split")
    parser.add_argument('--sources', nargs='+', default=(), help='only rows of these sources')
    parser.add_argument('--weights', default='road8', help='a name, or a .safetensors file')
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda:N')
    parser.add_argument('--backend', default='auto', help='auto, torch, openvino or onnxruntime')
    parser.add_argument('--json', type=Path, help='write the figures to this file as well')


def run(options: argparse.Namespace) -> int:
    """Score, and print the figures."""
    index = options.index / 'index.csv' if options.index.is_dir() else options.index
    engine = Engine(options.weights, options.device, options.backend)
    split = None if options.split == ALL else options.split
    write_report(evaluate(index, engine, split, tuple(options.sources)), options.json)
    return 0


def write_report(report: dict[str, Any], path: Path | None) -> None:
    """Print the figures; write them to a JSON file as well if there is a path."""
    for name, tasks in {**report['sources'], ALL: report[ALL]}.items():
        for task, figures in tasks.items():
            print(f'{name:22} {task:13} {_line(figures)}')
    if path:
        path.write_text(json.dumps(report, indent=2) + '\n')


def _line(figures: dict[str, Any]) -> str:
    return '  '.join(
        f'{key} {value:.3f}' if isinstance(value, float) else f'{key} {value}'
        for key, value in figures.items()
        if not isinstance(value, dict)
    )


def _add_labels(
    scores: Iterable[_Scores], row: AnnotatedPicture, prediction: Prediction, scale: Scale
) -> None:
    if row.label_source != 'human' or prediction.labels is None:
        return
    labels = row.read_labels()
    if labels is not None:
        allowed = label_space(row.label_space).allowed_classes(scale.label_space)[labels]
        for each in scores:
            each.segmentation.add(prediction.labels, allowed)


def _add_depth(
    scores: Iterable[_Scores], row: AnnotatedPicture, prediction: Prediction, scale: Scale
) -> None:
    truth_m = row.read_depth()
    if truth_m is None or prediction.depth is None:
        return
    depth_m = prediction.depth * np.float32(focal_factor(row.f_px, scale.training_f_px))
    for each in scores:
        each.depth.add(depth_m, truth_m)
