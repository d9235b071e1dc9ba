"""Which points of a frame are obstacles to a robot."""

from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import LabelSpace, UNLABELLED

# stands for 255 among the names of classes
UNLABELLED_CLASS = 'unlabelled'
# what these classes are called in the various label spaces
GROUND_AND_SKY = ('road', 'sidewalk', 'sky', 'pavement', 'drivable', 'floor', 'ceiling')

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ObstacleFilter:
    """What counts as an obstacle: by class, confidence, range and height.

    Classes are given by the names of those that are none; names that a label space lacks are
    passed over. The range, from nearest to farthest, is the distance from the camera. Heights
    are above a flat ground that lies `camera_height_m` below the camera, which looks
    `camera_pitch_deg` down from the horizon and does not roll; with a camera height of 0, not
    known, they are not looked at.
    """

    excluded_classes: tuple[str, ...] = GROUND_AND_SKY
    min_confidence: float = 0.0
    range_m: tuple[float, float] = (0.3, 40.0)
    height_m: tuple[float, float] = (0.2, 2.5)
    camera_height_m: float = 0.0
    camera_pitch_deg: float = 0.0

    def candidates(
        self,
        labels: NDArray[np.uint8] | None,
        confidence: NDArray[np.uint8] | None,
        space: LabelSpace,
    ) -> Mask:
        """Tell the pixels (h, w) that may be obstacles by class and confidence.

        A map that is None lets everything pass; then the mask may be of shape (1, 1).
        """
        may_be = np.ones((1, 1), np.bool_) if labels is None else self._table(space)[labels]
        if confidence is None or self.min_confidence == 0:
            return may_be
        return may_be & (confidence >= self.min_confidence * 255)

    def is_near(self, points: NDArray[np.float32]) -> Mask:
        """Tell those of points (n, 3), optical frame, whose range and height are an obstacle's."""
        x, y, z = points.T
        nearest, farthest = self.range_m
        # what no float32 holds is far enough away
        with np.errstate(over='ignore'):
            square = x * x + y * y + z * z
        near: Mask = (square >= nearest * nearest) & (square <= farthest * farthest)
        if self.camera_height_m > 0:
            pitch = math.radians(self.camera_pitch_deg)
            below_m = y * np.float32(math.cos(pitch)) + z * np.float32(math.sin(pitch))
            lowest, highest = (np.float32(self.camera_height_m - h) for h in self.height_m)
            near &= (below_m <= lowest) & (below_m >= highest)
        return near

    def _table(self, space: LabelSpace) -> Mask:
        """Tabulate for each id (256,) whether it may be an obstacle."""
        table = np.ones(256, np.bool_)
        for name in self.excluded_classes:
            class_id = UNLABELLED if name == UNLABELLED_CLASS else space.id_of(name)
            if class_id is not None:
                table[class_id] = False
        return table
