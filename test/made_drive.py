"""A small KITTI raw drive, in the layouts that drives come in."""

from pathlib import Path

import cv2
import numpy as np

WIDTH, HEIGHT = 64, 48
# 2011-09-26 13:02:25 UTC, and nine digits of which a float would lose the last
FIRST_NS = 1317042145_964389445
STEP_NS = 100_000_001
# as KITTI's: no focal length or distortion is like another, Tx and Ty are not zero
K = [95.0, 0.0, 31.0, 0.0, 94.0, 22.0, 0.0, 0.0, 1.0]
D = [-0.37, 0.2, 0.001, 0.0005, -0.07]
R = [0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]
P = [70.0, 0.0, 31.5, 4.4, 0.0, 70.0, 23.5, 0.2, 0.0, 0.0, 1.0, 0.003]
LIDAR_R = [0.0, -1.0, 0.0, 0.0, 0.0, -1.0, 1.0, 0.0, 0.0]
LIDAR_T = [0.1, -0.2, -0.3]


def make_drive(
    folder: Path,
    pictures: int = 3,
    sweeps: tuple[int, ...] = (0, 2),
    right: bool = False,
    official: bool = True,
) -> Path:
    """Make <date>/<drive> as KITTI has it, or with calib and one timestamps.txt in the drive."""
    drive = folder / '2011_09_26' / '2011_09_26_drive_0001_sync'
    times = '\n'.join(time_of(number) for number in range(pictures)) + '\n'
    for camera in ('image_02', 'image_03') if right else ('image_02',):
        data = drive / camera / 'data'
        data.mkdir(parents=True)
        for number in range(pictures):
            cv2.imwrite(str(data / f'{number:010}.png'), picture_of(number, camera)[..., ::-1])
        if official:
            (drive / camera / 'timestamps.txt').write_text(times)
    lidar = drive / ('velodyne_points' if official else 'velodyne_points_fov')
    for number in sweeps:
        (lidar / 'data').mkdir(parents=True, exist_ok=True)
        points_of(number).tofile(lidar / 'data' / f'{number:010}.bin')
    if official and sweeps:
        # KITTI leaves the line of a lost sweep empty
        lines = (time_of(number) if number in sweeps else '' for number in range(pictures))
        (lidar / 'timestamps.txt').write_text('\n'.join(lines) + '\n')
    if not official:
        (drive / 'timestamps.txt').write_text(times)
    write_calibration(drive.parent if official else drive / 'calib')
    return drive


def picture_of(number: int, camera: str = 'image_02') -> np.ndarray:
    seed = 10 * number + int(camera[-1])
    return np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


def points_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=(5 + number, 4)).astype(np.float32)


def stamp_of(number: int) -> int:
    return FIRST_NS + number * STEP_NS


def time_of(number: int) -> str:
    seconds, rest = divmod(stamp_of(number) - 1317042145 * 10**9, 10**9)
    return f'2011-09-26 13:02:{25 + seconds:02}.{rest:09}'


def write_calibration(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    values = {'corner_dist': [0.0995], 'R_rect_00': R}
    for camera in ('02', '03'):
        p = [*P[:3], P[3] - (30 if camera == '03' else 0), *P[4:]]
        values |= {
            f'S_{camera}': [1392.0, 512.0],
            f'K_{camera}': K,
            f'D_{camera}': D,
            f'R_rect_{camera}': R,
            f'S_rect_{camera}': [WIDTH, HEIGHT],
            f'P_rect_{camera}': p,
        }
    _write(folder / 'calib_cam_to_cam.txt', values)
    _write(folder / 'calib_velo_to_cam.txt', {'R': LIDAR_R, 'T': LIDAR_T})


def _write(path: Path, values: dict[str, list[float]]) -> None:
    lines = [f'{key}: {" ".join(f"{value:.9e}" for value in row)}' for key, row in values.items()]
    path.write_text('calib_time: 09-Jan-2012 13:57:47\n' + '\n'.join(lines) + '\n')
