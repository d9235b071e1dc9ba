"""The viewer: clouds read, messages shown, and a bag drawn to a picture without a screen."""

import argparse
from pathlib import Path
import shutil
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import cv2
from made_engine import MadeEngine
import numpy as np
import pytest

from mtl_perception.geometry import Intrinsics, RayTable
from mtl_perception.label_space import label_space
from mtl_perception.messages import encode_cloud, encode_image
from mtl_perception.offline.__main__ import main
from mtl_perception.products import products, ProductSettings, TOPICS
from mtl_perception.recordings.bag_messages import field_message, new_header
from mtl_perception.recordings.bags import BagWriter, TopicQos
from mtl_perception.viewing import bag as bag_module
from mtl_perception.viewing import screen
from mtl_perception.viewing.bag import choose_topics
from mtl_perception.viewing.clouds import read_cloud
from mtl_perception.visualization import colour_normals

WIDTH, HEIGHT = 96, 64
SPACE = label_space('road8')


def cloud_message(**changes: Any) -> SimpleNamespace:
    points = np.arange(2 * 3 * 3, dtype=np.float32).reshape(2, 3, 3)
    points[0, 1] = np.nan
    colours = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    return SimpleNamespace(**vars(encode_cloud(points, colours, None, None)) | changes)


def test_points_and_colours_are_read_and_unknown_ones_left_out() -> None:
    points, colours = read_cloud(cloud_message())
    expected = np.delete(np.arange(18).reshape(6, 3), 1, axis=0)
    np.testing.assert_array_equal(points, expected)
    np.testing.assert_array_equal(colours, expected)


def test_a_lidars_cloud_is_read_in_its_byte_order_and_with_padded_rows() -> None:
    field = SimpleNamespace
    fields = [field(name=n, offset=8 * i, datatype=8, count=1) for i, n in enumerate('xyz')]
    data = np.zeros((2, 32), np.uint8)
    data[:, :24] = np.arange(6, dtype='>f8').reshape(2, 3).view(np.uint8)
    message = SimpleNamespace(
        **{'height': 2, 'width': 1, 'fields': fields, 'is_bigendian': True, 'point_step': 24},
        **{'row_step': 32, 'data': data.reshape(-1)},
    )
    points, colours = read_cloud(message)
    np.testing.assert_array_equal(points, np.arange(6).reshape(2, 3))
    assert colours is None


@pytest.mark.parametrize(
    ('changes', 'fault'),
    [
        ({'fields': ()}, 'fields x, y and z'),
        ({'point_step': 4}, 'within point_step'),
        ({'row_step': 10**6}, 'row_step must hold a row'),
        ({'data': np.zeros(5, np.uint8)}, 'row_step must hold a row'),
        ({'width': 10**6}, 'row_step must hold a row'),
    ],
)
def test_a_cloud_that_does_not_fit_its_data_is_an_error(
    changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(ValueError, match=fault):
        read_cloud(cloud_message(**changes))


def test_topics_are_chosen_by_type_and_name() -> None:
    types = {'/b': 'sensor_msgs/msg/Image', '/a': 'sensor_msgs/msg/Image', '/c': 'x/msg/Y'}
    shown = ('sensor_msgs/msg/Image',)
    assert list(choose_topics(types, None, shown, 'bag')) == ['/a', '/b']
    assert list(choose_topics(types, ['/b'], shown, 'bag')) == ['/b']
    with pytest.raises(ValueError, match='bag has no topic /c to show; it has /a, /b'):
        choose_topics(types, ['/c'], shown, 'bag')
    with pytest.raises(ValueError, match=r'of a picture or cloud to show; it has /c'):
        choose_topics({'/c': 'x/msg/Y'}, None, shown, 'bag')


@pytest.fixture(scope='module')
def answered_bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of two frames with all their products, of which the last is the colourful one."""
    path = tmp_path_factory.mktemp('bag') / 'answered'
    rays = RayTable(Intrinsics(80.0, 80.0, WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT), 1)
    with BagWriter(path) as writer:
        for number in range(2):
            stamp_ns = 10**9 * (1 + number)
            header = new_header(stamp_ns, 'camera')
            picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            picture += np.arange(WIDTH, dtype=np.uint8)[None, :, None] * np.uint8(2 * number)
            prediction = MadeEngine().predict(picture)
            made = products(picture, prediction, TOPICS, rays, ProductSettings(SPACE))
            for topic, fields in {'image': encode_image(picture, 'rgb8'), **made}.items():
                message = field_message(header, fields)
                writer.write(f'/{topic}', stamp_ns, message, TopicQos())
    return path


def test_every_product_can_be_shown(answered_bag: Path, tmp_path: Path) -> None:
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    out = tmp_path / 'deep' / 'out.rrd'
    assert main(['viewer', str(answered_bag), '--save', str(out)]) == 0
    assert out.stat().st_size > 10_000
    listed = subprocess.run(
        [screen.find_viewer(), 'rrd', 'print', str(out)], capture_output=True, text=True
    ).stdout
    for topic in ('image', 'segmentation/labels', 'depth/image', 'points'):
        assert f'/{topic}' in listed


def test_depth_is_shown_in_the_byte_order_of_the_machine() -> None:
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    from mtl_perception.viewing.scene import _picture

    shown = []
    for order in '<>':
        data = np.array([[1.5, np.inf]], f'{order}f4').tobytes()
        message = SimpleNamespace(encoding='32FC1', is_bigendian=order == '>', data=data)
        message.height, message.width, message.step = 1, 2, 8
        shown.append(_picture('/depth/image', message).buffer.as_arrow_array().to_pylist())
    assert shown[0] == shown[1]


def test_normals_have_the_colours_of_the_overlays() -> None:
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    from mtl_perception.viewing.scene import _picture

    normals = np.array([[[0, 0, -1], [np.nan, np.nan, np.nan]]], np.float32)
    message = SimpleNamespace(encoding='32FC3', is_bigendian=False, data=normals.tobytes())
    message.height, message.width, message.step = 1, 2, 24
    shown = _picture('/normals/image', message).buffer.as_arrow_array().to_pylist()
    assert shown == [colour_normals(normals).ravel().tolist()]
    assert shown == [[128, 128, 255, 0, 0, 0]]


def test_a_recording_that_cannot_be_written_is_an_error(
    answered_bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    assert main(['viewer', str(answered_bag), '--save', str(tmp_path)]) == 1
    assert f'mtl_perception viewer: {tmp_path} cannot be written: ' in capsys.readouterr().err


def test_a_bag_is_drawn_without_a_screen(answered_bag: Path, tmp_path: Path) -> None:
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    picture = tmp_path / 'deep' / 'shot.png'
    topics = ['/segmentation/color', '/points']
    words = ['viewer', str(answered_bag), '--screenshot', str(picture), '--topics', *topics]
    with_vulkan(main, [*words, '--size', '640x480'])
    shot = cv2.imread(str(picture))
    assert shot.shape[0] * 640 == shot.shape[1] * 480
    # the columns of the picture go through all classes: their colours must be in it
    colours = {tuple(int(c) for c in bgr[::-1]) for bgr in SPACE.colours}
    found = {tuple(bgr) for bgr in np.unique(shot.reshape(-1, 3), axis=0).tolist()}
    assert len(colours & found) >= 4
    assert shot.std() > 10


def with_vulkan(run: Any, words: list[str]) -> None:
    """Run a command that draws; skip where there is nothing to draw with."""
    if not any(Path('/usr/share/vulkan/icd.d').glob('*.json')):
        pytest.skip('no Vulkan driver: apt install mesa-vulkan-drivers')
    assert run(words) == 0


def test_a_screenshot_shows_the_last_message_up_to_a_time(
    answered_bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('rerun', reason='rerun-sdk is not installed')
    from mtl_perception.viewing.scene import Scene

    shown: list[tuple[str, int]] = []
    monkeypatch.setattr(
        Scene, 'show', lambda _, topic, message: shown.append((topic, message.header.stamp.sec))
    )
    monkeypatch.setattr(bag_module, 'take_screenshot', lambda *_: None)
    for at, second in (('0.5', 1), ('5', 2)):
        shown.clear()
        words = [str(answered_bag), '--screenshot', str(tmp_path / 'x.png'), '--at', at]
        parser = argparse.ArgumentParser()
        bag_module.add_arguments(parser)
        bag_module.run(parser.parse_args(words))
        assert len(shown) == len({topic for topic, _ in shown}) > 5
        assert {stamp for _, stamp in shown} == {second}


def test_a_missing_viewer_is_an_error_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, 'executable', str(tmp_path / 'python'))
    monkeypatch.setattr(shutil, 'which', lambda _: None)
    assert main(['viewer', 'bag', '--screenshot', 'x.png']) == 1
    assert 'rerun is not installed; pip install rerun-sdk' in capsys.readouterr().err


def made_program(folder: Path, commands: str) -> str:
    program = folder / 'rerun'
    program.write_text(f'#!/bin/sh\n{commands}\n')
    program.chmod(0o755)
    return str(program)


def test_a_viewer_that_draws_nothing_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = made_program(tmp_path, 'echo No graphics adapter was found\nexit 101')
    monkeypatch.setattr(screen, 'find_viewer', lambda: program)
    with pytest.raises(OSError, match=r'mesa-vulkan-drivers.*No graphics adapter'):
        screen.take_screenshot(tmp_path / 'a.rrd', tmp_path / 'a.png', (64, 64))


def test_a_viewer_that_hangs_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = made_program(tmp_path, 'echo waiting for a GPU\nexec sleep 600')
    monkeypatch.setattr(screen, 'find_viewer', lambda: program)
    monkeypatch.setattr(screen, '_TIMEOUT_S', 1.0)
    with pytest.raises(TimeoutError, match=r'a\.png in 1 s\. It said: waiting for a GPU'):
        screen.take_screenshot(tmp_path / 'a.rrd', tmp_path / 'a.png', (64, 64))


@pytest.mark.parametrize('command', ['exit 0', 'exit 130', 'exit 254', 'kill -INT $$'])
def test_a_window_may_be_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    program = made_program(tmp_path, command)
    monkeypatch.setattr(screen, 'find_viewer', lambda: program)
    screen.open_window(tmp_path / 'a.rrd')


@pytest.mark.parametrize(('command', 'status'), [('exit 3', '3'), ('kill -SEGV $$', '-11')])
def test_a_window_that_does_not_open_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str, status: str
) -> None:
    program = made_program(tmp_path, command)
    monkeypatch.setattr(screen, 'find_viewer', lambda: program)
    with pytest.raises(OSError, match=f'ended with status {status}, and said why above'):
        screen.open_window(tmp_path / 'a.rrd')
