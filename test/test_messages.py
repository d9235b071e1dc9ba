from array import array
import re

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
import numpy as np
import pytest

from mtl_perception.messages import (
    byte_array,
    decode_compressed,
    decode_image,
    depth_to_millimetres,
    encode_cloud,
    encode_image,
)

CHANNELS = {
    **{'rgb8': (0, 1, 2), 'bgr8': (2, 1, 0), '8UC3': (2, 1, 0)},
    **{'rgba8': (0, 1, 2, 3), 'bgra8': (2, 1, 0, 3), '8UC4': (2, 1, 0, 3)},
    **{'mono8': (0,), '8UC1': (0,)},
}
BAYER_SITES = {
    'bayer_rggb8': ((0, 1), (1, 2)),
    'bayer_bggr8': ((2, 1), (1, 0)),
    'bayer_gbrg8': ((1, 2), (0, 1)),
    'bayer_grbg8': ((1, 0), (2, 1)),
}
YUV_ORDERS = {
    **dict.fromkeys(('yuv422', 'uyvy'), ('u', 'y', 'v', 'y')),
    **dict.fromkeys(('yuv422_yuy2', 'yuyv'), ('y', 'u', 'y', 'v')),
}
BYTES_PER_PIXEL = (
    {name: len(order) for name, order in CHANNELS.items()}
    | dict.fromkeys(BAYER_SITES, 1)
    | dict.fromkeys((*YUV_ORDERS, 'mono16'), 2)
)
COLOURS = {'red': (255, 0, 0), 'green': (0, 255, 0), 'blue': (0, 0, 255), 'mixed': (200, 90, 30)}
sides = st.integers(1, 9)
paddings = st.sampled_from((0, 1, 5))


def padded(rows: np.ndarray, padding: int, filler: int = 77) -> tuple[int, bytes]:
    """Give step and data of rows (H, bytes) with padding bytes behind each."""
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=filler)
    return rows.shape[1], rows.tobytes()


def solid(encoding: str, rgb: tuple[int, int, int], height: int, width: int) -> np.ndarray:
    """Lay out a picture of one colour, by the definition of the encoding, as (H, bytes)."""
    if encoding in BAYER_SITES:
        sites = np.array(rgb, np.uint8)[np.array(BAYER_SITES[encoding])]
        return np.tile(sites, (height // 2 + 1, width // 2 + 1))[:height, :width]
    if encoding in YUV_ORDERS:
        red, green, blue = np.array(rgb) / 255
        luma = 0.299 * red + 0.587 * green + 0.114 * blue
        values = {
            'y': 16 + 219 * luma,
            'u': 128 + 224 * (blue - luma) / 1.772,
            'v': 128 + 224 * (red - luma) / 1.402,
        }
        pair = np.rint([values[letter] for letter in YUV_ORDERS[encoding]]).astype(np.uint8)
        return np.tile(pair, (height, width // 2))
    order = CHANNELS[encoding]
    pixel = np.array([*rgb, 255], np.uint8)[list(order)]
    return np.tile(pixel, (height, width))


@given(data=st.data(), encoding=st.sampled_from(sorted(CHANNELS)), height=sides, width=sides)
@given(padding=paddings)
def test_pixels_survive_every_byte_encoding_with_padded_rows(
    data, encoding, height, width, padding
):
    order = CHANNELS[encoding]
    depth = len(order)
    stored = data.draw(npst.arrays(np.uint8, (height, width, depth)))
    step, content = padded(stored.reshape(height, -1), padding)

    picture = decode_image(height, width, encoding, 0, step, content)

    expected = np.empty((height, width, 3), np.uint8)
    for place, channel in enumerate(order[:3]):
        expected[..., channel if depth > 1 else slice(None)] = stored[..., place, None][
            ..., slice(None) if depth == 1 else 0
        ]
    np.testing.assert_array_equal(picture, expected)
    assert picture.dtype == np.uint8
    assert picture.flags.c_contiguous


@given(words=npst.arrays(np.uint16, st.tuples(sides, sides)), big=st.booleans(), padding=paddings)
def test_mono16_scales_its_full_range_in_both_byte_orders(words, big, padding):
    height, width = words.shape
    stored = words.astype('>u2' if big else '<u2').view(np.uint8).reshape(height, -1)
    step, content = padded(stored, padding)

    picture = decode_image(height, width, 'mono16', int(big), step, content)

    expected = np.rint(words / 257).astype(np.uint8)
    np.testing.assert_array_equal(picture, np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('colour', sorted(COLOURS))
@pytest.mark.parametrize('encoding', sorted(BAYER_SITES))
def test_mosaic_of_one_colour_becomes_that_colour(encoding, colour, padding):
    step, content = padded(solid(encoding, COLOURS[colour], 6, 7), padding)
    picture = decode_image(6, 7, encoding, 0, step, content)
    assert (picture == COLOURS[colour]).all()


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('colour', sorted(COLOURS))
@pytest.mark.parametrize('encoding', sorted(YUV_ORDERS))
def test_yuv_of_one_colour_becomes_that_colour(encoding, colour, padding):
    step, content = padded(solid(encoding, COLOURS[colour], 3, 8), padding)
    picture = decode_image(3, 8, encoding, 0, step, content)
    assert np.abs(picture.astype(int) - COLOURS[colour]).max() <= 3


def test_unpadded_rgb8_is_not_copied():
    message_data = array('B', bytes(range(24)))
    picture = decode_image(2, 4, 'rgb8', 0, 12, message_data)
    assert np.shares_memory(picture, np.frombuffer(message_data, np.uint8))


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview, np.frombuffer, array])
def test_every_kind_of_buffer_is_read(kind):
    raw = bytes(range(6))
    special = {np.frombuffer: lambda: np.frombuffer(raw, np.uint8), array: lambda: array('B', raw)}
    data = special.get(kind, lambda: kind(raw))()
    assert decode_image(1, 2, 'rgb8', 0, 6, data).tolist() == [[[0, 1, 2], [3, 4, 5]]]


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ((2, 4, 'rgb8', 0, 12, bytes(23)), 'makes 24 bytes'),
        ((2, 4, 'rgb8', 0, 12, bytes(25)), 'makes 24 bytes'),
        ((2, 4, 'rgb8', 0, 12, b''), 'makes 24 bytes'),
        ((2, 4, 'rgb8', 0, 11, bytes(22)), 'a row takes 12 bytes'),
        ((2, 4, 'rgb8', 0, 0, b''), 'a row takes 12 bytes'),
        ((2, 4, 'mono16', 0, 7, bytes(14)), 'a row takes 8 bytes'),
        ((0, 4, 'rgb8', 0, 12, b''), 'within 1..16384'),
        ((2, 0, 'rgb8', 0, 0, b''), 'within 1..16384'),
        ((2, -4, 'rgb8', 0, 12, bytes(24)), 'within 1..16384'),
        ((16385, 1, 'mono8', 0, 1, bytes(16385)), 'within 1..16384'),
        ((2**32 - 1, 2**32 - 1, 'rgb8', 0, 2**32 - 1, b''), 'within 1..16384'),
        ((16384, 16384, 'rgb8', 0, 3 * 16384, bytes(8)), 'makes 805306368 bytes'),
        ((1, 1, '32FC1', 0, 4, bytes(4)), 'unknown; publish one of rgb8, bgr8'),
        ((1, 1, '', 0, 3, bytes(3)), 'unknown; publish one of'),
        ((1, 3, 'yuv422', 0, 6, bytes(6)), 'an even width'),
        ((2, 2, 'bayer_rggb8', 0, 2, bytes(4)), 'at least 3x3'),
    ],
)
def test_bad_image_is_refused_in_words(fields, words):
    height, width, encoding, _, step, data = fields
    named = f"'{encoding}', {width}x{height}, step {step}, {len(data)} bytes: "
    with pytest.raises(ValueError, match=re.escape(named) + '.*' + re.escape(words)):
        decode_image(*fields)


@settings(max_examples=200)
@given(
    height=st.integers(-1, 6),
    width=st.integers(-1, 6),
    encoding=st.sampled_from((*sorted(BYTES_PER_PIXEL), '16UC1', 'yuv444')),
    is_bigendian=st.integers(0, 1),
    step=st.integers(0, 30),
    data=st.binary(max_size=100) | st.builds(bytes, st.integers(0, 180)),
)
def test_any_fields_give_a_picture_or_a_value_error(
    height, width, encoding, is_bigendian, step, data
):
    try:
        picture = decode_image(height, width, encoding, is_bigendian, step, data)
    except ValueError:
        return
    assert picture.shape == (height, width, 3)
    assert len(data) == height * step
    assert step >= width * BYTES_PER_PIXEL[encoding]


def test_largest_side_is_accepted():
    assert decode_image(1, 16384, 'mono8', 0, 16384, bytes(16384)).shape == (1, 16384, 3)


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


def test_torn_jpeg_with_a_whole_thumbnail_is_refused():
    thumbnail = compressed('.jpg', smooth_picture(8, 8))
    content = compressed('.jpg', smooth_picture())
    app = b'\xff\xe1' + (len(thumbnail) + 2).to_bytes(2, 'big') + thumbnail
    whole = content[:2] + app + content[2:]
    assert decode_compressed('jpeg', whole).shape == (48, 64, 3)
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


@pytest.mark.parametrize('data', [b'', b'GIF89a trailing', bytes(1000)])
def test_what_is_neither_jpeg_nor_png_is_refused(data):
    with pytest.raises(ValueError, match=f"'16UC1; compressedDepth', {len(data)} bytes: neither"):
        decode_compressed('16UC1; compressedDepth', data)


@given(data=st.binary(max_size=60), start=st.sampled_from((b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n')))
def test_any_bytes_give_a_value_error(data, start):
    with pytest.raises(ValueError, match='compressed image of format'):
        decode_compressed('jpeg', start + data)


@pytest.mark.parametrize(
    ('encoding', 'dtype', 'channels'),
    [
        *(('mono8', np.uint8, ()), ('rgb8', np.uint8, (3,)), ('16UC1', np.uint16, ())),
        *(('32FC1', np.float32, ()), ('32FC3', np.float32, (3,))),
    ],
)
@given(data=st.data(), height=sides, width=sides, reverse=st.booleans())
def test_written_image_holds_the_array_bit_for_bit(
    encoding, dtype, channels, data, height, width, reverse
):
    values = data.draw(npst.arrays(dtype, (height, width, *channels)))
    values = values[::-1, ::-1] if reverse else values

    fields = encode_image(values, encoding)

    assert (fields.height, fields.width, fields.encoding) == (height, width, encoding)
    assert fields.step == width * max(len(channels) * 3, 1) * values.itemsize
    assert fields.data.shape == (height * fields.step,)
    order = '>' if fields.is_bigendian else '<'
    stored = fields.data.view(np.dtype(dtype).newbyteorder(order)).reshape(values.shape)
    assert stored.tobytes() == values.tobytes()


@given(picture=npst.arrays(np.uint8, st.tuples(sides, sides, st.just(3))))
def test_written_picture_is_read_back(picture):
    fields = encode_image(picture, 'rgb8')
    data = byte_array(fields.data)
    assert data.typecode == 'B'
    read = decode_image(
        fields.height, fields.width, fields.encoding, fields.is_bigendian, fields.step, data
    )
    np.testing.assert_array_equal(read, picture)


@pytest.mark.parametrize(
    ('values', 'encoding', 'words'),
    [
        (np.zeros((2, 3), np.float64), '32FC1', 'got float64 of shape (2, 3)'),
        (np.zeros((2, 3), '>u2' if np.little_endian else '<u2'), '16UC1', 'takes uint16'),
        (np.zeros((2, 3, 3), np.uint8), 'mono8', 'of shape (H, W) with sides'),
        (np.zeros((2, 3), np.uint8), 'rgb8', 'of shape (H, W, 3) with sides'),
        (np.zeros((2, 3, 4), np.uint8), 'rgb8', 'got uint8 of shape (2, 3, 4)'),
        (np.zeros((3,), np.uint8), 'mono8', 'got uint8 of shape (3,)'),
        (np.zeros((0, 3), np.uint8), 'mono8', 'within 1..16384'),
        (np.zeros((1, 16385), np.uint8), 'mono8', 'within 1..16384'),
        (np.zeros((2, 3), np.uint8), 'bgr8', 'choose of mono8, rgb8, 16UC1, 32FC1, 32FC3'),
    ],
)
def test_array_that_does_not_fit_its_encoding_is_refused(values, encoding, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        encode_image(values, encoding)


def test_byte_array_of_nothing_is_empty():
    assert byte_array(np.zeros(0, np.uint8)) == array('B')


@given(depth=npst.arrays(np.float32, st.tuples(sides, sides), elements=st.floats(width=32)))
def test_millimetres_are_the_nearest_or_zero_where_invalid(depth):
    millimetres = depth_to_millimetres(depth)
    valid = (depth > 0) & (depth <= np.float32(65.535))
    assert millimetres.dtype == np.uint16
    assert (millimetres[~valid] == 0).all()
    error = np.abs(millimetres[valid] - depth[valid].astype(np.float64) * 1000)
    assert (error <= 0.51).all()


def test_millimetres_at_the_ends_of_the_range():
    depth = np.float32([[np.nan, np.inf, -np.inf, -1, 0, 0.001, 1.2345, 65.535, 65.536, 1e30]])
    assert depth_to_millimetres(depth).tolist() == [[0, 0, 0, 0, 0, 1, 1234, 65535, 0, 0]]


def structured(cloud):
    """Read a cloud by its own description, as sensor_msgs_py does."""
    formats = {7: 'f4', 2: 'u1'}
    order = '>' if cloud.is_bigendian else '<'
    record = np.dtype(
        {
            'names': [field.name for field in cloud.fields],
            'formats': [order + formats[field.datatype] for field in cloud.fields],
            'offsets': [field.offset for field in cloud.fields],
            'itemsize': cloud.point_step,
        }
    )
    return cloud.data.view(record).reshape(cloud.height, cloud.width)


@given(
    data=st.data(),
    height=sides,
    width=st.integers(0, 9),
    with_label=st.booleans(),
    with_confidence=st.booleans(),
)
def test_cloud_bytes_read_as_a_structured_array(data, height, width, with_label, with_confidence):
    points = data.draw(npst.arrays(np.float32, (height, width, 3)))
    picture = data.draw(npst.arrays(np.uint8, (height, width, 3)))
    labels = data.draw(npst.arrays(np.uint8, (height, width))) if with_label else None
    confidence = data.draw(npst.arrays(np.uint8, (height, width))) if with_confidence else None

    cloud = encode_cloud(points, picture, labels, confidence)
    stored = structured(cloud)

    names = ['x', 'y', 'z', 'rgb', *['label'] * with_label, *['confidence'] * with_confidence]
    assert [field.name for field in cloud.fields] == names
    assert all(field.count == 1 for field in cloud.fields)
    assert (cloud.row_step, cloud.is_dense) == (width * cloud.point_step, False)
    assert cloud.data.shape == (height * cloud.row_step,)
    for channel, name in enumerate('xyz'):
        assert stored[name].tobytes() == points[..., channel].tobytes()
    packed = np.ascontiguousarray(stored['rgb']).view(np.uint32)
    red, green, blue = np.moveaxis(picture.astype(np.uint32), 2, 0)
    np.testing.assert_array_equal(packed, red << 16 | green << 8 | blue)
    for name, values in (('label', labels), ('confidence', confidence)):
        if values is not None:
            np.testing.assert_array_equal(stored[name], values)


def test_cloud_takes_every_nth_pixel_of_a_picture():
    picture = smooth_picture(9, 12)
    labels = np.arange(108, dtype=np.uint8).reshape(9, 12)
    points = np.zeros((3, 4, 3), np.float32)
    stored = structured(encode_cloud(points, picture[::3, ::3], labels[::3, ::3], None))
    assert stored['label'].tolist() == labels[::3, ::3].tolist()
    blue = np.ascontiguousarray(stored['rgb']).view(np.uint32) & 255
    np.testing.assert_array_equal(blue, picture[::3, ::3, 2])


def test_cloud_words_are_aligned_and_padding_is_zero():
    ones = np.ones((1, 2), np.uint8)
    cloud = encode_cloud(np.ones((1, 2, 3), np.float32), np.ones((1, 2, 3), np.uint8), ones, ones)
    assert cloud.point_step % 4 == 0
    assert [field.offset for field in cloud.fields] == [0, 4, 8, 12, 16, 17]
    assert not cloud.data.reshape(2, -1)[:, 18:].any()


@pytest.mark.parametrize(
    ('name', 'shape', 'dtype'),
    [
        ('points', (2, 3, 3), np.float64),
        ('points', (2, 3), np.float32),
        ('picture', (2, 4, 3), np.uint8),
        ('picture', (2, 3, 3), np.float32),
        ('labels', (1, 3), np.uint8),
        ('labels', (2, 3), np.int64),
        ('confidence', (3,), np.uint8),
    ],
)
def test_cloud_of_arrays_that_do_not_fit_is_refused(name, shape, dtype):
    arrays = {
        'points': np.zeros((2, 3, 3), np.float32),
        'picture': np.zeros((2, 3, 3), np.uint8),
        'labels': np.zeros((2, 3), np.uint8),
        'confidence': np.zeros((2, 3), np.uint8),
    } | {name: np.zeros(shape, dtype)}
    with pytest.raises(ValueError, match=rf'{name[:5]}.* of a cloud must be .* got'):
        encode_cloud(**arrays)
