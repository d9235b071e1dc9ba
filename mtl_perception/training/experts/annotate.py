"""Let experts fill in what pictures lack: hard knowledge distillation (arXiv 1809.04766, 3.2).

`python -m mtl_perception.training.experts.annotate DATA … --output FOLDER` writes an index of the
same pictures in which what was missing is there, and says first how good the experts are where a
person or a sensor knows better. With `--revise` and `--dense` they also mend what is there.
"""

import argparse
from collections.abc import Callable, Sequence
import csv
from dataclasses import asdict, dataclass
import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mtl_perception.argument_types import positive
from mtl_perception.label_space import UNLABELLED
from mtl_perception.network.savings import keep_freed_memory
from mtl_perception.offline.evaluate import write_report
from mtl_perception.recordings.annotations.annotated_picture import (
    AnnotatedPicture,
    EXPERT,
    TEACHERS,
)
from mtl_perception.recordings.annotations.label_files import LabelFile
from mtl_perception.recordings.annotations.picture_files import (
    DepthFile,
    encode_depth,
    encode_normals,
    NormalsFile,
    PictureFile,
    write_image,
)
from mtl_perception.recordings.dataset_index import COLUMNS, OPTIONAL_COLUMNS
from mtl_perception.recordings.layouts.catalogue import (
    check_sources,
    check_splits,
    folder_of,
    read_all,
)

from .agreement import agreement
from .completion import Camera, Caution, Experts
from .journal import Journal
from .networks import Ensemble, SCALES

log = logging.getLogger(__name__)

# beside those of other indexes: 8-bit pictures, 255 for certainty
CONFIDENCES = ('labels_confidence', 'depth_confidence')


@dataclass(frozen=True)
class Wanted:
    """What experts are to write beside what is missing.

    `revise`: labels that a teacher made; `dense`: depth where a sensor measured none.
    """

    revise: bool = False
    dense: bool = False

    def labels(self, row: AnnotatedPicture) -> bool:
        """Tell whether a picture's labels are wanted of the experts."""
        return row.labels is None or (self.revise and row.label_source in TEACHERS)

    def depth(self, row: AnnotatedPicture) -> bool:
        """Tell whether a picture's depth is wanted of the experts."""
        return row.depth is None or (self.dense and row.depth_source not in TEACHERS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Score the experts, then let them write what is missing."""
    options = _parse(arguments)

    def ask(weights: Sequence[str]) -> Experts:
        return Experts(
            Ensemble(weights, options.scales, options.device),
            Caution(options.labels_confidence, options.depth_confidence),
            options.camera_height,
            Camera(*options.camera) if options.camera else None,
        )

    experts = ask(options.experts)
    wanted = Wanted(options.revise, options.dense)
    options.output.mkdir(parents=True, exist_ok=True)
    rows = read_all(options.data)
    check_sources(options.sources, rows, ' '.join(options.data))
    # refuses other settings before anything is asked or overwritten
    _journal(options.output, experts, wanted)
    meant = [row for row in rows if not options.sources or row.source in options.sources]
    check_splits([options.split], meant, ' '.join(options.data))
    known = [row for row in meant if row.split == options.score_split]
    figures = agreement(experts, known)
    if len(options.experts) > 1:
        figures['each'] = {name: agreement(ask([name]), known) for name in options.experts}
    if not figures['networks']['sources']:
        log.warning(
            'nobody knows better in split %s: these experts have no score', options.score_split
        )
    write_report(figures['networks'], None)
    for kind, errors in figures.get('ground', {}).items():
        print(kind, '  '.join(f'{name} {value:.3f}' for name, value in errors.items()))
    (options.output / 'agreement.json').write_text(json.dumps(figures, indent=2) + '\n')
    meant = [row for row in meant if row.split == options.split]
    write_index(rows, meant, experts, options.output, wanted)


def write_index(
    rows: Sequence[AnnotatedPicture],
    meant: Sequence[AnnotatedPicture],
    experts: Experts,
    output: Path,
    wanted: Wanted = Wanted(),
) -> None:
    """Write the index.csv of a folder: all rows, and what is wanted of the experts for some.

    A run that was cut off goes on, and may go on with other rows: what was written stays. Raises
    ValueError if it was begun with other settings.
    """
    blind = {id(row) for row in meant if wanted.depth(row) and not experts.camera_of(row)}
    if blind:
        words = '%d pictures get no depth: too little is known of their cameras, see --camera'
        log.warning(words, len(blind))
    chosen = {
        id(row)
        for row in meant
        if wanted.labels(row) or (wanted.depth(row) and id(row) not in blind)
    }
    # by all that is known of them: what people have added since is not to be overruled
    names = [f'{number:06}_{_digest(row)}' for number, row in enumerate(rows)]
    asked = [number for number, row in enumerate(rows) if id(row) in chosen]
    journal = _journal(output, experts, wanted)
    for number in tqdm(asked, unit='picture', desc='annotating'):
        if journal.columns(names[number]) is None:
            columns = _added(rows[number], experts, output, f'{names[number]}.png', wanted)
            journal.add(names[number], columns)
    with (output / 'index.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, [*COLUMNS, *OPTIONAL_COLUMNS, *CONFIDENCES])
        writer.writeheader()
        for number, row in enumerate(rows):
            own = _own(row, output, f'own_{number:06}.png')
            writer.writerow({**own, **(journal.columns(names[number]) or {})})


def _digest(row: AnnotatedPicture) -> str:
    return hashlib.sha256(repr(row).encode()).hexdigest()[:12]


def _journal(output: Path, experts: Experts, wanted: Wanted) -> Journal:
    return Journal(output / 'journal.jsonl', {**experts.settings(), **asdict(wanted)})


def _own(row: AnnotatedPicture, output: Path, name: str) -> dict[str, Any]:
    """Give what a row says of its picture, with paths from the new index.

    What is in no file of an index' kind is written to one.
    """
    values: dict[str, Any] = {'split': row.split, 'source': row.source, 'licence': row.licence}
    values |= {'label_space': row.label_space, 'label_source': row.label_source}
    values['depth_source'] = row.depth_source
    values |= {'fx_px': row.f_px, 'fy_px': row.fy_px}
    values |= {'cx_px': row.principal_column, 'cy_px': row.principal_row}
    kept: tuple[tuple[str, Any, Any, Callable[[Any], NDArray[Any]]], ...] = (
        ('image', row.picture, PictureFile, lambda picture: picture[..., ::-1]),
        ('labels', row.labels, LabelFile, lambda labels: labels),
        ('depth', row.depth, DepthFile, encode_depth),
        ('normals', row.normals, NormalsFile, encode_normals),
    )
    for column, annotation, kind, encode in kept:
        if isinstance(annotation, kind):
            # where links lead: `..` is taken from there
            values[column] = os.path.relpath(annotation.path.resolve(), output.resolve())
        elif annotation is not None:
            values[column] = write_image(output, f'{column}/{name}', encode(annotation.read()))
    return values


def _added(
    row: AnnotatedPicture, experts: Experts, output: Path, name: str, wanted: Wanted
) -> dict[str, Any]:
    """Write the annotations that are wanted of the experts; give their columns.

    Where they know nothing of a picture, it stays without: none would be taken for some.
    """
    opinion = experts.complete(row)
    values: dict[str, Any] = {}
    labels = opinion.labels
    # what a teacher said may be settled by nothing, too
    if labels is not None and row.labels is None and (labels == UNLABELLED).all():
        labels = None
    if wanted.labels(row) and labels is not None:
        values = {'label_space': experts.ensemble.label_space, 'label_source': EXPERT}
        values['labels'] = write_image(output, f'labels/{name}', labels)
        sure = _bytes(opinion.labels_confidence)
        values['labels_confidence'] = write_image(output, f'labels_confidence/{name}', sure)
    if wanted.depth(row) and opinion.depth is not None and np.isfinite(opinion.depth).any():
        values['depth'] = write_image(output, f'depth/{name}', encode_depth(opinion.depth))
        camera = experts.camera_of(row)
        assert camera is not None, 'there is depth only where there is a camera'
        values |= {'fx_px': camera.f_px, 'cy_px': camera.principal_row}
        values['depth_source'] = EXPERT
        sure = _bytes(opinion.depth_confidence)
        values['depth_confidence'] = write_image(output, f'depth_confidence/{name}', sure)
    return values


def _bytes(confidence: NDArray[np.float32] | None) -> NDArray[np.uint8]:
    values: NDArray[np.uint8] = np.rint(np.asarray(confidence) * 255).astype(np.uint8)
    return values


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('data', nargs='+', help='folders with an index.csv, or LAYOUT:FOLDER')
    parser.add_argument('--output', type=Path, required=True, help='folder of the new index')
    parser.add_argument(
        *('--experts',),
        nargs='+',
        default=['road8'],
        help='names or paths of weights, of one label space: their mean counts',
    )
    parser.add_argument(
        *('--scales',), type=positive, nargs='+', default=SCALES, help='each expert sees these'
    )
    parser.add_argument('--split', default='train', help='complete rows of this one')
    parser.add_argument('--score-split', default='val', help='rows to score the experts on')
    parser.add_argument('--sources', nargs='+', default=(), help='complete only these')
    parser.add_argument(
        *('--camera-height',),
        type=positive,
        metavar='M',
        help='metres above the road that all cameras are at: the ground implies depth, too',
    )
    parser.add_argument(
        *('--camera',),
        type=positive,
        nargs=2,
        metavar=('F_PX', 'PRINCIPAL_ROW'),
        help='stands in where the camera is not known',
    )
    parser.add_argument(
        *('--revise',),
        action='store_true',
        help='settle what a teacher labelled: doubtful road by the experts, contradictions out',
    )
    parser.add_argument(
        *('--dense',), action='store_true', help="fill the gaps of a sensor's depth"
    )
    parser.add_argument(
        *('--labels-confidence',),
        type=positive,
        default=Caution.labels,
        help="above 1: no labels but a teacher's",
    )
    parser.add_argument(
        *('--depth-confidence',),
        type=positive,
        default=Caution.depth,
        help='above 1: no depth but what the ground implies and sensors measured',
    )
    parser.add_argument('--device', default='cpu', help='cpu or cuda:N')
    options = parser.parse_args(arguments)
    if options.output.resolve() in (folder_of(data).resolve() for data in options.data):
        parser.error(f'--output {options.output} is a folder that is read; name another')
    return options


if __name__ == '__main__':
    keep_freed_memory()
    main()
