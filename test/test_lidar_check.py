from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from builtin_interfaces.msg import Time
from robot import cloud_message
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header

from mtl_perception.geometry import Intrinsics, Transform
from mtl_perception.recordings.kitti import Drive, read_drive
from mtl_perception.ros.calibration import lidar_check, scale
from mtl_perception.ros.calibration.lidar_check import LidarCheck, scale_ratios
from mtl_perception.ros.parameters import Parameters

INTRINSICS = Intrinsics(50.0, 50.0, 31.5, 23.5, 64, 48)
# the lidar stands behind and above the camera, x ahead and z up
PARAMETERS = Parameters(
    lidar_check=True,
    lidar_translation_m=(0.1, -0.2, -0.3),
    lidar_rotation_xyzw=(0.5, -0.5, 0.5, 0.5),
)
TO_CAMERA = Transform.from_quaternion(
    PARAMETERS.lidar_translation_m, PARAMETERS.lidar_rotation_xyzw
)
DEPTH = np.full((48, 64), 8.0, np.float32)


def wall(depth_m: float, points: int = 400) -> np.ndarray:
    """Give points of a wall across the view, in the lidar's frame."""
    random = np.random.default_rng(0)
    in_camera = np.stack(
        [*random.uniform(-4, 4, (2, points)), np.full(points, depth_m)], -1
    ).astype(np.float32)
    return (in_camera - TO_CAMERA.translation_m) @ TO_CAMERA.rotation


def stamp(second: int, tenth: int = 0) -> Time:
    return Time(sec=second + tenth // 10, nanosec=tenth % 10 * 10**8)


def sweep(second: int, points: np.ndarray, tenth: int = 0) -> PointCloud2:
    return cloud_message(Header(stamp=stamp(second, tenth)), points)


def sees(
    check: LidarCheck,
    wall_m: float,
    frames: int = 3,
    depth: np.ndarray = DEPTH,
    focal: float = 1.0,
    intrinsics: Intrinsics = INTRINSICS,
) -> None:
    for second in range(frames):
        check.put(sweep(second, wall(wall_m)))
        check.compare(Time(sec=second), depth, focal, intrinsics)


@pytest.fixture
def make_check(monkeypatch: pytest.MonkeyPatch) -> Callable[..., LidarCheck]:
    monkeypatch.setattr(scale, '_EVERY_S', 0.0)
    return lambda **changes: LidarCheck(lambda: replace(PARAMETERS, **changes))


def test_the_lidar_tells_the_scale_of_depth(make_check: Callable[..., LidarCheck]) -> None:
    check = make_check()
    assert check.scale is None
    for second, depth_m in enumerate((9.9, 10.0, 10.0, 10.1, 30.0)):
        check.put(sweep(second, wall(depth_m)))
        check.compare(Time(sec=second), DEPTH, 0.5, INTRINSICS)
    # 8 m, which will be multiplied by a half, against 10 m; one sweep was of something else
    assert check.scale.ratio == pytest.approx(2.5, rel=1e-3)
    assert check.scale.deviation == pytest.approx(0.025, rel=1e-2)
    assert check.scale.frames == 5
    assert check.scale.points > 50


def test_the_scale_is_that_of_depth_as_it_is_multiplied_now(
    make_check: Callable[..., LidarCheck],
) -> None:
    changes = {'lidar_apply': True}
    check = make_check()
    check._parameters = lambda: replace(PARAMETERS, **changes)
    sees(check, 10.0)
    assert check.factor(check._parameters()) == pytest.approx(1.25, rel=1e-3)
    # another depth_scale is another error at once, with what was kept
    changes['depth_scale'] = 1.25
    assert check.factor(check._parameters()) == pytest.approx(1.0, rel=1e-3)
    # in a picture of half the size all seems twice as far, and the focal correction halves it
    half = INTRINSICS.scaled(32, 24)
    sees(check, 10.0, frames=1, depth=2 * DEPTH[::2, ::2], focal=0.5, intrinsics=half)
    assert check.factor(check._parameters()) == pytest.approx(1.0, rel=1e-3)
    assert check.scale.frames == 4
    # without it what was kept is of another depth
    sees(check, 10.0, depth=2 * DEPTH[::2, ::2], intrinsics=half)
    assert check.factor(check._parameters()) == pytest.approx(0.5, rel=1e-3)
    assert check.scale.frames == 3


def test_it_tells_how_long_the_lidar_is_silent(
    make_check: Callable[..., LidarCheck], monkeypatch: pytest.MonkeyPatch
) -> None:
    check = make_check()
    assert check.since_sweep_s is None
    now_s = 5.0
    monkeypatch.setattr(lidar_check.time, 'monotonic', lambda: now_s)
    check.put(sweep(1, wall(10.0)))
    now_s = 12.0
    assert check.since_sweep_s == 7.0


def test_only_a_sweep_of_the_frames_time_is_compared_and_only_once(
    make_check: Callable[..., LidarCheck],
) -> None:
    check = make_check()
    for second in (1, 2, 3):
        check.put(sweep(second, wall(10.0)))
    assert check.mismatch == ''
    check.compare(Time(sec=9), DEPTH, 1.0, INTRINSICS)
    # its sweep may be under way, but not for ever
    assert check.mismatch == ''
    check.compare(Time(sec=12), DEPTH, 1.0, INTRINSICS)
    assert 'stamped 6.00 s from a frame, more than lidar.max_offset_s 0.1' in check.mismatch
    assert len(check._sweeps) == 3
    for _ in range(4):
        check.compare(Time(sec=2, nanosec=99_000_000), DEPTH, 1.0, INTRINSICS)
    assert [one.header.stamp.sec for one in check._sweeps] == [1, 3]


def test_a_frame_waits_for_the_sweep_of_its_own_time(
    make_check: Callable[..., LidarCheck],
) -> None:
    check = make_check(lidar_apply=True)
    # a wall comes nearer; sweeps come a frame later than what is seen with them
    for tenth in range(8):
        seen_m = 10.0 - tenth
        check.compare(stamp(0, tenth), np.full_like(DEPTH, seen_m), 1.0, INTRINSICS)
        check.put(sweep(0, wall(seen_m), tenth))
    assert check.mismatch == ''
    assert check.scale.frames >= 3
    assert check.scale.ratio == pytest.approx(1.0, rel=1e-3)
    assert check.scale.deviation < 1e-3
    # the time is set back: the frame that waits is given up
    check.compare(stamp(30), DEPTH, 1.0, INTRINSICS)
    check.compare(stamp(1), DEPTH, 1.0, INTRINSICS)
    check.put(sweep(1, wall(8.0)))
    frames = check.scale.frames
    check.compare(stamp(1, 1), DEPTH, 1.0, INTRINSICS)
    assert check.scale.frames == frames + 1


def test_a_frame_that_is_answered_late_finds_its_sweep(
    make_check: Callable[..., LidarCheck],
) -> None:
    check = make_check()
    for tenth in range(40):
        check.put(sweep(0, wall(10.0), tenth))
    for tenth in (22, 28, 34):
        check.compare(stamp(0, tenth), DEPTH, 1.0, INTRINSICS)
    assert check.scale.frames == 3
    assert check.mismatch == ''
    # what is older is forgotten, and not the clocks are to blame
    check.compare(stamp(0, 5), DEPTH, 1.0, INTRINSICS)
    assert 'stamped 1.40 s before the oldest sweep that is kept' in check.mismatch
    assert 'answered too late; use a faster device' in check.mismatch


def test_sweeps_do_not_pile_up(make_check: Callable[..., LidarCheck]) -> None:
    check = make_check()
    for _ in range(200):
        check.put(sweep(7, wall(10.0, points=1)))
    assert len(check._sweeps) == lidar_check._SWEEPS_KEPT
    # the time is set back
    check.put(sweep(1, wall(10.0)))
    assert len(check._sweeps) == 1


def test_another_place_of_the_lidar_begins_anew(make_check: Callable[..., LidarCheck]) -> None:
    changes = {'lidar_apply': True}
    check = make_check()
    check._parameters = lambda: replace(PARAMETERS, **changes)
    sees(check, 10.0, frames=4)
    changes['lidar_translation_m'] = (0.1, -0.2, 1.7)
    sees(check, 10.0)
    assert check.scale.frames == 3
    assert check.factor(check._parameters()) == pytest.approx(1.5, rel=1e-3)
    changes['lidar_rotation_xyzw'] = (0.51, -0.49, 0.51, 0.49)
    sees(check, 10.0, frames=1)
    assert check.scale is None


def test_few_points_say_nothing(make_check: Callable[..., LidarCheck]) -> None:
    check = make_check()
    for second in range(5):
        check.put(sweep(second, wall(10.0, points=40)))
        check.compare(Time(sec=second), DEPTH, 1.0, INTRINSICS)
    assert check.scale is None


def test_a_broken_sweep_is_refused_and_forgotten(make_check: Callable[..., LidarCheck]) -> None:
    check = make_check()
    check.put(PointCloud2(height=1, width=5, point_step=12, row_step=60))
    with pytest.raises(ValueError, match='cloud of 5x1 points'):
        check.compare(Time(), DEPTH, 1.0, INTRINSICS)
    check.compare(Time(), DEPTH, 1.0, INTRINSICS)
    assert check.mismatch.startswith('no sweep can be compared with: cloud of 5x1 points')
    sees(check, 10.0)
    assert check.mismatch == ''


def test_ratios_are_those_of_pixels_with_depth() -> None:
    points = np.array(
        [[0, 0, 4], [1, 0, 6], [0, 0, -4], [9, 0, 1], [np.nan, 0, 1], [0, 1, 5]], np.float32
    )
    depth = DEPTH.copy()
    depth[:, 40] = np.inf
    depth[34] = np.nan
    # the first is seen; then sky, behind the camera, beside the picture, nothing, unknown
    assert scale_ratios(points, depth, INTRINSICS).tolist() == [0.5]


def test_on_real_sweeps_the_true_depth_has_scale_one(data_folder: Path) -> None:
    """By KITTI's calibration; the depth is that of the lidar, accumulated over sweeps."""
    drive = data_folder / 'kitti_drive'
    if not drive.is_dir():
        pytest.skip(f'{drive} does not exist')
    recorded = read_drive(drive)
    intrinsics, to_camera = kitti_geometry(recorded)
    for path in recorded.lidar.paths[::20]:
        depth = drive / 'depth' / f'{path.stem}.png'
        if not depth.is_file():
            continue
        depth_m = cv2.imread(str(depth), cv2.IMREAD_UNCHANGED).astype(np.float32) / 256
        points = np.fromfile(path, np.float32).reshape(-1, 4)[:, :3]
        ratios = scale_ratios(to_camera.apply(points), depth_m, intrinsics)
        assert len(ratios) > 1000
        assert np.median(ratios) == pytest.approx(1.0, abs=0.01)


def kitti_geometry(drive: Drive) -> tuple[Intrinsics, Transform]:
    """Give the left colour camera, and where the lidar is in its optical frame."""
    camera, lidar = drive.camera_calibration, drive.lidar_calibration
    p = camera.values('P_rect_02', 12).reshape(3, 4)
    rectify = camera.values('R_rect_00', 9).reshape(3, 3)
    width, height = camera.values('S_rect_02', 2)
    rotation = rectify @ lidar.values('R', 9).reshape(3, 3)
    # the fourth column of P is where the first camera is in the frame of this one
    translation = rectify @ lidar.values('T', 3) + np.linalg.solve(p[:, :3], p[:, 3])
    intrinsics = Intrinsics(p[0, 0], p[1, 1], p[0, 2], p[1, 2], int(width), int(height))
    return intrinsics, Transform(rotation.astype(np.float32), translation.astype(np.float32))
