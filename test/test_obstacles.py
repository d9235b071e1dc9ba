from dataclasses import replace

from made_engine import MadeEngine
import numpy as np
import pytest

from mtl_perception.engine import Prediction
from mtl_perception.geometry import Intrinsics, RayTable
from mtl_perception.ground import GROUND
from mtl_perception.label_space import label_space, LABEL_SPACES
from mtl_perception.messages import CloudFields
from mtl_perception.products import GROUND_AND_SKY, OBSTACLES, products, ProductSettings
from mtl_perception.products.obstacles import ObstacleFilter

SPACE = label_space('road8')
ROAD, BUILDING, VEHICLE, UNLABELLED = SPACE.id_of('road'), SPACE.id_of('building'), 5, 255
# a camera 1.5 m above the ground, and points on a wall 10 m ahead
HEIGHTS_M = np.array([-0.5, 0.0, 0.1, 0.3, 1.5, 2.4, 2.6], np.float32)
WALL = np.stack([np.zeros(7), 1.5 - HEIGHTS_M, np.full(7, 10.0)], -1).astype(np.float32)


def test_ground_and_sky_are_no_obstacles() -> None:
    labels = np.array([[ROAD, BUILDING, SPACE.id_of('sky'), VEHICLE, UNLABELLED]], np.uint8)
    assert ObstacleFilter().candidates(labels, None, SPACE).tolist() == [
        [False, True, False, True, True]
    ]
    chosen = ObstacleFilter(excluded_classes=('building', 'unlabelled', 'floor'))
    assert chosen.candidates(labels, None, SPACE).tolist() == [[True, False, True, True, False]]


def test_the_default_excludes_something_of_every_label_space() -> None:
    for space in LABEL_SPACES.values():
        assert set(GROUND_AND_SKY) & set(space.names), space.name


def test_what_is_fitted_as_ground_is_no_obstacle() -> None:
    assert set(GROUND_AND_SKY) == {*GROUND, 'sky', 'ceiling'}


def test_confidence_is_asked_only_where_it_is_known() -> None:
    labels = np.full((1, 3), VEHICLE, np.uint8)
    confidence = np.array([[127, 128, 255]], np.uint8)
    chosen = ObstacleFilter(min_confidence=0.5)
    assert chosen.candidates(labels, confidence, SPACE).tolist() == [[False, True, True]]
    assert chosen.candidates(labels, None, SPACE).all()
    assert chosen.candidates(None, None, SPACE).all()


@pytest.mark.filterwarnings('error')
def test_range_is_the_distance_from_the_camera() -> None:
    points = [[0, 0, 3], [4, 0, 3], [0, 4, 3.1], [0, 0, 0.2], [1e30, 0, 3]]
    near = ObstacleFilter(range_m=(0.5, 5.0)).is_near(np.array(points, np.float32))
    assert near.tolist() == [True, True, False, False, False]


def test_height_is_above_the_ground_if_the_camera_height_is_known() -> None:
    assert ObstacleFilter().is_near(WALL).all()
    chosen = ObstacleFilter(camera_height_m=1.5)
    assert chosen.is_near(WALL).tolist() == [False, False, False, True, True, True, False]


@pytest.mark.parametrize('pitch_deg', [-30.0, 20.0])
def test_a_pitched_camera_sees_the_same_heights(pitch_deg: float) -> None:
    pitch = np.radians(pitch_deg)
    # a level point seen in a frame that is turned down about x, which points right
    turn = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    seen = (WALL @ turn.T).astype(np.float32)
    # a point on the horizon appears in the upper half of a camera that looks down
    assert (seen[4, 1] < 0) == (pitch_deg > 0)
    chosen = ObstacleFilter(camera_height_m=1.5, camera_pitch_deg=pitch_deg)
    assert chosen.is_near(seen).tolist() == [False, False, False, True, True, True, False]


HEIGHT, WIDTH = 6, 10
PICTURE = np.random.default_rng(1).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
PREDICTION = MadeEngine().predict(PICTURE)
RAYS = RayTable(Intrinsics(8.0, 8.0, 4.5, 2.5, WIDTH, HEIGHT), 2)


def obstacles(chosen: ObstacleFilter, prediction: Prediction = PREDICTION) -> CloudFields:
    settings = ProductSettings(SPACE, obstacles=chosen)
    cloud = products(PICTURE, prediction, {OBSTACLES}, RAYS, settings)[OBSTACLES]
    assert isinstance(cloud, CloudFields)
    return cloud


def test_the_cloud_lists_obstacles_with_what_belongs_to_their_pixel() -> None:
    cloud = obstacles(ObstacleFilter())
    assert (cloud.height, cloud.is_dense) == (1, True)
    content = cloud.data.reshape(cloud.width, cloud.point_step)
    offsets = {field.name: field.offset for field in cloud.fields}
    labels = content[:, offsets['label']]
    assert not set(labels) & {ROAD, SPACE.id_of('sidewalk'), SPACE.id_of('sky')}
    points = content[:, :12].copy().view(np.float32)
    assert np.isfinite(points).all()
    # back to the pixel that each came from
    columns = np.rint(points[:, 0] / points[:, 2] * 8 + 4.5).astype(int)
    rows = np.rint(points[:, 1] / points[:, 2] * 8 + 2.5).astype(int)
    assert (labels == PREDICTION.labels[rows, columns]).all()
    assert (content[:, offsets['confidence']] == PICTURE[rows, columns, 1]).all()
    expected = np.isin(PREDICTION.labels[2::2, ::2], [0, 2, 3], invert=True).sum()
    assert cloud.width == expected > 0


def test_no_obstacle_is_an_empty_cloud() -> None:
    cloud = obstacles(ObstacleFilter(excluded_classes=SPACE.names))
    assert (cloud.width, cloud.data.size) == (0, 0)
    assert [field.name for field in cloud.fields][:3] == ['x', 'y', 'z']


def test_without_labels_every_point_is_an_obstacle() -> None:
    cloud = obstacles(ObstacleFilter(), replace(PREDICTION, labels=None, confidence=None))
    # of the strided rows the first is sky
    assert cloud.width == 2 * 5
    assert [field.name for field in cloud.fields] == ['x', 'y', 'z', 'rgb']
