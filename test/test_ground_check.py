from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from mtl_perception.engine import Prediction
from mtl_perception.geometry import Intrinsics
from mtl_perception.ground import GroundPlane
from mtl_perception.label_space import label_space
from mtl_perception.ros.calibration import scale
from mtl_perception.ros.calibration.ground_check import GroundCheck
from mtl_perception.ros.parameters import Parameters

INTRINSICS = Intrinsics(300.0, 300.0, 159.5, 60.0, 320, 200)
SPACE = label_space('road8')
PARAMETERS = Parameters(ground_check=True, ground_apply=True, camera_height_m=0.5)


@pytest.fixture
def make_check(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Any]], GroundCheck]:
    monkeypatch.setattr(scale, '_EVERY_S', 0.0)
    return lambda changes: GroundCheck(lambda: replace(PARAMETERS, **changes), SPACE)


def prediction(height_m: float, name: str = 'road', size: int = 1) -> Prediction:
    """See a plane so far below the camera, in a picture whose sides are divided by size."""
    camera = INTRINSICS.scaled(INTRINSICS.width // size, INTRINSICS.height // size)
    depth = GroundPlane.level(camera, height_m).depth(*np.indices((camera.height, camera.width)))
    labels: NDArray[np.uint8] = np.full(depth.shape, SPACE.id_of(name), np.uint8)
    return Prediction(labels, labels, depth, None)


def test_the_height_of_the_camera_tells_the_scale_of_depth(
    make_check: Callable[[dict[str, Any]], GroundCheck],
) -> None:
    check = make_check({})
    assert (check.scale, check.factor(check._parameters())) == (None, 1.0)
    # the focal correction halves what the network says; one frame saw a bank of earth
    for height_m in (1.98, 2.0, 2.0, 2.02, 5.0):
        check.compare(prediction(height_m), 0.5, INTRINSICS)
    assert check.scale is not None
    assert check.scale.ratio == check.factor(check._parameters()) == pytest.approx(0.5, rel=1e-3)
    assert check.scale.deviation == pytest.approx(0.005, rel=1e-1)
    assert check.scale.frames == 5
    assert check.scale.points == 320 * 200


def test_it_is_that_of_the_height_of_now(
    make_check: Callable[[dict[str, Any]], GroundCheck],
) -> None:
    changes = {'depth_scale': 2.0}
    check = make_check(changes)
    for _ in range(4):
        check.compare(prediction(1.0), 1.0, INTRINSICS)
    assert check.factor(check._parameters()) == pytest.approx(0.25, rel=1e-3)
    changes['camera_height_m'] = 1.5
    assert check.factor(check._parameters()) == pytest.approx(0.75, rel=1e-3)
    for _ in range(3):
        # maps of a reduced picture
        check.compare(prediction(1.0, size=2), 1.0, INTRINSICS)
    assert check.scale is not None
    assert check.scale.frames == 7
    assert check.factor(check._parameters()) == pytest.approx(0.75, rel=1e-3)
    # not known any more
    changes['camera_height_m'] = 0.0
    assert (check.scale, check.factor(check._parameters())) == (None, 1.0)
    changes['camera_height_m'] = 1.0
    assert check.factor(check._parameters()) == pytest.approx(0.5, rel=1e-3)
    changes['ground_apply'] = False
    assert check.factor(check._parameters()) == 1.0


def test_without_ground_or_height_nothing_is_said(
    make_check: Callable[[dict[str, Any]], GroundCheck],
) -> None:
    changes: dict[str, Any] = {}
    check = make_check(changes)
    for _ in range(4):
        check.compare(prediction(1.0, 'building'), 1.0, INTRINSICS)
        check.compare(replace(prediction(1.0), labels=None), 1.0, INTRINSICS)
        check.compare(replace(prediction(1.0), depth=None), 1.0, INTRINSICS)
    changes['camera_height_m'] = 0.0
    for _ in range(4):
        check.compare(prediction(1.0), 1.0, INTRINSICS)
    assert check.scale is None


def test_frames_are_compared_now_and_then() -> None:
    check = GroundCheck(lambda: PARAMETERS, SPACE)
    for _ in range(4):
        check.compare(prediction(1.0), 1.0, INTRINSICS)
    assert check.scale is None
