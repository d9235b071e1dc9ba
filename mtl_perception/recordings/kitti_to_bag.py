"""The verb kitti-to-bag: a KITTI raw drive becomes a rosbag2 with kitti2bag's topics."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mtl_perception.messages import CloudFields, ImageFields, PointFieldSpec

from .annotations.picture_files import read_image
from .bag_messages import field_message, new_header, new_message, transform_message
from .bags import BagWriter, LATCHED, STORAGES, TopicQos
from .kitti import Calibration, Drive, LEFT, read_drive, RIGHT

Matrix: TypeAlias = NDArray[np.floating[Any]]

CAMERA_FRAMES = {LEFT: 'camera_color_left', RIGHT: 'camera_color_right'}
LIDAR_FRAME, LIDAR_TOPIC = 'velo_link', '/kitti/velo/pointcloud'
TRANSFORMS_TOPIC = '/tf_static'
_FLOAT32 = 7  # sensor_msgs/PointField
_LIDAR_FIELDS = tuple(
    PointFieldSpec(name, 4 * index, _FLOAT32, 1)
    for index, name in enumerate(('x', 'y', 'z', 'intensity'))
)


@dataclass(frozen=True)
class BagOptions:
    """How a drive becomes a bag.

    `compressed` keeps the bytes of the picture files, as CompressedImage. KITTI's pictures are
    rectified, and P of CameraInfo is always theirs. K, D and R are those of the camera before
    that, as in kitti2bag's bags, unless `rectified_calibration` makes them the pictures' as well
    (K from P, no distortion, no rotation).
    """

    storage: str = STORAGES[0]
    compressed: bool = False
    rectified_calibration: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('drive', type=Path, help='folder of the drive, with image_02 in it')
    parser.add_argument('bag', type=Path, help='folder of the bag to write')
    parser.add_argument('--storage', choices=STORAGES, default=STORAGES[0])
    parser.add_argument(
        '--compressed',
        action='store_true',
        help='keep the picture files as they are: CompressedImage on image_raw/compressed',
    )
    parser.add_argument(
        '--rectified-calibration',
        action='store_true',
        help='write K from P, D zero and R identity, for consumers that read K or would rectify '
        'again (image_proc); by default they are those of the camera before its pictures were '
        'rectified, as in other KITTI bags',
    )
    parser.add_argument(
        '--lidar-folder', help='default: velodyne_points or velodyne_points_fov, where present'
    )


def run(arguments: argparse.Namespace) -> int:
    """Convert, and say what was written."""
    drive = read_drive(arguments.drive, arguments.lidar_folder)
    options = BagOptions(arguments.storage, arguments.compressed, arguments.rectified_calibration)
    counts = kitti_to_bag(drive, arguments.bag, options)
    print(f'wrote {arguments.bag}')
    for topic, count in counts.items():
        print(f'{count:6} {topic}')
    return 0


def kitti_to_bag(drive: Drive, path: Path, options: BagOptions) -> dict[str, int]:
    """Write a drive's pictures, CameraInfo, lidar sweeps and static transforms as a rosbag2.

    Messages bear, and are recorded at, KITTI's times. Gives the number of messages by topic.
    Raises FileExistsError if path exists, ValueError if a file of the drive cannot be read.
    """
    sensors: list[_Camera | _Lidar] = [_Camera(drive, name, options) for name in drive.cameras]
    recordings = list(drive.cameras.values())
    if drive.lidar:
        sensors.append(_Lidar())
        recordings.append(drive.lidar)
    files = sorted(
        (stamp_ns, index, file)
        for index, recording in enumerate(recordings)
        for stamp_ns, file in zip(recording.stamps_ns, recording.paths, strict=True)
    )
    with BagWriter(path, options.storage) as writer:
        if drive.lidar_calibration:
            transforms = _transforms(drive, drive.lidar_calibration, files[0][0])
            writer.write(TRANSFORMS_TOPIC, files[0][0], transforms, LATCHED)
        for stamp_ns, index, file in tqdm(files, desc='kitti-to-bag', unit='file'):
            for topic, message in sensors[index].messages(file, stamp_ns):
                writer.write(topic, stamp_ns, message, TopicQos())
    return writer.counts


class _Lidar:
    """Sweeps of x, y, z in metres and reflectance, float32, to PointCloud2."""

    def messages(self, path: Path, stamp_ns: int) -> Iterator[tuple[str, Any]]:
        data = np.fromfile(path, np.uint8)
        count, rest = divmod(data.size, 16)
        if rest or not count:
            raise ValueError(
                f'{path} has {data.size} bytes, expected some points of 16 bytes; copy it again'
            )
        fields = CloudFields(1, count, _LIDAR_FIELDS, False, 16, data.size, True, data)
        yield LIDAR_TOPIC, field_message(new_header(stamp_ns, LIDAR_FRAME), fields)


class _Camera:
    """Pictures of one camera to Image or CompressedImage, each after its CameraInfo."""

    def __init__(self, drive: Drive, name: str, options: BagOptions) -> None:
        self._frame = CAMERA_FRAMES[name]
        self._compressed = options.compressed
        self._size, self._info = _camera_info(drive.camera_calibration, name[-2:], options)

    def messages(self, path: Path, stamp_ns: int) -> Iterator[tuple[str, Any]]:
        pixels = read_image(path, cv2.IMREAD_COLOR)
        height, width = pixels.shape[:2]
        if (width, height) != self._size:
            raise ValueError(
                f'{path} has {width}x{height} pixels, the calibration says '
                f'{self._size[0]}x{self._size[1]}; use the calibration of the day of the drive'
            )
        header = new_header(stamp_ns, self._frame)
        base = f'/kitti/{self._frame}'
        # before its picture, the first of which would else be answered without
        yield (
            f'{base}/camera_info',
            new_message('sensor_msgs/msg/CameraInfo', header=header, **self._info),
        )
        if self._compressed:
            kind = 'png' if path.suffix == '.png' else 'jpeg'
            yield (
                f'{base}/image_raw/compressed',
                new_message(
                    'sensor_msgs/msg/CompressedImage',
                    header=header,
                    format=f'bgr8; {kind} compressed bgr8',
                    data=np.fromfile(path, np.uint8),
                ),
            )
        else:
            fields = ImageFields(height, width, 'bgr8', 0, 3 * width, pixels.reshape(-1))
            yield f'{base}/image_raw', field_message(header, fields)


def _camera_info(
    calibration: Calibration, number: str, options: BagOptions
) -> tuple[tuple[int, int], dict[str, Any]]:
    """Give the size of a camera's pictures, (width, height), and CameraInfo's fields."""
    width, height = (int(side) for side in calibration.values(f'S_rect_{number}', 2))
    projection = calibration.values(f'P_rect_{number}', 12)
    if options.rectified_calibration:
        k, d, r = projection.reshape(3, 4)[:, :3].ravel(), np.zeros(5), np.eye(3).ravel()
    else:
        k = calibration.values(f'K_{number}', 9)
        d = calibration.values(f'D_{number}', 5)
        r = calibration.values(f'R_rect_{number}', 9)
    whole = new_message(
        'sensor_msgs/msg/RegionOfInterest',
        **{'x_offset': 0, 'y_offset': 0, 'height': 0, 'width': 0, 'do_rectify': False},
    )
    return (width, height), {
        **{'width': width, 'height': height, 'distortion_model': 'plumb_bob'},
        **{'k': k, 'd': d, 'r': r, 'p': projection, 'binning_x': 0, 'binning_y': 0, 'roi': whole},
    }


def _transforms(drive: Drive, lidar_to_camera: Calibration, stamp_ns: int) -> Any:
    """Place the rectified optical frames of the cameras in the lidar's frame."""
    first = _pose(lidar_to_camera.values('R', 9).reshape(3, 3), lidar_to_camera.values('T', 3))
    rectify = drive.camera_calibration.values('R_rect_00', 9).reshape(3, 3)
    transforms = []
    for name in drive.cameras:
        # P = K [I | t], where t takes points of the first camera, rectified, to this one
        p = drive.camera_calibration.values(f'P_rect_{name[-2:]}', 12).reshape(3, 4)
        this = _pose(rectify, np.linalg.solve(p[:, :3], p[:, 3]))
        header = new_header(stamp_ns, LIDAR_FRAME)
        pose = np.linalg.inv(this @ first)
        transforms.append(transform_message(header, CAMERA_FRAMES[name], pose))
    return new_message('tf2_msgs/msg/TFMessage', transforms=transforms)


def _pose(rotation: Matrix, shift_m: Matrix) -> Matrix:
    return np.block([[rotation, shift_m[:, None]], [np.zeros(3), np.ones(1)]])
