from pathlib import Path
from typing import Any

from bag_contents import read_back
import cv2
from made_drive import (
    D,
    HEIGHT,
    K,
    LIDAR_R,
    LIDAR_T,
    make_drive,
    P,
    picture_of,
    points_of,
    R,
    stamp_of,
    WIDTH,
)
import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.interfaces import QosDurability, QosHistory, QosReliability

from mtl_perception.offline.__main__ import main
from mtl_perception.recordings.kitti import read_drive
from mtl_perception.recordings.kitti_to_bag import BagOptions, kitti_to_bag

LEFT = '/kitti/camera_color_left'
RIGHT = '/kitti/camera_color_right'


def stamp_ns(message: Any) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_bag_holds_what_the_drive_holds(tmp_path: Path, storage: str) -> None:
    drive = read_drive(make_drive(tmp_path, right=True))
    counts = kitti_to_bag(drive, tmp_path / 'bag', BagOptions(storage))
    messages = read_back(tmp_path / 'bag')
    assert {topic: len(each) for topic, each in messages.items()} == counts
    for base, camera in ((LEFT, 'image_02'), (RIGHT, 'image_03')):
        images, infos = messages[f'{base}/image_raw'], messages[f'{base}/camera_info']
        for number, ((recorded_ns, image), (_, info)) in enumerate(
            zip(images, infos, strict=True)
        ):
            assert recorded_ns == stamp_ns(image) == stamp_of(number)
            assert image.header == info.header
            assert image.header.frame_id == base.removeprefix('/kitti/')
            assert (image.height, image.width, image.step) == (HEIGHT, WIDTH, 3 * WIDTH)
            assert image.encoding == 'bgr8'
            pixels = image.data.reshape(HEIGHT, WIDTH, 3)[..., ::-1]
            assert np.array_equal(pixels, picture_of(number, camera))
    clouds = messages['/kitti/velo/pointcloud']
    assert [stamp_ns(cloud) for _, cloud in clouds] == [stamp_of(0), stamp_of(2)]
    cloud = clouds[1][1]
    assert [(f.name, f.offset, f.datatype) for f in cloud.fields] == [
        ('x', 0, 7),
        ('y', 4, 7),
        ('z', 8, 7),
        ('intensity', 12, 7),
    ]
    assert cloud.header.frame_id == 'velo_link'
    assert np.array_equal(cloud.data.view(np.float32).reshape(-1, 4), points_of(2))


def test_calibration_is_that_of_kitti_bags(tmp_path: Path) -> None:
    drive = read_drive(make_drive(tmp_path))
    kitti_to_bag(drive, tmp_path / 'bag', BagOptions())
    _, info = read_back(tmp_path / 'bag')[f'{LEFT}/camera_info'][0]
    assert (info.width, info.height, info.distortion_model) == (WIDTH, HEIGHT, 'plumb_bob')
    for found, expected in ((info.k, K), (info.d, D), (info.r, R), (info.p, P)):
        assert found == pytest.approx(expected)


def test_calibration_can_be_that_of_the_rectified_pictures(tmp_path: Path) -> None:
    drive = read_drive(make_drive(tmp_path))
    kitti_to_bag(drive, tmp_path / 'bag', BagOptions(rectified_calibration=True))
    _, info = read_back(tmp_path / 'bag')[f'{LEFT}/camera_info'][0]
    assert info.k == pytest.approx([70.0, 0.0, 31.5, 0.0, 70.0, 23.5, 0.0, 0.0, 1.0])
    assert info.d.tolist() == [0.0] * 5
    assert np.array_equal(info.r, np.eye(3).ravel())
    assert info.p == pytest.approx(P)


@pytest.mark.parametrize('camera', ['left', 'right'])
def test_transforms_take_the_lidar_into_the_picture(tmp_path: Path, camera: str) -> None:
    """What ROS makes of /tf_static and P is what KITTI's development kit makes of its files."""
    drive = read_drive(make_drive(tmp_path, right=True))
    kitti_to_bag(drive, tmp_path / 'bag', BagOptions())
    messages = read_back(tmp_path / 'bag')
    info = messages[f'/kitti/camera_color_{camera}/camera_info'][0][1]
    transforms = {t.child_frame_id: t for t in messages['/tf_static'][0][1].transforms}
    transform = transforms[f'camera_color_{camera}']
    assert transform.header.frame_id == 'velo_link'
    point = np.array([8.0, 1.5, -0.5])

    q, t = transform.transform.rotation, transform.transform.translation
    axis, angle = np.array([q.x, q.y, q.z]), 2 * np.arccos(q.w)
    rotation, _ = cv2.Rodrigues(axis / np.linalg.norm(axis) * angle)
    seen = rotation.T @ (point - np.array([t.x, t.y, t.z]))
    pixel = info.p.reshape(3, 4)[:, :3] @ seen

    in_first = np.array(LIDAR_R).reshape(3, 3) @ point + LIDAR_T
    expected = info.p.reshape(3, 4) @ np.append(np.array(R).reshape(3, 3) @ in_first, 1)
    assert pixel[:2] / pixel[2] == pytest.approx(expected[:2] / expected[2])
    assert seen[2] == pytest.approx(expected[2])


def test_topics_offer_what_players_shall_offer(tmp_path: Path) -> None:
    kitti_to_bag(read_drive(make_drive(tmp_path)), tmp_path / 'bag', BagOptions())
    assert (tmp_path / 'bag' / 'metadata.yaml').is_file()
    with AnyReader([tmp_path / 'bag']) as reader:
        profiles = {c.topic: c.ext.offered_qos_profiles[0] for c in reader.connections}
    assert {profile.reliability for profile in profiles.values()} == {QosReliability.RELIABLE}
    assert {profile.history for profile in profiles.values()} == {QosHistory.KEEP_LAST}
    latched = {t for t, p in profiles.items() if p.durability == QosDurability.TRANSIENT_LOCAL}
    assert latched == {'/tf_static'}


def test_compressed_pictures_stay_as_they_are(tmp_path: Path) -> None:
    folder = make_drive(tmp_path)
    kitti_to_bag(read_drive(folder), tmp_path / 'bag', BagOptions(compressed=True))
    messages = read_back(tmp_path / 'bag')
    assert f'{LEFT}/image_raw' not in messages
    _, image = messages[f'{LEFT}/image_raw/compressed'][1]
    assert image.format == 'bgr8; png compressed bgr8'
    assert image.data.tobytes() == (folder / 'image_02' / 'data' / '0000000001.png').read_bytes()


def test_a_broken_file_leaves_no_bag(tmp_path: Path) -> None:
    folder = make_drive(tmp_path)
    picture = folder / 'image_02' / 'data' / '0000000002.png'
    picture.write_bytes(picture.read_bytes()[:20])
    with pytest.raises(ValueError, match=r'0000000002.png is missing or no picture that OpenCV'):
        kitti_to_bag(read_drive(folder), tmp_path / 'bag', BagOptions())
    assert not (tmp_path / 'bag').exists()


def test_a_picture_of_another_size_than_the_calibration_is_refused(tmp_path: Path) -> None:
    folder = make_drive(tmp_path)
    cv2.imwrite(
        str(folder / 'image_02' / 'data' / '0000000001.png'), np.zeros((9, 7, 3), np.uint8)
    )
    with pytest.raises(ValueError, match='has 7x9 pixels, the calibration says 64x48; use'):
        kitti_to_bag(read_drive(folder), tmp_path / 'bag', BagOptions())


def test_a_torn_sweep_is_named(tmp_path: Path) -> None:
    folder = make_drive(tmp_path)
    sweep = folder / 'velodyne_points' / 'data' / '0000000002.bin'
    sweep.write_bytes(sweep.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r'0000000002.bin has 109 bytes, expected some points of'):
        kitti_to_bag(read_drive(folder), tmp_path / 'bag', BagOptions())


def test_verb_writes_the_bag_or_says_why_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, bag = make_drive(tmp_path), tmp_path / 'bag'
    arguments = ['kitti-to-bag', str(folder), str(bag), '--storage', 'sqlite3']
    assert main(arguments) == 0
    assert f'3 {LEFT}/image_raw' in capsys.readouterr().out
    assert len(read_back(bag)[f'{LEFT}/image_raw']) == 3
    assert (bag / 'bag.db3').is_file()
    assert main(arguments) == 1
    assert f'{bag} exists already; remove it' in capsys.readouterr().err


def test_converts_a_real_drive(data_folder: Path, tmp_path: Path) -> None:
    drive = read_drive(data_folder / 'kitti_drive')
    kitti_to_bag(drive, tmp_path / 'bag', BagOptions())
    messages = read_back(tmp_path / 'bag')
    images, infos = messages[f'{LEFT}/image_raw'], messages[f'{LEFT}/camera_info']
    assert len(images) == len(infos) == 78
    assert images[77][1].data.size == 1242 * 375 * 3
    assert infos[0][1].p[0] == pytest.approx(721.5377)
    assert len(messages['/kitti/velo/pointcloud']) == 24
