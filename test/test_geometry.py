import math

from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
import numpy as np
import pytest

from mtl_perception.geometry import focal_factor, Intrinsics, RayTable, Transform

K = [1000.0, 0.0, 690.0, 0.0, 1001.0, 230.0, 0.0, 0.0, 1.0]
P = [721.5, 0.0, 609.6, 44.9, 0.0, 722.5, 172.9, 0.2, 0.0, 0.0, 1.0, 0.003]
cameras = st.builds(
    Intrinsics,
    fx_px=st.floats(20, 3000),
    fy_px=st.floats(20, 3000),
    cx_px=st.floats(-50, 200),
    cy_px=st.floats(-50, 200),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
)


def test_p_comes_before_k():
    intrinsics = Intrinsics.from_camera_info(K, P, 1242, 375)
    assert intrinsics == Intrinsics(721.5, 722.5, 609.6, 172.9, 1242, 375)


def test_k_serves_where_p_is_zero():
    intrinsics = Intrinsics.from_camera_info(K, [0.0] * 12, 1392, 512)
    assert intrinsics == Intrinsics(1000.0, 1001.0, 690.0, 230.0, 1392, 512)


@pytest.mark.parametrize('p', [[0.0] * 12, [0.0] * 10 + [1.0, 0.0]])
def test_uncalibrated_camera_has_no_intrinsics(p):
    assert Intrinsics.from_camera_info([0.0] * 9, p, 640, 480) is None


def test_numpy_arrays_of_rclpy_are_taken_as_they_are():
    assert Intrinsics.from_camera_info(np.array(K), np.array(P), 1242, 375) is not None


@pytest.mark.parametrize(
    ('k', 'p', 'size', 'words'),
    [
        (K[:8], P, (640, 480), '8 values in K and 12 in P'),
        (K, [], (640, 480), '9 values in K and 0 in P'),
        (K, [-1.0, *P[1:]], (640, 480), 'focal lengths must be positive'),
        (K, [math.nan, *P[1:]], (640, 480), 'all values finite'),
        ([math.inf, *K[1:]], [0.0] * 12, (640, 480), 'all values finite'),
        (K, P, (0, 480), 'at least 1x1'),
    ],
)
def test_impossible_camera_info_is_refused(k, p, size, words):
    with pytest.raises(ValueError, match=words):
        Intrinsics.from_camera_info(k, p, *size)


@given(camera=cameras, stride=st.integers(1, 5), data=st.data())
def test_points_project_back_onto_their_pixels(camera, stride, data):
    shape = (camera.height, camera.width)
    depth = data.draw(npst.arrays(np.float32, shape, elements=st.floats(0.5, 100, width=32)))

    points = RayTable(camera, stride).points(depth).astype(np.float64)

    z = points[..., 2]
    columns = points[..., 0] / z * camera.fx_px + camera.cx_px
    rows = points[..., 1] / z * camera.fy_px + camera.cy_px
    expected_rows, expected_columns = np.mgrid[: shape[0] : stride, : shape[1] : stride]
    np.testing.assert_allclose(columns, expected_columns, atol=1e-3)
    np.testing.assert_allclose(rows, expected_rows, atol=1e-3)
    np.testing.assert_array_equal(z, depth[::stride, ::stride])


def test_stereo_baseline_of_p_does_not_move_points():
    mono = [*P[:3], 0.0, *P[4:7], 0.0, *P[8:11], 0.0]
    depth = np.full((4, 5), 10, np.float32)
    clouds = [RayTable(Intrinsics.from_camera_info(K, p, 5, 4)).points(depth) for p in (P, mono)]
    np.testing.assert_array_equal(*clouds)


@given(
    depth=npst.arrays(np.float32, (3, 4), elements=st.floats(width=32)),
    stride=st.integers(1, 4),
)
def test_points_are_nan_just_where_depth_is_not_finite_and_positive(depth, stride):
    # smaller or larger values leave float32 once multiplied by a ray
    assume(not ((depth > 1e30) & np.isfinite(depth)).any())
    camera = Intrinsics(50.0, 50.0, 1.5, 1.0, 4, 3)
    points = RayTable(camera, stride).points(depth)
    valid = (np.isfinite(depth) & (depth > 0))[::stride, ::stride]
    assert np.isfinite(points[valid]).all()
    assert np.isnan(points[~valid]).all()


def test_depth_may_be_a_view_and_points_do_not_share_memory():
    camera = Intrinsics(50.0, 50.0, 1.5, 1.0, 4, 3)
    table = RayTable(camera)
    depth = np.ones((6, 8), np.float32)[::2, ::2]
    first = table.points(depth)
    table.points(depth * 2)
    assert (first[..., 2] == 1).all()
    assert first.dtype == np.float32
    assert table.shape == (3, 4)


def test_depth_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r'shape \(4, 3\) does not fit intrinsics of \(3, 4\)'):
        RayTable(Intrinsics(50.0, 50.0, 1.5, 1.0, 4, 3)).points(np.ones((4, 3), np.float32))


def test_stride_below_one_is_refused():
    with pytest.raises(ValueError, match='stride 0 must be at least 1'):
        RayTable(Intrinsics(50.0, 50.0, 1.5, 1.0, 4, 3), stride=0)


@given(camera=cameras, width=st.integers(1, 90), height=st.integers(1, 90))
def test_scaling_keeps_the_direction_of_every_place_in_the_picture(camera, width, height):
    scaled = camera.scaled(width, height)
    assert (scaled.width, scaled.height) == (width, height)
    for share in (0.0, 0.3, 1.0):
        # the picture's outer edges are half a pixel outside the centres of its outer pixels
        x = (share * camera.width - 0.5 - camera.cx_px) / camera.fx_px
        y = (share * camera.height - 0.5 - camera.cy_px) / camera.fy_px
        x_scaled = (share * width - 0.5 - scaled.cx_px) / scaled.fx_px
        y_scaled = (share * height - 0.5 - scaled.cy_px) / scaled.fy_px
        assert math.isclose(x, x_scaled, rel_tol=1e-6, abs_tol=1e-6)
        assert math.isclose(y, y_scaled, rel_tol=1e-6, abs_tol=1e-6)


@given(camera=cameras, width=st.integers(1, 90), height=st.integers(1, 90))
def test_scaling_there_and_back_changes_nothing(camera, width, height):
    back = camera.scaled(width, height).scaled(camera.width, camera.height)
    for name in ('fx_px', 'fy_px', 'cx_px', 'cy_px'):
        assert math.isclose(getattr(back, name), getattr(camera, name), abs_tol=1e-6)


def test_scaling_agrees_with_opencv_resize():
    cv2 = pytest.importorskip('cv2')
    # a ramp holds at each pixel its own column; resized, where each pixel comes from
    ramp = np.tile(np.arange(40, dtype=np.float32), (2, 1))
    resized = cv2.resize(ramp, (20, 1), interpolation=cv2.INTER_LINEAR)[0]
    camera = Intrinsics(30.0, 30.0, float(resized[7]), 0.5, 40, 2)
    assert camera.scaled(20, 1).cx_px == pytest.approx(7.0)


def test_depth_grows_with_the_focal_length():
    assert focal_factor(1442.0, 721.0) == 2.0
    assert focal_factor(721.0, 721.0) == 1.0


@pytest.mark.parametrize(
    'focal_lengths', [(0, 721), (721, 0), (-1, 721), (math.nan, 721), (721, math.inf)]
)
def test_impossible_focal_lengths_are_refused(focal_lengths):
    with pytest.raises(ValueError, match='must be positive and finite'):
        focal_factor(*focal_lengths)


@pytest.mark.parametrize(('camera', 'training'), [(None, 700.0), (700.0, None), (None, None)])
def test_an_unknown_focal_length_corrects_nothing(camera, training):
    assert focal_factor(camera, training) == 1


def test_points_are_projected_to_the_pixels_that_they_come_from() -> None:
    intrinsics = Intrinsics(50.0, 40.0, 31.5, 23.5, 64, 48)
    depth = np.random.default_rng(0).uniform(1, 20, (48, 64)).astype(np.float32)
    points = RayTable(intrinsics).points(depth).reshape(-1, 3)
    rows, columns, seen_m = intrinsics.project(points)
    assert np.array_equal(rows * 64 + columns, np.arange(48 * 64))
    assert np.array_equal(seen_m, depth.reshape(-1))


def test_points_are_the_same_in_the_memory_of_the_last():
    rays = RayTable(Intrinsics(50.0, 40.0, 31.5, 23.5, 64, 48), 2, reuse=True)
    first, second = np.random.default_rng(0).uniform(-1, 20, (2, 48, 64)).astype(np.float32)
    kept = rays.points(first)
    assert rays.points(second) is kept
    np.testing.assert_array_equal(kept, RayTable(rays.intrinsics, 2).points(second))


@pytest.mark.filterwarnings('error')
@pytest.mark.parametrize('f_px', [5e-324, 1e-300, 1e-39, 1e-37])
def test_points_too_far_aside_for_float32_are_infinite(f_px: float) -> None:
    points = RayTable(Intrinsics(f_px, 1.0, 2.0, 1.0, 5, 3)).points(
        np.full((3, 5), 50, np.float32)
    )
    assert points[1, :, 0].tolist() == [-np.inf, -np.inf, 0, np.inf, np.inf]
    assert points[:, 2, 1:].tolist() == [[-50, 50], [0, 50], [50, 50]]


def test_points_outside_of_the_picture_are_not_projected() -> None:
    intrinsics = Intrinsics(10.0, 10.0, 4.5, 2.5, 10, 6)
    corner = [-0.45, -0.25, 1.0]
    outside = [[-0.51, 0, 1], [0.56, 0, 1], [0, 0.36, 1], [0, 0, -1], [0, 0, 0], [np.nan, 0, 1]]
    points = np.array([corner, *outside], np.float32)
    rows, columns, _ = intrinsics.project(points)
    assert (rows.tolist(), columns.tolist()) == ([0], [0])


def test_a_transform_turns_and_then_moves() -> None:
    # x ahead and z up, to x right, y down and z ahead
    transform = Transform.from_quaternion((1.0, 2.0, 3.0), (0.5, -0.5, 0.5, 0.5))
    points = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    moved = transform.apply(points)
    assert moved.dtype == np.float32
    assert moved.tolist() == [[1, 2, 4], [0, 2, 3], [1, 1, 3]]


def test_a_quaternion_is_normalised_and_not_zero() -> None:
    turned = Transform.from_quaternion((0.0, 0.0, 0.0), (0.0, 0.0, 3.0, 3.0)).rotation
    assert turned == pytest.approx(np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]), abs=1e-6)
    with pytest.raises(ValueError, match='is no rotation'):
        Transform.from_quaternion((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0))
