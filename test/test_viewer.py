"""The viewer of live topics: what it finds, takes and draws."""

from collections.abc import Iterator
from pathlib import Path
import subprocess
import sys

import cv2
from made_weights import make_picture
import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')
pytest.importorskip('rerun', reason='rerun-sdk is not installed')

from array import array

from rclpy.qos import qos_profile_sensor_data
from ros_client import Client, ROOT, ros_environment
from sensor_msgs.msg import CameraInfo, Image

WIDTH, HEIGHT = 96, 64


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A camera with best-effort pictures, ten a second, as long as the test lasts."""
    for name, value in ros_environment(tmp_path / 'log').items():
        monkeypatch.setenv(name, value)
    client = Client('robot')
    pictures = client.node.create_publisher(Image, 'image', qos_profile_sensor_data)
    client.node.create_publisher(CameraInfo, 'camera_info', 10)
    data = array('B', make_picture(HEIGHT, WIDTH).tobytes())
    message = Image(height=HEIGHT, width=WIDTH, encoding='rgb8', step=3 * WIDTH, data=data)

    def send() -> None:
        message.header.stamp.sec += 1
        pictures.publish(message)

    client.node.create_timer(0.1, send)
    yield client
    client.close()


def view(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, '-m', 'mtl_perception.ros.clients.viewer', *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
    )


@pytest.mark.usefixtures('client')
def test_live_topics_are_drawn(tmp_path: Path) -> None:
    if not any(Path('/usr/share/vulkan/icd.d').glob('*.json')):
        pytest.skip('no Vulkan driver: apt install mesa-vulkan-drivers')
    picture = tmp_path / 'live.png'
    run = view('--screenshot', str(picture), '--seconds', '2', '--size', '480x320')
    assert run.returncode == 0, run.stdout + run.stderr
    count, _, topic = run.stdout.strip().splitlines()[-1].split()
    assert (topic, int(count) > 0) == ('/robot/image', True)
    shot = cv2.imread(str(picture))
    # the blobs have all hues, the viewer around them is grey
    assert (np.ptp(shot.reshape(-1, 3).astype(int), axis=1) > 60).mean() > 0.05


@pytest.mark.usefixtures('client')
def test_a_topic_that_nobody_publishes_is_an_error(tmp_path: Path) -> None:
    run = view('--topics', 'absent', '--save', str(tmp_path / 'x.rrd'), '--wait', '2')
    assert run.returncode == 1
    assert 'has no topic /absent to show; it has /robot/image' in run.stderr


@pytest.mark.usefixtures('client')
def test_a_window_that_does_not_open_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / 'rerun'
    program.write_text('#!/bin/sh\nexit 3\n')
    program.chmod(0o755)
    monkeypatch.setenv('RERUN_CLI_PATH', str(program))
    run = view()
    assert run.returncode == 1
    assert 'perception_viewer: the viewer ended with status 3' in run.stderr
