"""The geometric expert: a road is a plane, and what stands on it is as far away as its foot."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import UNLABELLED

# of which class a pixel has to be; terrain counts as vegetation in road scenes, so that where a
# hedge begins and the grass before it ends is not known
GROUND = ('road', 'sidewalk')
STANDING = ('building', 'vehicle', 'car', 'person', 'object')
# farther away a pixel is worth more than a tenth of the distance
FAR_M = 35.0
FIT_FAR_M = 30.0
# a fit needs so many pixels, of which so large a share within a tenth of the plane
FIT_PIXELS, FIT_SHARE, FIT_ERROR = 200, 0.6, 0.1
ITERATIONS = 8
# labels made by networks leave the rims of things out
GAP_PX = 6
# what looks so much farther away than the foot below it is another thing, which the first hides
BEHIND = 1.5


@dataclass(frozen=True)
class GroundPlane:
    """A plane in front of a camera: 1 / depth = slopes · (column, row, 1), which is exact."""

    slopes: NDArray[np.float64]

    @classmethod
    def level(cls, f_px: float, principal_row: float, height_m: float) -> 'GroundPlane':
        """Lay the plane below a camera at a height above it that looks along it, without roll."""
        per_row = 1 / (f_px * height_m)
        return cls(np.array([0.0, per_row, -principal_row * per_row]))

    @classmethod
    def fit(cls, depth_m: NDArray[np.float32], ground: NDArray[np.bool_]) -> 'GroundPlane | None':
        """Fit the plane to the depth (H, W) of the pixels that are ground, NaN unknown.

        Least absolute relative errors, by reweighting. None where there are too few pixels or
        too many of them are off the plane.
        """
        rows, columns = np.nonzero(ground & (depth_m > 0) & (depth_m < FIT_FAR_M))
        if len(rows) < FIT_PIXELS:
            return None
        depth = depth_m[rows, columns].astype(np.float64)
        design = np.stack([columns, rows, np.ones(len(rows))], 1) * depth[:, None]
        weights = np.ones(len(rows))
        for _ in range(ITERATIONS):
            slopes = np.linalg.lstsq(design * weights[:, None], weights, rcond=None)[0]
            error = np.abs(design @ slopes - 1)
            weights = 1 / np.sqrt(np.maximum(error, 0.01))
        found = cls(np.asarray(slopes, np.float64))
        return found if np.mean(error < FIT_ERROR) >= FIT_SHARE else None

    def at_height(
        self, f_px: float, centre: tuple[float, float], height_m: float
    ) -> 'GroundPlane':
        """Give the parallel plane at a height below the camera; centre is (column, row) in pixels.

        What networks see of an unknown camera's ground lies right, but at a distance of its own.
        """
        across, down, ahead = self.slopes
        ahead = ahead + across * centre[0] + down * centre[1]
        # the plane's normal, in a camera's frame, divided by its distance
        distance_m = 1 / np.linalg.norm([across * f_px, down * f_px, ahead])
        return GroundPlane(self.slopes * distance_m / height_m)

    def depth(self, rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float32]:
        """Give the depth of the plane in metres at pixels, NaN above its horizon."""
        inverse = self.slopes[0] * columns + self.slopes[1] * rows + self.slopes[2]
        with np.errstate(divide='ignore'):
            # rounding leaves no exact horizon
            return np.where(inverse > 1e-9, 1 / inverse, np.nan).astype(np.float32)


def standing_depth(
    labels: NDArray[np.uint8],
    names: Collection[str],
    plane: GroundPlane,
    seen_m: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Give the depth (H, W) in metres that labels and the ground's plane imply, NaN elsewhere.

    `names` are those of the ids. Ground has the plane's depth. Where in a column of pixels a thing
    ends on ground, all of it in that column has the depth of its lowest pixel: it is upright. A
    narrow unlabelled rim counts to what is above it. What is cut off by the picture's edge or
    hidden below stays unknown, and so does what `seen_m`, a rough depth (H, W), has far behind
    its lowest pixel: another thing of its class.
    """
    known = list(names)
    labels = _without_rims(labels)
    ground, standing = (
        np.isin(labels, [known.index(n) for n in kinds if n in known])
        for kinds in (GROUND, STANDING)
    )
    rows, columns = np.indices(labels.shape)
    foot = _lowest_of_run(labels)
    below = np.minimum(foot + 1, len(labels) - 1)
    on_ground = standing & (foot < len(labels) - 1) & ground[below, columns]
    depth = plane.depth(np.where(on_ground, foot, rows), np.asarray(columns))
    behind = seen_m > BEHIND * np.take_along_axis(seen_m, foot, 0)
    depth[~(ground | on_ground & ~behind) | ~(depth < FAR_M)] = np.nan
    return depth


def _without_rims(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Let labels grow downwards into what is unlabelled, a few pixels."""
    grown = labels.copy()
    for _ in range(GAP_PX):
        grown[1:] = np.where(grown[1:] == UNLABELLED, grown[:-1], grown[1:])
    return grown


def _lowest_of_run(labels: NDArray[np.uint8]) -> NDArray[Any]:
    """Find, for each pixel, the last row of the run of its class in its column."""
    height = len(labels)
    ends = np.full(labels.shape, height - 1)
    changes = labels[:-1] != labels[1:]
    ends[:-1] = np.where(changes, np.arange(height - 1)[:, None], height - 1)
    return np.minimum.accumulate(ends[::-1])[::-1]
