"""NYUDv2: the 1449 labelled pictures of the official MATLAB file, 40 classes, depth."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.annotations.picture_files import NormalsFile

PICTURES = 'nyu_depth_v2_labeled.mat'
_SPLITS, _CLASSES = 'splits.mat', 'classMapping40.mat'
_SOURCES = {
    PICTURES: 'https://cs.nyu.edu/~fergus/datasets/nyu_depth_v2.html (Labeled Dataset)',
    _SPLITS: 'the official train/test split, as in github.com/ankurhanda/nyuv2-meta-data',
    _CLASSES: 'the 40 classes of Gupta et al., as in github.com/ankurhanda/nyuv2-meta-data',
}
# of the colour camera, camera_params.m of the official toolbox; MATLAB counts pixels from 1
F_PX, PRINCIPAL_ROW = 518.85790117450188, 253.73616633400465 - 1
_INDICES = {'train': 'trainNdxs', 'test': 'testNdxs', 'val': 'testNdxs'}


def read(path: Path, split: str) -> list[AnnotatedPicture]:
    """Read a split of the .mat, or of the folder that has it; `val` is the same as `test`.

    splits.mat and classMapping40.mat lie beside it. Where there is a folder `normals` of files
    0001.png and so on (see NormalsFile), they are read as well; the data set has none itself.
    Raises FileNotFoundError if one of the three files is missing, ModuleNotFoundError if h5py or
    scipy is not installed, ValueError if one has other contents.
    """
    if split not in _INDICES:
        return []
    path = path / PICTURES if path.is_dir() else path
    if find_spec('h5py') is None or find_spec('scipy') is None:
        raise ModuleNotFoundError(
            f"{path} needs h5py and scipy; install them by pip install -e '.[training]'"
        )
    _expect(path, PICTURES)
    # what is no such file is refused now, not amid training
    _read_array(path, 'images', 1)
    numbers = _read_matlab(path.parent / _SPLITS, _INDICES[split]).astype(int)
    classes = _read_matlab(path.parent / _CLASSES, 'mapClass')
    # from 0, where id 0 means unlabelled, to ids from 0; -1 becomes 255
    table = (np.append(0, classes).astype(np.int16) - 1).astype(np.uint8)
    return [_annotated(path, number, split, table) for number in sorted(numbers.tolist())]


def _expect(path: Path, name: str) -> None:
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist; download it: {_SOURCES[name]}')


def _read_matlab(path: Path, key: str) -> NDArray[Any]:
    from scipy.io import loadmat

    _expect(path, path.name)
    with _readable(path, path.name):
        content = loadmat(path)
    if key not in content:
        raise ValueError(f'{path} has no {key}; download it again: {_SOURCES[path.name]}')
    return np.asarray(content[key]).ravel()


def _annotated(path: Path, number: int, split: str, table: NDArray[np.uint8]) -> AnnotatedPicture:
    normals = path.parent / 'normals' / f'{number:04}.png'
    return AnnotatedPicture(
        picture=_Picture(path, number),
        source='nyud',
        split=split,
        licence='NYUDv2, for research',
        labels=_Labels(path, number, table),
        label_space='nyud40',
        label_source='human',
        depth=_Depth(path, number),
        depth_source='kinect',
        normals=NormalsFile(normals) if normals.is_file() else None,
        f_px=F_PX,
        principal_row=PRINCIPAL_ROW,
    )


@dataclass(frozen=True)
class _Picture:
    """A picture of the file by its number, from 1."""

    path: Path
    number: int

    @property
    def name(self) -> str:
        """What people call it."""
        return f'{self.path.name} {self.number}'

    def read(self) -> NDArray[np.uint8]:
        """Read it as (H, W, 3) RGB."""
        return np.ascontiguousarray(_read_array(self.path, 'images', self.number), np.uint8)


@dataclass(frozen=True)
class _Depth:
    """The depth of a picture, of which the data set's makers filled the holes."""

    path: Path
    number: int

    def read(self) -> NDArray[np.float32]:
        """Read it as (H, W), metres, NaN where unknown."""
        depth = np.ascontiguousarray(_read_array(self.path, 'depths', self.number), np.float32)
        return np.where(depth > 0, depth, np.float32(np.nan))


@dataclass(frozen=True, eq=False)
class _Labels:
    """The labels of a picture; `table` takes the ids of 894 classes to those of nyud40."""

    path: Path
    number: int
    table: NDArray[np.uint8]

    def read(self) -> NDArray[np.uint8]:
        """Read them as (H, W)."""
        labels = _read_array(self.path, 'labels', self.number)
        if labels.max() >= len(self.table):
            raise ValueError(
                f'{self.path} has class {labels.max()}, which {_CLASSES} of '
                f'{len(self.table) - 1} classes lacks; download it: {_SOURCES[_CLASSES]}'
            )
        return np.ascontiguousarray(self.table[labels])


def _read_array(path: Path, name: str, number: int) -> NDArray[Any]:
    """Read a picture's array; MATLAB's axes are in the other order.

    The file is opened each time: processes that read may not share an open one.
    """
    import h5py

    with _readable(path, PICTURES), h5py.File(path, 'r') as file:
        return np.asarray(file[name][number - 1]).T


@contextmanager
def _readable(path: Path, name: str) -> Iterator[None]:
    try:
        yield
    # torn files make scipy and h5py raise nearly anything
    except Exception as error:
        raise ValueError(
            f'{path} is torn or another file ({error}); download it again: {_SOURCES[name]}'
        ) from error
