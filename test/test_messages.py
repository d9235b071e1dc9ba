from array import array
import re

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
import numpy as np
import pytest

from mtl_perception.messages import (
    byte_array,
    decode_image,
    depth_to_millimetres,
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


def solid_mosaic(encoding: str, rgb: tuple[int, int, int], height: int, width: int) -> np.ndarray:
    """Lay out a picture of one colour as (H, bytes), by the definition of the encoding."""
    sites = np.array(rgb, np.uint8)[np.array(BAYER_SITES[encoding])]
    return np.tile(sites, (height // 2 + 1, width // 2 + 1))[:height, :width]


def solid_yuv(encoding: str, rgb: tuple[int, int, int], height: int, width: int) -> np.ndarray:
    """Lay out a picture of one colour as (H, bytes), by BT.601 with limited range."""
    red, green, blue = np.array(rgb) / 255
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    values = {
        'y': 16 + 219 * luma,
        'u': 128 + 224 * (blue - luma) / 1.772,
        'v': 128 + 224 * (red - luma) / 1.402,
    }
    pair = np.rint([values[letter] for letter in YUV_ORDERS[encoding]]).astype(np.uint8)
    return np.tile(pair, (height, width // 2))


@given(st.data(), st.sampled_from(sorted(CHANNELS)), sides, sides, paddings)
def test_pixels_survive_every_byte_encoding_with_padded_rows(
    data, encoding, height, width, padding
):
    order = CHANNELS[encoding]
    stored = data.draw(npst.arrays(np.uint8, (height, width, len(order))))
    step, content = padded(stored.reshape(height, -1), padding)

    picture = decode_image(height, width, encoding, 0, step, content)

    places = [order.index(channel) if len(order) > 1 else 0 for channel in range(3)]
    np.testing.assert_array_equal(picture, stored[..., places])
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
    step, content = padded(solid_mosaic(encoding, COLOURS[colour], 6, 7), padding)
    picture = decode_image(6, 7, encoding, 0, step, content)
    assert (picture == COLOURS[colour]).all()


@pytest.mark.parametrize('padding', [0, 3])
@pytest.mark.parametrize('colour', sorted(COLOURS))
@pytest.mark.parametrize('encoding', sorted(YUV_ORDERS))
def test_yuv_of_one_colour_becomes_that_colour(encoding, colour, padding):
    step, content = padded(solid_yuv(encoding, COLOURS[colour], 3, 8), padding)
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
