from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from made_state import SCALE, state

from mtl_perception.backends.compiled import Progress
from mtl_perception.ros.health.causes import Cause, Level
from mtl_perception.ros.health.measurements import Counters
from mtl_perception.ros.health.report import camera_status, model_status, status

CARD = SimpleNamespace(
    name='road8',
    tasks={'segmentation': 8, 'depth': 1},
    label_space='road8',
    sha256='abc',
    licence='Apache-2.0',
    training_f_px=721.5,
)


def engine(fallback: str = '', **progress: Any) -> Any:
    return SimpleNamespace(
        card=CARD,
        backend='torch bfloat16',
        device='cpu',
        fallback=fallback,
        progress=Progress(**{'ready': ((1, 4, 8), (2, 4, 8))} | progress),
    )


def values_of(made: Any) -> dict[str, str]:
    return {one.key: one.value for one in made.values}


def test_a_camera_reports_rates_times_and_counts() -> None:
    made = camera_status(
        'node: camera',
        'road8',
        state(lidar_scale=SCALE, ground_scale=replace(SCALE, ratio=0.9)),
        paused=False,
    )
    assert (made.level, made.name, made.hardware_id) == (b'\1', 'node: camera', 'road8')
    assert values_of(made) == {
        'image topic': '/image',
        'images per second': '10.0',
        'answers per second': '8.0',
        'dropped for newer ones': '2',
        'not wanted': '0',
        'bad': '0',
        'failed': '0',
        'size': '640x480',
        'longest wait for the network (ms)': '5.0',
        'network (ms)': '30.0',
        'end to end (ms)': '40.0',
        'end to end, p95 (ms)': '60.0',
        'now - stamp (ms)': '50.0',
        'lidar / depth': '1.2500',
        'lidar: deviation': '0.0100 over 20 frames',
        'lidar: points compared': '3000',
        'lidar: applied': 'False',
        'ground / depth': '0.9000',
        'ground: deviation': '0.0100 over 20 frames',
        'ground: points compared': '3000',
        'ground: applied': 'False',
    }


def test_the_age_of_a_stamp_of_another_clock_is_no_number() -> None:
    made = camera_status('camera', '', state(stamp_age_s=1e9), paused=False)
    assert 'now - stamp (ms)' not in values_of(made)
    assert 'another clock' in made.message


def test_what_is_not_measured_is_left_out() -> None:
    idle = state(counters=Counters(5, unwanted=5), times=None, size=None)
    made = camera_status('camera', '', idle, paused=False)
    assert made.message == 'waiting: nobody subscribes to its outputs'
    assert not {'network (ms)', 'end to end (ms)', 'size'} & values_of(made).keys()
    assert camera_status('camera', '', idle, paused=True).message == 'paused by ~/enable'


def test_the_model_reports_what_runs_where() -> None:
    made = model_status('model', engine(), [])
    assert (made.level, made.message) == (b'\0', 'torch bfloat16 on cpu')
    values = values_of(made)
    assert (values['model'], values['tasks']) == ('road8', 'segmentation, depth')
    assert values['compiled'] == '8x4, 2 of 8x4'
    assert values['being compiled'] == values['not compiled'] == 'nothing'
    assert values['licence'] == 'Apache-2.0'


def test_a_fallback_is_a_warning_with_its_remedy() -> None:
    made = model_status('model', engine('the GPU has too little memory: 2 GiB'), [])
    assert made.level == b'\1'
    assert made.message.startswith('the CPU serves, as the GPU has too little memory: 2 GiB; free')


def test_what_is_not_compiled_yet_is_said() -> None:
    made = model_status('model', engine(compiling=(1, 40, 24)), [])
    assert made.level == b'\0'
    assert made.message.startswith(
        'torch bfloat16 on cpu, being compiled for 24x40: what is there'
    )
    assert values_of(made)['being compiled'] == '24x40'


def test_what_cannot_be_compiled_is_a_warning() -> None:
    made = model_status('model', engine(failed={(1, 40, 24): 'no memory'}), [])
    assert made.level == b'\1'
    assert made.message.startswith(
        'plain PyTorch answers for 24x40, as torch bfloat16 could not be compiled: no memory; ch'
    )
    assert values_of(made)['not compiled'] == '24x40'


def test_the_message_holds_every_cause_and_the_level_is_the_worst() -> None:
    causes = [Cause(Level.ERROR, 'one'), Cause(Level.WARN, 'two')]
    made = status('name', '', causes, 'quiet', {})
    assert (made.level, made.message) == (b'\2', 'one; two')
    assert status('name', '', [], 'quiet', {}).message == 'quiet'
