"""The data sets that can be read, by name; one way to name data for training and evaluation."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
import logging
from pathlib import Path

from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.dataset_index import read_index

from . import camvid, cityscapes, idd, kitti_drives, kitti_scenes, nyud

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Layout:
    """How a data set is read: `read` gives a split's pictures, [] where there are none.

    `expected` says which pictures it looks for, with {split} for the split's name.
    """

    read: Callable[[Path, str], list[AnnotatedPicture]]
    expected: str
    splits: tuple[str, ...] = ('train', 'val')


LAYOUTS = {
    'kitti_raw': Layout(kitti_drives.read_raw, kitti_drives.RAW),
    'kitti_depth': Layout(kitti_drives.read_depth, kitti_drives.DEPTH),
    'kitti_semantics': Layout(kitti_scenes.read_semantics, kitti_scenes.SCENES_2015),
    'kitti_stereo_2015': Layout(kitti_scenes.read_stereo_2015, kitti_scenes.SCENES_2015),
    'kitti_stereo_2012': Layout(kitti_scenes.read_stereo_2012, kitti_scenes.SCENES_2012),
    'cityscapes': Layout(cityscapes.read, cityscapes.PICTURES, ('train', 'val', 'test')),
    'camvid': Layout(camvid.read, camvid.PICTURES, ('train', 'val', 'test')),
    'idd': Layout(idd.read, idd.PICTURES, ('train', 'val', 'test')),
    'idd_lite': Layout(idd.read_lite, idd.LITE_PICTURES, ('train', 'val', 'test')),
    'nyud': Layout(nyud.read, nyud.PICTURES),
}


def read_annotated(data: str | Path, split: str | None = None) -> list[AnnotatedPicture]:
    """Read the annotated pictures of a split, of all splits if None.

    `data` is an index.csv, a folder that has one, or `LAYOUT:FOLDER`, as
    `cityscapes:/data/cityscapes`; the source of a layout's pictures is its name. Raises
    FileNotFoundError if there is nothing, or something that the pictures need is missing;
    ValueError if the layout is unknown, a file is broken, or no picture is of the split.
    """
    return read_all([data], split)


def read_all(
    data: Sequence[str | Path], split: str | None = None, without_sources: Collection[str] = ()
) -> list[AnnotatedPicture]:
    """Read several data sets as one, see read_annotated; it is enough if one has the split.

    Raises ValueError if a source to leave out is in none of them, or nothing is left.
    """
    found = [_read(*_parse(str(each)), split) for each in data]
    together, names = list(chain(*found)), ', '.join(map(str, data))
    check_sources(without_sources, together, names)
    chosen = []
    for each, pictures in zip(data, found, strict=True):
        kept = [
            p for p in pictures if split in (None, p.split) and p.source not in without_sources
        ]
        _log_counts(each, split, kept)
        chosen += kept
    if not chosen:
        left_out = f' outside {", ".join(sorted(without_sources))}' if without_sources else ''
        raise ValueError(
            f"{names} has no picture of split '{split or 'any'}'{left_out}; "
            f'it has the splits {", ".join(sorted({picture.split for picture in together}))}; '
            'name one of these, or unpack what is missing'
        )
    return chosen


def check_sources(names: Collection[str], pictures: Iterable[AnnotatedPicture], of: str) -> None:
    """Check that pictures are of each of the sources named. Raises ValueError if not."""
    _check_known(
        names, {picture.source for picture in pictures}, f'{of} has no picture of', 'sources'
    )


def check_splits(names: Collection[str], pictures: Iterable[AnnotatedPicture], of: str) -> None:
    """Check that pictures are of each of the splits named. Raises ValueError if not."""
    _check_known(
        names, {picture.split for picture in pictures}, f'{of} has no picture of split', 'splits'
    )


def _check_known(names: Collection[str], known: set[str], lack: str, kind: str) -> None:
    if unknown := set(names) - known:
        raise ValueError(
            f'{lack} {", ".join(sorted(unknown))}; it has the {kind} {", ".join(sorted(known))}'
        )


def folder_of(data: str | Path) -> Path:
    """Give the folder in which data lie, see read_annotated."""
    _, path = _parse(str(data))
    return path if path.is_dir() else path.parent


def _log_counts(data: str | Path, split: str | None, pictures: Sequence[AnnotatedPicture]) -> None:
    tasks = ('labels', 'depth', 'normals')
    counts = {task: sum(getattr(p, task) is not None for p in pictures) for task in tasks}
    have = ', '.join(f'{count} with {task}' for task, count in counts.items())
    log.info('%s: %d pictures of split %s, %s', data, len(pictures), split or 'any', have)


def _parse(data: str) -> tuple[str | None, Path]:
    name, colon, folder = data.partition(':')
    if not colon or Path(data).exists():
        return None, Path(data)
    if name not in LAYOUTS:
        raise ValueError(
            f"layout '{name}' of {data} is unknown; give an index.csv, the folder of one, or "
            f'LAYOUT:FOLDER with a layout of {", ".join(LAYOUTS)}'
        )
    return name, Path(folder).expanduser()


def _read(name: str | None, path: Path, split: str | None) -> list[AnnotatedPicture]:
    """Read a data set; pictures of other splits may be among them."""
    if name is None:
        return read_index(path / 'index.csv' if path.is_dir() else path)
    layout = LAYOUTS[name]
    pictures = [] if split is None else layout.read(path, split)
    # a data set that lacks the split is not one that is not there
    pictures = pictures or [
        picture for each in layout.splits for picture in layout.read(path, each)
    ]
    if not pictures:
        expected = path / layout.expected.format(split=split or f'<{"|".join(layout.splits)}>')
        raise FileNotFoundError(
            f"layout {name} finds no picture of split '{split or 'any'}': {expected} is expected; "
            f'unpack the data set there (its splits are {", ".join(layout.splits)})'
        )
    return pictures
