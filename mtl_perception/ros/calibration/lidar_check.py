"""The scale of depth, compared with a lidar while both run."""

from collections.abc import Callable
import time
from typing import NamedTuple

from builtin_interfaces.msg import Time as Stamp
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import PointCloud2

from mtl_perception.geometry import Intrinsics, Transform
from mtl_perception.messages import decode_points, nanoseconds
from mtl_perception.ros.parameters import Parameters

from .scale import ScaleCheck

# a frame is answered within this, as a rule
_KEPT_S = 2.0
# should their stamps stand still
_SWEEPS_KEPT = 50
_FEWEST_POINTS = 50


class _Answered(NamedTuple):
    """A frame that waits for its sweep: see LidarCheck.compare."""

    stamp_ns: int
    depth_m: NDArray[np.float32]
    focal_factor: float
    intrinsics: Intrinsics


class LidarCheck(ScaleCheck):
    """Compares depth with the sweep whose stamp is next to the frame's, now and then."""

    APPLY = 'lidar_apply'

    def __init__(self, parameters: Callable[[], Parameters]) -> None:
        """Begin without a sweep."""
        super().__init__(parameters)
        self._sweeps: list[PointCloud2] = []
        self._waiting: _Answered | None = None
        self._swept_s: float | None = None
        # from the last frame to the sweep next to it
        self._offset_s = 0.0
        self._is_late = False
        # what is wrong with the last sweep that a frame was to be compared with
        self._broken = ''

    @property
    def since_sweep_s(self) -> float | None:
        """How long ago the last sweep came; None before the first."""
        return None if self._swept_s is None else time.monotonic() - self._swept_s

    @property
    def mismatch(self) -> str:
        """Say that sweeps are broken, or too far from frames in time; '' if they are not."""
        if self._broken:
            return f'no sweep can be compared with: {self._broken}'
        limit_s = self._parameters().lidar_max_offset_s
        if self._offset_s <= limit_s:
            return ''
        if self._is_late:
            return (
                f'a frame was stamped {self._offset_s:.2f} s before the oldest sweep that is '
                f'kept, more than lidar.max_offset_s {limit_s:g}: it was answered too late; use a '
                'faster device or smaller images, or synchronise the clocks of lidar and camera'
            )
        return (
            f'the nearest sweep was stamped {self._offset_s:.2f} s from a frame, more than '
            f'lidar.max_offset_s {limit_s:g}; synchronise the clocks of lidar and camera'
        )

    def put(self, sweep: PointCloud2) -> None:
        """Keep a sweep until frames of its time have been answered."""
        newest_ns = nanoseconds(sweep.header.stamp)
        with self._changed:
            # those ahead of it are from before the time was set back
            near = (s for s in self._sweeps if abs(_offset_s(s, newest_ns)) <= _KEPT_S)
            self._sweeps = [*near, sweep][-_SWEEPS_KEPT:]
            self._swept_s = time.monotonic()

    def compare(
        self,
        stamp: Stamp,
        depth_m: NDArray[np.float32],
        focal_factor: float,
        intrinsics: Intrinsics,
    ) -> None:
        """Compare the depth (H, W) of a frame, before its focal correction, with a sweep.

        The intrinsics are those of the picture, whatever the size of its depth. A frame that is
        answered before its sweep has come waits for it till a later one is answered. Passed over
        if another waits or was compared a moment ago, or no sweep is of its time. Raises
        ValueError if the sweep is broken.
        """
        stamp_ns = nanoseconds(stamp)
        self._settle(stamp_ns)
        if self._waiting is None and self._is_due():
            self._waiting = _Answered(stamp_ns, depth_m, focal_factor, intrinsics)
            self._settle(stamp_ns)

    def _settle(self, now_ns: int) -> None:
        """Compare the frame that waits, if its sweep must have come by the time of another."""
        answered = self._waiting
        if answered is None or not self._knows_nearest(answered.stamp_ns, now_ns):
            return
        self._waiting = None
        sweep = self._take_nearest(answered.stamp_ns)
        if sweep is not None:
            self._compared_s = time.monotonic()
            try:
                self._compare(sweep, *answered[1:])
            except ValueError as error:
                self._broken = str(error)
                raise
            self._broken = ''

    def _knows_nearest(self, stamp_ns: int, now_ns: int) -> bool:
        """Tell whether no sweep that is to come can be nearer to a frame, or it waited enough."""
        with self._changed:
            is_over = any(_offset_s(sweep, stamp_ns) >= 0 for sweep in self._sweeps)
        return is_over or not 0 <= (now_ns - stamp_ns) / 1e9 < _KEPT_S

    def _compare(
        self,
        sweep: PointCloud2,
        depth_m: NDArray[np.float32],
        focal_factor: float,
        intrinsics: Intrinsics,
    ) -> None:
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
            place = *parameters.lidar_translation_m, *parameters.lidar_rotation_xyzw
            self._put(float(np.median(ratios)) / focal_factor, len(ratios), f_px, *place)

    def _take_nearest(self, stamp_ns: int) -> PointCloud2 | None:
        """Take the sweep next to a frame, so that none is compared twice; None if all are far."""
        with self._changed:
            offsets_s = [_offset_s(sweep, stamp_ns) for sweep in self._sweeps]
            nearest = min(range(len(offsets_s)), key=lambda i: abs(offsets_s[i]), default=None)
            if nearest is None:
                return None
            self._offset_s, self._is_late = abs(offsets_s[nearest]), min(offsets_s) > 0
            if self._offset_s > self._parameters().lidar_max_offset_s:
                return None
            return self._sweeps.pop(nearest)


def _offset_s(sweep: PointCloud2, stamp_ns: int) -> float:
    """Tell how much later than a stamp a sweep is."""
    return (nanoseconds(sweep.header.stamp) - stamp_ns) / 1e9


def scale_ratios(
    points: NDArray[np.float32], depth_m: NDArray[np.float32], intrinsics: Intrinsics
) -> NDArray[np.float32]:
    """Divide the depth of points (N, 3), optical frame, by that of their pixels, where known."""
    rows, columns, measured_m = intrinsics.project(points)
    predicted_m = depth_m[rows, columns]
    known = (predicted_m > 0) & np.isfinite(predicted_m)
    ratios: NDArray[np.float32] = measured_m[known] / predicted_m[known]
    return ratios
