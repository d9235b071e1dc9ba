from array import array

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from mtl_perception.messages import decode_compressed, ENCODINGS


def smooth_picture(height: int = 48, width: int = 64) -> np.ndarray:
    """Draw gradients, different in each channel, which JPEG keeps closely."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack((4 * columns, 5 * rows, 255 - 4 * columns), 2).clip(0, 255).astype(np.uint8)


def compressed(extension: str, rgb: np.ndarray) -> bytes:
    return cv2.imencode(extension, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def test_png_comes_back_exactly_and_jpeg_closely():
    picture = smooth_picture()
    decoded = decode_compressed('bgr8; png compressed bgr8', compressed('.png', picture))
    np.testing.assert_array_equal(decoded, picture)
    decoded = decode_compressed('jpeg', array('B', compressed('.jpg', picture)))
    assert np.abs(decoded.astype(int) - picture).mean() < 4
    assert decoded.flags.c_contiguous


def test_grey_and_16_bit_pictures_become_rgb():
    grey = smooth_picture()[..., 0]
    for stored in (grey, grey.astype(np.uint16) * 257):
        decoded = decode_compressed('png', cv2.imencode('.png', stored)[1].tobytes())
        np.testing.assert_array_equal(decoded, np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize('encoding', [one for one in ENCODINGS if one.startswith('bayer_')])
def test_a_mosaic_of_one_channel_is_demosaiced(encoding):
    colour = np.array((200, 90, 30), np.uint8)
    # the name has the first row's two colours and then the second's
    sites = colour[['rgb'.index(letter) for letter in encoding[6:10]]].reshape(2, 2)
    mosaic = np.tile(sites, (24, 32))
    content = cv2.imencode('.png', mosaic)[1].tobytes()
    decoded = decode_compressed(f'{encoding}; png compressed {encoding}', content)
    np.testing.assert_array_equal(decoded, np.broadcast_to(colour, (48, 64, 3)))
    content = cv2.imencode('.jpg', mosaic, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    decoded = decode_compressed(f'{encoding}; jpeg compressed ', content)
    assert np.abs(decoded - colour.astype(int)).max() < 4


def test_a_picture_that_was_demosaiced_before_stays_as_it_is():
    picture = smooth_picture()
    decoded = decode_compressed('bayer_rggb8; png compressed bgr8', compressed('.png', picture))
    np.testing.assert_array_equal(decoded, picture)


def test_a_mosaic_of_16_bits_is_demosaiced_as_one_of_8():
    mosaic = np.tile(np.array([[200, 90], [90, 30]], np.uint16) * 257, (24, 32))
    content = cv2.imencode('.png', mosaic)[1].tobytes()
    decoded = decode_compressed('bayer_rggb16; png compressed ', content)
    np.testing.assert_array_equal(decoded, np.broadcast_to((200, 90, 30), (48, 64, 3)))


def test_an_unknown_mosaic_is_refused():
    content = cv2.imencode('.png', np.zeros((8, 8), np.uint8))[1].tobytes()
    with pytest.raises(ValueError, match=r"'bayer_xyz8', 8x8, .* unknown"):
        decode_compressed('bayer_xyz8; png compressed ', content)


def test_a_mosaic_too_small_to_demosaic_is_refused():
    content = cv2.imencode('.png', np.zeros((2, 2), np.uint8))[1].tobytes()
    with pytest.raises(ValueError, match=r"'bayer_rggb8', 2x2, .* at least 3x3 pixels"):
        decode_compressed('bayer_rggb8; png compressed ', content)


def test_progressive_jpeg_with_restarts_is_read():
    parameters = [cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2]
    content = cv2.imencode('.jpg', smooth_picture(), parameters)[1].tobytes()
    assert decode_compressed('jpeg', content).shape == (48, 64, 3)


def test_exif_rotation_is_left_alone():
    content = compressed('.jpg', smooth_picture())
    orientation = b'II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    segment = b'Exif\0\0' + orientation
    exif = b'\xff\xe1' + (len(segment) + 2).to_bytes(2, 'big') + segment
    rotated = content[:2] + exif + content[2:]
    # OpenCV by itself turns it, which shows that the segment is understood
    assert cv2.imdecode(np.frombuffer(rotated, np.uint8), cv2.IMREAD_COLOR).shape == (64, 48, 3)
    assert decode_compressed('jpeg', rotated).shape == (48, 64, 3)


@pytest.mark.parametrize('extension', ['.jpg', '.png'])
@pytest.mark.parametrize('kept', [0.01, 0.2, 0.5, 0.9, 0.995])
def test_torn_picture_is_refused(extension, kept):
    content = compressed(extension, smooth_picture())
    content = content[: int(len(content) * kept)]
    with pytest.raises(ValueError, match=rf"format 'torn', {len(content)} bytes.*"):
        decode_compressed('torn', content)


def test_torn_jpeg_is_refused_where_libjpeg_would_fill_it_with_grey(monkeypatch):
    # the thumbnail's end must not be taken for the picture's
    thumbnail = compressed('.jpg', smooth_picture(8, 8))
    content = compressed('.jpg', smooth_picture())
    app = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    whole = content[:2] + app + content[2:]
    assert decode_compressed('jpeg', whole).shape == (48, 64, 3)
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: np.full((48, 64, 3), 128, np.uint8))
    with pytest.raises(ValueError, match='damaged or cut off'):
        decode_compressed('jpeg', whole[:-40])


def test_absurd_sizes_are_refused_by_their_header(monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', lambda *_: pytest.fail('memory was taken'))
    png = bytearray(compressed('.png', smooth_picture()))
    png[16:20] = (60000).to_bytes(4, 'big')
    with pytest.raises(ValueError, match=r'60000x48; a side must be within 1\.\.16384'):
        decode_compressed('png', bytes(png))
    jpeg = bytearray(compressed('.jpg', smooth_picture()))
    frame = jpeg.index(b'\xff\xc0')
    jpeg[frame + 5 : frame + 7] = (60000).to_bytes(2, 'big')
    with pytest.raises(ValueError, match=r'64x60000; a side must be within 1\.\.16384'):
        decode_compressed('jpeg', bytes(jpeg))


def test_a_small_file_that_claims_a_huge_picture_is_refused_unopened() -> None:
    bomb = cv2.imencode('.png', np.zeros((8100, 8100), np.uint8))[1].tobytes()
    assert len(bomb) < 100_000
    with pytest.raises(ValueError, match=r'8100x8100; .* 64000000 pixels at most'):
        decode_compressed('png', bomb)


@pytest.mark.parametrize('data', [b'', b'GIF89a trailing', bytes(1000)])
def test_what_is_neither_jpeg_nor_png_is_refused(data):
    with pytest.raises(ValueError, match=f"'16UC1; compressedDepth', {len(data)} bytes: neither"):
        decode_compressed('16UC1; compressedDepth', data)


@given(data=st.binary(max_size=60), start=st.sampled_from((b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n')))
def test_any_bytes_give_a_value_error(data, start):
    with pytest.raises(ValueError, match='compressed image of format'):
        decode_compressed('jpeg', start + data)


@pytest.mark.parametrize('format', ['16UC1; png compressed', '32FC1; compressedDepth png'])
def test_depth_is_no_picture(format: str) -> None:
    content = cv2.imencode('.png', np.full((4, 6), 2000, np.uint16))[1].tobytes()
    with pytest.raises(ValueError, match='is depth, no picture'):
        decode_compressed(format, content)
