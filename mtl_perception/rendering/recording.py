"""The verb render-drive: a rendered drive in the layout of KITTI's raw drives."""

import argparse
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta, UTC
from pathlib import Path
import shutil

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm
import yaml

from mtl_perception.argument_types import count, natural
from mtl_perception.geometry import Intrinsics

from .dataset import write_picture
from .drive import Studio
from .sensors import Lidar, LIDAR_IN_CAMERA

RATE_HZ = 10.0
START = datetime(2026, 1, 1, 12, tzinfo=UTC)
DESCRIPTION = 'drive.yaml'


@dataclass(frozen=True)
class Description:
    """What a rendered drive is made from; the same values make the same drive and its truth."""

    seed: int
    frames: int
    samples: int

    @classmethod
    def read(cls, folder: Path) -> 'Description':
        """Read the description of a drive. Raises FileNotFoundError if it has none."""
        path = folder / DESCRIPTION
        if not path.is_file():
            raise FileNotFoundError(f'{path} does not exist; only rendered drives have one')
        return cls(**yaml.safe_load(path.read_text()))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('folder', type=Path, help='folder of the drive to write')
    parser.add_argument('--seed', type=natural, default=0)
    parser.add_argument('--frames', type=count, default=40)
    parser.add_argument('--samples', type=count, default=4, help='samples of a pixel')
    parser.add_argument('--lidar', action='store_true', help='simulate the sweeps of a lidar too')


def run(arguments: argparse.Namespace) -> int:
    """Render the drive."""
    description = Description(arguments.seed, arguments.frames, arguments.samples)
    write_drive(arguments.folder, description, Lidar() if arguments.lidar else None)
    print(f'wrote {arguments.folder}; kitti-to-bag makes a rosbag2 of it')
    return 0


def write_drive(folder: Path, description: Description, lidar: Lidar | None = None) -> None:
    """Write pictures, times, calibration and perhaps sweeps. Raises FileExistsError."""
    if folder.exists():
        raise FileExistsError(f'{folder} exists; give a new folder')
    studio = Studio(samples=description.samples)
    try:
        for name in ('image_02', *(['velodyne_points'] if lidar else [])):
            (folder / name / 'data').mkdir(parents=True)
            times = [_time(index) for index in range(description.frames)]
            (folder / name / 'timestamps.txt').write_text('\n'.join(times) + '\n')
        frames = studio.drive(description.seed, description.frames, RATE_HZ)
        for index, frame in enumerate(tqdm(frames, total=description.frames, unit='frame')):
            write_picture(folder, f'image_02/data/{index:010}.jpg', frame)
            if lidar:
                sweep = lidar.sweep(frame.moment, np.random.default_rng(index))
                sweep.tofile(folder / f'velodyne_points/data/{index:010}.bin')
        _write_calibration(folder / 'calib', studio.intrinsics)
        (folder / DESCRIPTION).write_text(yaml.safe_dump(asdict(description)))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _time(index: int) -> str:
    time = START + timedelta(seconds=index / RATE_HZ)
    return f'{time:%Y-%m-%d %H:%M:%S}.{time.microsecond * 1000:09}'


def _write_calibration(folder: Path, camera: Intrinsics) -> None:
    """Write KITTI's calibration files; the camera is rectified and has no distortion."""
    folder.mkdir()
    k = np.array([[camera.fx_px, 0, camera.cx_px], [0, camera.fy_px, camera.cy_px], [0, 0, 1]])
    eye = np.eye(3)
    values: dict[str, NDArray[np.float64]] = {'R_rect_00': eye}
    size = np.array([camera.width, camera.height], np.float64)
    parts = {'S': size, 'K': k, 'D': np.zeros(5), 'R': eye, 'T': np.zeros(3), 'S_rect': size}
    parts |= {'R_rect': eye, 'P_rect': np.hstack([k, np.zeros((3, 1))])}
    values |= {f'{name}_02': value for name, value in parts.items()}
    _write_values(folder / 'calib_cam_to_cam.txt', values)
    pose = {'R': LIDAR_IN_CAMERA[:3, :3], 'T': LIDAR_IN_CAMERA[:3, 3]}
    _write_values(folder / 'calib_velo_to_cam.txt', pose)


def _write_values(path: Path, values: dict[str, NDArray[np.float64]]) -> None:
    lines = [
        f'{key}: {" ".join(f"{x:.9e}" for x in value.ravel())}' for key, value in values.items()
    ]
    path.write_text('\n'.join(lines) + '\n')
