"""Small data sets in the layouts in which their makers pack them."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 4, 6
# a camera whose focal length, principal row and baseline are unlike each other
F_PX, ROW_PX, F_BASELINE = 720.0, 172.5, 384.0


def picture_of(number: int) -> NDArray[np.uint8]:
    """Give an RGB picture that only this number has."""
    size = (HEIGHT, WIDTH, 3)
    return np.random.default_rng(number).integers(0, 256, size, np.uint8)


def grid(*values: int, dtype: Any = np.uint8) -> NDArray[Any]:
    """Give a map of these values in the first row, the last of them everywhere else."""
    pixels = np.full((HEIGHT, WIDTH), values[-1], dtype)
    pixels[0, : len(values)] = values
    return pixels


def write(path: Path, pixels: NDArray[Any]) -> Path:
    """Write a picture, RGB or of one channel, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels[..., ::-1] if pixels.ndim == 3 else pixels)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def projection(offset: float) -> str:
    """Give KITTI's P of the camera, moved to the right by -offset / F_PX metres."""
    return f'{F_PX} 0 3.0 {offset} 0 {F_PX} {ROW_PX} 0.2 0 0 1 0.003'


def make_kitti_2015(folder: Path, numbers: range, **folders: NDArray[Any]) -> Path:
    """Write scenes with their second picture, calibration, and annotations by folder."""
    for number in numbers:
        for time in ('10', '11'):
            write(folder / f'training/image_2/{number:06}_{time}.png', picture_of(number))
        lines = f'P_rect_02: {projection(44.0)}\nP_rect_03: {projection(44.0 - F_BASELINE)}\n'
        write_text(folder / f'training/calib_cam_to_cam/{number:06}.txt', lines)
        for name, pixels in folders.items():
            write(folder / f'training/{name}/{number:06}_10.png', pixels)
    return folder


def make_kitti_2012(folder: Path, numbers: range, pictures: str, disparity: Any) -> Path:
    """Write scenes of which only the first two projections tell the right baseline."""
    offsets = {'P0': 0.0, 'P1': -F_BASELINE, 'P2': 50.0, 'P3': -300.0}
    lines = ''.join(f'{key}: {projection(offset)}\n' for key, offset in offsets.items())
    for number in numbers:
        write(folder / f'training/{pictures}/{number:06}_10.png', picture_of(number))
        write_text(folder / f'training/calib/{number:06}.txt', lines)
        write(folder / f'training/disp_occ/{number:06}_10.png', disparity)
    return folder


def make_cityscapes(folder: Path, split: str, name: str, disparity: Any, labels: Any) -> Path:
    """Write one picture with all that it can have; <city> is the name's first part."""
    stem = f'{split}/{name.split("_")[0]}/{name}'
    write(folder / f'leftImg8bit/{stem}_leftImg8bit.png', picture_of(1))
    write(folder / f'gtFine/{stem}_gtFine_labelIds.png', labels)
    write(folder / f'gtFine/{stem}_gtFine_color.png', picture_of(2))
    write(folder / f'disparity/{stem}_disparity.png', disparity)
    camera = {
        'extrinsic': {'baseline': 0.2, 'pitch': 0.03, 'x': 1.7},
        'intrinsic': {'fx': 2260.0, 'fy': 2270.0, 'u0': 1097.0, 'v0': 513.0},
    }
    write_text(folder / f'camera/{stem}_camera.json', json.dumps(camera))
    return folder


def make_nyud(folder: Path, count: int = 4) -> Path:
    """Write the three files, with MATLAB's order of axes, and normals of the first picture."""
    import h5py
    from scipy.io import savemat

    labels = np.stack([grid(0, 1, 2, 894, 2, dtype=np.uint16)] * count)
    depths = np.stack([np.full((HEIGHT, WIDTH), 1.5 + k, np.float32) for k in range(count)])
    depths[:, 0, 0] = 0
    pictures = np.stack([picture_of(number) for number in range(count)])
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / 'nyu_depth_v2_labeled.mat', 'w') as file:
        file['images'] = pictures.transpose(0, 3, 2, 1)
        file['labels'] = labels.transpose(0, 2, 1)
        file['depths'] = depths.transpose(0, 2, 1)
    savemat(folder / 'splits.mat', {'trainNdxs': [[1], [3]], 'testNdxs': [[2], [4]]})
    # class k of 894 is class 41 - k of the 40 up to 40, and otherprop from there
    classes = [41 - k if k <= 40 else 40 for k in range(1, 895)]
    savemat(folder / 'classMapping40.mat', {'mapClass': [classes], 'className': ['wall']})
    write(folder / 'normals/0001.png', np.full((HEIGHT, WIDTH, 3), (128, 128, 1), np.uint8))
    return folder
