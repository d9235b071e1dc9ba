import os
from pathlib import Path
from zlib import crc32

import cv2
import numpy as np
import pytest

from mtl_perception.recordings.annotations.picture_files import write_image
from mtl_perception.recordings.pictures import open_sources


def write_picture(path: Path, red: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((6, 8, 3), (0, 0, red), np.uint8))
    return path


def write_video(path: Path, frames: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, (64, 48))
    for number in range(frames):
        writer.write(np.full((48, 64, 3), (0, 0, 40 * number), np.uint8))
    writer.release()
    return path


def test_a_folder_is_read_with_its_folders_in_order(tmp_path: Path) -> None:
    for number, name in enumerate(('b.png', 'a.JPG', 'left/a.png')):
        write_picture(tmp_path / name, 10 * number)
    (tmp_path / 'notes.txt').write_text('no picture')
    (source,) = open_sources([tmp_path])
    assert (source.name, source.count, source.rate_hz) == (tmp_path.name, 3, None)
    names = [name for name, _ in source.read()]
    assert names == [Path('a'), Path('b'), Path('left/a')]


def test_folders_may_be_left_out_and_what_macos_keeps_is(tmp_path: Path) -> None:
    for name in ('a.png', 'out/depth/a.png', 'out/b.png'):
        write_picture(tmp_path / name, 10)
    (tmp_path / '._a.png').write_bytes(b'no picture')
    but = [tmp_path / 'out' / 'depth', tmp_path.parent]
    (source,) = open_sources([tmp_path], but)
    assert [name for name, _ in source.read()] == [Path('a'), Path('out/b')]
    # whoever names the folder itself wants it
    (source,) = open_sources([tmp_path / 'out' / 'depth'], but)
    assert source.count == 1


def test_a_folder_may_be_called_like_a_video(tmp_path: Path) -> None:
    write_picture(tmp_path / 'clip.mp4' / 'a.png', 10)
    (source,) = open_sources([tmp_path / 'clip.mp4'])
    assert (source.count, source.rate_hz) == (1, None)


def test_pictures_are_rgb_and_unreadable_ones_none(tmp_path: Path) -> None:
    write_picture(tmp_path / 'a.png', 200)
    (tmp_path / 'b.png').write_bytes(b'torn')
    cv2.imwrite(str(tmp_path / 'c.png'), np.full((2, 3), 5, np.uint8))
    (source,) = open_sources([tmp_path])
    pictures = dict(source.read())
    assert pictures[Path('b')] is None
    coloured, grey = pictures[Path('a')], pictures[Path('c')]
    assert coloured is not None
    assert coloured.shape == (6, 8, 3)
    assert coloured[0, 0].tolist() == [200, 0, 0]
    assert grey is not None
    assert grey.tolist() == np.full((2, 3, 3), 5).tolist()


def test_a_torn_jpeg_is_not_filled_with_grey(tmp_path: Path) -> None:
    path = tmp_path / 'a.jpg'
    noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    assert cv2.imwrite(str(path), noise)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    (source,) = open_sources([path])
    assert list(source.read()) == [(Path('a'), None)]


def test_a_picture_beyond_opencvs_limit_is_unreadable(tmp_path: Path) -> None:
    path = write_picture(tmp_path / 'a.png', 200)
    content = bytearray(path.read_bytes())
    content[16:24] = 2 * (40_000).to_bytes(4)
    content[29:33] = crc32(content[12:29]).to_bytes(4)
    path.write_bytes(content)
    (source,) = open_sources([path])
    assert list(source.read()) == [(Path('a'), None)]


def test_names_need_not_be_utf8(tmp_path: Path) -> None:
    """OpenCV itself crashes on them."""
    name = os.fsdecode(b'\xfe.png')
    image = np.full((6, 8, 3), 7, np.uint8)
    assert write_image(tmp_path, name, image) == name
    (source,) = open_sources([tmp_path])
    ((_, picture),) = source.read()
    assert np.array_equal(picture, image)
    video = tmp_path / os.fsdecode(b'\xfe.mp4')
    video.write_bytes(b'')
    with pytest.raises(ValueError, match=r"udcfe.mp4' is not UTF-8, .*; rename it"):
        open_sources([video])


def test_every_frame_of_a_video_is_read(tmp_path: Path) -> None:
    (source,) = open_sources([write_video(tmp_path / 'drive.mp4', frames=5)])
    assert (source.count, source.rate_hz) == (5, 10.0)
    frames = list(source.read())
    assert [name for name, _ in frames] == [Path(f'drive/00000{n}') for n in range(5)]
    reds = [picture[..., 0].mean() for _, picture in frames if picture is not None]
    assert reds == pytest.approx([0, 40, 80, 120, 160], abs=6)


def test_names_must_differ(tmp_path: Path) -> None:
    one, other = write_picture(tmp_path / 'a.png', 1), write_picture(tmp_path / 'a.jpg', 2)
    with pytest.raises(ValueError, match=r'a\.jpg and .*a\.png would both be called a; rename'):
        open_sources([tmp_path])
    with pytest.raises(ValueError, match='would both be called a'):
        open_sources([one, other])


def test_pictures_must_not_be_called_as_frames_of_a_video(tmp_path: Path) -> None:
    video = write_video(tmp_path / 'drive.mp4', frames=2)
    (tmp_path / 'in/drive').mkdir(parents=True)
    write_picture(tmp_path / 'in/drive/000000.png', 1)
    with pytest.raises(ValueError, match=r'drive/000000\.png would be called as a frame of .*mp4'):
        open_sources([tmp_path / 'in', video])
    # frames of nothing
    write_picture(tmp_path / 'in/drive.png', 1)
    open_sources([tmp_path / 'in'])


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'a\.png does not exist; give a picture, folder'):
        open_sources([tmp_path / 'a.png'])
    with pytest.raises(FileNotFoundError, match=r'has no picture .*, nor the metadata\.yaml of a'):
        open_sources([tmp_path])
    (tmp_path / 'notes.txt').write_text('')
    (tmp_path / 'old.bag').write_text('')
    with pytest.raises(ValueError, match=r'old\.bag is a ROS 1 bag, expected a rosbag2; convert'):
        open_sources([tmp_path / 'old.bag'])
    (tmp_path / 'bag').mkdir()
    (tmp_path / 'bag' / 'bag_0.mcap').write_text('')
    with pytest.raises(FileNotFoundError, match=r'bag is no rosbag2; give the folder with its me'):
        open_sources([tmp_path / 'bag'])
    with pytest.raises(ValueError, match=r'is neither a picture .* nor a video .*; convert it'):
        open_sources([tmp_path / 'notes.txt'])
    (tmp_path / 'torn.mp4').write_bytes(b'torn')
    with pytest.raises(ValueError, match=r'torn\.mp4 is no video that OpenCV reads a frame of'):
        open_sources([tmp_path / 'torn.mp4'])
    empty = write_video(tmp_path / 'empty.avi', frames=0)
    with pytest.raises(ValueError, match=r'empty\.avi is no video that OpenCV reads a frame of'):
        open_sources([empty])
