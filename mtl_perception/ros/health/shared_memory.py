"""Whether large messages can pass through shared memory."""

import os
from pathlib import Path
import shutil

from rclpy.utilities import get_rmw_implementation_identifier

_FOLDER = Path('/dev/shm')
_MAPS = Path('/proc/self/maps')
_SEGMENT = f'{_FOLDER}/fastrtps_'
# Fast DDS takes 0.5 MB of its own accord; a picture of 1242x375 has 1.4 MB, its cloud 9 MB
_LEAST_BYTES = 4_000_000
_PROFILE = 'FASTRTPS_DEFAULT_PROFILES_FILE'


def shared_memory_fault() -> str:
    """Say why this process has little shared memory for messages; '' if it has, or none is used.

    Asked once a node is there, as Fast DDS makes its segment with the first.
    """
    if 'fastrtps' not in get_rmw_implementation_identifier() or not _MAPS.exists():
        return ''
    largest = max((_size(line) for line in _MAPS.open() if _SEGMENT in line), default=0)
    if largest >= _LEAST_BYTES:
        return ''
    if os.environ.get(_PROFILE):
        free_mb = shutil.disk_usage(_FOLDER).free / 1e6 if _FOLDER.is_dir() else 0
        remedy = (
            f'although {_PROFILE} is set: {free_mb:.0f} MB are free in {_FOLDER}; start the '
            'container with --shm-size=1g, or enlarge the segment of the profile'
        )
    else:
        remedy = f'set {_PROFILE} to config/fastdds_images.xml, as the launch files do'
    return (
        f'messages have {largest / 1e6:.1f} MB of shared memory, so large ones come late or not '
        f'at all; {remedy}'
    )


def _size(line: str) -> int:
    """Give the bytes of a mapping, a line that starts with its first and last address."""
    first, last = line.split(maxsplit=1)[0].split('-')
    return int(last, 16) - int(first, 16)
