"""Fields of sensor_msgs/Image to a picture, and arrays to fields."""

from array import array
from dataclasses import dataclass
import sys
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

# a message that claims more is taken for a broken one, before memory is taken for it
MAX_SIDE_PX = 16384

Buffer: TypeAlias = 'bytes | bytearray | memoryview | array[int] | NDArray[Any]'


@dataclass(frozen=True)
class _PixelLayout:
    """How an encoding lays out a pixel, and what takes it to RGB; None if it is RGB already."""

    bytes_per_pixel: int
    conversion: int | None
    smallest: tuple[int, int] = (1, 1)
    even_width: bool = False


def _bayer(conversion: int) -> _PixelLayout:
    # OpenCV's demosaicing leaves anything smaller than its 3x3 window black
    return _PixelLayout(1, conversion, smallest=(3, 3))


_UYVY = _PixelLayout(2, cv2.COLOR_YUV2RGB_UYVY, even_width=True)
_YUYV = _PixelLayout(2, cv2.COLOR_YUV2RGB_YUYV, even_width=True)
_LAYOUTS = {
    'rgb8': _PixelLayout(3, None),
    'bgr8': _PixelLayout(3, cv2.COLOR_BGR2RGB),
    'rgba8': _PixelLayout(4, cv2.COLOR_RGBA2RGB),
    'bgra8': _PixelLayout(4, cv2.COLOR_BGRA2RGB),
    'mono8': _PixelLayout(1, cv2.COLOR_GRAY2RGB),
    'mono16': _PixelLayout(2, cv2.COLOR_GRAY2RGB),
    '8UC1': _PixelLayout(1, cv2.COLOR_GRAY2RGB),
    '8UC3': _PixelLayout(3, cv2.COLOR_BGR2RGB),
    '8UC4': _PixelLayout(4, cv2.COLOR_BGRA2RGB),
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    # ROS names a mosaic by the first row's two colours and then the second's; so do the OpenCV
    # constants of four letters, while those of two (COLOR_BayerBG2RGB) start at pixel (1, 1)
    'bayer_rggb8': _bayer(cv2.COLOR_BayerRGGB2RGB),
    'bayer_bggr8': _bayer(cv2.COLOR_BayerBGGR2RGB),
    'bayer_gbrg8': _bayer(cv2.COLOR_BayerGBRG2RGB),
    'bayer_grbg8': _bayer(cv2.COLOR_BayerGRBG2RGB),
}
# what decode_image reads
ENCODINGS = tuple(_LAYOUTS)
_WRITTEN: dict[str, tuple[type[np.generic], int]] = {
    'mono8': (np.uint8, 1),
    'rgb8': (np.uint8, 3),
    '16UC1': (np.uint16, 1),
    '32FC1': (np.float32, 1),
    '32FC3': (np.float32, 3),
}


@dataclass(frozen=True)
class ImageFields:
    """The fields of a sensor_msgs/Image but its header; `data` is one-dimensional."""

    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: NDArray[np.uint8]


def decode_image(
    height: int, width: int, encoding: str, is_bigendian: int, step: int, data: Buffer
) -> NDArray[np.uint8]:
    """Convert the fields of a sensor_msgs/Image to a picture (H, W, 3), RGB, C-contiguous.

    8UC3 and 8UC4 are BGR(A), as OpenCV and cv_bridge have it; YUV is BT.601 of limited range;
    mono16 is scaled by 1/257, which takes its full range to 0..255. The picture of unpadded rgb8
    shares the memory of data: do not write to it. Raises ValueError, with the encoding and the
    sizes, if the encoding is unknown, a side is not within 1..16384, the encoding cannot have
    this size, a row is longer than step, or data is not exactly height x step bytes.
    """
    content = np.frombuffer(data, np.uint8)
    layout = _LAYOUTS.get(encoding)
    fault = _fault(height, width, layout, step, content.size)
    if layout is None or fault:
        raise ValueError(
            f"image of encoding '{encoding}', {width}x{height}, step {step}, "
            f'{content.size} bytes: {fault}'
        )
    rows = content.reshape(height, step)[:, : width * layout.bytes_per_pixel]
    if encoding == 'mono16':
        # copied even in our byte order: OpenCV takes no rows of an odd step
        words = rows.view('>u2' if is_bigendian else '<u2').astype(np.uint16)
        rows = cv2.convertScaleAbs(words, alpha=1 / 257)
    pixels = rows.reshape(height, width, -1)
    if layout.conversion is None:
        return np.ascontiguousarray(pixels)
    picture: NDArray[np.uint8] = cv2.cvtColor(pixels, layout.conversion)
    return picture


def encode_image(array: NDArray[Any], encoding: str) -> ImageFields:
    """Lay out an array (H, W) or (H, W, 3) as the fields of a sensor_msgs/Image.

    Encodings: mono8, rgb8 (uint8), 16UC1 (uint16), 32FC1 and 32FC3 (float32), in the byte order
    of this machine, rows unpadded. `data` shares the memory of a contiguous array. Raises
    ValueError if the encoding is none of these, or dtype or shape are not the encoding's.
    """
    if encoding not in _WRITTEN:
        raise ValueError(f"encoding '{encoding}' is not written; choose of {', '.join(_WRITTEN)}")
    dtype, channels = _WRITTEN[encoding]
    wanted = 2 if channels == 1 else 3
    shaped = array.ndim == wanted and array.shape[2:] == (channels,)[: wanted - 2]
    if array.dtype != dtype or not shaped or not _sides_fit(*array.shape[:2]):
        raise ValueError(
            f"encoding '{encoding}' takes {np.dtype(dtype)} of shape "
            f'{"(H, W)" if channels == 1 else f"(H, W, {channels})"} with sides within '
            f'1..{MAX_SIDE_PX}; got {array.dtype} of shape {array.shape}'
        )
    height, width = array.shape[:2]
    return ImageFields(
        height=height,
        width=width,
        encoding=encoding,
        is_bigendian=int(sys.byteorder == 'big'),
        step=width * channels * array.itemsize,
        data=np.ascontiguousarray(array).reshape(-1).view(np.uint8),
    )


def depth_to_millimetres(depth_m: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round depth in metres to whole millimetres for 16UC1, same shape (REP 118).

    0, which stands for invalid, where depth is NaN, infinite, not positive, beyond 65.535 m, or
    nearer than half a millimetre.
    """
    valid = (depth_m > 0) & (depth_m <= np.float32(65.535))
    millimetres = np.where(valid, depth_m, np.float32(0)) * np.float32(1000)
    return np.rint(millimetres).astype(np.uint16)


def byte_array(data: NDArray[np.uint8]) -> 'array[int]':
    """Copy bytes to an array('B'), the only type that rclpy's setters take without a loop."""
    result = array('B')
    result.frombytes(np.ascontiguousarray(data).data)
    return result


def _fault(height: int, width: int, layout: _PixelLayout | None, step: int, size: int) -> str:
    """Say what is wrong with an image message and how it would be right; '' if nothing is."""
    if layout is None:
        return f'the encoding is unknown; publish one of {", ".join(_LAYOUTS)}'
    if not _sides_fit(height, width):
        return f'width and height must be within 1..{MAX_SIDE_PX}; check the camera driver'
    least_height, least_width = layout.smallest
    if height < least_height or width < least_width:
        return f'this encoding needs at least {least_width}x{least_height} pixels'
    if layout.even_width and width % 2:
        return 'two pixels share a colour in this encoding; publish an even width'
    if step < width * layout.bytes_per_pixel:
        return f'a row takes {width * layout.bytes_per_pixel} bytes; step must not be less'
    if size != height * step:
        return f'height x step makes {height * step} bytes; data must have as many'
    return ''


def _sides_fit(height: int, width: int) -> bool:
    return 1 <= height <= MAX_SIDE_PX and 1 <= width <= MAX_SIDE_PX
