"""Indexes of annotated pictures: one CSV row a picture, any annotation may be missing."""

from collections.abc import Collection, Iterable
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

COLUMNS = (
    *('image', 'labels', 'label_space', 'label_source', 'depth', 'depth_source'),
    *('fx_px', 'fy_px', 'cx_px', 'cy_px', 'split', 'source', 'licence'),
)
# columns that an index may lack
OPTIONAL_COLUMNS = ('normals',)
# depth files are 16-bit PNG of metres x 256, 0 where there is no value (KITTI's convention)
DEPTH_UNITS_PER_METRE = 256.0
# normals files are 8-bit RGB: -1..1 about a zero, 0 where there is no value
NORMALS_ZERO, NORMALS_UNIT = 128.0, 127.0
_Number = TypeVar('_Number', np.uint8, np.uint16)


@dataclass(frozen=True)
class AnnotatedPicture:
    """A picture with what is known of it; absent annotations are None."""

    picture_path: Path
    labels_path: Path | None
    label_space: str
    label_source: str
    depth_path: Path | None
    normals_path: Path | None
    f_px: float | None
    principal_row: float | None
    split: str
    source: str
    licence: str

    def read_picture(self) -> NDArray[np.uint8]:
        """Read the picture as (H, W, 3) RGB. Raises ValueError if it cannot be decoded."""
        return np.ascontiguousarray(_read(self.picture_path, cv2.IMREAD_COLOR)[..., ::-1])

    def read_labels(self) -> NDArray[np.uint8] | None:
        """Read the class ids (H, W) in `label_space`, 255 unlabelled.

        Raises ValueError if they are not in an 8-bit picture of one channel.
        """
        if self.labels_path is None:
            return None
        labels = _read(self.labels_path, cv2.IMREAD_UNCHANGED)
        return _check_kind(labels, np.uint8, self.labels_path)

    def read_depth(self) -> NDArray[np.float32] | None:
        """Read the depth (H, W) in metres along the optical axis, NaN where unknown.

        Raises ValueError if it is not in a 16-bit picture of one channel.
        """
        if self.depth_path is None:
            return None
        units = _read(self.depth_path, cv2.IMREAD_UNCHANGED)
        depth = _check_kind(units, np.uint16, self.depth_path).astype(np.float32)
        return np.where(depth > 0, depth / np.float32(DEPTH_UNITS_PER_METRE), np.float32(np.nan))

    def read_normals(self) -> NDArray[np.float32] | None:
        """Read unit normals (H, W, 3) in the optical frame, NaN where unknown.

        They are kept as 8-bit RGB, 1..255 for -1..1 and 0 for unknown: right to half a degree.
        """
        if self.normals_path is None:
            return None
        encoded = _read(self.normals_path, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32)
        normals = (encoded - NORMALS_ZERO) / np.float32(NORMALS_UNIT)
        return np.where((encoded == 0).all(-1, keepdims=True), np.float32(np.nan), normals)


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


def encode_normals(normals: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Encode unit vectors (H, W, 3), NaN unknown, for OpenCV to write; see read_normals."""
    values = np.where(np.isnan(normals), 0.0, normals * NORMALS_UNIT + NORMALS_ZERO)
    return np.ascontiguousarray(np.rint(values).astype(np.uint8)[..., ::-1])


def read_indexes(
    folders: Iterable[Path], split: str, without_sources: Collection[str] = ()
) -> list[AnnotatedPicture]:
    """Read the index.csv of several folders as one, see read_index."""
    return [
        picture
        for folder in folders
        for picture in read_index(folder / 'index.csv', split, without_sources)
    ]


def _parse(row: dict[str, str], folder: Path) -> AnnotatedPicture:
    return AnnotatedPicture(
        picture_path=folder / row['image'],
        labels_path=folder / row['labels'] if row['labels'] else None,
        label_space=row['label_space'],
        label_source=row['label_source'],
        depth_path=folder / row['depth'] if row['depth'] else None,
        # a column that older indexes do not have
        normals_path=folder / row['normals'] if row.get('normals') else None,
        f_px=float(row['fx_px']) if row['fx_px'] else None,
        principal_row=float(row['cy_px']) if row['cy_px'] else None,
        split=row['split'],
        source=row['source'],
        licence=row['licence'],
    )


def _read(path: Path, flags: int) -> NDArray[Any]:
    image: NDArray[Any] | None = cv2.imread(str(path), flags)
    if image is None:
        raise ValueError(f'{path} is missing or no picture that OpenCV reads; restore the file')
    return image


def _check_kind(image: NDArray[Any], dtype: type[_Number], path: Path) -> NDArray[_Number]:
    if image.ndim != 2 or image.dtype != dtype:
        raise ValueError(
            f'{path} is {image.shape} {image.dtype}; expected one channel of {dtype.__name__}, '
            'without a palette'
        )
    return image
