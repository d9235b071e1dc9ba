"""Play a drive in one process, serve it by the node in another, record in a third."""

import argparse
from pathlib import Path
import re

from mtl_perception.offline.engine_arguments import add_engine_arguments, node_command
from mtl_perception.offline.processes import (
    fresh_folder,
    log_end,
    ros_environment,
    running,
    wait_for_text,
)
from mtl_perception.products import CAMERA_INFOS, TOPICS
from mtl_perception.recordings.bags import BagReader, is_bag
from mtl_perception.recordings.kitti import read_drive
from mtl_perception.recordings.kitti_to_bag import BagOptions, kitti_to_bag

from .report import draw, measure, Recording

_WRITTEN = (
    *('drive', 'recording', 'node.log', 'recorder.log', 'player.log'),
    *('demo.mp4', 'contact_sheet.png'),
)
IMAGE_TYPE = 'sensor_msgs/msg/Image'
# every product of a model of labels and depth
OUTPUTS = tuple(topic for topic in TOPICS if not topic.startswith('normals'))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument('drive', type=Path, help='the folder of a KITTI raw drive, or a rosbag2')
    parser.add_argument('--output', type=Path, default=Path('demo_output'))
    add_engine_arguments(parser)
    parser.add_argument('--rate', type=float, default=1.0, help='of playing, 1 is real time')


def run(options: argparse.Namespace) -> int:
    """Run the demo; give 1 if an output does not fit its input."""
    folder: Path = options.output
    drive = _bag_of(options.drive, folder)
    image, sent = _first_camera(drive)
    log = folder / 'node.log'
    recording = Recording(folder / 'recording', image, OUTPUTS)
    _play_and_record(options, drive, recording, log)
    figures, faults = measure(recording, sent, _counters(log))
    draw(recording, folder / 'demo.mp4', folder / 'contact_sheet.png')
    print('\n'.join(figures))
    print('\n'.join(faults) or 'every output has the header and the size of its input')
    print(f'look at {folder}/contact_sheet.png and {folder}/demo.mp4')
    return 1 if faults else 0


def _bag_of(drive: Path, folder: Path) -> Path:
    """Read the drive before the folder is made ready; a KITTI drive becomes a bag there."""
    kitti = None if is_bag(drive) else read_drive(drive)
    fresh_folder(folder, _WRITTEN, drive)
    if kitti is None:
        return drive
    kitti_to_bag(kitti, folder / 'drive', BagOptions())
    return folder / 'drive'


def _first_camera(drive: Path) -> tuple[str, int]:
    """Find the image topic of the first camera of a bag, and count its pictures."""
    with BagReader(drive) as bag:
        images = sorted(t.name for t in bag.topics.values() if t.type == IMAGE_TYPE)
        if not images:
            raise ValueError(f'bag {drive} has no topic of {IMAGE_TYPE}; give one with a camera')
        return images[0], bag.topics[images[0]].count


def _play_and_record(
    options: argparse.Namespace, drive: Path, recording: Recording, log: Path
) -> None:
    environment = ros_environment(log.parent)
    # its camera_info stands beside it
    info = recording.image.rsplit('/', 1)[0] + '/camera_info'
    node = [
        *node_command(options),
        *('-r', f'image:={recording.image}', '-r', f'camera_info:={info}'),
    ]
    topics = [f'/{topic}' for topic in (*recording.outputs, *CAMERA_INFOS.values())]
    recorder = [
        *('mtl_perception.ros.bags.recorder', str(recording.path), recording.image, *topics),
    ]
    player = [
        *('mtl_perception.ros.bags.player', str(drive), '--rate', str(options.rate)),
        # the recorder looks for new publishers now and then, and discovery takes its time
        *('--wait-for-subscribers', recording.image, info, '--delay', '3'),
    ]
    record_log, play_log = log.with_name('recorder.log'), log.with_name('player.log')
    # the node ends first: what it counts as answered is then recorded
    with (
        running(recorder, environment, record_log) as recording_process,
        running(node, environment, log) as serving,
    ):
        wait_for_text(log, 'loaded ', serving)
        # the image topic has no publisher yet: all others are the node's
        found = f'waiting for {recording.image}\n'
        wait_for_text(record_log, found, serving, recording_process)
        with running(player, environment, play_log) as playing:
            playing.wait()
    if playing.returncode:
        raise ValueError(f'the player failed: {log_end(play_log, 1)}')


def _counters(log: Path) -> dict[str, int]:
    """Read the node's own count of what became of the frames off the last line that has it."""
    lines = [line for line in log.read_text().splitlines() if ' received, ' in line]
    if not lines:
        raise ValueError(f'the node did not count its frames; {log} ends with: {log_end(log)}')
    return {name: int(count) for count, name in re.findall(r'(\d+) (\w+)(?:,|$)', lines[-1])}
