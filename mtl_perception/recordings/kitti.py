"""KITTI raw drives: their folders, times and calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, UTC
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# the folders of the colour cameras; a drive must have the left one
LEFT, RIGHT = 'image_02', 'image_03'
_LIDAR_FOLDERS = ('velodyne_points', 'velodyne_points_fov')


@dataclass(frozen=True)
class Recording:
    """What one sensor recorded: files in the order of their numbers, and when, in ns since 1970.

    KITTI's times carry no zone; they are read as UTC.
    """

    paths: tuple[Path, ...]
    stamps_ns: tuple[int, ...]


@dataclass(frozen=True)
class Drive:
    """A KITTI raw drive: recordings of its cameras by folder name, of its lidar, calibration."""

    cameras: Mapping[str, Recording]
    lidar: Recording | None
    camera_calibration: 'Calibration'
    lidar_calibration: 'Calibration | None'


class Calibration:
    """The values of a KITTI calibration file, by key."""

    def __init__(self, path: Path) -> None:
        """Read the file. Raises FileNotFoundError if it is absent."""
        if not path.is_file():
            raise FileNotFoundError(
                f'{path} does not exist; unpack the calibration of the drive or benchmark there'
            )
        lines = path.read_text(errors='replace').splitlines()
        self._path = path
        self._texts = dict(line.split(':', 1) for line in lines if ':' in line)

    def values(self, key: str, count: int) -> NDArray[np.float64]:
        """Give the numbers of a key. Raises ValueError if they are not `count` finite numbers."""
        text = self._texts.get(key, '')
        try:
            values = np.array(text.split(), np.float64)
        except ValueError:
            values = np.empty(0)
        if values.size != count or not np.isfinite(values).all():
            raise ValueError(
                f"{self._path} has '{text.strip()}' for {key}, expected {count} numbers; "
                'copy the file again'
            )
        return values


def read_drive(folder: Path, lidar_folder: str | None = None) -> Drive:
    """Read the layout of a drive: image_02, and image_03 and lidar sweeps where there are any.

    The calibration may lie in the drive's folder `calib`, in the drive or, as KITTI has it,
    beside it; timestamps.txt in a sensor's folder or in the drive. lidar_folder is the name of
    the sweeps' folder (None: velodyne_points or velodyne_points_fov). Raises FileNotFoundError
    or ValueError if something is missing or does not fit.
    """
    if not folder.is_dir():
        lack = 'is no folder' if folder.exists() else 'does not exist'
        raise FileNotFoundError(f'KITTI drive {folder} {lack}; give the folder of a drive')
    cameras = (LEFT, RIGHT) if (folder / RIGHT).is_dir() else (LEFT,)
    lidar_folders = (lidar_folder,) if lidar_folder else _LIDAR_FOLDERS
    lidar = next((name for name in lidar_folders if (folder / name / 'data').is_dir()), None)
    if lidar_folder and not lidar:
        raise FileNotFoundError(f'{folder / lidar_folder / "data"} does not exist; name another')
    places = (folder / 'calib', folder, folder.parent)
    return Drive(
        cameras={name: _recording(folder / name, ('.png', '.jpg')) for name in cameras},
        lidar=_recording(folder / lidar, ('.bin',), complete=False) if lidar else None,
        camera_calibration=_calibration(places, 'calib_cam_to_cam.txt'),
        lidar_calibration=_calibration(places, 'calib_velo_to_cam.txt') if lidar else None,
    )


def _calibration(places: tuple[Path, ...], name: str) -> Calibration:
    found = [place / name for place in places if (place / name).is_file()]
    return Calibration(found[0] if found else places[-1] / name)


def _recording(folder: Path, suffixes: tuple[str, ...], complete: bool = True) -> Recording:
    """Pair files with times by number: file 0000000005 was recorded at line 5, from 0.

    KITTI lost single lidar sweeps, so that not every time has one unless `complete`.
    """
    data = folder / 'data'
    found = [p for p in data.glob('*') if p.suffix in suffixes and p.stem.isdecimal()]
    paths = sorted(found, key=lambda path: int(path.stem))
    if not paths:
        raise FileNotFoundError(
            f'{data} has no files like 0000000000{suffixes[0]}; give the folder of a KITTI raw '
            f'drive, which holds {folder.name}/data'
        )
    stamps = _stamps(folder)
    last = int(paths[-1].stem)
    if last >= len(stamps) or (complete and len(paths) != len(stamps)):
        raise ValueError(
            f'{data} has {len(paths)} files up to {paths[-1].name}, its timestamps.txt '
            f'{len(stamps)} times; each file needs one, copy the drive again'
        )
    pairs = [(path, stamps[int(path.stem)]) for path in paths]
    timed = [(path, stamp_ns) for path, stamp_ns in pairs if stamp_ns is not None]
    if not timed:
        raise ValueError(f'{data} has no file with a time in timestamps.txt; copy the drive again')
    return Recording(tuple(p for p, _ in timed), tuple(s for _, s in timed))


def _stamps(folder: Path) -> list[int | None]:
    """Read the times of timestamps.txt in ns; an empty line, a lost sweep, has none."""
    places = (folder / 'timestamps.txt', folder.parent / 'timestamps.txt')
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f'{places[0]} does not exist, nor does {places[1]}; copy it from the drive'
        )
    lines = path.read_text(errors='replace').rstrip().split('\n')
    return [_parse_time(line.strip(), path, number) for number, line in enumerate(lines, 1)]


def _parse_time(text: str, path: Path, line: int) -> int | None:
    """Parse `2011-09-26 13:02:25.964389445`, whose nanoseconds datetime cannot hold."""
    if not text:
        return None
    whole, _, fraction = text.partition('.')
    try:
        seconds = datetime.strptime(whole, '%Y-%m-%d %H:%M:%S').replace(tzinfo=UTC)
        return int(seconds.timestamp()) * 10**9 + int(fraction.ljust(9, '0')[:9])
    except ValueError as error:
        raise ValueError(
            f"{path} has '{text}' in line {line}, expected a time like "
            '2011-09-26 13:02:25.964389445; copy the file again'
        ) from error
