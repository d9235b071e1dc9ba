"""The scale of depth, compared with the height of the camera above the ground."""

from collections.abc import Callable
import time

import numpy as np

from mtl_perception.engine import Prediction
from mtl_perception.geometry import Intrinsics
from mtl_perception.ground import ground_height_m, is_ground
from mtl_perception.label_space import LabelSpace
from mtl_perception.ros.parameters import Parameters

from .scale import ScaleCheck


class GroundCheck(ScaleCheck):
    """Compares, now and then, how far below the camera depth has the ground with how far it is."""

    APPLY = 'ground_apply'

    def __init__(self, parameters: Callable[[], Parameters], space: LabelSpace) -> None:
        """Begin without a frame; the labels of predictions are of the space."""
        super().__init__(parameters)
        self._space = space

    def _unit(self, parameters: Parameters) -> float:
        # a change of the height counts for what was found before it
        return parameters.camera_height_m

    def compare(self, prediction: Prediction, focal_factor: float, intrinsics: Intrinsics) -> None:
        """Look for the ground in a frame, whose depth lacks its focal correction.

        The intrinsics are those of the picture, whatever the size of its maps. Passed over if
        another frame was compared a moment ago, no plane of ground is in sight, or the camera's
        height is not known.
        """
        labels, depth_m = prediction.labels, prediction.depth
        known = self._unit(self._parameters()) > 0
        if labels is None or depth_m is None or not known or not self._is_due():
            return
        self._compared_s = time.monotonic()
        height, width = depth_m.shape
        ground = is_ground(labels, self._space)
        camera = intrinsics.scaled(width, height)
        found_m = ground_height_m(ground, depth_m * np.float32(focal_factor), camera)
        if found_m is not None:
            f_px, points = intrinsics.fx_px / focal_factor, int(np.count_nonzero(ground))
            self._put(1 / found_m, points, f_px)
