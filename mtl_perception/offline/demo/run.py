"""Play a drive in one process, serve it by the node in another, record in a third."""

import argparse
from dataclasses import dataclass
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
from mtl_perception.recordings.bag_camera import BagCamera, camera_info_beside
from mtl_perception.recordings.bags import BagReader, is_bag
from mtl_perception.recordings.kitti import LEFT, read_drive
from mtl_perception.recordings.kitti_to_bag import BagOptions, CAMERA_FRAMES, kitti_to_bag

from .report import draw, measure, Recording

_WRITTEN = (
    *('drive', 'recording', 'node.log', 'recorder.log', 'player.log'),
    *('demo.mp4', 'contact_sheet.png'),
)
# every product of a model of labels and depth, and the camera_infos beside them
OUTPUTS = (
    *(topic for topic in TOPICS if not topic.startswith('normals')),
    *CAMERA_INFOS.values(),
)


@dataclass(frozen=True)
class _Camera:
    """A camera in a bag: its topics, whether it is compressed, and how many pictures it has."""

    image: str
    info: str
    compressed: bool
    count: int


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument('drive', type=Path, help='the folder of a KITTI raw drive, or a rosbag2')
    parser.add_argument('--output', type=Path, default=Path('demo_output'))
    add_engine_arguments(parser)
    parser.add_argument('--image', help='topic of the pictures; default: the only one in a bag')
    parser.add_argument('--camera-info', help='its CameraInfo; default: camera_info beside it')
    parser.add_argument('--rate', type=float, default=1.0, help='of playing, 1 is real time')


def run(options: argparse.Namespace) -> int:
    """Run the demo; give 1 if an output does not fit its input."""
    folder: Path = options.output
    drive, camera = _bag_of(options)
    log = folder / 'node.log'
    recording = Recording(folder / 'recording', camera.image, OUTPUTS)
    _play_and_record(options, drive, camera, recording, log)
    found = measure(recording, camera.count, _counters(log))
    print('\n'.join(found.figures))
    print('\n'.join(found.faults) or 'every output has the header and the size of its input')
    if found.answered:
        film, sheet = folder / 'demo.mp4', folder / 'contact_sheet.png'
        draw(recording, found.answered, film, sheet)
        print(f'look at {sheet} and {film}')
    return 1 if found.faults else 0


def _bag_of(options: argparse.Namespace) -> tuple[Path, _Camera]:
    """Read the drive before the folder is made ready; a KITTI drive becomes a bag there."""
    drive, folder = options.drive, options.output
    if is_bag(drive):
        camera = _camera_of(drive, options.image, options.camera_info)
        fresh_folder(folder, _WRITTEN, drive)
        return drive, camera
    kitti, bag = read_drive(drive), folder / 'drive'
    fresh_folder(folder, _WRITTEN, drive)
    kitti_to_bag(kitti, bag, BagOptions())
    image = options.image or f'/kitti/{CAMERA_FRAMES[LEFT]}/image_raw'
    return bag, _camera_of(bag, image, options.camera_info)


def _camera_of(drive: Path, image: str | None, info: str | None) -> _Camera:
    """Find a camera in a bag. Raises ValueError if there is none, or which is meant is open."""
    with BagReader(drive) as bag:
        camera = BagCamera(bag, image, info)
        if camera.info_topic is None:
            beside = camera_info_beside(camera.topic)
            raise ValueError(f'bag {drive} has no {beside}; name another by --camera-info')
        count = bag.topics[camera.topic].count
        return _Camera(camera.topic, camera.info_topic, camera.compressed, count)


def _play_and_record(
    options: argparse.Namespace, drive: Path, camera: _Camera, recording: Recording, log: Path
) -> None:
    environment = ros_environment(log.parent)
    transport = 'compressed' if camera.compressed else 'raw'
    # compressed pictures stand beside the topic that is named
    base = camera.image.removesuffix('/compressed')
    node = [
        *node_command(options, image_transport=transport),
        *('-r', f'image:={base}', '-r', f'camera_info:={camera.info}'),
    ]
    topics = [f'/{topic}' for topic in recording.outputs]
    recorder = [
        *('mtl_perception.ros.bags.recorder', str(recording.path), recording.image, *topics),
    ]
    played = camera.image, camera.info
    player = [
        *('mtl_perception.ros.bags.player', str(drive), '--rate', str(options.rate)),
        # the recorder looks for new publishers now and then, and discovery takes its time
        *('--topics', *played, '--wait-for-subscribers', *played, '--delay', '3'),
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
