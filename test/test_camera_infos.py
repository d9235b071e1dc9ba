import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from sensor_msgs.msg import CameraInfo

from mtl_perception.ros.calibration.camera_infos import CameraInfos


def info(f_px: float, width: int = 8, height: int = 4, frame: str = '') -> CameraInfo:
    p = [f_px, 0.0, width / 2, 0.0, 0.0, f_px, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    made = CameraInfo(width=width, height=height, p=p)
    made.header.frame_id = frame
    return made


def test_rays_are_tabulated_anew_only_when_the_camera_changes() -> None:
    infos = CameraInfos()
    infos.put(info(10.0, frame='first'))
    rays = infos.of(8, 4).rays(2)
    assert rays.shape == (2, 4)
    infos.put(info(10.0, frame='second'))
    calibration = infos.of(8, 4)
    assert calibration.rays(2) is rays
    assert calibration.info.header.frame_id == 'second'
    assert calibration.rays(1).shape == (4, 8)
    infos.put(info(20.0))
    assert infos.of(8, 4).rays(2).intrinsics.fx_px == 20.0


def test_what_is_missing_is_said() -> None:
    infos = CameraInfos()
    assert infos.lack(8, 4) == 'there is none of 8x4'
    infos.put(info(10.0, 16, 8))
    assert infos.lack(8, 4) == 'there is none of 8x4, only of 16x8'
    infos.put(info(0.0))
    assert infos.lack(8, 4) == 'that of 8x4 is uncalibrated: its focal lengths are 0'
    assert infos.of(8, 4).rays(1) is None
    infos.put(info(10.0))
    assert infos.lack(8, 4) == ''


def test_a_broken_info_leaves_the_good_one() -> None:
    infos = CameraInfos()
    infos.put(info(10.0))
    with pytest.raises(ValueError, match='check the CameraInfo'):
        infos.put(info(float('nan')))
    assert infos.of(8, 4).intrinsics.fx_px == 10.0


def test_sizes_that_are_garbage_do_not_pile_up() -> None:
    infos = CameraInfos()
    for width in range(1, 100):
        infos.put(info(10.0, width))
    assert infos.of(99, 4) is not None
    assert infos.of(1, 4) is None
    assert infos.lack(1, 4).count('x4') == 5
