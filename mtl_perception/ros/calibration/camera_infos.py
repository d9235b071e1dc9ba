"""The calibration of a camera, by the size of its pictures."""

from dataclasses import dataclass, field, replace

import numpy as np
from sensor_msgs.msg import CameraInfo

from mtl_perception.geometry import Intrinsics, RayTable
from mtl_perception.messages.camera_infos import infos_of_pictures, lack_of_info, placed_info

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
        factors = width / self.info.width, height / self.info.height
        reduced: CameraInfo = placed_info(self.info, (width, height), factors)
        return reduced


class CameraInfos:
    """The newest CameraInfo of each picture size.

    Put in the executor, read by the threads that serve: the table is replaced as a whole.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._by_size: dict[tuple[int, int], Calibration] = {}

    def put(self, info: CameraInfo) -> None:
        """Keep an info by the sizes that its pictures may have.

        Raises ValueError if its values cannot be a camera's.
        """
        for one in infos_of_pictures(info):
            self._keep(one)

    def _keep(self, info: CameraInfo) -> None:
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
        calibrated = {size: one.intrinsics is not None for size, one in self._by_size.items()}
        return lack_of_info((width, height), calibrated)


def _same_matrices(one: CameraInfo, other: CameraInfo) -> bool:
    return np.array_equal(one.k, other.k) and np.array_equal(one.p, other.p)
