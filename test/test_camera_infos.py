import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from sensor_msgs.msg import CameraInfo, RegionOfInterest

from mtl_perception.messages.camera_infos import info_of_picture
from mtl_perception.ros.calibration.camera_infos import CameraInfos


def info(f_px: float, width: int = 8, height: int = 4, frame: str = '') -> CameraInfo:
    p = [f_px, 0.0, width / 2, 0.0, 0.0, f_px, height / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    made = CameraInfo(width=width, height=height, p=p)
    made.header.frame_id = frame
    return made


def test_rays_are_tabulated_anew_only_when_the_camera_changes() -> None:
    infos = CameraInfos()
    infos.put(info(10.0, frame='first'))
    rays = infos.of(8, 4).rays(2, 8, 4)
    assert rays.shape == (2, 4)
    infos.put(info(10.0, frame='second'))
    calibration = infos.of(8, 4)
    assert calibration.rays(2, 8, 4) is rays
    assert calibration.info.header.frame_id == 'second'
    assert calibration.rays(1, 8, 4).shape == (4, 8)
    infos.put(info(20.0))
    assert infos.of(8, 4).rays(2, 8, 4).intrinsics.fx_px == 20.0


def test_what_is_missing_is_said() -> None:
    infos = CameraInfos()
    assert infos.lack(8, 4) == 'there is none of 8x4'
    infos.put(info(10.0, 16, 8))
    assert infos.lack(8, 4) == 'there is none of 8x4, only of 16x8'
    infos.put(info(0.0))
    assert infos.lack(8, 4) == 'that of 8x4 is uncalibrated: its focal lengths are 0'
    assert infos.of(8, 4).rays(1, 8, 4) is None
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


def test_the_info_of_reduced_maps_sees_the_same() -> None:
    """A point in space is at the same place of the reduced picture, outer edges in place."""
    given = info(10.0)
    given.k = [9.0, 0.5, 4.0, 0.0, 8.0, 2.0, 0.0, 0.0, 1.0]
    given.p[3] = -20.0
    infos = CameraInfos()
    infos.put(given)
    reduced = infos.of(8, 4).info_of(4, 1)
    assert (reduced.width, reduced.height) == (4, 1)
    point = np.array([0.3, 0.2, 2.0, 1.0])
    for count, name in ((3, 'k'), (4, 'p')):
        (u, v), (x, y) = (
            (image := getattr(one, name).reshape(3, count) @ point[:count])[:2] / image[2]
            for one in (given, reduced)
        )
        assert (x, y) == pytest.approx(((u + 0.5) / 2 - 0.5, (v + 0.5) / 4 - 0.5))
    rays = infos.of(8, 4).rays(1, 4, 1)
    assert (rays.intrinsics.fx_px, rays.intrinsics.fy_px) == (reduced.p[0], reduced.p[5])
    assert (rays.intrinsics.cx_px, rays.intrinsics.cy_px) == (reduced.p[2], reduced.p[6])
    assert infos.of(8, 4).info_of(8, 4) == given


def test_an_uncalibrated_camera_stays_so_when_reduced() -> None:
    infos = CameraInfos()
    infos.put(CameraInfo(width=8, height=4))
    reduced = infos.of(8, 4).info_of(4, 2)
    assert not reduced.k.any()
    assert not reduced.p.any()


def info_of_part(binning: tuple[int, int], region: tuple[int, int, int, int]) -> CameraInfo:
    """Give an info of 640x480 with binning and a region: x and y offset, width, height."""
    given = info(500.0, 640, 480)
    given.binning_x, given.binning_y = binning
    keys = ('x_offset', 'y_offset', 'width', 'height')
    given.roi = RegionOfInterest(**dict(zip(keys, region, strict=True)))
    return given


@pytest.mark.parametrize(
    ('binning', 'region', 'size', 'f_px', 'centre'),
    [
        # x_offset, y_offset, width, height; a super-pixel's centre is between those of its pixels
        ((2, 2), (0, 0, 0, 0), (320, 240), (250, 250), (159.75, 119.75)),
        ((0, 1), (100, 40, 200, 100), (200, 100), (500, 500), (220.0, 200.0)),
        ((2, 4), (100, 40, 201, 100), (100, 25), (250, 125), (109.75, 49.625)),
    ],
)
def test_a_picture_may_be_binned_or_a_part_of_the_sensor(
    binning: tuple[int, int],
    region: tuple[int, int, int, int],
    size: tuple[int, int],
    f_px: tuple[float, float],
    centre: tuple[float, float],
) -> None:
    given = info_of_part(binning, region)
    infos = CameraInfos()
    infos.put(given)
    found = infos.of(*size)
    assert infos.lack(*size) == ''
    assert (found.intrinsics.fx_px, found.intrinsics.fy_px) == f_px
    assert (found.intrinsics.cx_px, found.intrinsics.cy_px) == centre
    # whoever reads what is published with it must not cut or bin again
    assert (found.info.binning_x, found.info.roi) == (0, RegionOfInterest())
    # a driver that says the size of its pictures nevertheless
    whole = infos.of(640, 480)
    assert whole.intrinsics.cx_px == 320.0
    assert (whole.info.binning_x, whole.info.binning_y) == (0, 0)
    assert whole.info.roi == RegionOfInterest()
    # that of the camera stays as it is
    assert (given.binning_x, given.roi.x_offset) == (binning[0], region[0])


@pytest.mark.parametrize(
    ('binning', 'region'), [((2, 2), (0, 0, 1280, 960)), ((0, 0), (100, 0, 640, 480))]
)
def test_an_info_that_describes_the_pictures_already_is_not_cut_again(
    binning: tuple[int, int], region: tuple[int, int, int, int]
) -> None:
    given = info_of_part(binning, region)
    infos = CameraInfos()
    infos.put(given)
    found = infos.of(640, 480).intrinsics
    assert (found.fx_px, found.cx_px) == (500.0, 320.0)


def test_the_info_of_a_whole_picture_is_taken_as_it_is() -> None:
    given = info(10.0)
    assert info_of_picture(given) is given
    given.binning_x = given.binning_y = 1
    given.roi = RegionOfInterest(width=8, height=4)
    assert info_of_picture(given) is given
    infos = CameraInfos()
    infos.put(given)
    assert (infos.of(8, 4).info.binning_y, infos.of(8, 4).info.roi) == (0, RegionOfInterest())
