"""The pictures of a scored picture: as it is, as predicted, as true, and where both differ."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import LabelSpace, only_class, UNLABELLED
from mtl_perception.visualization import (
    colour_depth,
    colour_errors,
    colour_normals,
    overlay_labels,
    TOO_HIGH_COLOUR,
)

from .metrics import angles_deg
from .score import Comparison

Picture = NDArray[np.uint8]
# a factor of this, nearer or farther, has the full colour of an error
DEPTH_FACTOR = 1.5
ANGLE_DEG = 45.0
# what is sparse, as a lidar's depth, is drawn larger, else a thumbnail would lose it
_SPREAD_PX = 3.0


def draw_panels(
    task: str,
    picture: Picture,
    comparison: Comparison,
    space: LabelSpace,
    range_m: tuple[float, float],
) -> dict[str, Picture]:
    """Draw one task of a picture (H, W, 3): RGB panels of its size by caption, itself the first.

    Depth has the colours of range_m, and truth beyond it is left out, as it is not scored.
    Raises ValueError if the picture has no truth or no prediction of the task.
    """
    if task == 'segmentation' and comparison.labels:
        panels = _label_panels(picture, *comparison.labels, space)
    elif task == 'depth' and comparison.depth_m:
        panels = _depth_panels(*comparison.depth_m, range_m)
    elif task == 'normals' and comparison.normals:
        panels = _normal_panels(*comparison.normals)
    else:
        raise ValueError(f"'{task}' cannot be drawn; the picture lacks its truth or a prediction")
    return {'picture': picture, **panels}


def _label_panels(
    picture: Picture, found: NDArray[np.uint8], allowed: NDArray[np.int64], space: LabelSpace
) -> dict[str, Picture]:
    truth = only_class(allowed)
    errors = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    errors[truth == UNLABELLED] //= 3
    errors[(found != truth) & (truth != UNLABELLED)] = TOO_HIGH_COLOUR
    return {
        'predicted': overlay_labels(picture, found, space, opacity=0.6),
        'true': overlay_labels(picture, truth, space, opacity=0.6),
        'wrong in red, dark without truth': errors,
    }


def _depth_panels(
    found: NDArray[np.float32], truth: NDArray[np.float32], range_m: tuple[float, float]
) -> dict[str, Picture]:
    far = range_m[1]
    truth = np.where((truth > 0) & (truth <= far), truth, np.float32(np.nan))
    # as it is scored: unknown and beyond range are the end of the range
    clipped = np.nan_to_num(found, nan=far, posinf=far).clip(1e-3, far)
    return {
        f'predicted, from {range_m[0]:g} m (red) to {far:g} m (blue)': colour_depth(
            found, range_m
        ),
        'true': colour_depth(_spread(truth), range_m),
        f'blue too near, red too far, full at a factor of {DEPTH_FACTOR:g}': colour_errors(
            _spread(np.log(clipped / truth)), math.log(DEPTH_FACTOR)
        ),
    }


def _normal_panels(found: NDArray[np.float32], truth: NDArray[np.float32]) -> dict[str, Picture]:
    angles = angles_deg(found, truth).astype(np.float32)
    return {
        'predicted': colour_normals(found),
        'true': colour_normals(truth),
        f'angle between them, full red at {ANGLE_DEG:g} degrees': colour_errors(angles, ANGLE_DEG),
    }


def _spread(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give pixels without a value (NaN) that of the nearest that has one, if it is near."""
    unknown = np.isnan(values)
    if unknown.all():
        return values
    distance, nearest = cv2.distanceTransformWithLabels(
        unknown.view(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # the value of each label; labels are given to the known pixels
    by_label = np.full(nearest.max() + 1, np.nan, np.float32)
    by_label[nearest[~unknown]] = values[~unknown]
    spread: NDArray[np.float32] = np.where(distance <= _SPREAD_PX, by_label[nearest], np.nan)
    return spread.astype(np.float32)
