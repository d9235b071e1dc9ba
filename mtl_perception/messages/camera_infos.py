"""Fields of sensor_msgs/CameraInfo: of the full sensor to those of the pictures."""

from collections.abc import Iterator
import copy
from typing import Any

import numpy as np


def infos_of_pictures(info: Any) -> Iterator[Any]:
    """Give an info as it is, and as info_of_picture makes it if that is another.

    Some drivers give binning or a region, and yet the size and the matrices of their pictures.
    """
    yield info
    if (of_picture := info_of_picture(info)) is not info:
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
    placed = placed_info(info, size, (1 / binning[0], 1 / binning[1]), origin)
    placed.binning_x = placed.binning_y = 0
    placed.roi = copy.copy(roi)
    placed.roi.x_offset = placed.roi.y_offset = placed.roi.width = placed.roi.height = 0
    placed.roi.do_rectify = False
    return placed


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
