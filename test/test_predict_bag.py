from collections.abc import Sequence
from pathlib import Path
import sqlite3
from typing import Any

from bag_contents import read_back
import cv2
from made_drive import HEIGHT, make_drive, P, picture_of, stamp_of, WIDTH
from made_engine import depth_of, labels_of, MadeEngine, NEAREST_M, TRAINING_F_PX
import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from mtl_perception.messages import encode_image
from mtl_perception.offline.__main__ import main
from mtl_perception.offline.predict_bag import BagOptions, predict_bag
from mtl_perception.products import DEPTH, LABELS, OBSTACLES, topics_of
from mtl_perception.recordings.bag_messages import field_message, new_header, new_message
from mtl_perception.recordings.bags import BagWriter, is_bag, TopicQos
from mtl_perception.recordings.kitti import read_drive
from mtl_perception.recordings.kitti_to_bag import BagOptions as KittiOptions
from mtl_perception.recordings.kitti_to_bag import kitti_to_bag

INPUT = '/kitti/camera_color_left/image_raw'
# depth is multiplied by it, since the drive's P says 70 px
FOCAL = P[0] / TRAINING_F_PX


def kitti_bag(folder: Path, right: bool = False, compressed: bool = False) -> Path:
    drive = read_drive(make_drive(folder, right=right))
    kitti_to_bag(drive, folder / 'kitti', KittiOptions(compressed=compressed))
    return folder / 'kitti'


def array_of(image: Any, dtype: type) -> np.ndarray:
    return image.data.view(dtype).reshape(image.height, image.width)


@pytest.mark.parametrize('compressed', [False, True])
@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_every_frame_is_answered_under_its_header(
    tmp_path: Path, compressed: bool, storage: str
) -> None:
    bag, out = kitti_bag(tmp_path, compressed=compressed), tmp_path / 'out'
    assert predict_bag(MadeEngine(), bag, out, BagOptions(storage=storage)) == (3, 3)
    messages = read_back(out)
    infos = ('segmentation/camera_info', 'depth/camera_info')
    topics = (*topics_of({'segmentation', 'depth'}), *infos)
    assert set(messages) == {f'/{topic}' for topic in topics} | {'/segmentation/label_info'}
    for topic in topics:
        assert [stamp_ns for stamp_ns, _ in messages[f'/{topic}']] == [
            stamp_of(n) for n in range(3)
        ]
        for stamp_ns, message in messages[f'/{topic}']:
            header = message.header
            assert header.stamp.sec * 10**9 + header.stamp.nanosec == stamp_ns
            assert header.frame_id == 'camera_color_left'
            if topic != OBSTACLES:
                assert (message.height, message.width) == (HEIGHT, WIDTH)
    for number in range(3):
        picture = picture_of(number)
        labels, depth = (messages[f'/{topic}'][number][1] for topic in (LABELS, DEPTH))
        assert np.array_equal(array_of(labels, np.uint8), labels_of(picture))
        corrected = depth_of(picture) * np.float32(FOCAL)
        assert np.array_equal(array_of(depth, np.float32), corrected, equal_nan=True)
    info = messages['/depth/camera_info'][0][1]
    assert info.p == pytest.approx(P)


def test_classes_are_named_once(tmp_path: Path) -> None:
    predict_bag(MadeEngine(), kitti_bag(tmp_path), tmp_path / 'out', BagOptions())
    ((_, info),) = read_back(tmp_path / 'out')['/segmentation/label_info']
    assert (info.class_map[2].class_id, info.class_map[2].class_name) == (2, 'road')


def test_options_are_followed(tmp_path: Path) -> None:
    options = BagOptions(
        topics=(DEPTH, 'points'),
        namespace='/front/',
        stride=4,
        depth_encoding='16UC1',
        depth_scale=2.0,
        focal_correction=False,
    )
    predict_bag(MadeEngine(), kitti_bag(tmp_path), tmp_path / 'out', options)
    messages = read_back(tmp_path / 'out')
    assert set(messages) == {'/front/depth/image', '/front/points', '/front/depth/camera_info'}
    depth = messages['/front/depth/image'][0][1]
    assert depth.encoding == '16UC1'
    assert array_of(depth, np.uint16)[2, 0] == 2000 * (NEAREST_M + 2)
    cloud = messages['/front/points'][0][1]
    assert (cloud.height, cloud.width) == (HEIGHT // 4, WIDTH // 4)


def test_input_is_kept_byte_for_byte(tmp_path: Path) -> None:
    bag, out = kitti_bag(tmp_path), tmp_path / 'out'
    predict_bag(MadeEngine(), bag, out, BagOptions(keep_input=True, topics=(LABELS,)))
    with AnyReader([bag]) as before, AnyReader([out]) as after:
        kept = {c.topic: c for c in before.connections}
        copied = [c for c in after.connections if c.topic in kept]
        assert [(c.msgtype, c.digest, c.ext) for c in copied] == [
            (kept[c.topic].msgtype, kept[c.topic].digest, kept[c.topic].ext) for c in copied
        ]
        expected = sorted((c.topic, stamp_ns, data) for c, stamp_ns, data in before.messages())
        found = sorted((c.topic, stamp_ns, data) for c, stamp_ns, data in after.messages(copied))
    assert found == expected
    assert len(read_back(out)[f'/{LABELS}']) == 3
    again = BagOptions(keep_input=True, image=INPUT)
    with pytest.raises(ValueError, match=r'has /segmentation/camera_info, .* already; give'):
        predict_bag(MadeEngine(), out, tmp_path / 'again', again)
    assert not (tmp_path / 'again').exists()


def test_what_cannot_be_kept_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with BagWriter(tmp_path / 'bag', 'sqlite3') as writer:
        image = field_message(new_header(0, 'camera'), encode_image(picture_of(0), 'rgb8'))
        writer.write('/image', 0, image, TopicQos())
        writer.write('/gear', 0, new_message('std_msgs/msg/String', data='4'), TopicQos())
    described = tmp_path / 'bag' / 'metadata.yaml'
    described.write_text(described.read_text().replace('std_msgs/msg/String', 'car/msg/Gear'))
    with sqlite3.connect(tmp_path / 'bag' / 'bag.db3') as base:
        base.execute('DELETE FROM message_definitions')
        base.execute("UPDATE topics SET type = 'car/msg/Gear' WHERE name = '/gear'")
    options = BagOptions(keep_input=True, topics=(LABELS,))
    assert predict_bag(MadeEngine(), tmp_path / 'bag', tmp_path / 'out', options) == (1, 1)
    assert set(read_back(tmp_path / 'out')) & {'/image', '/gear'} == {'/image'}
    assert '/gear has the type car/msg/Gear, which bag' in caplog.text


def test_the_topic_of_several_must_be_named(tmp_path: Path) -> None:
    bag = kitti_bag(tmp_path, right=True)
    with pytest.raises(ValueError, match=rf'has {INPUT}, .*right/image_raw of Image .*image$'):
        predict_bag(MadeEngine(), bag, tmp_path / 'out', BagOptions())
    with pytest.raises(ValueError, match='name one of these by --image, not /nothing'):
        predict_bag(MadeEngine(), bag, tmp_path / 'out', BagOptions(image='/nothing'))
    with pytest.raises(ValueError, match='of CameraInfo; name one of these by --camera-info, not'):
        predict_bag(
            MadeEngine(), bag, tmp_path / 'out', BagOptions(image=INPUT, camera_info='/nothing')
        )
    right = INPUT.replace('left', 'right')
    predict_bag(MadeEngine(), bag, tmp_path / 'out', BagOptions(image=right))
    labels = read_back(tmp_path / 'out')[f'/{LABELS}'][1][1]
    assert labels.header.frame_id == 'camera_color_right'
    assert np.array_equal(array_of(labels, np.uint8), labels_of(picture_of(1, 'image_03')))


def picture_bag(path: Path, pictures: list[np.ndarray], infos: Sequence[Any] = ()) -> Path:
    """Write a bag of pictures, one each second, and what there is of CameraInfo."""
    with BagWriter(path) as writer:
        for number, picture in enumerate(pictures):
            header = new_header(number * 10**9, 'camera')
            message = field_message(header, encode_image(picture, 'rgb8'))
            if number == 1:
                message.data = message.data[:-5]
            writer.write('/image', number * 10**9, message, TopicQos())
        for info in infos:
            writer.write('/camera_info', 0, info, TopicQos())
    return path


def info_of(f_px: float, width: int = WIDTH, height: int = HEIGHT, binning: int = 0) -> Any:
    """Make a CameraInfo of a camera that looks straight ahead."""
    k = np.array([f_px, 0, width / 2, 0, f_px, height / 2, 0, 0, 1 if f_px else 0], np.float64)
    whole = new_message(
        'sensor_msgs/msg/RegionOfInterest',
        **{'x_offset': 0, 'y_offset': 0, 'height': 0, 'width': 0, 'do_rectify': False},
    )
    return new_message(
        'sensor_msgs/msg/CameraInfo',
        **{'header': new_header(0, 'camera'), 'width': width, 'height': height, 'roi': whole},
        **{'k': k, 'p': np.insert(k, [3, 6, 9], 0), 'r': np.eye(3).ravel(), 'd': np.zeros(5)},
        **{'distortion_model': 'plumb_bob', 'binning_x': binning, 'binning_y': binning},
    )


def test_pictures_may_be_binned(tmp_path: Path) -> None:
    whole = info_of(2 * TRAINING_F_PX, 2 * WIDTH, 2 * HEIGHT, binning=2)
    bag = picture_bag(tmp_path / 'bag', [picture_of(0)], [whole])
    predict_bag(MadeEngine(), bag, tmp_path / 'out', BagOptions())
    messages = read_back(tmp_path / 'out')
    assert len(messages['/points']) == 1
    info = messages['/depth/camera_info'][0][1]
    assert (info.width, info.height, info.binning_x, info.p[0]) == (WIDTH, HEIGHT, 0, 140.0)


@pytest.mark.parametrize('f_px', [float('nan'), -70.0])
def test_a_broken_info_is_left_out(
    tmp_path: Path, f_px: float, caplog: pytest.LogCaptureFixture
) -> None:
    infos = [info_of(f_px), info_of(f_px), info_of(70.0)]
    bag = picture_bag(tmp_path / 'bag', [picture_of(0)], infos)
    assert predict_bag(MadeEngine(), bag, tmp_path / 'out', BagOptions()) == (1, 1)
    assert len(read_back(tmp_path / 'out')['/points']) == 1
    assert '/camera_info: 2 left out, the first: Intrinsics' in caplog.text


@pytest.mark.parametrize(
    ('info', 'lack'),
    [
        (info_of(70.0, 8, 4), 'there is none of 64x48, only of 8x4;'),
        (info_of(0.0), 'that of 64x48 is uncalibrated: its focal lengths are 0;'),
    ],
)
def test_what_an_info_lacks_is_said_once(
    tmp_path: Path, info: Any, lack: str, caplog: pytest.LogCaptureFixture
) -> None:
    bag = picture_bag(tmp_path / 'bag', [picture_of(n) for n in range(3)], [info])
    predict_bag(MadeEngine(), bag, tmp_path / 'out', BagOptions())
    assert '/points' not in read_back(tmp_path / 'out')
    assert caplog.text.count(f'/camera_info: {lack}') == 1


def test_without_camera_info_all_but_points_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bag = picture_bag(tmp_path / 'bag', [picture_of(0)])
    assert predict_bag(MadeEngine(), bag, tmp_path / 'out', BagOptions()) == (1, 1)
    messages = read_back(tmp_path / 'out')
    assert not {'/points', '/depth/camera_info'} & set(messages)
    depth = messages['/depth/image'][0][1]
    assert np.array_equal(array_of(depth, np.float32), depth_of(picture_of(0)), equal_nan=True)
    assert 'has no /camera_info: no points, and no focal correction but by --f-px' in caplog.text


def test_a_focal_length_serves_where_no_info_tells_it(tmp_path: Path) -> None:
    options = BagOptions(f_px=2 * TRAINING_F_PX)
    for name, infos in (('without', []), ('zero', [info_of(0.0)]), ('told', [info_of(P[0])])):
        bag = picture_bag(tmp_path / name, [picture_of(0)], infos)
        predict_bag(MadeEngine(), bag, tmp_path / f'{name}_out', options)
        depth = read_back(tmp_path / f'{name}_out')['/depth/image'][0][1]
        expected = depth_of(picture_of(0)) * np.float32(FOCAL if name == 'told' else 2)
        assert np.array_equal(array_of(depth, np.float32), expected, equal_nan=True)


def test_a_bag_without_a_picture_is_refused(tmp_path: Path) -> None:
    with BagWriter(tmp_path / 'bag') as writer:
        writer.add_topic('/image', 'sensor_msgs/msg/Image', TopicQos())
    with pytest.raises(ValueError, match='has no message on /image; name another topic by'):
        predict_bag(MadeEngine(), tmp_path / 'bag', tmp_path / 'out', BagOptions())
    assert not (tmp_path / 'out').exists()


def test_a_broken_frame_is_counted_and_the_next_is_answered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small = cv2.resize(picture_of(2), (20, 10))
    bag = picture_bag(tmp_path / 'bag', [picture_of(0), picture_of(1), small])
    assert predict_bag(MadeEngine(), bag, tmp_path / 'out', BagOptions()) == (3, 2)
    labels = [message for _, message in read_back(tmp_path / 'out')[f'/{LABELS}']]
    assert [(m.header.stamp.sec, m.height, m.width) for m in labels] == [
        (0, HEIGHT, WIDTH),
        (2, 10, 20),
    ]
    assert "/image, frame 2: image of encoding 'rgb8', 64x48" in caplog.text


def test_verb_answers_bags(
    tmp_path: Path, tiny_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag, out = kitti_bag(tmp_path), tmp_path / 'out'
    verb = ['predict', str(bag), '--out', str(out), '--weights', str(tiny_weights)]
    verb += ['--device', 'cpu', '--backend', 'torch']
    assert main([*verb, '--topics', LABELS, 'points', '--stride', '2']) == 0
    assert '3 of 3 frames answered' in capsys.readouterr().out
    messages = read_back(out)
    assert len(messages[f'/{LABELS}']) == len(messages['/points']) == 3
    assert main(verb) == 1
    assert f'{out} exists already; remove it' in capsys.readouterr().err
    assert main(['predict', str(bag), str(bag), '--out', str(tmp_path / 'two')]) == 1
    assert 'is a bag; give it alone' in capsys.readouterr().err
    assert main([*verb, '--outputs', 'depth']) == 1
    assert '--outputs: only for files, and the input is a bag' in capsys.readouterr().err
    assert is_bag(out)
