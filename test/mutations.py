"""Messages as a broken driver, a torn cable or an attacker would send them; seeded."""

from array import array
from collections.abc import Callable
from typing import Any

import cv2
from made_weights import make_picture
import numpy as np
from rclpy.serialization import serialize_message
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

HEIGHT, WIDTH = 48, 64
_GOOD = {'rgb8': 3, 'bgr8': 3, 'rgba8': 4, 'mono8': 1, 'mono16': 2, 'yuv422': 2, 'bayer_rggb8': 1}
_ENCODINGS = (*_GOOD, '8UC3', '32FC1', '', 'RGB8', 'rgb8 ', 'mono8\n', 'é', 'x' * 5000, '16UC1')
_SIDES = (0, 1, 2, 3, 31, HEIGHT, WIDTH, 65, 16384, 16385, 2**31 - 1, 2**31, 2**32 - 1)
_FORMATS = (
    'jpeg',
    'png',
    '',
    'rgb8; jpeg compressed bgr8',
    'tiff',
    'é' * 100,
    '16UC1; compressedDepth',
)
_NUMBERS = (0.0, -0.0, 1.0, -1.0, 1e-308, 1e308, -1e308, float('inf'), float('-inf'), float('nan'))
_PICTURE = make_picture(HEIGHT, WIDTH)
_FILES = [
    cv2.imencode(suffix, _PICTURE, flags)[1].tobytes()
    for suffix, flags in (
        ('.jpg', [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
        ('.jpg', [cv2.IMWRITE_JPEG_RST_INTERVAL, 2]),
        ('.png', []),
        ('.bmp', []),
    )
]
Random = np.random.Generator


def good_image(second: int) -> Image:
    """Give a picture that must be answered."""
    message = Image(
        height=HEIGHT,
        width=WIDTH,
        encoding='rgb8',
        step=3 * WIDTH,
        data=array('B', _PICTURE.tobytes()),
    )
    message.header.stamp.sec = second
    message.header.frame_id = 'good'
    return message


def good_compressed(second: int) -> CompressedImage:
    """Give the same as a file."""
    message = CompressedImage(format='jpeg', data=array('B', _FILES[0]))
    message.header.stamp.sec = second
    message.header.frame_id = 'good'
    return message


def good_info() -> CameraInfo:
    """Give the calibration of the good pictures."""
    k = [60.0, 0.0, WIDTH / 2, 0.0, 60.0, HEIGHT / 2, 0.0, 0.0, 1.0]
    p = [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0]
    return CameraInfo(height=HEIGHT, width=WIDTH, distortion_model='plumb_bob', k=k, p=p)


def mutated_image(random: Random) -> Image:
    """Change some fields of a picture of any encoding, or its bytes."""
    encoding = random.choice(list(_GOOD))
    step = WIDTH * _GOOD[encoding]
    fields = {
        'height': HEIGHT,
        'width': WIDTH,
        'encoding': str(encoding),
        'step': step,
        'is_bigendian': int(random.integers(0, 3)),
    }
    size = HEIGHT * step
    for change in random.choice(len(_IMAGE_CHANGES), random.integers(1, 4)):
        _IMAGE_CHANGES[change](random, fields)
    size = max(0, int(fields.pop('size', size)))
    data = random.integers(0, 256, size, np.uint8)
    return _with_header(random, Image(**fields, data=array('B', data.tobytes())))


def mutated_compressed(random: Random) -> CompressedImage:
    """Flip, cut, insert, repeat or write over bytes of a file, or send another kind of file."""
    content = bytearray(_FILES[random.integers(len(_FILES))])
    for change in random.choice(len(_FILE_CHANGES), random.integers(1, 4)):
        _FILE_CHANGES[change](random, content)
    message = CompressedImage(format=str(random.choice(_FORMATS)), data=array('B', bytes(content)))
    return _with_header(random, message)


def mutated_info(random: Random) -> CameraInfo:
    """Change some numbers of a calibration."""
    info = good_info()
    for name in random.choice(['k', 'p', 'r', 'd', 'size', 'binning', 'roi'], 2):
        if name == 'size':
            info.width, info.height = (int(random.choice(_SIDES)) for _ in range(2))
        elif name == 'binning':
            info.binning_x = int(random.choice(_SIDES))
        elif name == 'roi':
            info.roi.width, info.roi.height = (int(random.choice(_SIDES)) for _ in range(2))
        elif name == 'd':
            info.d = [_number(random) for _ in range(random.integers(0, 40))]
        else:
            values = list(getattr(info, name))
            values[random.integers(len(values))] = _number(random)
            setattr(info, name, values)
    return _with_header(random, info)


def mutated_bytes(random: Random, message: Any) -> bytes:
    """Damage a message as it goes over the wire: its lengths, its strings, its end."""
    content = bytearray(serialize_message(message))
    for change in random.choice(len(_FILE_CHANGES), random.integers(1, 3)):
        # lengths stand in the first bytes
        head = content[:96]
        _FILE_CHANGES[change](random, head)
        content[:96] = head
    return bytes(content)


MUTATED: dict[type, Callable[[Random], Any]] = {
    Image: mutated_image,
    CompressedImage: mutated_compressed,
    CameraInfo: mutated_info,
}


def _with_header(random: Random, message: Any) -> Any:
    message.header.frame_id = str(random.choice(['camera', '', 'é', 'x' * 1000]))
    message.header.stamp.sec = int(random.integers(-(2**31), 2**31))
    message.header.stamp.nanosec = int(random.integers(0, 2**32))
    return message


def _number(random: Random) -> float:
    return float(random.choice([*_NUMBERS, float(random.normal(0, 500))]))


def _put(name: str, choose: Callable[[Random], Any]) -> Callable[[Random, dict[str, Any]], None]:
    def change(random: Random, fields: dict[str, Any]) -> None:
        fields[name] = choose(random)

    return change


_IMAGE_CHANGES = (
    _put('height', lambda random: int(random.choice(_SIDES))),
    _put('width', lambda random: int(random.choice(_SIDES))),
    _put('step', lambda random: int(random.choice(_SIDES))),
    _put('encoding', lambda random: str(random.choice(_ENCODINGS))),
    _put('is_bigendian', lambda random: int(random.integers(0, 256))),
    _put('size', lambda random: int(random.integers(0, 20000))),
    _put('size', lambda random: int(random.choice([0, 1, HEIGHT * WIDTH, 3 * HEIGHT * WIDTH]))),
    # only the bytes differ: a picture of noise
    lambda random, fields: None,
)


def _flip(random: Random, content: bytearray) -> None:
    for place in random.integers(0, max(1, len(content)), 8):
        if len(content):
            content[place] ^= int(random.integers(1, 256))


def _cut(random: Random, content: bytearray) -> None:
    del content[int(random.integers(0, len(content) + 1)) :]


def _insert(random: Random, content: bytearray) -> None:
    place = int(random.integers(0, len(content) + 1))
    content[place:place] = random.integers(0, 256, random.integers(1, 64), np.uint8).tobytes()


def _repeat(random: Random, content: bytearray) -> None:
    content += content[int(random.integers(0, len(content) + 1)) :]


def _huge(random: Random, content: bytearray) -> None:
    """Write a length or a size that is far too large, at any place of a header."""
    place = int(random.integers(0, max(1, min(len(content) - 4, 200))))
    content[place : place + 4] = int(random.choice([2**32 - 1, 2**31, 65535, 0])).to_bytes(
        4, 'big'
    )


_FILE_CHANGES = (_flip, _cut, _insert, _repeat, _huge)
