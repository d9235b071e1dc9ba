"""The data sets that can be read, by name; one way to name data for training and evaluation."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
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
    'nyud': Layout(nyud.read, nyud.PICTURES, ('train', 'test')),
}


def read_annotated(
    data: str | Path, split: str | None = None, without_sources: Collection[str] = ()
) -> list[AnnotatedPicture]:
    """Read the annotated pictures of a split, of all splits if None.

    `data` is an index.csv, a folder that has one, or `LAYOUT:FOLDER`, as
    `cityscapes:/data/cityscapes`; the source of a layout's pictures is its name. Raises
    FileNotFoundError if there is nothing, or something that the pictures need is missing;
    ValueError if the layout is unknown or a file is broken.
    """
    name, path = _parse(str(data))
    if name is None:
        index = path / 'index.csv' if path.is_dir() else path
        pictures = read_index(index, split, without_sources)
    else:
        pictures = _read_layout(name, path, split, without_sources)
    tasks = ('labels', 'depth', 'normals')
    counts = {task: sum(getattr(p, task) is not None for p in pictures) for task in tasks}
    have = ', '.join(f'{count} with {task}' for task, count in counts.items())
    log.info('%s: %d pictures of split %s, %s', data, len(pictures), split or 'any', have)
    return pictures


def read_all(
    data: Iterable[str | Path], split: str | None = None, without_sources: Collection[str] = ()
) -> list[AnnotatedPicture]:
    """Read several data sets as one, see read_annotated."""
    return [picture for each in data for picture in read_annotated(each, split, without_sources)]


def folder_of(data: str | Path) -> Path:
    """Give the folder in which data lie, see read_annotated."""
    _, path = _parse(str(data))
    return path if path.is_dir() else path.parent


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


def _read_layout(
    name: str, path: Path, split: str | None, without_sources: Collection[str]
) -> list[AnnotatedPicture]:
    layout = LAYOUTS[name]
    if name in without_sources:
        raise ValueError(f'the recipe leaves out {name}; take {name}:{path} away from the data')
    splits = layout.splits if split is None else (split,)
    pictures = [picture for each in splits for picture in layout.read(path, each)]
    if not pictures:
        expected = path / layout.expected.format(split=split or f'<{"|".join(layout.splits)}>')
        raise FileNotFoundError(
            f"layout {name} finds no picture of split '{split or 'any'}': {expected} is expected; "
            f'unpack the data set there (its splits are {", ".join(layout.splits)})'
        )
    return pictures
