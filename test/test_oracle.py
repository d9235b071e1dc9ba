"""The rendered drive through the real node over DDS, against what is true of it."""

from collections.abc import Iterator
import subprocess
import sys
from typing import Any

from conftest import ROOT
import cv2
import numpy as np
from numpy.typing import NDArray
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('moderngl', reason='moderngl is not installed')

from mtl_perception.engine import Prediction
from mtl_perception.geometry import RayTable
from mtl_perception.label_space import label_space
from mtl_perception.messages import ImageFields
from mtl_perception.offline.demo.report import Answer, answers, Recording
from mtl_perception.offline.demo.run import OUTPUTS
from mtl_perception.products import (
    CONFIDENCE,
    DEPTH,
    LABELS,
    NORMALS,
    OBSTACLES,
    POINTS,
    products,
    ProductSettings,
    TOPICS,
)
from mtl_perception.recordings.kitti import read_drive
from mtl_perception.rendering.drive import Studio
from mtl_perception.rendering.opengl.renderer import Truth
from mtl_perception.rendering.opengl.views import Moment
from mtl_perception.rendering.recording import Description, RATE_HZ
from mtl_perception.rendering.sensors import Lidar, LIDAR_IN_CAMERA

DRIVE = ROOT / 'drives' / 'city'
IMAGE = '/kitti/camera_color_left/image_raw'
SPACE = label_space('road8')
SKY, ROAD = SPACE.names.index('sky'), SPACE.names.index('road')
CHECKED = (0, 20, 39)


@pytest.fixture(scope='module')
def studio() -> Studio:
    try:
        return Studio(samples=Description.read(DRIVE).samples)
    except OSError as error:
        pytest.skip(str(error))


@pytest.fixture(scope='module')
def moments(studio: Studio) -> dict[int, Moment]:
    """The moments of the drive by their stamps in ns."""
    description, stamps = Description.read(DRIVE), read_drive(DRIVE).cameras['image_02'].stamps_ns
    drive = studio.moments(description.seed, description.frames, RATE_HZ)
    return dict(zip(stamps, drive, strict=True))


@pytest.fixture(scope='module')
def recording(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """What the demo recorded of the node."""
    folder = tmp_path_factory.mktemp('oracle')
    # slowly, for a machine that has other work
    command = [
        *(sys.executable, '-m', 'mtl_perception.offline', 'demo', str(DRIVE)),
        *('--output', str(folder), '--rate', '0.25'),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Recording(folder / 'recording', IMAGE, OUTPUTS)


def stamp_ns(message: Any) -> int:
    return int(message.header.stamp.sec * 10**9 + message.header.stamp.nanosec)


def pixels(message: Any, dtype: type) -> NDArray[Any]:
    return np.frombuffer(message.data, dtype).reshape(message.height, message.width)


def points_of(message: Any) -> NDArray[np.float32]:
    values = np.frombuffer(message.data, '<f4').reshape(message.height, message.width, -1)
    return values[..., :3]


def test_the_embedded_drive_is_small_and_is_what_its_seed_makes(studio: Studio) -> None:
    files = [path for path in DRIVE.rglob('*') if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 6_000_000
    description = Description.read(DRIVE)
    frame = next(studio.drive(description.seed, description.frames, RATE_HZ))
    stored = cv2.imread(str(DRIVE / 'image_02' / 'data' / '0000000000.jpg'))[..., ::-1]
    # JPEG, and another version of Mesa
    assert np.abs(stored.astype(float) - frame.picture).mean() < 8


def test_outputs_tell_what_is_true(
    recording: Recording, studio: Studio, moments: dict[int, Moment]
) -> None:
    answered = list(answers(recording))
    assert len(answered) > 10
    accuracy, errors, within = [], [], []
    infinite = sky = 0  # pixels: towards the end little of it is left, in gaps below a bridge
    for answer in answered[:: max(1, len(answered) // 6)]:
        truth = studio.renderer.truth(moments[stamp_ns(answer.picture)])
        labels = pixels(answer.outputs[LABELS], np.uint8)
        depth = pixels(answer.outputs[DEPTH], np.float32)
        accuracy.append((labels == truth.labels).mean())
        sky += np.count_nonzero(truth.labels == SKY)
        infinite += np.count_nonzero(np.isposinf(depth) & (truth.labels == SKY))
        near = (truth.depth < 40) & np.isfinite(depth)
        ratio = depth[near] / truth.depth[near]
        errors.append(np.abs(ratio - 1).mean())
        within.append((np.maximum(ratio, 1 / ratio) < 1.25).mean())
        assert (depth[np.isfinite(depth)] > 0).all()
    figures = {
        'label accuracy': np.mean(accuracy),
        'sky at +Inf': infinite / sky,
        'AbsRel below 40 m': np.mean(errors),
        'delta1 below 40 m': np.mean(within),
    }
    print(figures)
    assert figures['label accuracy'] > 0.8, figures
    assert figures['sky at +Inf'] > 0.85, figures
    assert figures['AbsRel below 40 m'] < 0.25, figures
    assert figures['delta1 below 40 m'] > 0.6, figures


def test_outputs_of_a_frame_agree_with_each_other(recording: Recording) -> None:
    rays = None
    for answer in answers(recording):
        assert set(answer.outputs) == set(OUTPUTS)
        for topic, message in answer.outputs.items():
            assert message.header == answer.picture.header
            if topic != OBSTACLES:
                assert (message.height, message.width) == (375, 1242)
        labels = pixels(answer.outputs[LABELS], np.uint8)
        depth = pixels(answer.outputs[DEPTH], np.float32)
        assert np.isposinf(depth[labels == SKY]).all()
        rays = rays or RayTable(_camera(answer))
        np.testing.assert_allclose(
            points_of(answer.outputs[POINTS]), rays.points(depth), rtol=1e-5
        )


def _camera(answer: Answer) -> Any:
    from mtl_perception.rendering.ranges import KITTI_CAMERA

    assert (KITTI_CAMERA.width, KITTI_CAMERA.height) == (answer.picture.width, 375)
    return KITTI_CAMERA


def truths(studio: Studio, moments: dict[int, Moment]) -> Iterator[tuple[Moment, Truth]]:
    listed = list(moments.values())
    for index in CHECKED:
        yield listed[index], studio.renderer.truth(listed[index])


def test_a_cloud_of_true_depth_lies_on_the_true_surfaces(
    studio: Studio, moments: dict[int, Moment]
) -> None:
    """A lidar, which measures by rays of its own, finds the surfaces where the cloud puts them."""
    settings, rays = ProductSettings(SPACE), RayTable(studio.intrinsics)
    for moment, truth in truths(studio, moments):
        prediction = Prediction(
            truth.labels, np.full_like(truth.labels, 255), truth.depth, truth.normals
        )
        picture = np.zeros((*truth.labels.shape, 3), np.uint8)
        made = products(picture, prediction, TOPICS, rays, settings)
        cloud = made[POINTS]
        points = np.frombuffer(cloud.data, '<f4').reshape(*truth.labels.shape, -1)[..., :3]
        sweep = Lidar().sweep(moment, np.random.default_rng(0), noise_m=0.0)[:, :3]
        beams = sweep @ LIDAR_IN_CAMERA[:3, :3].T + LIDAR_IN_CAMERA[:3, 3]
        k = studio.intrinsics
        u = np.rint(k.fx_px * beams[:, 0] / beams[:, 2] + k.cx_px).astype(int)
        v = np.rint(k.fy_px * beams[:, 1] / beams[:, 2] + k.cy_px).astype(int)
        inside = (u > 0) & (u < k.width) & (v > 0) & (v < k.height) & (beams[:, 2] < 30)
        u, v, beams = u[inside], v[inside], beams[inside]
        # distance to the plane that the cloud's point lies in
        off = np.abs(((points[v, u] - beams) * truth.normals[v, u]).sum(1))
        assert np.median(off) < 0.02
        assert np.mean(off < 0.1) > 0.85
        normals = made[NORMALS]
        assert isinstance(normals, ImageFields)
        assert normals.encoding == '32FC3'
        depth = made[DEPTH]
        assert isinstance(depth, ImageFields)
        assert np.array_equal(
            np.isposinf(depth.data.view(np.float32)), (truth.labels == SKY).ravel()
        )
        assert {LABELS, CONFIDENCE} <= made.keys()


def test_the_road_below_the_cloud_is_flat_where_the_street_is(
    studio: Studio, moments: dict[int, Moment]
) -> None:
    for _, truth in truths(studio, moments):
        points = RayTable(studio.intrinsics).points(truth.depth)
        road = points[(truth.labels == ROAD) & (truth.depth < 15)].astype(np.float64)
        plane, *_ = np.linalg.lstsq(
            np.column_stack([road[:, [0, 2]], np.ones(len(road))]), road[:, 1], rcond=None
        )
        off = road[:, 1] - np.column_stack([road[:, [0, 2]], np.ones(len(road))]) @ plane
        assert np.abs(off).max() < 0.12
        assert 1.4 < plane[2] < 1.9
