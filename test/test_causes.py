from dataclasses import replace
import re

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from made_state import SCALE, state

from mtl_perception.ros.health.causes import CameraState, causes_of, is_same_clock, Level
from mtl_perception.ros.health.measurements import Counters


def test_nothing_is_wrong_with_a_camera_that_serves() -> None:
    assert causes_of(state()) == []
    assert causes_of(state(lidar_scale=replace(SCALE, ratio=1.05))) == []
    assert SCALE.after(1.25) == replace(SCALE, ratio=1.0, deviation=0.008)


CAUSES: dict[str, tuple[CameraState, Level, str]] = {
    'never an image': (
        state(since_image_s=None),
        Level.ERROR,
        'no image on /image since activation, for 60.0 s: nobody publishes there; start the',
    ),
    'no image any more': (
        state(since_image_s=2.5),
        Level.ERROR,
        'no image on /image any more, for 2.5 s: nobody publishes there',
    ),
    'failed': (
        state(counters=Counters(10, 7, failed=3), last_failure='RuntimeError: no'),
        Level.ERROR,
        '3 images could not be answered, the last for: RuntimeError: no',
    ),
    'bad': (
        state(counters=Counters(10, 7, bad=3), last_fault="encoding 'rgb9'"),
        Level.WARN,
        "3 of 10 images could not be read, the last for: encoding 'rgb9'",
    ),
    'no camera_info': (
        state(info_lack='there is none of 640x480'),
        Level.WARN,
        'wait for a camera_info on /camera_info: there is none of 640x480',
    ),
    'late': (
        state({'diagnostics_max_latency_ms': 50.0}),
        Level.WARN,
        'latency is 60 ms (p95), above diagnostics.max_latency_ms 50;',
    ),
    'dropped': (
        state(counters=Counters(30, 10, skipped=20)),
        Level.WARN,
        '20 of 30 images were dropped for newer ones, more than diagnostics.max_skipped 0.5; the '
        'camera is faster than the network (lower its rate, or the parameter scale), or what it '
        'publishes best effort is lost on the way (give its process config/fastdds_images.xml, '
        'too)',
    ),
    'old stamps': (state(stamp_age_s=400.0), Level.WARN, 'another clock, 400.0 s old'),
    'stamps to come': (state(stamp_age_s=-3.0), Level.WARN, 'clock, 3.0 s in the future'),
    'another size': (
        state(former_size=(1242, 375)),
        Level.WARN,
        'the camera changed from 1242x375 to 640x480; the status of the model says whether it is',
    ),
    'no sweep': (
        state(lidar_fault='no sweep on /lidar: nobody publishes there'),
        Level.WARN,
        'no sweep on /lidar: nobody publishes there',
    ),
    'wrong scale': (
        state({'depth_scale': 2.0}, lidar_scale=SCALE),
        Level.WARN,
        'the lidar measures 1.250 times the depth; set depth_scale to 2.500, or lidar.apply',
    ),
    'nothing to apply of the ground': (
        state({'ground_check': True, 'ground_apply': True, 'camera_height_m': 0.5}),
        Level.WARN,
        'ground.apply multiplies depth by nothing yet: no level ground was seen',
    ),
    'nothing to apply of a lidar': (
        state({'lidar_apply': True}),
        Level.WARN,
        'lidar.apply multiplies depth by nothing yet: hardly any points of the lidar lie on what',
    ),
    'wildly applied scale': (
        state({'lidar_apply': True, 'depth_scale': 2.0}, lidar_scale=replace(SCALE, ratio=0.6)),
        Level.WARN,
        'lidar.apply multiplies depth by 0.600, beyond 5 times lidar.max_error; correct lidar.t',
    ),
    'ground at another height': (
        state(
            {'ground_check': True, 'camera_height_m': 0.5},
            ground_scale=replace(SCALE, ratio=0.4),
        ),
        Level.WARN,
        'the height of the camera makes it 0.400 times the depth; set depth_scale to 0.400, or g',
    ),
    'wildly applied height': (
        state(
            {'ground_check': True, 'ground_apply': True, 'camera_height_m': 5.0},
            ground_scale=replace(SCALE, ratio=2.5),
        ),
        Level.WARN,
        'ground.apply multiplies depth by 2.500, beyond 5 times ground.max_error; correct camera',
    ),
    'a lidar that does not agree with the ground that is applied': (
        state(
            {'ground_check': True, 'ground_apply': True, 'camera_height_m': 0.5},
            ground_scale=replace(SCALE, ratio=0.8),
            lidar_scale=SCALE,
        ),
        Level.WARN,
        'the lidar measures 1.250 times the depth that ground.apply gives; correct camera_height_',
    ),
    'ground at an unknown height': (
        state({'ground_check': True}),
        Level.WARN,
        'ground.check is true, but camera_height_m is 0, not known; set it to the height of',
    ),
}


@pytest.mark.parametrize('name', CAUSES)
def test_each_cause_is_said_in_words(name: str) -> None:
    made, level, words = CAUSES[name]
    (cause,) = causes_of(made)
    assert cause.level == level
    assert re.search(re.escape(words), cause.sentence)


@pytest.mark.parametrize(
    'made',
    [
        state({'lidar_apply': True}, info_lack='there is none of 640x480'),
        state({'ground_check': True, 'ground_apply': True}),
        state({'lidar_apply': True}, active_s=0.5),
    ],
    ids=['no camera_info', 'no height', 'just begun'],
)
def test_a_scale_that_cannot_be_known_yet_is_not_asked_for(made: CameraState) -> None:
    assert not any('by nothing yet' in cause.sentence for cause in causes_of(made))


def test_a_bag_needs_its_clock_as_well() -> None:
    (cause,) = causes_of(state(stamp_age_s=-1.3e9))
    assert 'set use_sim_time and play it with --clock' in cause.sentence


def test_the_worst_comes_first() -> None:
    found = causes_of(state(stamp_age_s=400.0, since_image_s=30.0, lidar_scale=SCALE))
    assert [cause.level for cause in found] == [Level.ERROR, Level.WARN, Level.WARN]


def test_an_applied_scale_is_no_fault() -> None:
    assert causes_of(state({'lidar_apply': True}, lidar_scale=SCALE)) == []
    applied = {'ground_check': True, 'ground_apply': True, 'camera_height_m': 0.5}
    assert causes_of(state(applied, ground_scale=replace(SCALE, ratio=0.6))) == []


def test_a_stamp_is_of_the_same_clock_if_it_is_a_little_old() -> None:
    ages_s = (-3.0, -0.1, 0.0, 5.0, 100.0)
    assert [is_same_clock(age) for age in ages_s] == [False, True, True, True, False]
