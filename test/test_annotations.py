import json
from pathlib import Path
import re

from made_layouts import grid, write, write_text
import numpy as np
import pytest

from mtl_perception.label_space import label_space
from mtl_perception.recordings.annotations.label_files import (
    ColourLabelFile,
    LabelFile,
    PolygonLabelFile,
)
from mtl_perception.recordings.annotations.lidar_sweep import LidarSweep, project, remove_hidden
from mtl_perception.recordings.annotations.picture_files import DisparityFile

# a camera of f 100 px, principal point (20, 10), 0.5 m behind a lidar that has x ahead, y left
PROJECTION = np.array([[20, -100, 0, 10.0], [10, 0, -100, 5.0], [1, 0, 0, 0.5]])
SIZE = (21, 41)


def test_disparity_becomes_metres(tmp_path: Path) -> None:
    units = grid(0, 1, 257, 2561, dtype=np.uint16)
    path = write(tmp_path / 'd.png', units)
    kitti, cityscapes = (DisparityFile(path, 384.0, offset).read() for offset in (0, 1))
    assert kitti.dtype == cityscapes.dtype == np.float32
    np.testing.assert_allclose(kitti[0, :4], [np.nan, 384 * 256, 384 * 256 / 257, 38.384], 1e-4)
    # a disparity of 0, 1 and 10 px: nothing is known of what is infinitely far
    np.testing.assert_allclose(cityscapes[0, :4], [np.nan, np.nan, 384, 38.4], 1e-6)
    with pytest.raises(ValueError, match=r'd\.png is \(4, 6\) uint8; expected .* of uint16'):
        DisparityFile(write(path, units.astype(np.uint8)), 384.0).read()


def test_the_void_id_is_unlabelled(tmp_path: Path) -> None:
    path = write(tmp_path / 'l.png', grid(3, 11, 255, 0))
    assert LabelFile(path).read()[0, :4].tolist() == [3, 11, 255, 0]
    assert LabelFile(path, void=11).read()[0, :4].tolist() == [3, 255, 255, 0]


def test_painted_colours_become_ids(tmp_path: Path) -> None:
    space = label_space('camvid31')
    painted = np.zeros((2, 40, 3), np.uint8)
    painted[0, : len(space.colours)] = space.colours
    painted[1] = (1, 2, 3)
    ids = ColourLabelFile(write(tmp_path / 'p.png', painted), 'camvid31').read()
    assert ids.dtype == np.uint8
    assert ids[0].tolist() == [*range(31), *[255] * 9]
    assert (ids[1] == 255).all()


def test_a_colour_of_two_classes_is_the_first(tmp_path: Path) -> None:
    space = label_space('cityscapes34')
    painted = np.array([[space.colours[k] for k in (18, 17, 4, 26)]], np.uint8)
    ids = ColourLabelFile(write(tmp_path / 'p.png', painted), 'cityscapes34').read()
    assert ids.tolist() == [[17, 17, 0, 26]]


def box(label: str, left: float, right: float, **more: int) -> dict[str, object]:
    """Give a polygon over whole columns, right one included, beyond the picture's edges."""
    return {'label': label, 'polygon': [[left, -3], [right, -3], [right, 9], [left, 9]], **more}


def test_polygons_are_drawn_in_their_order(tmp_path: Path) -> None:
    objects = [
        *(box('sky', 0, 7), box('non-drivable fallback', 2.2, 9), box('cargroup', 4, 4)),
        *(box('ground', 0, 9), box('bus', 0, 9, deleted=1)),
        {'label': 'bus', 'polygon': [[0, 0], [5, 0]]},
        *(box('obs-str-bar-fallback', 6, 6), box('license plate', 7, 7)),
    ]
    annotation = {'imgHeight': 3, 'imgWidth': 9, 'objects': objects}
    path = write_text(tmp_path / 'p.json', json.dumps(annotation))
    ids = PolygonLabelFile(path, 'idd40').read()
    assert ids.dtype == np.uint8
    assert ids.tolist() == [[33, 33, 5, 5, 12, 5, 28, 39, 5]] * 3


@pytest.mark.parametrize(
    'text', ['no JSON', '{"imgHeight": 3}', '{"imgHeight": 3, "imgWidth": 2, "objects": [7]}']
)
def test_broken_polygons_are_refused(tmp_path: Path, text: str) -> None:
    path = write_text(tmp_path / 'p.json', text)
    with pytest.raises(ValueError, match=r'p\.json is missing or no JSON of polygons \(.*restore'):
        PolygonLabelFile(path, 'idd40').read()
    path.unlink()
    with pytest.raises(ValueError, match=r'p\.json is missing'):
        PolygonLabelFile(path, 'idd40').read()


def test_points_are_projected_and_the_nearest_is_kept() -> None:
    points = np.array(
        # ahead; behind it; left and up; behind the lidar; off to the right
        [[9.5, 0, 0], [19.5, 0, 0], [9.5, 0.5, 0.3], [-9.5, 0, 0], [9.5, -9, 0]],
        np.float32,
    )
    depth_m = project(points, PROJECTION, SIZE)
    assert depth_m.dtype == np.float32
    known = {(int(r), int(c)): float(depth_m[r, c]) for r, c in np.argwhere(depth_m > 0)}
    # depth is from the camera: (x + 0.5) m
    assert known == {(10, 20): 10.0, (7, 15): 10.0}
    assert np.isnan(depth_m).sum() == depth_m.size - 2


def test_points_hidden_by_nearer_ones_go() -> None:
    depth_m = np.full(SIZE, np.nan, np.float32)
    # something at 5 m; beside it 6.4 m, as ground would be, and 20 m; 20 m at a distance
    depth_m[10, 20], depth_m[12, 20], depth_m[10, 24], depth_m[10, 25] = 5, 6.4, 20, 20
    left = remove_hidden(depth_m)
    assert left[10, 20] == 5
    assert left[12, 20] == np.float32(6.4)
    assert np.isnan(left[10, 24])
    assert left[10, 25] == 20
    assert np.isfinite(left).sum() == 3


def test_a_sweep_is_read_or_refused(tmp_path: Path) -> None:
    path = tmp_path / 's.bin'
    np.array([[9.5, 0, 0, 0.7], [19.5, 0.2, 0, 0.1]], np.float32).tofile(path)
    depth_m = LidarSweep(path, PROJECTION, SIZE).read()
    assert depth_m.shape == SIZE
    # the second is hidden, one column beside the first
    assert np.argwhere(np.isfinite(depth_m)).tolist() == [[10, 20]]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=re.escape(f'{path} is missing or no sweep of four')):
        LidarSweep(path, PROJECTION, SIZE).read()
    path.unlink()
    with pytest.raises(ValueError, match='is missing'):
        LidarSweep(path, PROJECTION, SIZE).read()


def test_an_empty_sweep_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / 's.bin').write_bytes(b'')
    assert np.isnan(LidarSweep(tmp_path / 's.bin', PROJECTION, SIZE).read()).all()


def test_the_projection_agrees_with_the_real_depth(data_folder: Path) -> None:
    """Depth that others projected of the same sweeps, in units of 1/256 m."""
    from mtl_perception.recordings.annotations.picture_files import DepthFile
    from mtl_perception.recordings.kitti import Calibration

    drive = data_folder / 'kitti_drive'
    camera = Calibration(drive / 'calib' / 'calib_cam_to_cam.txt')
    lidar = Calibration(drive / 'calib' / 'calib_velo_to_cam.txt')
    rectify, pose = np.eye(4), np.eye(4)
    rectify[:3, :3] = camera.values('R_rect_00', 9).reshape(3, 3)
    pose[:3] = np.column_stack((lidar.values('R', 9).reshape(3, 3), lidar.values('T', 3)))
    projection = camera.values('P_rect_02', 12).reshape(3, 4) @ rectify @ pose
    truth = DepthFile(drive / 'depth' / '0000000010.png').read()
    path = drive / 'velodyne_points_fov' / 'data' / '0000000010.bin'
    depth_m = LidarSweep(path, projection, truth.shape).read()
    both = np.isfinite(depth_m) & np.isfinite(truth)
    np.testing.assert_allclose(depth_m[both], truth[both], rtol=0, atol=1 / 512 + 1e-4)
    # they tell what is hidden in another way: of what either keeps, 98 % is common
    assert both.sum() > 0.98 * max(np.isfinite(depth_m).sum(), np.isfinite(truth).sum())
