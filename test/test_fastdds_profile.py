import os
from pathlib import Path
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from large_messages import COUNT
from ros_client import ros_environment, TIMEOUT_S

PROFILE = Path(__file__).resolve().parents[1] / 'config' / 'fastdds_images.xml'
_NAMESPACE = '{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}'
# one or two may be lost where the machine stalls; without the profile a few get through
ENOUGH = COUNT - 2
SEGMENT_BYTES = int(ElementTree.parse(PROFILE).findtext(f'.//{_NAMESPACE}segment_size', '0'))


def deliver(log_folder: Path, profile: Path | None) -> tuple[int, str]:
    """Send clouds, best effort, from one process to another; give how many came, and stderr."""
    environment = os.environ | ros_environment(log_folder)
    environment.pop('FASTRTPS_DEFAULT_PROFILES_FILE')
    if profile is not None:
        environment['FASTRTPS_DEFAULT_PROFILES_FILE'] = str(profile)
    roles = [
        subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name('large_messages.py')), role],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for role in ('receive', 'publish')
    ]
    try:
        (received, errors), (_, more_errors) = (
            role.communicate(timeout=TIMEOUT_S) for role in roles
        )
    finally:
        for role in roles:
            role.kill()
    assert [role.returncode for role in roles] == [0, 0], errors + more_errors
    return int(received), errors + more_errors


@pytest.fixture(scope='module', autouse=True)
def room() -> None:
    """Both processes reserve the segment of the profile."""
    if not Path('/dev/shm').is_dir() or shutil.disk_usage('/dev/shm').free < 3 * SEGMENT_BYTES:
        pytest.skip(f'/dev/shm has no room for segments of {SEGMENT_BYTES} bytes')


def test_large_best_effort_messages_arrive_with_the_profile(tmp_path: Path) -> None:
    received, errors = deliver(tmp_path, PROFILE)
    assert received >= ENOUGH, errors
    assert 'Error' not in errors


def test_they_are_lost_without_it(tmp_path: Path) -> None:
    """The reason for the profile: once this fails, it can go."""
    received, _ = deliver(tmp_path, None)
    assert received < ENOUGH
