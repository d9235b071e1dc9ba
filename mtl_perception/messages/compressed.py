"""Fields of sensor_msgs/CompressedImage, and of either kind of image, to a picture."""

import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtl_perception.messages.images import Buffer, decode_image, MAX_SIDE_PX

# few bytes can claim many pixels; no camera has more
MAX_PIXELS = 64_000_000

_PNG_START = b'\x89PNG\r\n\x1a\n'
_JPEG_START = b'\xff\xd8\xff'
_JPEG_END = b'\xff\xd9'
# SOF0..SOF15 carry the size; C4, C8 and CC between them are tables
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN = 0xDA
# TEM and RST0..RST7 stand alone, without a length
_JPEG_LONE = frozenset({0x01, *range(0xD0, 0xD8)})


def decode_message(message: Any) -> NDArray[np.uint8]:
    """Decode what has the fields of sensor_msgs/Image or CompressedImage: (H, W, 3), RGB.

    Raises ValueError as decode_image and decode_compressed do.
    """
    if hasattr(message, 'format'):
        return decode_compressed(message.format, message.data)
    return decode_image(
        message.height,
        message.width,
        message.encoding,
        message.is_bigendian,
        message.step,
        message.data,
    )


def decode_compressed(format: str, data: Buffer) -> NDArray[np.uint8]:
    """Decode a JPEG or PNG to a picture (H, W, 3), RGB, C-contiguous.

    The bytes tell which of the two it is; `format` names the image in errors and, by a first
    word as bayer_rggb8, the mosaic that one channel holds. Other grey becomes RGB, 16 bits become
    8, and an EXIF rotation is left alone, since CameraInfo describes the sensor's pixels. Raises
    ValueError, with the format and the sizes, if data is neither, is a damaged PNG, is a JPEG
    that is cut off at its end (one with a hole in its middle passes: libjpeg only warns), has a
    side not within 1..16384 or more than MAX_PIXELS (found before memory is taken), or is depth
    by its format.
    """
    content = np.frombuffer(data, np.uint8).tobytes()
    name = f"compressed image of format '{format}', {len(content)} bytes"
    if content.startswith(_PNG_START):
        width, height = _png_size(content)
    elif content.startswith(_JPEG_START):
        width, height = _jpeg_size(content)
    else:
        raise ValueError(
            f'{name}: neither JPEG nor PNG, it starts with {content[:8].hex(" ") or "nothing"}; '
            'set the image transport to one of these'
        )
    if not (width and height):
        raise ValueError(f'{name}: damaged or cut off; check the connection to the camera')
    if max(width, height) > MAX_SIDE_PX or width * height > MAX_PIXELS:
        raise ValueError(
            f'{name}: {width}x{height}; a side must be within 1..{MAX_SIDE_PX}, and a picture '
            f'have {MAX_PIXELS} pixels at most'
        )
    flags = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error as error:
        raise ValueError(f'{name}, {width}x{height}: OpenCV says {error}') from error
    if image is None or image.shape[:2] != (height, width):
        raise ValueError(f'{name}, {width}x{height}: damaged or cut off; check the connection')
    encoding = format.partition(';')[0].strip()
    if encoding in ('16UC1', '32FC1'):
        raise ValueError(f"{name}: format '{format}' is depth, no picture; name a camera's topic")
    if image.ndim == 2:
        return decode_image(height, width, _one_channel(encoding), 0, width, image)
    picture: NDArray[np.uint8] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)
    return picture


def _one_channel(encoding: str) -> str:
    """Give the encoding of one channel, of 8 bits by now: the format's mosaic, else grey."""
    return re.sub('16$', '8', encoding) if encoding.startswith('bayer_') else 'mono8'


def _png_size(content: bytes) -> tuple[int, int]:
    """Read width and height of the header chunk, which must come first; zeros if it is not."""
    if content[12:16] != b'IHDR' or len(content) < 24:
        return 0, 0
    return int.from_bytes(content[16:20], 'big'), int.from_bytes(content[20:24], 'big')


def _jpeg_size(content: bytes) -> tuple[int, int]:
    """Walk the segments to the scan; give width and height of the frame, zeros if it is torn."""
    width = height = 0
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if marker == 0xFF:
            position += 1
            continue
        if marker in _JPEG_LONE:
            position += 2
            continue
        if marker in _JPEG_FRAMES:
            height = int.from_bytes(content[position + 5 : position + 7], 'big')
            width = int.from_bytes(content[position + 7 : position + 9], 'big')
        elif marker == _JPEG_SCAN:
            # some versions of libjpeg fill what a torn file lacks with grey and say nothing
            whole = content.rfind(_JPEG_END, position) > 0
            return (width, height) if whole else (0, 0)
        position += 2 + int.from_bytes(content[position + 2 : position + 4], 'big')
    return 0, 0
