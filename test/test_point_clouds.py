from array import array
from typing import Any

from made_cloud import make_cloud
import numpy as np
import pytest

from mtl_perception.messages import decode_points
from mtl_perception.messages.point_clouds import MAX_POINTS

POINTS = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)


@pytest.mark.parametrize(
    'layout',
    [
        {},
        {'kind': '>f4'},
        {'kind': '<f8', 'before': 3, 'after': 5},
        {'before': 16, 'after': 0, 'row_padding': 7, 'height': 3},
    ],
)
def test_points_are_read_whatever_their_layout(layout: dict[str, Any]) -> None:
    read = decode_points(make_cloud(POINTS, **layout))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, POINTS)


def test_no_points_are_no_fault() -> None:
    assert decode_points(make_cloud(POINTS[:0])).shape == (0, 3)


FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    'short': ({'data': array('B', bytes(7))}, 'row_step must hold a row'),
    'long': ({'data': array('B', bytes(1000))}, 'row_step must hold a row'),
    'narrow rows': ({'row_step': 3}, 'row_step must hold a row'),
    'absurd': ({'height': 2**32 - 1, 'width': 2**32 - 1}, f'more than {MAX_POINTS} points'),
    'no fields': ({'fields': []}, 'needs fields x, y and z'),
    'no step': ({'point_step': 0}, 'needs fields x, y and z'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_a_broken_cloud_is_refused(fault: str) -> None:
    changes, words = FAULTS[fault]
    cloud = make_cloud(POINTS)
    vars(cloud).update(changes)
    with pytest.raises(ValueError, match=words) as raised:
        decode_points(cloud)
    assert str(raised.value).startswith(f'cloud of {cloud.width}x{cloud.height} points')


@pytest.mark.parametrize(('name', 'value'), [('datatype', 2), ('offset', 14), ('count', 3)])
def test_a_field_that_is_no_coordinate_is_refused(name: str, value: int) -> None:
    cloud = make_cloud(POINTS)
    setattr(cloud.fields[2], name, value)
    with pytest.raises(ValueError, match='float32 or float64, within point_step'):
        decode_points(cloud)
