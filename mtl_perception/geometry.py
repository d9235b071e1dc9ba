"""Camera geometry: intrinsics, depth to points, correction of depth by the focal length."""

from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera; the centre of the top left pixel is (0, 0), as in CameraInfo.

    Raises ValueError if a focal length is not positive, a value not finite or a side below 1.
    """

    fx_px: float
    fy_px: float
    cx_px: float
    cy_px: float
    width: int
    height: int

    def __post_init__(self) -> None:
        """Check the values."""
        finite = all(map(math.isfinite, (self.fx_px, self.fy_px, self.cx_px, self.cy_px)))
        if not (finite and min(self.fx_px, self.fy_px) > 0 and min(self.width, self.height) >= 1):
            raise ValueError(
                f'{self}: focal lengths must be positive, all values finite, and the size at '
                'least 1x1; check the CameraInfo'
            )

    @classmethod
    def from_camera_info(
        cls, k: Sequence[float], p: Sequence[float], width: int, height: int
    ) -> 'Intrinsics | None':
        """Take the intrinsics of rectified pictures from K (9) and P (12), row by row.

        P is used, since it describes the rectified picture, and K only where P has no focal
        length; where neither has one the camera is uncalibrated: None. Raises ValueError if K
        or P have another length, or their values cannot be a camera's.
        """
        if len(k) != 9 or len(p) != 12:
            raise ValueError(
                f'CameraInfo has {len(k)} values in K and {len(p)} in P; it must have 9 and 12'
            )
        for matrix, columns in ((p, 4), (k, 3)):
            if matrix[0] != 0 and matrix[columns + 1] != 0:
                return cls(
                    fx_px=float(matrix[0]),
                    fy_px=float(matrix[columns + 1]),
                    cx_px=float(matrix[2]),
                    cy_px=float(matrix[columns + 2]),
                    width=width,
                    height=height,
                )
        return None

    @classmethod
    def centred(
        cls, fx_px: float, fy_px: float | None, cy_px: float, size: tuple[int, int]
    ) -> 'Intrinsics':
        """Take those of a picture of a size (height, width), of square pixels without fy_px.

        The middle column stands for the principal one.
        """
        height, width = size
        return cls(fx_px, fx_px if fy_px is None else fy_px, (width - 1) / 2, cy_px, width, height)

    def scaled(self, width: int, height: int) -> 'Intrinsics':
        """Give the intrinsics of the picture resized to another size.

        The outer edges stay in place, as in cv2.resize and torch's align_corners=False: a point u
        goes to (u + 0.5) * scale - 0.5. (image_proc's resize multiplies the principal point
        alone, which is off by up to half a pixel.)
        """
        scale_x, scale_y = width / self.width, height / self.height
        return Intrinsics(
            fx_px=self.fx_px * scale_x,
            fy_px=self.fy_px * scale_y,
            cx_px=(self.cx_px + 0.5) * scale_x - 0.5,
            cy_px=(self.cy_px + 0.5) * scale_y - 0.5,
            width=width,
            height=height,
        )

    def project(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        """Find the pixels of points (N, 3), optical frame, metres, that lie in the picture.

        Returns row, column and depth of each; what is hidden behind nearer points stays.
        """
        with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
            columns = np.rint(points[:, 0] / points[:, 2] * self.fx_px + self.cx_px)
            rows = np.rint(points[:, 1] / points[:, 2] * self.fy_px + self.cy_px)
        # NaN compares false
        seen = (points[:, 2] > 0) & (columns >= 0) & (columns < self.width)
        seen &= (rows >= 0) & (rows < self.height)
        return rows[seen].astype(np.intp), columns[seen].astype(np.intp), points[seen, 2]


@dataclass(frozen=True, eq=False)
class Transform:
    """A rigid transform of points: rotation (3, 3), then translation (3,), metres."""

    rotation: NDArray[np.float32]
    translation_m: NDArray[np.float32]

    @classmethod
    def from_quaternion(
        cls, translation_m: Sequence[float], rotation_xyzw: Sequence[float]
    ) -> 'Transform':
        """Take a translation and a quaternion x, y, z, w, which is normalised.

        Raises ValueError if the quaternion is zero or not finite.
        """
        norm = math.hypot(*rotation_xyzw)
        if not 0 < norm < math.inf:
            raise ValueError(f'quaternion {tuple(rotation_xyzw)} is no rotation')
        x, y, z, w = (value / norm for value in rotation_xyzw)
        rotation = [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
        return cls(np.array(rotation, np.float32), np.array(translation_m, np.float32))

    def apply(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Transform points (N, 3)."""
        return points @ self.rotation.T + self.translation_m


class RayTable:
    """The viewing rays of every stride-th pixel, for many depth images of one camera."""

    def __init__(self, intrinsics: Intrinsics, stride: int = 1, reuse: bool = False) -> None:
        """Tabulate rays of the pixels 0, stride, 2 stride, … in both directions.

        With reuse, points are written where the last ones stand, which spares fresh memory.
        Raises ValueError if stride is below 1.
        """
        if stride < 1:
            raise ValueError(f'stride {stride} must be at least 1')
        self.intrinsics = intrinsics
        self.stride = stride
        columns = np.arange(0, intrinsics.width, stride)
        rows = np.arange(0, intrinsics.height, stride)[:, None]
        # x and y at a depth of one metre; one row and one column hold them all. Those that no
        # float32 holds, as of a focal length of 1e-39 px, are infinite
        with np.errstate(over='ignore'):
            self._x = ((columns - intrinsics.cx_px) / intrinsics.fx_px).astype(np.float32)
            self._y = ((rows - intrinsics.cy_px) / intrinsics.fy_px).astype(np.float32)
        self._reuse = reuse
        self._memory: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the points."""
        return self._y.shape[0], self._x.shape[0]

    def points(self, depth_m: NDArray[np.float32]) -> NDArray[np.float32]:
        """Place each stride-th pixel of depth (H, W) in space: (h, w, 3), metres, optical frame.

        The optical frame has x right, y down and z ahead (REP 103). Points are NaN where depth is
        not finite or not positive. Tx of a stereo camera's P is not applied, as depth_image_proc
        does not: the points are seen from that camera itself. Raises ValueError if depth has
        another size than the intrinsics.
        """
        expected = (self.intrinsics.height, self.intrinsics.width)
        if depth_m.shape != expected:
            raise ValueError(
                f'depth of shape {depth_m.shape} does not fit intrinsics of {expected}; '
                'scale the intrinsics to the size of the depth'
            )
        depth = depth_m[:: self.stride, :: self.stride]
        z, points = self._memory or (
            np.empty(self.shape, np.float32),
            np.empty((*self.shape, 3), np.float32),
        )
        if self._reuse:
            self._memory = z, points
        np.copyto(z, depth)
        z[~((depth > 0) & (depth < np.inf))] = np.nan
        with np.errstate(over='ignore'):
            np.multiply(z, self._x, out=points[..., 0])
            np.multiply(z, self._y, out=points[..., 1])
        points[..., 2] = z
        return points


def focal_factor(f_camera_px: float | None, f_training_px: float | None) -> float:
    """Give the factor of depth for a camera of another focal length than the training's.

    A network tells depth by apparent size, which grows with the focal length and falls with the
    distance. Both in pixels of the network's input; 1 where one of them is unknown (None). Raises
    ValueError if one is not positive.
    """
    if f_camera_px is None or f_training_px is None:
        return 1.0
    if not (0 < f_camera_px < math.inf and 0 < f_training_px < math.inf):
        raise ValueError(
            f'focal lengths {f_camera_px} px (camera) and {f_training_px} px (training) must be '
            'positive and finite; check the CameraInfo and the model card'
        )
    return f_camera_px / f_training_px
