"""The plane of the ground: how far away it is, and how far below the camera depth has it."""

from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_perception.geometry import Intrinsics
from mtl_perception.label_space import LabelSpace

# what the ground that is driven on is called in the various label spaces; not terrain, which
# road scenes count as vegetation
GROUND = ('road', 'sidewalk', 'pavement', 'drivable', 'floor')
FIT_FAR_M = 30.0
# a fit needs so many pixels, of which so large a share within a tenth of the plane
FIT_PIXELS, FIT_SHARE, FIT_ERROR = 200, 0.6, 0.1
ITERATIONS = 8
# every fourth row and column tell the height of the ground as well as all of them
STRIDE = 4
# how far a camera may look down, or be rolled, if ground is to be told from walls
MAX_TILT_DEG = 60.0


@dataclass(frozen=True)
class GroundPlane:
    """A plane in front of a camera: 1 / depth = slopes · (column, row, 1), which is exact."""

    slopes: NDArray[np.float64]

    @classmethod
    def level(cls, camera: Intrinsics, height_m: float) -> 'GroundPlane':
        """Lay the plane below a camera at a height above it that looks along it, without roll."""
        per_row = 1 / (camera.fy_px * height_m)
        return cls(np.array([0.0, per_row, -camera.cy_px * per_row]))

    @classmethod
    def fit(
        cls, depth_m: NDArray[np.float32], ground: NDArray[np.bool_], stride: int = 1
    ) -> 'GroundPlane | None':
        """Fit the plane to the depth (H, W) of the pixels that are ground, NaN unknown.

        Least absolute relative errors, by reweighting, of every stride-th row and column. None
        where there are too few pixels, all in one line, or too many of them are off the plane.
        """
        taken = np.s_[::stride, ::stride]
        seen_m = depth_m[taken]
        rows, columns = np.nonzero(ground[taken] & (seen_m > 0) & (seen_m < FIT_FAR_M))
        if len(rows) < FIT_PIXELS:
            return None
        depth = seen_m[rows, columns].astype(np.float64)
        places = [columns * stride, rows * stride, np.ones(len(rows))]
        design = np.stack(places, 1) * depth[:, None]
        weights = np.ones(len(rows))
        for _ in range(ITERATIONS):
            slopes, _, rank, _ = np.linalg.lstsq(design * weights[:, None], weights, rcond=None)
            if rank < 3:
                return None
            error = np.abs(design @ slopes - 1)
            weights = 1 / np.sqrt(np.maximum(error, 0.01))
        found = cls(np.asarray(slopes, np.float64))
        return found if np.mean(error < FIT_ERROR) >= FIT_SHARE else None

    def normal(self, camera: Intrinsics) -> NDArray[np.float64]:
        """Give the plane's normal in the frame of a camera, (3,), divided by its distance."""
        across, down, ahead = self.slopes
        ahead = ahead + across * camera.cx_px + down * camera.cy_px
        return np.array([across * camera.fx_px, down * camera.fy_px, ahead])

    def height_m(self, camera: Intrinsics) -> float:
        """Give how far below a camera the plane lies."""
        return float(1 / np.linalg.norm(self.normal(camera)))

    def at_height(self, camera: Intrinsics, height_m: float) -> 'GroundPlane':
        """Give the parallel plane at a height below the camera.

        What networks see of an unknown camera's ground lies right, but at a distance of its own.
        """
        return GroundPlane(self.slopes * self.height_m(camera) / height_m)

    def depth(self, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float32]:
        """Give the depth of the plane in metres at pixels, NaN above its horizon."""
        inverse = self.slopes[0] * columns + self.slopes[1] * rows + self.slopes[2]
        with np.errstate(divide='ignore'):
            # rounding leaves no exact horizon
            return np.where(inverse > 1e-9, 1 / inverse, np.nan).astype(np.float32)


def is_ground(labels: NDArray[np.uint8], space: LabelSpace) -> NDArray[np.bool_]:
    """Find the pixels whose class, an id of a label space, is ground to drive or walk on."""
    return np.isin(labels, space.ids_of(GROUND))


def ground_height_m(
    ground: NDArray[np.bool_], depth_m: NDArray[np.float32], camera: Intrinsics
) -> float | None:
    """Give how far below the camera a frame's depth (H, W) in metres has the ground.

    The intrinsics are those of the maps. None where little ground is in sight, or it is no plane,
    or rather a wall: steeper than MAX_TILT_DEG to the camera. The camera's true height divided by
    this is what such depth is to be multiplied by: the scale of a single camera, as in visual
    odometry.
    """
    plane = GroundPlane.fit(depth_m, ground, STRIDE)
    if plane is None:
        return None
    normal = plane.normal(camera)
    upright = normal[1] > math.cos(math.radians(MAX_TILT_DEG)) * np.linalg.norm(normal)
    return plane.height_m(camera) if upright else None
