"""Depth from a lidar sweep that a camera sees."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

# what a point hides: those around it that are farther by more than the ground beside it would be
HIDING_PX = 4
HIDING_RATIO = 1.3


@dataclass(frozen=True, eq=False)
class LidarSweep:
    """Depth (H, W) in metres of the points of a KITTI sweep, NaN where there is none.

    `projection` (3, 4) takes points of the lidar to the picture of `size` (height, width). A
    lidar looks over what hides a point from the camera below it, so that hidden points are
    left out, see remove_hidden.
    """

    path: Path
    projection: NDArray[np.float64]
    size: tuple[int, int]

    def read(self) -> NDArray[np.float32]:
        """Read and project the points. Raises ValueError if the file is missing or torn."""
        try:
            points = np.fromfile(self.path, np.float32).reshape(-1, 4)
        except (OSError, ValueError) as error:
            raise ValueError(
                f'{self.path} is missing or no sweep of four float32 a point; copy it again'
            ) from error
        return remove_hidden(project(points[:, :3], self.projection, self.size))


def project(
    points: NDArray[np.float32], projection: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    """Give the depth of each pixel's nearest point, NaN where there is none."""
    homogeneous = points.astype(np.float64) @ projection[:, :3].T + projection[:, 3]
    ahead = homogeneous[homogeneous[:, 2] > 0]
    depth_m = ahead[:, 2]
    columns, rows = np.rint(ahead[:, :2] / depth_m[:, None]).T
    seen = (columns >= 0) & (columns < size[1]) & (rows >= 0) & (rows < size[0])
    nearest = np.full(size, np.inf, np.float32)
    pixels = rows[seen].astype(np.intp), columns[seen].astype(np.intp)
    np.minimum.at(nearest, pixels, depth_m[seen].astype(np.float32))
    nearest[np.isinf(nearest)] = np.nan
    return nearest


def remove_hidden(depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
    """Leave out points that are farther than another within 4 px, by more than 30 %.

    In that distance the ground itself recedes by less than that up to about 80 m, for KITTI's
    camera; at the rims of things some points that are seen go as well.
    """
    known = np.isfinite(depth_m)
    side = 2 * HIDING_PX + 1
    nearest = cv2.erode(np.where(known, depth_m, np.float32(np.inf)), np.ones((side, side)))
    return np.where(known & (depth_m / HIDING_RATIO <= nearest), depth_m, np.float32(np.nan))
