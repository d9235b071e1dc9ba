"""Score a model on the annotated pictures of an index, per source and together."""

import argparse
from collections.abc import Collection, Sequence
import json
import logging
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mtl_perception.argument_types import positive
from mtl_perception.engine import Engine
from mtl_perception.offline.engine_arguments import add_engine_arguments, chosen_engine
from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.layouts.catalogue import check_sources, read_annotated

from .page import write_page
from .protocols import OWN, Protocol, PROTOCOLS
from .score import ALL, Scale, Scoring

log = logging.getLogger(__name__)


def evaluate(
    data: str | Path,
    engine: Engine,
    split: str | None = None,
    sources: Collection[str] = (),
    protocol: str | None = None,
    camera_height_m: float | None = None,
) -> dict[str, Any]:
    """Score an engine on annotated pictures, see read_annotated; of all sources if none is named.

    protocol is one of PROTOCOLS, or None for our own; camera_height_m as in Scale. Raises
    ValueError if a source has no such pictures or the model lacks the protocol's classes.
    """
    return evaluate_rows(
        _read_rows(data, split, sources), engine, split, protocol, camera_height_m
    )


def evaluate_rows(
    rows: Sequence[AnnotatedPicture],
    engine: Engine,
    split: str | None = None,
    protocol: str | None = None,
    camera_height_m: float | None = None,
) -> dict[str, Any]:
    """Score an engine on rows of a split that were read before, see evaluate."""
    scoring = _score(engine, rows, PROTOCOLS[protocol] if protocol else OWN, camera_height_m)
    return {**_header(engine, split, protocol, camera_height_m), **scoring.report()}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument(
        'data', help='an index.csv, the folder of one, or LAYOUT:FOLDER (docs/datasets.md)'
    )
    parser.add_argument('--split', default='val', help="rows to score; 'all' for every split")
    parser.add_argument('--sources', nargs='+', default=(), help='only rows of these sources')
    add_engine_arguments(parser)
    parser.add_argument(
        '--protocol', choices=sorted(PROTOCOLS), help='count as arXiv 1809.04766 does'
    )
    parser.add_argument(
        '--camera-height',
        type=positive,
        metavar='M',
        help='multiply the depth of each picture by what brings its ground so many metres below '
        'the camera, as the node does with ground.apply',
    )
    parser.add_argument('--json', type=Path, help='write the figures to this file as well')
    parser.add_argument(
        '--report', type=_page, help='write a page with the best and worst pictures (.html)'
    )


def run(options: argparse.Namespace) -> int:
    """Score, print the figures, and write them to the files asked for.

    Raises ValueError if there was nothing to score.
    """
    split = None if options.split == ALL else options.split
    rows = _read_rows(options.data, split, options.sources)
    height_m = options.camera_height
    engine = chosen_engine(options)
    scoring = _score(engine, rows, PROTOCOLS.get(options.protocol, OWN), height_m)
    report = {**_header(engine, split, options.protocol, height_m), **scoring.report()}
    if not report[ALL]:
        raise ValueError(
            f'nothing to score: none of the {len(rows)} pictures of {options.data} has truth for '
            f'what {engine.card.name} predicts; name others by --split or --sources'
        )
    write_report(report, options.json)
    if options.report:
        write_page(options.report, report, scoring, engine)
    return 0


def write_report(report: dict[str, Any], path: Path | None) -> None:
    """Print the figures; write them to a JSON file as well if there is a path."""
    for name, tasks in {**report['sources'], ALL: report[ALL]}.items():
        for task, figures in tasks.items():
            print(f'{name:22} {task:19} {_line(figures)}')
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(report, indent=2) + '\n')


def _page(path: str) -> Path:
    """Check the name of the page before hours may be spent on its figures."""
    if not path.endswith('.html'):
        raise argparse.ArgumentTypeError(f"'{path}' must be a file that ends in .html")
    return Path(path)


def _read_rows(
    data: str | Path, split: str | None, sources: Collection[str]
) -> list[AnnotatedPicture]:
    rows = read_annotated(data, split)
    check_sources(sources, rows, f"split '{split or ALL}' of {data}")
    return [row for row in rows if not sources or row.source in sources]


def _score(
    engine: Engine,
    rows: Sequence[AnnotatedPicture],
    protocol: Protocol,
    camera_height_m: float | None,
) -> Scoring:
    scale = Scale(engine.card.label_space, engine.card.training_f_px, camera_height_m)
    scoring = Scoring(scale, protocol)
    for row in tqdm(rows, unit='picture'):
        scoring.add(row, engine.predict(row.read_picture()))
    for space, count in scoring.foreign.items():
        words = "labels of %d pictures are not scored: '%s' means nothing in '%s'"
        log.warning(words, count, space, scoring.space.name)
    return scoring


def _header(
    engine: Engine, split: str | None, protocol: str | None, camera_height_m: float | None
) -> dict[str, Any]:
    header = {'weights': engine.card.name, 'backend': engine.backend, 'split': split or ALL}
    chosen = {'protocol': protocol, 'camera_height_m': camera_height_m}
    return {**header, **{key: value for key, value in chosen.items() if value is not None}}


def _line(figures: dict[str, Any]) -> str:
    return '  '.join(
        f'{key} {value:.3f}' if isinstance(value, float) else f'{key} {value}'
        for key, value in figures.items()
        if not isinstance(value, dict)
    )
