"""The scale of depth, compared with a lidar while both run."""

from collections import deque
from collections.abc import Callable
import time

from builtin_interfaces.msg import Time as Stamp
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2

from mtl_perception.geometry import Intrinsics, Transform
from mtl_perception.messages import decode_points
from mtl_perception.ros.parameters import Parameters

from .scale import ScaleCheck

_SWEEPS_KEPT = 4
_FEWEST_POINTS = 50


class LidarCheck(ScaleCheck):
    """Compares depth with the sweep whose stamp is next to the frame's, now and then."""

    APPLY = 'lidar_apply'

    def __init__(self, parameters: Callable[[], Parameters]) -> None:
        """Begin without a sweep."""
        super().__init__(parameters)
        self._sweeps: deque[PointCloud2] = deque(maxlen=_SWEEPS_KEPT)
        self._swept_s: float | None = None
        self._offset_s = 0.0

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
        if not self._is_due():
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
            # of a camera that needs no correction; another without a correction is another depth
            f_px = intrinsics.fx_px / focal_factor
            self._put(float(np.median(ratios)) / focal_factor, len(ratios), f_px)

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
