from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
import numpy as np
import pytest

from mtl_perception.messages import encode_cloud

sides = st.integers(1, 9)


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
    picture = np.arange(324, dtype=np.uint16).astype(np.uint8).reshape(9, 12, 3)
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
        ('points', (3,), np.float32),
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
