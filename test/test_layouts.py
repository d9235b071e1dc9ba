import json
from pathlib import Path
import pickle
import re
from typing import Any

from made_drive import HEIGHT as DRIVE_HEIGHT
from made_drive import make_drive, P
from made_drive import WIDTH as DRIVE_WIDTH
from made_layouts import (
    F_BASELINE,
    F_PX,
    grid,
    make_cityscapes,
    make_kitti_2012,
    make_kitti_2015,
    make_nyud,
    picture_of,
    ROW_PX,
    write,
    write_text,
)
import numpy as np
import pytest

from mtl_perception.label_space import label_space, LABEL_SPACES
from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.layouts.camvid import split_of
from mtl_perception.recordings.layouts.catalogue import read_annotated
from mtl_perception.recordings.layouts.kitti_drives import VALIDATION_DRIVES


def first_labels(row: AnnotatedPicture, count: int = 4) -> list[int]:
    labels = row.read_labels()
    assert labels is not None
    assert labels.dtype == np.uint8
    return labels[0, :count].tolist()


def first_depth(row: AnnotatedPicture, count: int = 4) -> Any:
    depth_m = row.read_depth()
    assert depth_m is not None
    assert depth_m.dtype == np.float32
    return depth_m[0, :count]


def numbers_of(rows: list[AnnotatedPicture], known: range) -> list[int]:
    """Tell which pictures these are by their pixels."""
    pictures = {picture_of(number).tobytes(): number for number in known}
    return [pictures[row.read_picture().tobytes()] for row in rows]


class TestKittiScenes:
    DISPARITY = grid(0, 256 * 96, 256 * 48, 256 * 10, dtype=np.uint16)

    def test_semantics_have_the_34_ids_and_every_fifth_scene_validates(
        self, tmp_path: Path
    ) -> None:
        make_kitti_2015(tmp_path, range(11), semantic=grid(7, 26, 4, 21))
        train, val = (read_annotated(f'kitti_semantics:{tmp_path}', s) for s in ('train', 'val'))
        assert numbers_of(val, range(11)) == [0, 5, 10]
        assert numbers_of(train, range(11)) == [1, 2, 3, 4, 6, 7, 8, 9]
        row = val[0]
        assert (row.source, row.split, row.label_source) == ('kitti_semantics', 'val', 'human')
        assert row.licence == 'CC BY-NC-SA 3.0 (KITTI)'
        assert first_labels(row) == [7, 26, 4, 21]
        assert (row.f_px, row.principal_row) == (F_PX, ROW_PX)
        assert row.read_depth() is row.read_normals() is None

    def test_semantics_lead_to_the_six_classes_of_the_paper(self, tmp_path: Path) -> None:
        make_kitti_2015(tmp_path, range(1), semantic=grid(23, 11, 7, 8, 21, 28))
        row = read_annotated(f'kitti_semantics:{tmp_path}')[0]
        allowed = label_space(row.label_space).allowed_classes('kitti6')
        assert allowed[first_labels(row, 6)].tolist() == [1 << k for k in range(6)]

    def test_painted_semantics_do_where_the_ids_are_not(self, tmp_path: Path) -> None:
        space = label_space('cityscapes34')
        painted = np.tile(np.array(space.colours[7], np.uint8), (4, 6, 1))
        painted[0, 0] = space.colours[26]
        make_kitti_2015(tmp_path, range(1), semantic_rgb=painted)
        row = read_annotated(f'kitti_semantics:{tmp_path}', 'val')[0]
        assert first_labels(row, 2) == [26, 7]

    def test_disparity_of_2015_is_depth_by_the_calibration(self, tmp_path: Path) -> None:
        make_kitti_2015(tmp_path, range(2), disp_noc_0=grid(9, dtype=np.uint16))
        [row] = read_annotated(f'kitti_stereo_2015:{tmp_path}', 'train')
        np.testing.assert_allclose(first_depth(row, 1), F_BASELINE * 256 / 9, 1e-6)
        make_kitti_2015(tmp_path, range(2), disp_occ_0=self.DISPARITY, semantic=grid(3))
        [row] = read_annotated(f'kitti_stereo_2015:{tmp_path}', 'train')
        # all pixels rather than those that both cameras see
        np.testing.assert_allclose(first_depth(row), [np.nan, 4, 8, 38.4], 1e-6)
        assert (row.source, row.depth_source) == ('kitti_stereo_2015', 'lidar')
        assert (row.f_px, row.principal_row) == (F_PX, ROW_PX)
        # one picture may have both
        assert first_labels(row, 1) == [3]

    def test_disparity_without_calibration_is_an_error(self, tmp_path: Path) -> None:
        make_kitti_2015(tmp_path, range(2), disp_occ_0=self.DISPARITY)
        path = tmp_path / 'training/calib_cam_to_cam/000001.txt'
        path.unlink()
        with pytest.raises(FileNotFoundError, match=re.escape(f'{path} does not exist; unpack')):
            read_annotated(f'kitti_stereo_2015:{tmp_path}')

    @pytest.mark.parametrize('pictures', ['colored_0', 'image_0'])
    def test_scenes_of_2012_have_the_baseline_of_the_first_cameras(
        self, tmp_path: Path, pictures: str
    ) -> None:
        make_kitti_2012(tmp_path, range(2), pictures, self.DISPARITY)
        # of another scene, in the folder that both years are unpacked to
        make_kitti_2015(tmp_path, range(2), semantic=grid(7))
        [row] = read_annotated(f'kitti_stereo_2012:{tmp_path}', 'val')
        np.testing.assert_allclose(first_depth(row), [np.nan, 4, 8, 38.4], 1e-6)
        assert (row.f_px, row.principal_row, row.source) == (F_PX, ROW_PX, 'kitti_stereo_2012')
        np.testing.assert_array_equal(row.read_picture(), picture_of(0))
        assert row.read_labels() is None

    def test_a_scene_may_lack_everything_but_its_picture(self, tmp_path: Path) -> None:
        write(tmp_path / 'training/image_2/000003_10.png', picture_of(3))
        [row] = read_annotated(f'kitti_stereo_2015:{tmp_path}')
        assert row.labels is row.depth is row.normals is row.f_px is row.principal_row is None


class TestKittiDrives:
    DRIVE = '2011_09_26_drive_0001_sync'

    def test_sweeps_are_projected_into_each_camera(self, tmp_path: Path) -> None:
        drive = make_drive(tmp_path, pictures=3, sweeps=(0, 2), right=True)
        # LIDAR_R has x ahead; then R turns about it: every point is ahead of the camera
        points = np.array([[9, 0, 0, 1], [8, 1, 1, 1]], np.float32)
        points.tofile(drive / 'velodyne_points/data/0000000002.bin')
        rows = read_annotated(f'kitti_raw:{tmp_path}', 'train')
        assert [row.depth is not None for row in rows] == [True, False, True] * 2
        assert {(row.f_px, row.principal_row) for row in rows} == {(P[0], P[6])}
        assert {(row.source, row.depth_source) for row in rows} == {('kitti_raw', 'lidar')}
        left, right = rows[2].read_depth(), rows[5].read_depth()
        assert left is not None
        assert right is not None
        assert left.shape == right.shape == (DRIVE_HEIGHT, DRIVE_WIDTH)
        # x - 0.3 m of LIDAR_T and 0.003 of P lead to z
        expected = np.array([9 - 0.297, 8 - 0.297], np.float32)
        # the first at u = 33.6 px, v = 24.3 px; the right camera is 30 / 70 m farther right
        assert np.argwhere(np.isclose(left, expected[0])).tolist() == [[24, 34]]
        assert np.argwhere(np.isclose(left, expected[1])).tolist() == [[15, 43]]
        assert np.argwhere(np.isclose(right, expected[0])).tolist() == [[24, 30]]

    def test_the_drives_of_the_benchmark_validate(self, tmp_path: Path) -> None:
        assert len(VALIDATION_DRIVES) == 13
        drive = make_drive(tmp_path, pictures=2)
        drive.rename(drive.parent / '2011_09_26_drive_0002_sync')
        make_drive(tmp_path, pictures=3)
        rows = {s: read_annotated(f'kitti_raw:{tmp_path}', s) for s in ('train', 'val', None)}
        assert [len(found) for found in rows.values()] == [3, 2, 5]

    @pytest.mark.parametrize('root', ['', 'data_depth_annotated'])
    def test_annotated_depth_is_found_beside_the_drives(self, tmp_path: Path, root: str) -> None:
        make_drive(tmp_path, pictures=3, right=True)
        depth = tmp_path / root / 'train' / self.DRIVE / 'proj_depth' / 'groundtruth'
        units = grid(0, 256, 2560, dtype=np.uint16)
        write(depth / 'image_02' / '0000000001.png', units)
        write(depth / 'image_03' / '0000000002.png', units)
        # of a drive that is not unpacked
        write(Path(str(depth).replace('0001', '0009')) / 'image_02' / '0000000001.png', units)
        left, right = read_annotated(f'kitti_depth:{tmp_path}', 'train')
        np.testing.assert_array_equal(first_depth(left, 3), np.float32([np.nan, 1, 10]))
        assert (left.f_px, left.principal_row, left.source) == (P[0], P[6], 'kitti_depth')
        assert left.picture.path.parts[-3:] == ('image_02', 'data', '0000000001.png')
        assert right.picture.path.parts[-3:] == ('image_03', 'data', '0000000002.png')
        with pytest.raises(
            ValueError, match=r"no picture of split 'val'; it has the splits train"
        ):
            read_annotated(f'kitti_depth:{tmp_path}', 'val')

    @pytest.mark.parametrize('split', ['eigen_test', 'train', 'val'])
    def test_a_list_of_pictures_is_a_split(self, tmp_path: Path, split: str) -> None:
        make_drive(tmp_path, pictures=4, right=True)
        lines = (
            *(f'2011_09_26/{self.DRIVE} 0000000001 l', f'2011_09_26/{self.DRIVE} 3 r'),
            f'2011_09_26/{self.DRIVE}/image_02/data/0000000002.png 2011_09_26/image_03 721.5',
            '',
        )
        write_text(tmp_path / f'{split}.txt', '\n'.join(lines))
        rows = read_annotated(f'kitti_raw:{tmp_path}', split)
        names = ['/'.join(row.picture.path.parts[-3:]) for row in rows]
        assert names == [
            *('image_02/data/0000000001.png', 'image_02/data/0000000002.png'),
            'image_03/data/0000000003.png',
        ]
        assert {row.split for row in rows} == {split}

    def test_listed_pictures_that_are_absent_are_counted(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        make_drive(tmp_path, pictures=2)
        path = write_text(
            tmp_path / 'train.txt', ''.join(f'{self.DRIVE} {k} l\n' for k in range(5))
        )
        assert len(read_annotated(f'kitti_raw:{tmp_path}', 'train')) == 2
        assert caplog.messages == [f'3 of the 5 pictures in {path} are not there']
        write_text(path, f'{self.DRIVE} 0 r\n')
        with pytest.raises(ValueError, match=r'none of the 1 pictures in .*train\.txt is there'):
            read_annotated(f'kitti_raw:{tmp_path}', 'train')

    @pytest.mark.parametrize('other', ['train', 'val'])
    def test_a_split_without_a_list_lacks_what_the_other_one_lists(
        self, tmp_path: Path, other: str
    ) -> None:
        drive = make_drive(tmp_path, pictures=3)
        if other == 'train':
            drive = drive.rename(drive.with_name('2011_09_26_drive_0002_sync'))
        data = f'kitti_raw:{tmp_path}'
        split = {'train': 'val', 'val': 'train'}[other]
        assert len(read_annotated(data, split)) == 3
        write_text(tmp_path / f'{other}.txt', f'{drive.name} 1 l\n')
        rows = read_annotated(data, split)
        assert [row.picture.path.stem[-1] for row in rows] == ['0', '2']

    def test_a_line_that_names_no_picture_is_refused(self, tmp_path: Path) -> None:
        make_drive(tmp_path)
        write_text(tmp_path / 'dev.txt', f'{self.DRIVE} 1 l\n{self.DRIVE} one\n')
        words = rf"dev\.txt has '{self.DRIVE} one' in line 2; expected '<date>/<drive>_sync <fr"
        with pytest.raises(ValueError, match=words):
            read_annotated(f'kitti_raw:{tmp_path}', 'dev')

    def test_a_day_without_calibration_is_an_error(self, tmp_path: Path) -> None:
        drive = make_drive(tmp_path)
        (drive.parent / 'calib_cam_to_cam.txt').unlink()
        with pytest.raises(FileNotFoundError, match=r'calib_cam_to_cam\.txt does not exist; unp'):
            read_annotated(f'kitti_raw:{tmp_path}')


class TestCityscapes:
    NAME = 'aachen_000000_000019'

    def make(self, folder: Path, split: str = 'train') -> Path:
        disparity = grid(0, 1, 257, 25601, dtype=np.uint16)
        return make_cityscapes(folder, split, self.NAME, disparity, grid(7, 26, 9, 33))

    def test_labels_disparity_and_camera(self, tmp_path: Path) -> None:
        [row] = read_annotated(f'cityscapes:{self.make(tmp_path)}', 'train')
        np.testing.assert_array_equal(row.read_picture(), picture_of(1))
        assert first_labels(row) == [7, 26, 9, 33]
        assert (row.label_space, row.label_source) == ('cityscapes34', 'human')
        # 2260 px x 0.2 m over 1 px and over 100 px
        np.testing.assert_allclose(first_depth(row), [np.nan, np.nan, 452, 4.52], 1e-6)
        assert (row.f_px, row.principal_row, row.depth_source) == (2260.0, 513.0, 'stereo')
        assert row.source == 'cityscapes'

    def test_each_part_may_be_missing(self, tmp_path: Path) -> None:
        self.make(tmp_path, 'val')
        for name in ('gtFine', 'disparity', 'camera'):
            for path in (tmp_path / name).rglob('*.*'):
                path.unlink()
            if name == 'disparity':
                [row] = read_annotated(f'cityscapes:{tmp_path}', 'val')
                assert row.depth is None
                assert row.f_px == 2260.0
        [row] = read_annotated(f'cityscapes:{tmp_path}', 'val')
        assert row.labels is row.depth is row.f_px is None

    def test_a_camera_must_be_there_and_whole(self, tmp_path: Path) -> None:
        camera = self.make(tmp_path) / f'camera/train/aachen/{self.NAME}_camera.json'
        camera.write_text(json.dumps({'intrinsic': {'fx': 1}}))
        with pytest.raises(ValueError, match=r"_camera\.json is no camera of Cityscapes \('extri"):
            read_annotated(f'cityscapes:{tmp_path}', 'train')
        camera.unlink()
        with pytest.raises(FileNotFoundError, match=r'_camera\.json does not exist; unpack the c'):
            read_annotated(f'cityscapes:{tmp_path}', 'train')


class TestCamvid:
    def test_segnets_folders(self, tmp_path: Path) -> None:
        for number, split in enumerate(('train', 'val', 'test')):
            write(tmp_path / split / '0001TP_006690.png', picture_of(number))
            if split != 'test':
                write(tmp_path / f'{split}annot' / '0001TP_006690.png', grid(0, 10, 11, 3))
        rows = [read_annotated(f'camvid:{tmp_path}', s)[0] for s in ('train', 'val', 'test')]
        assert numbers_of(rows, range(3)) == [0, 1, 2]
        assert first_labels(rows[1]) == [0, 10, 255, 3]
        assert rows[2].read_labels() is None
        assert {(row.source, row.label_space) for row in rows} == {('camvid', 'camvid11')}

    def test_the_original_release(self, tmp_path: Path) -> None:
        space = label_space('camvid31')
        painted = np.zeros((4, 6, 3), np.uint8)
        painted[0, :2] = [space.colours[space.id_of(name) or 0] for name in ('sky', 'wall')]
        for number, name in enumerate(('0016E5_00390', '0016E5_07959', 'Seq05VD_f00000')):
            write(tmp_path / '701_StillsRaw_full' / f'{name}.png', picture_of(number))
        write(tmp_path / 'LabeledApproved_full' / '0016E5_07959_L.png', painted)
        rows = [read_annotated(f'camvid:{tmp_path}', s)[0] for s in ('train', 'val', 'test')]
        assert numbers_of(rows, range(3)) == [0, 1, 2]
        assert first_labels(rows[1]) == [space.id_of('sky'), space.id_of('wall'), 255, 255]
        assert rows[0].labels is rows[2].labels is None
        assert rows[1].label_space == 'camvid31'

    def test_the_usual_split_by_names(self) -> None:
        names = {
            'train': ('0001TP_006690', '0001TP_008520', '0006R0_f00930', '0016E5_08190'),
            'val': ('0016E5_07959', '0016E5_08159'),
            'test': ('0001TP_008550', 'Seq05VD_f05100'),
        }
        for split, members in names.items():
            assert {split_of(name) for name in members} == {split}

    def test_the_usual_split_is_that_of_the_real_index(self, data_folder: Path) -> None:
        rows = [row for row in read_annotated(data_folder) if row.source == 'camvid']
        assert len(rows) == 468
        assert all(split_of(row.picture.path.stem) == row.split for row in rows)


class TestIdd:
    def make(self, folder: Path, ending: str = '.png') -> Path:
        write(folder / f'leftImg8bit/train/201/frame0029_leftImg8bit{ending}', picture_of(1))
        labels = folder / 'gtFine/train/201'
        road = {'label': 'road', 'polygon': [[0, 0], [3, 0], [3, 4], [0, 4]]}
        annotation = {'imgHeight': 4, 'imgWidth': 6, 'objects': [road]}
        write_text(labels / 'frame0029_gtFine_polygons.json', json.dumps(annotation))
        return labels

    @pytest.mark.parametrize('ending', ['.png', '.jpg'])
    def test_polygons_or_what_the_official_tool_made_of_them(
        self, tmp_path: Path, ending: str
    ) -> None:
        labels = self.make(tmp_path, ending)
        found = []
        for name, value in (('', 0), ('labellevel3Ids', 25), ('labelids', 34)):
            if name:
                write(labels / f'frame0029_gtFine_{name}.png', grid(value))
            [row] = read_annotated(f'idd:{tmp_path}', 'train')
            found.append((row.label_space, *first_labels(row, 5)))
        assert found == [
            ('idd40', 0, 0, 0, 0, 255),
            ('idd26', *[25] * 5),
            ('idd40', *[34] * 5),
        ]
        assert (row.source, row.f_px, row.depth) == ('idd', None, None)

    def test_a_test_picture_has_no_labels(self, tmp_path: Path) -> None:
        write(tmp_path / 'leftImg8bit/test/1/2_leftImg8bit.png', picture_of(1))
        [row] = read_annotated(f'idd:{tmp_path}', 'test')
        assert row.read_labels() is None

    def test_the_lite_version(self, tmp_path: Path) -> None:
        for split in ('train', 'val'):
            write(tmp_path / f'leftImg8bit/{split}/7/024541_image.jpg', picture_of(1))
        write(tmp_path / 'gtFine/train/7/024541_label.png', grid(6, 0, 255, 3))
        write(tmp_path / 'gtFine/train/7/024541_inst_label.png', grid(9))
        train, val = read_annotated(f'idd_lite:{tmp_path}')
        assert first_labels(train) == [6, 0, 255, 3]
        assert (train.source, train.label_space) == ('idd_lite', 'idd_lite7')
        assert (train.split, val.split, val.labels) == ('train', 'val', None)


class TestNyud:
    @pytest.fixture(autouse=True)
    def libraries(self) -> None:
        for name in ('h5py', 'scipy'):
            pytest.importorskip(name)

    @pytest.mark.parametrize('name', ['', 'nyu_depth_v2_labeled.mat'])
    def test_pictures_labels_and_depth_by_the_official_split(
        self, tmp_path: Path, name: str
    ) -> None:
        spec = f'nyud:{make_nyud(tmp_path) / name}'
        train, test = read_annotated(spec, 'train'), read_annotated(spec, 'test')
        assert numbers_of(train, range(4)) == [0, 2]
        assert numbers_of(test, range(4)) == [1, 3]
        row = train[1]
        # of 894 classes: none, 1, 2, 894, and 2 again in the rest
        assert first_labels(row, 5) == [255, 39, 38, 39, 38]
        np.testing.assert_array_equal(first_depth(row, 2), np.float32([np.nan, 3.5]))
        assert (row.label_space, row.source, row.depth_source) == ('nyud40', 'nyud', 'kinect')
        assert row.f_px == pytest.approx(518.8579)
        assert row.principal_row == pytest.approx(252.7362)

    def test_its_test_pictures_validate(self, tmp_path: Path) -> None:
        spec = f'nyud:{make_nyud(tmp_path)}'
        assert numbers_of(read_annotated(spec, 'val'), range(4)) == [1, 3]
        assert [row.split for row in read_annotated(spec)] == ['train', 'train', 'val', 'val']

    def test_normals_where_given(self, tmp_path: Path) -> None:
        first, third = read_annotated(f'nyud:{make_nyud(tmp_path)}', 'train')
        normals = first.read_normals()
        assert normals is not None
        np.testing.assert_allclose(normals[0, 0], [0, 0, -1], atol=1e-6)
        assert third.read_normals() is None

    @pytest.mark.parametrize(
        ('name', 'words'),
        [
            ('nyu_depth_v2_labeled.mat', 'nyu_depth_v2.html (Labeled Dataset)'),
            ('splits.mat', 'the official train/test split, as in github.com/ankurhanda'),
            ('classMapping40.mat', 'the 40 classes of Gupta et al., as in github.com/ankurhan'),
        ],
    )
    def test_what_is_missing_is_to_be_downloaded(
        self, tmp_path: Path, name: str, words: str
    ) -> None:
        (make_nyud(tmp_path) / name).unlink()
        with pytest.raises(FileNotFoundError, match=re.escape(words)):
            read_annotated(f'nyud:{tmp_path}', 'train')

    def test_files_of_another_kind_are_refused(self, tmp_path: Path) -> None:
        from scipy.io import savemat

        savemat(make_nyud(tmp_path) / 'classMapping40.mat', {'mapClass': [[1, 2]]})
        with pytest.raises(ValueError, match=r'has class 894, which classMapping40\.mat of 2'):
            read_annotated(f'nyud:{tmp_path}', 'train')[0].read_labels()
        savemat(tmp_path / 'splits.mat', {'train': [1]})
        with pytest.raises(ValueError, match=r'splits\.mat has no trainNdxs; download it again'):
            read_annotated(f'nyud:{tmp_path}', 'train')

    @pytest.mark.parametrize('rest', [0, 100, 250], ids=['empty', 'torn', 'torn later'])
    @pytest.mark.parametrize(
        'name', ['nyu_depth_v2_labeled.mat', 'splits.mat', 'classMapping40.mat']
    )
    def test_torn_files_are_to_be_downloaded_again(
        self, tmp_path: Path, name: str, rest: int
    ) -> None:
        path = make_nyud(tmp_path) / name
        path.write_bytes(path.read_bytes()[:rest])
        words = rf'{path} is torn or another file \(.*\); download it again: \w+'
        with pytest.raises(ValueError, match=words):
            read_annotated(f'nyud:{tmp_path}', 'train')

    def test_a_matlab_file_of_something_else_is_refused(self, tmp_path: Path) -> None:
        import h5py

        row = read_annotated(f'nyud:{make_nyud(tmp_path)}', 'train')[0]
        with h5py.File(tmp_path / 'nyu_depth_v2_labeled.mat', 'r+') as file:
            del file['depths']
        with pytest.raises(
            ValueError, match=r"labeled\.mat is torn or another .*'depths' doesn't"
        ):
            row.read_depth()

    def test_the_libraries_are_asked_for(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr('mtl_perception.recordings.layouts.nyud.find_spec', lambda _: None)
        with pytest.raises(ModuleNotFoundError, match=r"pip install -e '\.\[training\]'"):
            read_annotated(f'nyud:{make_nyud(tmp_path)}', 'train')

    def test_pictures_can_be_sent_to_another_process(self, tmp_path: Path) -> None:
        row = read_annotated(f'nyud:{make_nyud(tmp_path)}', 'train')[0]
        sent = pickle.loads(pickle.dumps(row))
        np.testing.assert_array_equal(sent.read_labels(), row.read_labels())


def test_drives_can_be_sent_to_another_process(tmp_path: Path) -> None:
    make_drive(tmp_path)
    row = read_annotated(f'kitti_raw:{tmp_path}')[0]
    sent = pickle.loads(pickle.dumps(row))
    np.testing.assert_array_equal(sent.read_depth(), row.read_depth())


def test_label_spaces_of_the_layouts_lead_to_what_is_trained() -> None:
    for name in ('cityscapes34', 'camvid31', 'camvid11', 'idd40', 'idd26', 'idd_lite7'):
        assert {'kitti6', 'road8'} <= LABEL_SPACES[name].mappings.keys(), name
