"""The scale of depth, compared with a lidar while both run."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
import math
import threading
import time

from builtin_interfaces.msg import Time as Stamp
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2

from mtl_perception.geometry import Intrinsics, Transform
from mtl_perception.messages import decode_points
from mtl_perception.ros.parameters import Parameters

_SWEEPS_KEPT = 4
_EVERY_S = 0.5
_FRAMES = 20
_FEWEST_FRAMES = 3
_FEWEST_POINTS = 50


@dataclass(frozen=True)
class Scale:
    """How many times farther the lidar measures than depth says.

    The median of the medians of `frames` frames, and the median of their deviations from it;
    `points` are those that the last frame had in common with its sweep.
    """

    ratio: float
    deviation: float
    frames: int
    points: int


class ScaleCheck:
    """Compares depth with the sweep whose stamp is next to the frame's, now and then."""

    def __init__(self, parameters: Callable[[], Parameters]) -> None:
        """Begin without a sweep."""
        self._parameters = parameters
        self._sweeps: deque[PointCloud2] = deque(maxlen=_SWEEPS_KEPT)
        # to depth after the focal correction, so that they outlive a change of depth_scale or size
        self._ratios: deque[float] = deque(maxlen=_FRAMES)
        # of a camera that needs no correction; another one without a correction is another depth
        self._f_px = 0.0
        self._points = 0
        self._swept_s: float | None = None
        self._offset_s = 0.0
        self._compared_s = -np.inf
        self._changed = threading.Lock()

    @property
    def scale(self) -> Scale | None:
        """What was found so far; None before three frames agreed or not."""
        with self._changed:
            ratios = np.array(self._ratios) / self._parameters().depth_scale
            points = self._points
        if len(ratios) < _FEWEST_FRAMES:
            return None
        ratio = float(np.median(ratios))
        return Scale(ratio, float(np.median(np.abs(ratios - ratio))), len(ratios), points)

    @property
    def factor(self) -> float:
        """What depth is to be multiplied by: the scale, once known and if it is to be applied."""
        scale = self.scale if self._parameters().lidar_apply else None
        return 1.0 if scale is None else scale.ratio

    @property
    def since_sweep_s(self) -> float | None:
        """How long ago the last sweep came; None before the first."""
        return None if self._swept_s is None else time.monotonic() - self._swept_s

    @property
    def mismatch(self) -> str:
        """Say that sweeps and frames are too far apart in time; '' if they are not."""
        limit_s = self._parameters().lidar_max_offset_s
        if self._offset_s <= limit_s:
            return ''
        return (
            f'the nearest sweep was stamped {self._offset_s:.2f} s from a frame, more than '
            f'lidar.max_offset_s {limit_s:g}; synchronise the clocks of lidar and camera'
        )

    def put(self, sweep: PointCloud2) -> None:
        """Keep a sweep until frames of its time have been answered."""
        with self._changed:
            self._sweeps.append(sweep)
            self._swept_s = time.monotonic()

    def compare(
        self,
        stamp: Stamp,
        depth_m: NDArray[np.float32],
        focal_factor: float,
        intrinsics: Intrinsics,
    ) -> None:
        """Compare the depth (H, W) of a frame, before its focal correction, with a sweep.

        The intrinsics are those of the picture, whatever the size of its depth. Passed over if
        another frame was compared a moment ago, or no sweep is of its time. Raises ValueError if
        the sweep is broken.
        """
        if time.monotonic() - self._compared_s < _EVERY_S:
            return
        sweep = self._take_nearest(nanoseconds(stamp))
        if sweep is None:
            return
        self._compared_s = time.monotonic()
        parameters = self._parameters()
        lidar_to_camera = Transform.from_quaternion(
            parameters.lidar_translation_m, parameters.lidar_rotation_xyzw
        )
        points = lidar_to_camera.apply(decode_points(sweep))
        height, width = depth_m.shape
        ratios = scale_ratios(points, depth_m, intrinsics.scaled(width, height))
        if len(ratios) >= _FEWEST_POINTS:
            f_px = intrinsics.fx_px / focal_factor
            with self._changed:
                if not math.isclose(f_px, self._f_px):
                    self._ratios.clear()
                self._ratios.append(float(np.median(ratios)) / focal_factor)
                self._f_px = f_px
                self._points = len(ratios)

    def _take_nearest(self, stamp_ns: int) -> PointCloud2 | None:
        """Take the sweep next to a frame, so that none is compared twice; None if all are far."""
        with self._changed:
            offsets = [abs(nanoseconds(s.header.stamp) - stamp_ns) for s in self._sweeps]
            nearest = min(range(len(offsets)), key=offsets.__getitem__, default=None)
            if nearest is None:
                return None
            self._offset_s = offsets[nearest] / 1e9
            if self._offset_s > self._parameters().lidar_max_offset_s:
                return None
            sweep = self._sweeps[nearest]
            del self._sweeps[nearest]
        return sweep


def scale_ratios(
    points: NDArray[np.float32], depth_m: NDArray[np.float32], intrinsics: Intrinsics
) -> NDArray[np.float32]:
    """Divide the depth of points (N, 3), optical frame, by that of their pixels, where known."""
    rows, columns, measured_m = intrinsics.project(points)
    predicted_m = depth_m[rows, columns]
    known = (predicted_m > 0) & np.isfinite(predicted_m)
    ratios: NDArray[np.float32] = measured_m[known] / predicted_m[known]
    return ratios


def nanoseconds(stamp: Stamp) -> int:
    """Give a stamp in nanoseconds; rclpy's Time refuses those before 1970."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)
