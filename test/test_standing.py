import numpy as np
from numpy.typing import NDArray
import pytest

from mtl_perception.geometry import Intrinsics
from mtl_perception.ground import GroundPlane
from mtl_perception.label_space import label_space, UNLABELLED
from mtl_perception.training.experts.standing import BEHIND, FAR_M, GAP_PX, standing_depth

F_PX, ROW, HEIGHT_M = 300.0, 40.0, 1.5
SIZE = (120, 160)
CAMERA = Intrinsics(F_PX, F_PX, 80.0, ROW, SIZE[1], SIZE[0])
SPACE = label_space('road8')
SKY, BUILDING, ROAD, VEGETATION, VEHICLE = (
    SPACE.names.index(name) for name in ('sky', 'building', 'road', 'vegetation', 'vehicle')
)


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
    return standing_depth(labels, SPACE, GroundPlane.level(CAMERA, HEIGHT_M), seen_m)


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
