"""Fields of sensor_msgs/CameraInfo: of the full sensor to those of the pictures."""

from collections.abc import Iterator, Mapping
import copy
from typing import Any

import numpy as np


def infos_of_pictures(info: Any) -> Iterator[Any]:
    """Give an info without its binning and region, and as info_of_picture makes it of these.

    Some drivers give them, and yet the size and the matrices of their pictures: all do whose
    region reaches beyond the size. Whoever reads what is given here must neither cut nor bin
    again.
    """
    yield _whole(info)
    roi = info.roi
    inside = roi.x_offset + roi.width <= info.width and roi.y_offset + roi.height <= info.height
    if inside and (of_picture := info_of_picture(info)) is not info:
        yield of_picture


def info_of_picture(info: Any) -> Any:
    """Give the info of the pictures that a camera sends of its region of interest, binned.

    Size, K and P of a CameraInfo are those of the full sensor: the region is cut out of it first
    (size 0 means all of it), and then so many pixels (0 means 1) become one in each direction.
    """
    roi, binning = info.roi, (info.binning_x or 1, info.binning_y or 1)
    region = roi.width or info.width, roi.height or info.height
    origin = roi.x_offset, roi.y_offset
    if (*region, *origin, *binning) == (info.width, info.height, 0, 0, 1, 1):
        return info
    size = region[0] // binning[0], region[1] // binning[1]
    return _whole(placed_info(info, size, (1 / binning[0], 1 / binning[1]), origin))


def placed_info(
    info: Any,
    size: tuple[int, int],
    factors: tuple[float, float],
    origin: tuple[int, int] = (0, 0),
) -> Any:
    """Begin the picture at another pixel, then scale it; outer edges stay in place.

    size is the new width and height, factors and origin are those of x and y.
    """
    placed = copy.copy(info)
    placed.width, placed.height = size
    place = np.eye(3)
    for axis, factor in enumerate(factors):
        place[axis, axis], place[axis, 2] = factor, (0.5 - origin[axis]) * factor - 0.5
    # matrices of 0, of an uncalibrated camera, stay so; infinite elements become NaN, and neither
    # is worth a warning
    with np.errstate(invalid='ignore'):
        placed.k = (place @ info.k.reshape(3, 3)).reshape(9)
        placed.p = (place @ info.p.reshape(3, 4)).reshape(12)
    return placed


def lack_of_info(size: tuple[int, int], calibrated: Mapping[tuple[int, int], bool]) -> str:
    """Say what keeps pictures of a size from being placed in space; '' if nothing does.

    Sizes are (width, height); calibrated tells of each that has a CameraInfo whether this has
    focal lengths.
    """
    name = f'{size[0]}x{size[1]}'
    if size not in calibrated:
        sizes = ', '.join(f'{width}x{height}' for width, height in calibrated)
        return f'there is none of {name}' + (f', only of {sizes}' if sizes else '')
    return '' if calibrated[size] else f'that of {name} is uncalibrated: its focal lengths are 0'


def _whole(info: Any) -> Any:
    """Copy an info without its binning and region."""
    whole = copy.copy(info)
    whole.binning_x = whole.binning_y = 0
    whole.roi = copy.copy(info.roi)
    whole.roi.x_offset = whole.roi.y_offset = whole.roi.width = whole.roi.height = 0
    whole.roi.do_rectify = False
    return whole
