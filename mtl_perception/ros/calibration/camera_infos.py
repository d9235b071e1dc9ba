"""The calibration of a camera, by the size of its pictures."""

import copy
from dataclasses import dataclass, field, replace

import numpy as np
from sensor_msgs.msg import CameraInfo

from mtl_perception.geometry import Intrinsics, RayTable

# should their sizes be garbage
_SIZES_KEPT = 4


@dataclass(frozen=True, eq=False)
class Calibration:
    """A CameraInfo and what follows from it; intrinsics are None where it is uncalibrated."""

    info: CameraInfo
    intrinsics: Intrinsics | None
    _rays: dict[tuple[int, int, int], RayTable] = field(default_factory=dict)

    def rays(self, stride: int, width: int, height: int) -> RayTable | None:
        """Give the viewing rays of maps of a size, tabulated once; None where uncalibrated.

        Their points are overwritten by the next: for one thread, which copies them into messages.
        """
        if self.intrinsics is None:
            return None
        key = stride, width, height
        if key not in self._rays:
            self._rays.clear()
            self._rays[key] = RayTable(self.intrinsics.scaled(width, height), stride, reuse=True)
        return self._rays[key]

    def info_of(self, width: int, height: int) -> CameraInfo:
        """Give the CameraInfo of maps of a size: K and P are scaled, outer edges stay in place."""
        if (width, height) == (self.info.width, self.info.height):
            return self.info
        scaled = copy.copy(self.info)
        scaled.width, scaled.height = width, height
        resize = np.eye(3)
        for axis, factor in enumerate((width / self.info.width, height / self.info.height)):
            resize[axis, axis], resize[axis, 2] = factor, (factor - 1) / 2
        # of an uncalibrated camera the matrices are 0, and stay so
        scaled.k = (resize @ self.info.k.reshape(3, 3)).reshape(9)
        scaled.p = (resize @ self.info.p.reshape(3, 4)).reshape(12)
        return scaled


class CameraInfos:
    """The newest CameraInfo of each picture size.

    Put in the executor, read by the threads that serve: the table is replaced as a whole.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._by_size: dict[tuple[int, int], Calibration] = {}

    def put(self, info: CameraInfo) -> None:
        """Keep an info. Raises ValueError if its values cannot be a camera's."""
        size = info.width, info.height
        known = self._by_size.get(size)
        if known is not None and _same_matrices(known.info, info):
            calibration = replace(known, info=info)
        else:
            calibration = Calibration(
                info, Intrinsics.from_camera_info(info.k, info.p, info.width, info.height)
            )
        others = {other: self._by_size[other] for other in self._by_size if other != size}
        self._by_size = dict([*others.items(), (size, calibration)][-_SIZES_KEPT:])

    def of(self, width: int, height: int) -> Calibration | None:
        """Give the calibration for pictures of a size, None if none has come."""
        return self._by_size.get((width, height))

    def lack(self, width: int, height: int) -> str:
        """Say what keeps pictures of a size from being placed in space; '' if nothing does."""
        calibration = self._by_size.get((width, height))
        if calibration is None:
            sizes = ', '.join(f'{w}x{h}' for w, h in self._by_size)
            return f'there is none of {width}x{height}' + (f', only of {sizes}' if sizes else '')
        if calibration.intrinsics is None:
            return f'that of {width}x{height} is uncalibrated: its focal lengths are 0'
        return ''


def _same_matrices(one: CameraInfo, other: CameraInfo) -> bool:
    return np.array_equal(one.k, other.k) and np.array_equal(one.p, other.p)
