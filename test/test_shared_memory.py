from collections.abc import Callable
import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_client import ros_environment, TIMEOUT_S

from mtl_perception.ros.health import shared_memory as module
from mtl_perception.ros.health.shared_memory import shared_memory_fault

PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE'
Maps = Callable[[str], None]


@pytest.fixture
def maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maps:
    """Writes what this process is said to have mapped."""

    def write(lines: str) -> None:
        (tmp_path / 'maps').write_text(lines)
        monkeypatch.setattr(module, '_MAPS', tmp_path / 'maps')

    return write


def line(size: int, name: str) -> str:
    return f'7f0000000000-{0x7F0000000000 + size:x} rw-s 00000000 00:1b 5 /dev/shm/{name}\n'


def test_a_large_segment_is_fine(maps: Maps) -> None:
    maps(line(500_000, 'fastrtps_port1') + line(70_000_000, 'fastrtps_abc'))
    assert shared_memory_fault() == ''


def test_without_the_profile_it_is_named(maps: Maps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(PROFILE, raising=False)
    maps(line(550_000, 'fastrtps_abc') + line(90_000_000, 'another'))
    said = shared_memory_fault()
    assert said.startswith('messages have 0.6 MB of shared memory')
    assert said.endswith(f'set {PROFILE} to config/fastdds_images.xml, as the launch files do')


def test_with_the_profile_the_folder_is_too_small(
    maps: Maps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(PROFILE, 'profile.xml')
    maps('')
    assert '--shm-size=1g' in shared_memory_fault()


def test_a_process_in_a_small_folder_says_so(tmp_path: Path) -> None:
    """A container gives 64 MB to all its processes; here it is 20 MB, for one."""
    code = (
        'import rclpy; from mtl_perception.ros.health.shared_memory import shared_memory_fault;'
        'rclpy.init(); node = rclpy.create_node("n"); print("said:", shared_memory_fault())'
    )
    unshare = shutil.which('unshare')
    small = 'mount -t tmpfs -o size=20m tmpfs /dev/shm'
    if not unshare or subprocess.run([unshare, '-m', 'sh', '-c', small], check=False).returncode:
        pytest.skip('unshare and mount are not permitted here')
    ended = subprocess.run(
        [unshare, '-m', 'sh', '-c', f'{small} && exec "$0" -c \'{code}\'', sys.executable],
        env=os.environ | ros_environment(tmp_path) | {'PYTHONPATH': os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    )
    assert 'said: messages have' in ended.stdout
    assert 'MB are free in /dev/shm; start the container with --shm-size=1g' in ended.stdout
