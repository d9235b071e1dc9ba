import numpy as np
from numpy.typing import NDArray
import pytest

from mtl_perception.label_space import label_space, UNLABELLED
from mtl_perception.training.experts.ground import (
    BEHIND,
    FAR_M,
    GAP_PX,
    GroundPlane,
    standing_depth,
)

F_PX, ROW, COLUMN, HEIGHT_M = 300.0, 40.0, 80.0, 1.5
SIZE = (120, 160)
NAMES = label_space('road8').names
SKY, BUILDING, ROAD, VEGETATION, VEHICLE = (
    NAMES.index(name) for name in ('sky', 'building', 'road', 'vegetation', 'vehicle')
)


def rays() -> NDArray[np.float64]:
    rows, columns = np.indices(SIZE)
    return np.stack([(columns - COLUMN) / F_PX, (rows - ROW) / F_PX, np.ones(SIZE)], -1)


def plane_depth(normal: tuple[float, float, float]) -> NDArray[np.float32]:
    """Meet the rays with the points X of normal · X = HEIGHT_M."""
    towards = rays() @ np.array(normal)
    depth = HEIGHT_M / np.maximum(towards, 1e-9)
    return np.where(towards > 1e-9, depth, np.nan).astype(np.float32)


def test_a_level_camera_sees_the_ground_where_geometry_has_it() -> None:
    rows, columns = np.indices(SIZE)
    found = GroundPlane.level(F_PX, ROW, HEIGHT_M).depth(rows, columns)
    np.testing.assert_allclose(found, plane_depth((0, 1, 0)), rtol=1e-5)
    assert np.isnan(found[: int(ROW)]).all()


@pytest.mark.parametrize('outliers', [0.0, 0.3])
def test_a_tilted_plane_is_found_among_wrong_depths(outliers: float) -> None:
    truth = plane_depth((0.05, 0.99, 0.03))
    rng = np.random.default_rng(0)
    seen = truth * rng.normal(1, 0.02, SIZE).astype(np.float32)
    wrong = rng.random(SIZE) < outliers
    seen[wrong] *= 0.4
    ground = np.arange(SIZE[0])[:, None] * np.ones(SIZE) > 60
    plane = GroundPlane.fit(seen, ground)
    assert plane is not None
    rows, columns = np.nonzero(ground)
    np.testing.assert_allclose(plane.depth(rows, columns), truth[ground], rtol=0.02)


@pytest.mark.parametrize('normal', [(0.0, 1.0, 0.0), (0.06, 0.99, 0.12)])
def test_a_plane_at_a_known_height_keeps_its_lie(normal: tuple[float, float, float]) -> None:
    unit = tuple(np.array(normal) / np.linalg.norm(normal))
    truth = plane_depth(unit)
    # seen a fifth too far away
    plane = GroundPlane.fit(1.2 * truth, np.ones(SIZE, bool))
    assert plane is not None
    depth = plane.at_height(F_PX, (COLUMN, ROW), HEIGHT_M).depth(*np.indices(SIZE))
    near = truth < 30
    np.testing.assert_allclose(depth[near], truth[near], rtol=1e-3)


def test_what_is_no_plane_or_hardly_seen_is_refused() -> None:
    ground = np.ones(SIZE, bool)
    noise = np.random.default_rng(1).uniform(3, 30, SIZE).astype(np.float32)
    assert GroundPlane.fit(noise, ground) is None
    assert GroundPlane.fit(plane_depth((0, 1, 0)), np.zeros(SIZE, bool)) is None
    assert GroundPlane.fit(np.full(SIZE, np.nan, np.float32), ground) is None


def scene() -> NDArray[np.uint8]:
    """Draw a road under sky, and on it a car of rows 50 to 79 in columns 20 to 39."""
    labels = np.full(SIZE, ROAD, np.uint8)
    labels[:45] = SKY
    labels[50:80, 20:40] = VEHICLE
    return labels


def depth_of(
    labels: NDArray[np.uint8], seen_m: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    seen_m = np.full(SIZE, 10, np.float32) if seen_m is None else seen_m
    return standing_depth(labels, NAMES, GroundPlane.level(F_PX, ROW, HEIGHT_M), seen_m)


def at_row(row: int) -> float:
    return F_PX * HEIGHT_M / (row - ROW)


def test_the_ground_is_its_plane_and_a_thing_as_far_as_its_foot() -> None:
    depth = depth_of(scene())
    np.testing.assert_allclose(depth[50:80, 20:40], at_row(79), rtol=1e-5)
    assert depth[100, 5] == pytest.approx(at_row(100))
    assert np.isnan(depth[:45]).all()
    # the ground beyond is no longer told apart
    assert np.isnan(depth[45:50]).all()
    assert at_row(49) > FAR_M


def test_a_narrow_unlabelled_rim_counts_to_what_is_above_it() -> None:
    labels = scene()
    labels[80 : 80 + GAP_PX, 20:40] = UNLABELLED
    np.testing.assert_allclose(depth_of(labels)[50:80, 20:40], at_row(79 + GAP_PX), rtol=1e-5)
    labels[80 : 81 + GAP_PX, 20:40] = UNLABELLED
    assert np.isnan(depth_of(labels)[50:80, 20:40]).all()


def test_what_is_seen_far_behind_a_thing_of_its_class_stays_unknown() -> None:
    seen = np.full(SIZE, 10, np.float32)
    seen[50:60, 20:40] = 1.1 * BEHIND * 10
    seen[60:70, 20:40] = 0.9 * BEHIND * 10
    depth = depth_of(scene(), seen)
    assert np.isnan(depth[50:60, 20:40]).all()
    np.testing.assert_allclose(depth[60:80, 20:40], at_row(79), rtol=1e-5)
    # the ground is what it is, however far the road looks
    np.testing.assert_array_equal(depth[80:], depth_of(scene())[80:])


def test_what_hides_its_foot_stays_unknown() -> None:
    labels = scene()
    labels[20:50, 20:40] = BUILDING
    labels[60:, 100:120] = VEHICLE
    labels[50:90, 130:150] = VEGETATION
    depth = depth_of(labels)
    # behind the car; cut off by the edge; grass may lie before a hedge
    for hidden in (depth[20:50, 20:40], depth[60:, 100:120], depth[50:90, 130:150]):
        assert np.isnan(hidden).all()
    assert np.isfinite(depth[50:80, 20:40]).all()
