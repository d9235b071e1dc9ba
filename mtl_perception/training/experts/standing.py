"""The geometric expert: a road is a plane, and what stands on it is as far away as its foot."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_perception.ground import GroundPlane, is_ground
from mtl_perception.label_space import LabelSpace, UNLABELLED

# of which class a pixel has to be; not vegetation: terrain counts to it in road scenes, so that
# where a hedge begins and the grass before it ends is not known
STANDING = ('building', 'vehicle', 'car', 'person', 'object')
# farther away a pixel is worth more than a tenth of the distance
FAR_M = 35.0
# labels made by networks leave the rims of things out
GAP_PX = 6
# what looks so much farther away than the foot below it is another thing, which the first hides
BEHIND = 1.5


def standing_depth(
    labels: NDArray[np.uint8],
    space: LabelSpace,
    plane: GroundPlane,
    seen_m: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Give the depth (H, W) in metres that labels and the ground's plane imply, NaN elsewhere.

    The labels are ids of the space. Ground has the plane's depth. Where in a column of pixels a
    thing ends on ground, all of it in that column has the depth of its lowest pixel: it is
    upright. A narrow unlabelled rim counts to what is above it. What is cut off by the picture's
    edge or hidden below stays unknown, and so does what `seen_m`, a rough depth (H, W), has far
    behind its lowest pixel: another thing of its class.
    """
    labels = _without_rims(labels)
    ground = is_ground(labels, space)
    standing = np.isin(labels, space.ids_of(STANDING))
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
