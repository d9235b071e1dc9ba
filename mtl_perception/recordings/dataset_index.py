"""Indexes of annotated pictures: one CSV row a picture, any annotation may be missing."""

from collections.abc import Collection
import csv
from pathlib import Path

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


def read_index(
    path: Path, split: str | None = None, without_sources: Collection[str] = ()
) -> list[AnnotatedPicture]:
    """Read an index.csv; paths in it are relative to its folder.

    Keeps the rows of one split (all if None) whose source is not left out. Raises
    FileNotFoundError if path is absent, ValueError if columns are missing or nothing is left.
    """
    if not path.is_file():
        raise FileNotFoundError(f'index {path} does not exist; give the path of an index.csv')
    with path.open(newline='') as file:
        reader = csv.DictReader(file)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise ValueError(f'index {path} lacks the columns {", ".join(sorted(missing))}')
        pictures = [_parse(row, path.parent) for row in reader]
    known = {picture.split for picture in pictures}
    left_out = f' outside {", ".join(sorted(without_sources))}' if without_sources else ''
    pictures = [
        picture
        for picture in pictures
        if split in (None, picture.split) and picture.source not in without_sources
    ]
    if not pictures:
        raise ValueError(
            f"index {path} has no picture of split '{split or 'any'}'{left_out}; "
            f'it has the splits {", ".join(sorted(known)) or "none"}'
        )
    return pictures


def _parse(row: dict[str, str], folder: Path) -> AnnotatedPicture:
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
        f_px=float(row['fx_px']) if row['fx_px'] else None,
        principal_row=float(row['cy_px']) if row['cy_px'] else None,
        split=row['split'],
        source=row['source'],
        licence=row['licence'],
    )
