"""KITTI's raw drives with depth: of their lidar sweeps, or of the depth benchmark."""

from functools import cache
import logging
from pathlib import Path
import re

import numpy as np
from numpy.typing import NDArray

from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture, Annotation
from mtl_perception.recordings.annotations.lidar_sweep import LidarSweep
from mtl_perception.recordings.annotations.picture_files import DepthFile, PictureFile
from mtl_perception.recordings.kitti import Calibration, LEFT, RIGHT

from .kitti_scenes import LICENCE

log = logging.getLogger(__name__)

RAW = '<date>/<date>_drive_<number>_sync/image_02/data/<frame>.png'
DEPTH = '{split}/<drive>_sync/proj_depth/groundtruth/image_02/<frame>.png (pictures: ' + RAW + ')'
# those of the depth benchmark; all other drives are to train with
VALIDATION_DRIVES = frozenset(
    f'{date}_drive_{number}_sync'
    for date, numbers in {
        '2011_09_26': ('0002', '0005', '0013', '0020', '0023', '0036', '0079', '0095', '0113'),
        '2011_09_28': ('0037',),
        '2011_09_29': ('0026',),
        '2011_09_30': ('0016',),
        '2011_10_03': ('0047',),
    }.items()
    for number in numbers
)
_DRIVES = '[0-9]*_drive_[0-9]*_sync'


def read_raw(folder: Path, split: str) -> list[AnnotatedPicture]:
    """Read the colour pictures of the drives, with the depth of the lidar where it swept.

    A split is that of the pictures listed in `<split>.txt`; without such a file train and val
    go by drives, less what the other one lists. Raises FileNotFoundError if the calibration of a
    day is missing, ValueError if a list cannot be read or none of its pictures is there.
    """
    return [
        _annotated(picture, split, 'kitti_raw', _sweep(picture))
        for picture in _choose(folder, _pictures(folder), split)
    ]


def read_depth(folder: Path, split: str) -> list[AnnotatedPicture]:
    """Read the pictures that have annotated depth; their drives may lie in part only.

    The folders train and val of the benchmark lie beside the dates of the drives, or in
    data_depth_annotated there. Splits and errors are those of read_raw.
    """
    depths = {}
    for root in (folder, folder / 'data_depth_annotated'):
        for path in root.glob(f'*/{_DRIVES}/proj_depth/groundtruth/image_0[23]/*.png'):
            depths[path.parents[3].name, path.parent.name, path.stem] = path
    return [
        _annotated(picture, split, 'kitti_depth', DepthFile(depths[_key(picture)]))
        for picture in _choose(folder, _pictures(folder), split)
        if _key(picture) in depths
    ]


def _pictures(folder: Path) -> list[Path]:
    """List the pictures of both colour cameras of all drives."""
    paths = folder.glob(f'[0-9]*/{_DRIVES}/image_0[23]/data/*')
    return sorted(path for path in paths if path.suffix in ('.png', '.jpg'))


def _key(picture: Path) -> tuple[str, str, str]:
    """Give drive, camera and frame of a picture."""
    return picture.parents[2].name, picture.parents[1].name, picture.stem


def _choose(folder: Path, pictures: list[Path], split: str) -> list[Path]:
    path = folder / f'{split}.txt'
    if path.is_file():
        return _choose_listed(path, pictures)
    if split not in ('train', 'val'):
        return []
    chosen = [p for p in pictures if (_key(p)[0] in VALIDATION_DRIVES) == (split == 'val')]
    other = folder / ('train.txt' if split == 'val' else 'val.txt')
    taken = _read_list(other) if other.is_file() else set()
    return [picture for picture in chosen if _key(picture) not in taken]


def _read_list(path: Path) -> set[tuple[str, str, str]]:
    lines = enumerate(path.read_text().splitlines(), 1)
    return {_listed(path, number, line) for number, line in lines if line.strip()}


def _choose_listed(path: Path, pictures: list[Path]) -> list[Path]:
    listed = _read_list(path)
    chosen = [picture for picture in pictures if _key(picture) in listed]
    absent = len(listed - {_key(picture) for picture in chosen})
    if not chosen:
        raise ValueError(f'none of the {absent} pictures in {path} is there; unpack their drives')
    if absent:
        log.warning('%d of the %d pictures in %s are not there', absent, len(listed), path)
    return chosen


def _listed(path: Path, number: int, line: str) -> tuple[str, str, str]:
    """Read a line of the lists that go round of the split of Eigen et al. (arXiv 1406.2283).

    `<date>/<drive> <frame> l`, of which the frame may lack zeros in front, or
    `<date>/<drive>/image_02/data/<frame>.png …`, of which the first picture counts.
    """
    parts = re.search(r'(\d{4}(?:_\d\d){2}_drive_\d{4}_sync).*?\b(\d+)\b(?:\s+([lr])\b)?', line)
    if parts is None:
        raise ValueError(
            f"{path} has '{line}' in line {number}; expected '<date>/<drive>_sync <frame> l' or "
            "'<date>/<drive>_sync/image_02/data/<frame>.png'"
        )
    right = parts[3] == 'r' or RIGHT in parts[0]
    return parts[1], RIGHT if right else LEFT, parts[2].zfill(10)


def _sweep(picture: Path) -> LidarSweep | None:
    drive, camera = picture.parents[2], picture.parents[1].name
    path = drive / 'velodyne_points' / 'data' / f'{picture.stem}.bin'
    return LidarSweep(path, *_lidar_view(drive.parent, camera)) if path.is_file() else None


@cache
def _lidar_view(date: Path, camera: str) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """Give what projects the lidar's points to a camera's pictures, and their height, width."""
    day, lidar = _calibration(date), Calibration(date / 'calib_velo_to_cam.txt')
    rectify, pose = np.eye(4), np.eye(4)
    rectify[:3, :3] = day.values('R_rect_00', 9).reshape(3, 3)
    pose[:3] = np.column_stack((lidar.values('R', 9).reshape(3, 3), lidar.values('T', 3)))
    projection = day.values(f'P_rect_{camera[-2:]}', 12).reshape(3, 4) @ rectify @ pose
    width, height = day.values(f'S_rect_{camera[-2:]}', 2)
    return projection, (int(height), int(width))


@cache
def _calibration(date: Path) -> Calibration:
    return Calibration(date / 'calib_cam_to_cam.txt')


def _annotated(
    picture: Path, split: str, source: str, depth: Annotation[np.float32] | None
) -> AnnotatedPicture:
    date, camera = picture.parents[3], picture.parents[1].name
    projection = _calibration(date).values(f'P_rect_{camera[-2:]}', 12)
    return AnnotatedPicture(
        picture=PictureFile(picture),
        source=source,
        split=split,
        licence=LICENCE,
        depth=depth,
        depth_source='lidar',
        f_px=float(projection[0]),
        principal_row=float(projection[6]),
    )
