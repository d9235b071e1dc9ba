import numpy as np
from numpy.typing import NDArray
import pytest

from mtl_perception.geometry import Intrinsics
from mtl_perception.ground import ground_height_m, GroundPlane, is_ground
from mtl_perception.label_space import label_space

F_PX, ROW, COLUMN, HEIGHT_M = 300.0, 40.0, 80.0, 1.5
SIZE = (120, 160)
CAMERA = Intrinsics(F_PX, F_PX, COLUMN, ROW, SIZE[1], SIZE[0])
SPACE = label_space('road8')


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
    found = GroundPlane.level(CAMERA, HEIGHT_M).depth(rows, columns)
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
    assert plane.height_m(CAMERA) == pytest.approx(1.2 * HEIGHT_M, rel=1e-3)
    depth = plane.at_height(CAMERA, HEIGHT_M).depth(*np.indices(SIZE))
    near = truth < 30
    np.testing.assert_allclose(depth[near], truth[near], rtol=1e-3)


def test_what_is_no_plane_or_hardly_seen_is_refused() -> None:
    ground = np.ones(SIZE, bool)
    noise = np.random.default_rng(1).uniform(3, 30, SIZE).astype(np.float32)
    assert GroundPlane.fit(noise, ground) is None
    assert GroundPlane.fit(plane_depth((0, 1, 0)), np.zeros(SIZE, bool)) is None
    assert GroundPlane.fit(np.full(SIZE, np.nan, np.float32), ground) is None


def test_ground_in_one_line_of_samples_is_no_plane() -> None:
    camera = Intrinsics(900.0, 900.0, 640.0, 180.0, 1280, 360)
    seen = GroundPlane.level(camera, HEIGHT_M).depth(*np.indices((360, 1280)))
    ground = np.zeros(seen.shape, bool)
    ground[340:344] = True
    assert ground_height_m(ground, seen, camera) is None
    ground[336:348] = True
    assert ground_height_m(ground, seen, camera) == pytest.approx(HEIGHT_M, rel=1e-3)


def test_the_height_of_the_ground_tells_the_scale_of_depth() -> None:
    labels = np.full(SIZE, SPACE.id_of('road'), np.uint8)
    labels[:60] = SPACE.id_of('building')
    seen = 0.7 * plane_depth((0, 1, 0))
    # what is no ground does not count, nor a sky without end
    seen[:60] = np.inf
    assert ground_height_m(is_ground(labels, SPACE), seen, CAMERA) == pytest.approx(
        0.7 * HEIGHT_M, rel=1e-3
    )
    # maps of another size, with the intrinsics of that
    twice = CAMERA.scaled(SIZE[1] * 2, SIZE[0] * 2)
    seen = GroundPlane.level(twice, 2.0).depth(*np.indices((twice.height, twice.width)))
    ground = is_ground(labels.repeat(2, 0).repeat(2, 1), SPACE)
    assert ground_height_m(ground, seen, twice) == pytest.approx(2.0, rel=1e-3)


def test_no_ground_tells_no_height() -> None:
    building = np.full(SIZE, SPACE.id_of('building'), np.uint8)
    ground = is_ground(building, SPACE)
    assert ground_height_m(ground, plane_depth((0, 1, 0)), CAMERA) is None


@pytest.mark.parametrize(('pitch_deg', 'tells'), [(0, True), (50, True), (70, False), (90, False)])
def test_a_wall_is_no_ground(pitch_deg: float, tells: bool) -> None:
    pitch = np.radians(pitch_deg)
    seen = plane_depth((0, np.cos(pitch), np.sin(pitch)))
    found = ground_height_m(np.ones(SIZE, bool), seen, CAMERA)
    assert found == (pytest.approx(HEIGHT_M, rel=1e-3) if tells else None)
