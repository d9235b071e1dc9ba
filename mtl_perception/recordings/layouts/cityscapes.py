"""Cityscapes: fine labels, disparity of semi-global matching, camera calibration."""

import json
from pathlib import Path
from typing import Any

from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.annotations.label_files import LabelFile
from mtl_perception.recordings.annotations.picture_files import DisparityFile, PictureFile

PICTURES = 'leftImg8bit/{split}/<city>/<name>_leftImg8bit.png'
_SUFFIX = '_leftImg8bit.png'
# a stored value v > 0 is a disparity of (v - 1) / 256
_OFFSET = 1


def read(folder: Path, split: str) -> list[AnnotatedPicture]:
    """Read a split; gtFine, and disparity with camera, may be missing.

    Raises FileNotFoundError if there is a disparity without its camera, ValueError if a
    camera's file is broken.
    """
    paths = sorted((folder / 'leftImg8bit' / split).glob(f'*/*{_SUFFIX}'))
    return [_annotated(folder, path, split) for path in paths]


def _annotated(folder: Path, picture: Path, split: str) -> AnnotatedPicture:
    stem = f'{split}/{picture.parent.name}/{picture.name.removesuffix(_SUFFIX)}'
    labels = folder / 'gtFine' / f'{stem}_gtFine_labelIds.png'
    disparity = folder / 'disparity' / f'{stem}_disparity.png'
    camera = folder / 'camera' / f'{stem}_camera.json'
    fx_px = row = baseline_m = None
    if disparity.is_file() or camera.is_file():
        fx_px, row, baseline_m = _read_camera(camera)
    return AnnotatedPicture(
        picture=PictureFile(picture),
        source='cityscapes',
        split=split,
        licence='Cityscapes licence, non-commercial',
        labels=LabelFile(labels) if labels.is_file() else None,
        label_space='cityscapes34',
        label_source='human',
        depth=DisparityFile(disparity, fx_px * baseline_m, _OFFSET)
        if disparity.is_file() and fx_px and baseline_m
        else None,
        depth_source='stereo',
        f_px=fx_px,
        principal_row=row,
    )


def _read_camera(path: Path) -> tuple[float, float, float]:
    """Give focal length (px), principal row and baseline (m)."""
    if not path.is_file():
        raise FileNotFoundError(f'{path} does not exist; unpack the camera archive of the split')
    try:
        camera: dict[str, Any] = json.loads(path.read_text())
        inner, outer = camera['intrinsic'], camera['extrinsic']
        return float(inner['fx']), float(inner['v0']), float(outer['baseline'])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path} is no camera of Cityscapes ({error}); restore it') from error
