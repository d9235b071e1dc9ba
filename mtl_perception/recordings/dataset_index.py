"""Indexes of annotated pictures: one CSV row a picture, any annotation may be missing."""

from collections.abc import Mapping
import csv
import io
import math
from pathlib import Path
from typing import Any

from mtl_perception.label_space import LABEL_SPACES

from .annotations.annotated_picture import AnnotatedPicture
from .annotations.label_files import LabelFile
from .annotations.picture_files import (
    DepthFile,
    encode_depth,
    encode_normals,
    NormalsFile,
    PictureFile,
)

# with what a writer of an index needs
__all__ = [
    'COLUMNS',
    'OPTIONAL_COLUMNS',
    'check_settings',
    'encode_depth',
    'encode_normals',
    'read_index',
]

COLUMNS = (
    *('image', 'labels', 'label_space', 'label_source', 'depth', 'depth_source'),
    *('fx_px', 'fy_px', 'cx_px', 'cy_px', 'split', 'source', 'licence'),
)
# columns that an index may lack
OPTIONAL_COLUMNS = ('normals',)


def check_settings(
    folder: Path, was: str, there: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raise ValueError unless what a folder was made with is what it is to go on with.

    `was` is the word for that: rendered, annotated.
    """
    other = sorted(name for name in there.keys() | wanted if there.get(name) != wanted.get(name))
    if other:
        raise ValueError(
            f'{folder} was {was} with {", ".join(f"{n} {there.get(n)}" for n in other)}, not '
            f'{", ".join(str(wanted.get(n)) for n in other)}; give the same, or another folder'
        )


def read_index(path: Path) -> list[AnnotatedPicture]:
    """Read an index.csv; paths in it are relative to its folder.

    Raises FileNotFoundError if path is absent, ValueError if columns or rows are missing, or
    intrinsics or label spaces are not what they can be.
    """
    if not path.is_file():
        raise FileNotFoundError(f'index {path} does not exist; give the path of an index.csv')
    try:
        # with what spreadsheets put before it
        content = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise ValueError(f'index {path} is not UTF-8: {error}; save it as such') from error
    reader = csv.DictReader(io.StringIO(content, newline=''))
    missing = set(COLUMNS) - set(reader.fieldnames or ())
    if missing:
        raise ValueError(
            f'index {path} lacks the columns {", ".join(sorted(missing))}; '
            'expected them in its first line, with commas between'
        )
    pictures = [_parse(row, path) for row in reader]
    if not pictures:
        raise ValueError(f'index {path} has no rows; add one for each picture')
    return pictures


def _parse(row: dict[str, str], index: Path) -> AnnotatedPicture:
    folder = index.parent
    if any(row[column] is None for column in COLUMNS) or not row['image']:
        raise ValueError(
            f"index {index} has a row for '{row['image']}' that is too short or has no picture; "
            'give it a value, or nothing between its commas, for every column'
        )
    if row['labels'] and row['label_space'] not in LABEL_SPACES:
        raise ValueError(
            f"index {index} has '{row['label_space']}' for label_space of {row['image']}; "
            f'choose of {", ".join(LABEL_SPACES)}'
        )
    # normals are a column that older indexes do not have
    normals = row.get('normals')
    return AnnotatedPicture(
        picture=PictureFile(folder / row['image']),
        labels=LabelFile(folder / row['labels']) if row['labels'] else None,
        label_space=row['label_space'],
        label_source=row['label_source'],
        depth=DepthFile(folder / row['depth']) if row['depth'] else None,
        depth_source=row['depth_source'],
        normals=NormalsFile(folder / normals) if normals else None,
        f_px=_number(row, 'fx_px', index, above=0),
        principal_row=_number(row, 'cy_px', index),
        fy_px=_number(row, 'fy_px', index, above=0),
        principal_column=_number(row, 'cx_px', index),
        split=row['split'],
        source=row['source'],
        licence=row['licence'],
    )


def _number(
    row: dict[str, str], column: str, index: Path, above: float = -math.inf
) -> float | None:
    if not row[column]:
        return None
    try:
        number = float(row[column])
    except ValueError:
        number = math.nan
    if not above < number < math.inf:
        positive = ' above 0' if above == 0 else ''
        raise ValueError(
            f"index {index} has '{row[column]}' for {column} of {row['image']}; expected a number"
            f'{positive}, or nothing where it is not known'
        )
    return number
