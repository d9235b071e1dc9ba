from pathlib import Path

from made_drive import D, make_drive, P, stamp_of
import pytest

from mtl_perception.recordings.kitti import read_drive


@pytest.mark.parametrize('official', [True, False])
def test_both_layouts_give_the_same_drive(tmp_path: Path, official: bool) -> None:
    drive = read_drive(make_drive(tmp_path, right=True, official=official))
    assert list(drive.cameras) == ['image_02', 'image_03']
    for recording in drive.cameras.values():
        assert [path.name for path in recording.paths] == [f'000000000{n}.png' for n in range(3)]
        assert recording.stamps_ns == tuple(stamp_of(number) for number in range(3))
    assert drive.camera_calibration.values('P_rect_02', 12) == pytest.approx(P)
    assert drive.camera_calibration.values('D_03', 5) == pytest.approx(D)


@pytest.mark.parametrize('official', [True, False])
def test_a_lost_sweep_shifts_no_other(tmp_path: Path, official: bool) -> None:
    lidar = read_drive(make_drive(tmp_path, sweeps=(0, 2), official=official)).lidar
    assert lidar is not None
    assert [path.stem[-1] for path in lidar.paths] == ['0', '2']
    assert lidar.stamps_ns == (stamp_of(0), stamp_of(2))


def test_right_camera_and_lidar_are_optional(tmp_path: Path) -> None:
    drive = read_drive(make_drive(tmp_path, sweeps=()))
    assert list(drive.cameras) == ['image_02']
    assert drive.lidar is None


def test_sweeps_of_any_folder_are_taken_by_its_name(tmp_path: Path) -> None:
    folder = make_drive(tmp_path)
    (folder / 'velodyne_points').rename(folder / 'sweeps')
    assert read_drive(folder).lidar is None
    lidar = read_drive(folder, 'sweeps').lidar
    assert lidar is not None
    assert len(lidar.paths) == 2
    with pytest.raises(FileNotFoundError, match=r'elsewhere.data does not exist'):
        read_drive(folder, 'elsewhere')


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'KITTI drive .*nowhere does not exist; give'):
        read_drive(tmp_path / 'nowhere')
    (tmp_path / 'old.bag').write_text('')
    with pytest.raises(FileNotFoundError, match=r'old\.bag is no folder; give the folder of a dr'):
        read_drive(tmp_path / 'old.bag')
    folder = make_drive(tmp_path)
    calibration = folder.parent / 'calib_cam_to_cam.txt'
    calibration.rename(folder.parent / 'moved')
    with pytest.raises(FileNotFoundError, match=r'calib_cam_to_cam.txt does not exist; unpack'):
        read_drive(folder)
    (folder.parent / 'moved').rename(calibration)
    (folder / 'image_02' / 'timestamps.txt').unlink()
    with pytest.raises(FileNotFoundError, match=r'image_02.timestamps.txt does not exist, nor'):
        read_drive(folder)
    for picture in (folder / 'image_02' / 'data').iterdir():
        picture.unlink()
    with pytest.raises(FileNotFoundError, match=r'image_02.data has no files like 0000000000.png'):
        read_drive(folder)


def test_files_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    folder = make_drive(tmp_path, pictures=11)
    for path in (folder / 'image_02' / 'data').iterdir():
        path.rename(path.with_stem(str(int(path.stem))))
    left = read_drive(folder).cameras['image_02']
    assert [path.stem for path in left.paths] == [str(number) for number in range(11)]
    assert left.stamps_ns == tuple(stamp_of(number) for number in range(11))
    times = folder / 'velodyne_points' / 'timestamps.txt'
    for number, line in ((2, 0), (10, 2)):
        path = folder / 'velodyne_points' / 'data' / f'{line:010}.bin'
        path.rename(path.with_stem(str(number)))
    times.write_text('\n'.join(times.read_text().splitlines()[:3]))
    with pytest.raises(ValueError, match=r'has 2 files up to 10\.bin, its timestamps.txt 3 times'):
        read_drive(folder)


def test_a_recording_without_any_time_is_refused(tmp_path: Path) -> None:
    folder = make_drive(tmp_path, pictures=1, sweeps=())
    (folder / 'image_02' / 'timestamps.txt').write_text('\n')
    with pytest.raises(ValueError, match=r'image_02.data has no file with a time in timestamps\.'):
        read_drive(folder)


def test_each_picture_needs_a_time(tmp_path: Path) -> None:
    folder = make_drive(tmp_path)
    (folder / 'image_02' / 'data' / '0000000001.png').unlink()
    with pytest.raises(ValueError, match=r'has 2 files up to 0000000002.png, .* 3 times; each'):
        read_drive(folder)


def test_a_torn_time_is_named_with_its_line(tmp_path: Path) -> None:
    folder = make_drive(tmp_path)
    times = folder / 'image_02' / 'timestamps.txt'
    lines = times.read_text().splitlines()
    times.write_text('\n'.join([lines[0], lines[1][:9], lines[2]]))
    with pytest.raises(ValueError, match="has '2011-09-2' in line 2, expected a time like"):
        read_drive(folder)


@pytest.mark.parametrize('text', ['P_rect_02: 1 2 3', 'P_rect_02: 1 2 three', '', 'P_rect_02'])
def test_a_torn_calibration_is_named_with_its_key(tmp_path: Path, text: str) -> None:
    folder = make_drive(tmp_path)
    (folder.parent / 'calib_cam_to_cam.txt').write_text(text)
    with pytest.raises(ValueError, match=r'cam_to_cam.txt has .* for P_rect_02, expected 12'):
        read_drive(folder).camera_calibration.values('P_rect_02', 12)


def test_infinite_numbers_are_no_calibration(tmp_path: Path) -> None:
    folder = make_drive(tmp_path)
    (folder.parent / 'calib_velo_to_cam.txt').write_text('T: 1 nan 2\n')
    calibration = read_drive(folder).lidar_calibration
    assert calibration is not None
    with pytest.raises(ValueError, match='expected 3 numbers'):
        calibration.values('T', 3)


def test_reads_a_real_drive(data_folder: Path) -> None:
    drive = read_drive(data_folder / 'kitti_drive')
    left = drive.cameras['image_02']
    assert len(left.paths) == 78
    assert {b - a for a, b in zip(left.stamps_ns, left.stamps_ns[1:], strict=False)} == {10**8}
    assert drive.lidar is not None
    assert drive.lidar.stamps_ns == left.stamps_ns[:24]
    assert drive.camera_calibration.values('S_rect_02', 2).tolist() == [1242, 375]
