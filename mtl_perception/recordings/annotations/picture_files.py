"""Pictures, depth, disparity and normals in files that OpenCV reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

# depth and disparity files are 16-bit PNG, 0 where there is no value (KITTI's convention)
DEPTH_UNITS_PER_METRE = 256.0
DISPARITY_UNITS_PER_PX = 256.0
# normals files are 8-bit RGB: -1..1 about a zero, 0 where there is no value
NORMALS_ZERO, NORMALS_UNIT = 128.0, 127.0
_Number = TypeVar('_Number', np.uint8, np.uint16)


@dataclass(frozen=True)
class PictureFile:
    """A picture of any kind, as (H, W, 3) RGB; a grey one gets three equal channels."""

    path: Path

    @property
    def name(self) -> str:
        """What people call it."""
        return self.path.name

    def read(self) -> NDArray[np.uint8]:
        """Read the file. Raises ValueError if OpenCV cannot."""
        image = read_image(self.path, cv2.IMREAD_COLOR)
        picture: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
        return picture


@dataclass(frozen=True)
class DepthFile:
    """Depth in metres x 256, as KITTI has it: (H, W), NaN where unknown."""

    path: Path

    def read(self) -> NDArray[np.float32]:
        """Read the file. Raises ValueError if it is not 16-bit of one channel."""
        units = read_channel(self.path, np.uint16).astype(np.float32)
        return np.where(units > 0, units / np.float32(DEPTH_UNITS_PER_METRE), np.float32(np.nan))


@dataclass(frozen=True)
class DisparityFile:
    """Disparity between rectified pictures, as depth in metres (H, W), NaN where unknown.

    A value v > 0 is a disparity of (v - offset) / 256 px; depth is `f_baseline`, focal length
    in pixels times baseline in metres, divided by that.
    """

    path: Path
    f_baseline: float
    offset: int = 0

    def read(self) -> NDArray[np.float32]:
        """Read the file. Raises ValueError if it is not 16-bit of one channel."""
        units = read_channel(self.path, np.uint16).astype(np.float32) - np.float32(self.offset)
        # a disparity of nothing is a point at infinity: not known how far
        units[units <= 0] = np.nan
        return np.float32(self.f_baseline * DISPARITY_UNITS_PER_PX) / units


@dataclass(frozen=True)
class NormalsFile:
    """Unit normals as 8-bit RGB, 1..255 for -1..1 and 0 for unknown: right to half a degree."""

    path: Path

    def read(self) -> NDArray[np.float32]:
        """Read the file as (H, W, 3), NaN where unknown. Raises ValueError if OpenCV cannot."""
        encoded = read_image(self.path, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32)
        normals = (encoded - NORMALS_ZERO) / np.float32(NORMALS_UNIT)
        return np.where((encoded == 0).all(-1, keepdims=True), np.float32(np.nan), normals)


def encode_depth(depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Encode metres for OpenCV to write; see DepthFile. What is too far becomes unknown."""
    units = np.nan_to_num(depth_m * np.float32(DEPTH_UNITS_PER_METRE), posinf=0, neginf=0)
    return np.rint(np.where((units > 0) & (units <= 65535), units, 0)).astype(np.uint16)


def encode_normals(normals: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Encode unit vectors (H, W, 3), NaN unknown, for OpenCV to write; see NormalsFile."""
    values = np.where(np.isnan(normals), 0.0, normals * NORMALS_UNIT + NORMALS_ZERO)
    return np.ascontiguousarray(np.rint(values).astype(np.uint8)[..., ::-1])


def write_image(folder: Path, name: str, image: NDArray[Any], options: Sequence[int] = ()) -> str:
    """Write a picture as OpenCV takes it (BGR, or one channel); give its name in the folder.

    Raises OSError if it cannot be written.
    """
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        written, content = cv2.imencode(path.suffix, image, list(options))
        if not written:
            raise ValueError('OpenCV cannot encode it')
        # OpenCV itself crashes on names that are not UTF-8
        content.tofile(path)
    except (OSError, ValueError, cv2.error) as error:
        raise OSError(
            f'{path} cannot be written ({error}); look at the space and rights of its folder'
        ) from error
    return name


def read_image(path: Path, flags: int) -> NDArray[Any]:
    """Read a file by OpenCV. Raises ValueError if it cannot.

    Its imread fills what a torn JPEG lacks with grey, and crashes on names that are not UTF-8.
    """
    try:
        image: NDArray[Any] | None = cv2.imdecode(np.fromfile(path, np.uint8), flags)
    except (OSError, cv2.error):
        image = None
    if image is None:
        raise ValueError(f'{path} is missing or no picture that OpenCV reads; restore the file')
    return image


def read_channel(path: Path, dtype: type[_Number]) -> NDArray[_Number]:
    """Read a file of one channel as it is. Raises ValueError if it is of another kind."""
    image = read_image(path, cv2.IMREAD_UNCHANGED)
    if image.ndim != 2 or image.dtype != dtype:
        raise ValueError(
            f'{path} is {image.shape} {image.dtype}; expected one channel of {dtype.__name__}, '
            'without a palette'
        )
    return image
