from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
import numpy as np
import pytest

from mtl_perception.label_space import label_space, LABEL_SPACES
from mtl_perception.visualization import (
    colour_depth,
    colour_errors,
    colour_labels,
    colour_normals,
    overlay_labels,
    render_cloud,
    SKY_COLOUR,
    TOO_HIGH_COLOUR,
    TOO_LOW_COLOUR,
    UNKNOWN_COLOUR,
)

sizes = st.tuples(st.integers(1, 9), st.integers(1, 9))
# looks along the optical axis: what is at (x, y, z) is drawn around the centre by x / z, y / z
AHEAD = {'eye_m': (0.0, 0.0, 0.0), 'target_m': (0.0, 0.0, 1.0), 'field_of_view_deg': 90.0}


@given(labels=npst.arrays(np.uint8, sizes), name=st.sampled_from(sorted(LABEL_SPACES)))
def test_labels_have_the_colours_of_their_space(labels, name):
    space = label_space(name)
    painted = colour_labels(labels, space)
    assert painted.dtype == np.uint8
    np.testing.assert_array_equal(painted, space.palette()[labels])


@given(data=st.data(), size=sizes, opacity=st.floats(0, 1))
def test_overlay_blends_classes_and_leaves_the_rest(data, size, opacity):
    space = label_space('road8')
    picture = data.draw(npst.arrays(np.uint8, (*size, 3)))
    labels = data.draw(npst.arrays(np.uint8, size, elements=st.sampled_from((0, 3, 7, 8, 255))))
    before = picture.copy()

    overlaid = overlay_labels(picture, labels, space, opacity)

    known = labels < len(space.names)
    blend = opacity * space.palette()[labels] + (1 - opacity) * picture
    assert np.abs(overlaid[known] - blend[known]).max(initial=0) <= 0.51
    np.testing.assert_array_equal(overlaid[~known], picture[~known])
    np.testing.assert_array_equal(picture, before)


def test_overlay_that_does_not_fit_is_refused():
    picture, labels = np.zeros((4, 5, 3), np.uint8), np.zeros((4, 5), np.uint8)
    with pytest.raises(ValueError, match=r'labels \(3, 5\) must have the size of picture \(4, 5'):
        overlay_labels(picture, labels[:3], label_space('road8'))
    with pytest.raises(ValueError, match=r'opacity 1\.5 must be within 0\.\.1'):
        overlay_labels(picture, labels, label_space('road8'), 1.5)


def test_near_is_warm_and_far_is_cold():
    near, far = colour_depth(np.float32([[1, 80]]), (1.0, 80.0))[0].astype(int)
    assert near[0] > near[2] + 50
    assert far[2] > far[0]


def test_unknown_is_black_and_sky_has_its_own_colour():
    painted = colour_depth(np.float32([[np.nan, 0, -3, -np.inf, np.inf]]), (1.0, 80.0))
    assert painted[0].tolist() == [*[list(UNKNOWN_COLOUR)] * 4, list(SKY_COLOUR)]
    scale = colour_depth(np.linspace(1, 80, 500, dtype=np.float32)[None], (1.0, 80.0))[0]
    for special in (UNKNOWN_COLOUR, SKY_COLOUR):
        assert np.abs(scale.astype(int) - special).sum(1).min() > 60


@given(
    depth=npst.arrays(np.float32, sizes, elements=st.floats(width=32)), first=st.floats(0.1, 200)
)
def test_colour_of_a_depth_does_not_depend_on_the_other_pixels(depth, first):
    alone = colour_depth(np.float32([[first]]), (2.0, 60.0))[0, 0]
    depth[0, 0] = first
    assert colour_depth(depth, (2.0, 60.0))[0, 0].tolist() == alone.tolist()


def test_depth_outside_the_range_has_the_colour_of_its_end():
    painted = colour_depth(np.float32([[0.5, 2, 60, 1000]]), (2.0, 60.0))[0].tolist()
    assert painted[0] == painted[1]
    assert painted[2] == painted[3]
    assert painted[1] != painted[2]


def test_equal_ratios_of_depth_are_equal_steps_of_colour():
    # the middle of 1 to 100 m is 10 m
    middle, low, high = colour_depth(np.float32([[10, 4, 25]]), (1.0, 100.0))[0].astype(int)
    plain = colour_depth(np.float32([[2.5, 1, 6.25]]), (0.25, 25.0))[0].astype(int)
    assert plain.tolist() == [middle.tolist(), low.tolist(), high.tolist()]


@pytest.mark.parametrize(
    'range_m', [(5.0, 5.0), (9.0, 2.0), (0.0, 5.0), (-1.0, 5.0), (1.0, float('inf'))]
)
def test_impossible_depth_range_is_refused(range_m):
    with pytest.raises(ValueError, match='must be positive, finite and rise'):
        colour_depth(np.ones((1, 1), np.float32), range_m)


def test_point_ahead_is_drawn_in_the_middle_and_right_is_right():
    points = np.float32([[0, 0, 5], [2.5, 0, 5], [0, -2.5, 5]])
    colours = np.uint8([[255, 0, 0], [0, 255, 0], [0, 0, 255]])
    picture = render_cloud(points, colours, (41, 41), **AHEAD, point_px=1)
    assert picture[20, 20].tolist() == [255, 0, 0]
    assert picture[20, 30].tolist() == [0, 255, 0]
    assert picture[10, 20].tolist() == [0, 0, 255]
    assert (picture != (16, 16, 24)).any(2).sum() == 3


@pytest.mark.parametrize('order', [(0, 1), (1, 0)])
@pytest.mark.parametrize('point_px', [1, 3])
def test_nearer_points_hide_farther_ones(order, point_px):
    points = np.float32([[0, 0, 3], [0, 0, 6]])[list(order)]
    colours = np.uint8([[255, 0, 0], [0, 255, 0]])[list(order)]
    picture = render_cloud(points, colours, (41, 41), **AHEAD, point_px=point_px)
    drawn = picture[(picture != (16, 16, 24)).any(2)]
    assert drawn.tolist() == [[255, 0, 0]] * point_px**2


@pytest.mark.parametrize(('near_x', 'far_x'), [(-0.15, 0.0), (0.0, -0.3)])
def test_point_before_another_hides_it_where_their_squares_meet(near_x, far_x):
    # one pixel apart: squares of two pixels share a column
    points = np.float32([[far_x, 0, 6], [near_x, 0, 3]])
    red, green = [255, 0, 0], [0, 255, 0]
    picture = render_cloud(points, np.uint8([green, red]), (41, 41), **AHEAD, point_px=2)
    expected = [red, red, green] if near_x < far_x else [green, red, red]
    assert picture[20, 19:22].tolist() == expected


def test_default_view_sees_the_ground_ahead_from_above():
    x, z = np.meshgrid(np.linspace(-5, 5, 60), np.linspace(5, 40, 200))
    points = np.stack((x, np.full_like(x, 1.65), z), 2).reshape(-1, 3).astype(np.float32)
    colours = np.zeros_like(points, np.uint8)
    colours[:, 0] = np.where(points[:, 2] < 20, 255, 50)
    picture = render_cloud(points, colours, (320, 240))
    near, far = (np.nonzero(picture[..., 0] == value)[0] for value in (255, 50))
    assert min(near.size, far.size) > 100
    assert near.mean() > far.mean() + 10


@given(
    points=npst.arrays(
        np.float32, st.tuples(st.integers(0, 20), st.just(3)), elements=st.floats(width=32)
    ),
    size=sizes,
)
def test_any_points_are_drawn_without_complaint(points, size):
    picture = render_cloud(points, np.full(points.shape, 9, np.uint8), size)
    assert picture.shape == (size[1], size[0], 3)
    if not np.isfinite(points).all(1).any():
        assert (picture == (16, 16, 24)).all()


def test_points_and_colours_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r'points \(4, 3\) and colours \(3, 3\) must both'):
        render_cloud(np.zeros((4, 3), np.float32), np.zeros((3, 3), np.uint8), (9, 9))


def test_view_straight_down_is_refused():
    with pytest.raises(ValueError, match='must not be one above the other'):
        render_cloud(
            np.zeros((1, 3), np.float32),
            np.zeros((1, 3), np.uint8),
            (9, 9),
            eye_m=(0.0, -5.0, 0.0),
            target_m=(0.0, 0.0, 0.0),
        )


def test_normals_have_the_colours_of_their_axes():
    normals = np.array([[[1, 0, 0], [0, 1, 0], [0, 0, -1], [np.nan] * 3]], np.float32)
    painted = colour_normals(normals)
    assert painted.dtype == np.uint8
    assert painted.tolist() == [[[255, 128, 128], [128, 255, 128], [128, 128, 255], [0, 0, 0]]]


def test_errors_are_white_where_there_is_none_and_have_a_colour_for_each_sign():
    painted = colour_errors(np.array([[0, -2, 2, 9, 1, np.nan, np.inf]], np.float32), 2.0)
    assert painted[0, 0].tolist() == [255, 255, 255]
    assert painted[0, 1].tolist() == list(TOO_LOW_COLOUR)
    assert painted[0, 2].tolist() == painted[0, 3].tolist() == list(TOO_HIGH_COLOUR)
    halfway = (255 + np.array(TOO_HIGH_COLOUR)) / 2
    np.testing.assert_allclose(painted[0, 4], halfway, atol=1)
    assert painted[0, 5].tolist() == list(UNKNOWN_COLOUR)
    assert painted[0, 6].tolist() == list(TOO_HIGH_COLOUR)
    with pytest.raises(ValueError, match=r'limit 0.0 of the error colours must be positive'):
        colour_errors(np.zeros((1, 1), np.float32), 0.0)
