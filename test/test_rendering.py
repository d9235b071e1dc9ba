"""Rendered frames: their geometry is exact, and they are what the seed says."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
import subprocess
import sys
import time

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest
import rendered

from mtl_perception.geometry import Intrinsics, RayTable
from mtl_perception.ground import ground_height_m
from mtl_perception.label_space import label_space
from mtl_perception.offline.__main__ import main
from mtl_perception.recordings.dataset_index import encode_normals, read_index
from mtl_perception.recordings.kitti import read_drive
from mtl_perception.recordings.kitti_to_bag import BagOptions, kitti_to_bag
from mtl_perception.rendering import dataset
from mtl_perception.rendering.drive import Frame, with_room
from mtl_perception.rendering.opengl.renderer import Truth
from mtl_perception.rendering.opengl.textures.layers import Layer
from mtl_perception.rendering.opengl.views import Moment, offsets
from mtl_perception.rendering.ranges import Ranges
from mtl_perception.rendering.recording import Description, write_drive
from mtl_perception.rendering.scene.ground.islands import CLEAR_M, NARROWEST_M
from mtl_perception.rendering.scene.layout import draw_scene, LANE_HALF_WIDTH_M, Scene
from mtl_perception.rendering.scene.shapes.furniture import island_post
from mtl_perception.rendering.sensors import exposure_gain, Lidar, LIDAR_IN_CAMERA, Photography

SEEDS = (1, 2, 6)
IDS = {name: index for index, name in enumerate(label_space('road8').names)}


@pytest.fixture(scope='module', params=SEEDS)
def still(request: pytest.FixtureRequest) -> list[Frame]:
    """Two frames, 0.2 s apart, of a scene in which only the camera moves."""
    studio = rendered.studio()
    rng = np.random.default_rng((request.param, 1))
    scene = draw_scene(rng, studio.ranges)
    scene = replace(scene, movers=tuple(replace(m, speed_mps=0.0) for m in scene.movers))
    path = replace(drawn_path(rng), speed_mps=8.0)
    scene = with_room(scene, path, [0.0, 0.2])
    return [studio.frame(scene, path, time_s, rng) for time_s in (0.0, 0.2)]


def drawn_path(rng: np.random.Generator) -> 'rendered.Path':
    return rendered.Path.drawn(rng, Ranges())


def points_of(truth: Truth) -> NDArray[np.float32]:
    return RayTable(rendered.CAMERA).points(truth.depth)


def test_depth_of_a_frame_lands_on_the_depth_of_the_next(still: list[Frame]) -> None:
    first, second = still
    to_second = np.linalg.inv(second.moment.camera) @ first.moment.camera
    points = points_of(first.truth)
    seen = np.isfinite(points[..., 2]) & (points[..., 2] < 80)
    moved = points[seen] @ to_second[:3, :3].T + to_second[:3, 3]
    k = rendered.CAMERA
    u = np.rint(k.fx_px * moved[:, 0] / moved[:, 2] + k.cx_px).astype(int)
    v = np.rint(k.fy_px * moved[:, 1] / moved[:, 2] + k.cy_px).astype(int)
    inside = (moved[:, 2] > 1) & (u >= 0) & (u < k.width) & (v >= 0) & (v < k.height)
    there = second.truth.depth[v[inside], u[inside]]
    error = np.abs(there / moved[inside, 2] - 1)
    # hidden there by something nearer, or uncovered: not the same surface
    same = error < 0.2
    assert same.mean() > 0.85
    assert np.median(error[same]) < 0.01


def test_normals_agree_with_the_gradients_of_depth(still: list[Frame]) -> None:
    truth = still[0].truth
    points = points_of(truth)
    across = points[1:-1, 2:] - points[1:-1, :-2]
    down = points[2:, 1:-1] - points[:-2, 1:-1]
    normals = np.cross(down, across)
    with np.errstate(invalid='ignore'):
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    expected = truth.normals[1:-1, 1:-1]
    # away from borders and leaves, where neighbours lie on other surfaces
    flat = np.isin(truth.labels[1:-1, 1:-1], (IDS['road'], IDS['building'], IDS['sidewalk']))
    flat &= points[1:-1, 1:-1, 2] < 25
    cosine = (normals * expected).sum(-1)[flat]
    angle = np.degrees(np.arccos(np.clip(cosine[np.isfinite(cosine)], -1, 1)))
    assert np.median(angle) < 0.5
    assert np.mean(angle < 5) > 0.85


def test_normals_are_units_that_face_the_camera(still: list[Frame]) -> None:
    truth = still[0].truth
    solid = np.isfinite(truth.depth)
    normals, points = truth.normals[solid], points_of(truth)[solid]
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-4)
    assert ((normals * points).sum(1) <= 1e-4).all()


def test_borders_of_labels_are_borders_of_depth(still: list[Frame]) -> None:
    """Around vehicles and people labels change where depth jumps, or where they stand."""
    truth = still[0].truth
    depth = np.where(np.isfinite(truth.depth), truth.depth, 500.0)
    body = np.isin(truth.labels, (IDS['vehicle'], IDS['person']))
    ratio = np.maximum(depth[:, 1:], depth[:, :-1]) / np.minimum(depth[:, 1:], depth[:, :-1])
    border = body[:, 1:] != body[:, :-1]
    if border.sum() < 50:
        pytest.skip('hardly anybody is in this view')
    assert np.mean(ratio[border] > 1.03) > 5 * np.mean(ratio[~border] > 1.03)
    assert np.mean(ratio[border] > 1.03) > 0.6


def test_sky_alone_is_infinitely_far(still: list[Frame]) -> None:
    truth = still[0].truth
    assert np.array_equal(truth.labels == IDS['sky'], np.isposinf(truth.depth))
    assert np.array_equal(np.isnan(truth.normals).any(-1), np.isposinf(truth.depth))
    assert (truth.depth > 0.2).all()
    assert set(np.unique(truth.labels)) <= set(IDS.values())


def test_the_road_lies_as_far_below_the_camera_as_it_should(still: list[Frame]) -> None:
    frame = still[0]
    points = points_of(frame.truth)
    near = (frame.truth.labels == IDS['road']) & (frame.truth.depth < 12)
    camera = frame.moment.camera
    # the road's slope turns the camera with it: height along the camera's own vertical
    low, high = Ranges().camera_height
    height = (points[near] @ camera[:3, :3].T)[:, 2]
    assert low - 0.45 < -np.median(height) < high + 0.45


def test_the_picture_shows_the_scene(still: list[Frame]) -> None:
    """Neighbouring pixels differ more where labels change, and the road is no sky."""
    frame = still[0]
    grey = frame.picture.mean(2)
    step = np.abs(np.diff(grey, axis=1))
    border = np.diff(frame.truth.labels.astype(int), axis=1) != 0
    assert step[border].mean() > 1.5 * step[~border].mean()
    if (frame.truth.labels == IDS['sky']).mean() > 0.02:
        sky, road = (grey[frame.truth.labels == IDS[name]].mean() for name in ('sky', 'road'))
        assert sky > road


def test_a_seed_makes_one_drive() -> None:
    first, again, other = (next(rendered.frames(seed, 1)) for seed in (1, 1, 2))
    assert np.array_equal(first.picture, again.picture)
    assert np.array_equal(first.truth.depth, again.truth.depth)
    assert not np.array_equal(first.picture, other.picture)


def test_nobody_is_driven_over() -> None:
    for frame in rendered.frames(5, 12):
        bumper = frame.truth.depth[120:, 200:420]
        assert bumper.min() > 2.0


def test_every_kind_of_street_and_class_comes_up() -> None:
    studio, seen = rendered.studio(), set()
    for kind in Ranges().streets:
        shares = {name: float(name == kind) for name in Ranges().streets}
        rng = np.random.default_rng(4)
        scene = draw_scene(rng, replace(Ranges(), streets=shares, people_per_100_m=(8.0, 9.0)))
        assert scene.street.kind == kind
        path = replace(drawn_path(rng), start_m=20.0)
        frame = studio.frame(with_room(scene, path, [0.0]), path, 0.0, rng)
        seen |= set(np.unique(frame.truth.labels).tolist())
    assert seen == set(IDS.values())


@pytest.mark.parametrize('seed', [0, 1, 2])
def test_a_queue_stands_close_and_nobody_in_another(seed: int) -> None:
    ranges = replace(Ranges(), queues=1.0, queue_speed_mps=(0.0, 0.0), parked=(0.0, 0.0))
    scene = draw_scene(np.random.default_rng(seed), ranges)
    ends = []
    for mover in scene.movers:
        xs = mover.part.mesh.vertices['position'][:, 0]
        # people are in the way as well
        if abs(mover.t - scene.lane_t) < 0.7 and np.ptp(xs) > 3:
            ends.append((mover.s + xs.min(), mover.s + xs.max()))
    gaps = [after[0] - before[1] for before, after in pairwise(sorted(ends))]
    assert len(gaps) > 5
    # a vehicle need not lie about its middle
    assert 0.5 < min(gaps) < max(gaps) < 9


def seen_at(frame: Frame, place: NDArray[np.float64]) -> tuple[int, int, float]:
    """Project a place (3,) in the world; give row, column and depth."""
    x, y, z, _ = np.linalg.inv(frame.moment.camera) @ np.append(place, 1.0)
    k = rendered.CAMERA
    return round(k.fy_px * y / z + k.cy_px), round(k.fx_px * x / z + k.cx_px), z


def test_an_island_divides_the_lanes_and_nobody_drives_on_it() -> None:
    studio, seen = rendered.studio(), []
    ranges = replace(Ranges(), islands=1.0, island_half_width=(1.2, 1.6))
    for seed in range(12):
        rng = np.random.default_rng(seed)
        scene = draw_scene(rng, ranges)
        edge = min(scene.street.island, abs(scene.lane_t) - LANE_HALF_WIDTH_M)
        for mover in scene.movers:
            across = mover.part.mesh.vertices['position'][:, 1]
            if mover.speed_mps and np.ptp(across) > 1:
                assert abs(mover.t) - np.ptp(across) / 2 > edge - 1e-6
        # where cars park, the lanes may leave no room
        for crossing in scene.street.crossings[1:3] if edge > NARROWEST_M else ():
            middle = crossing.start - CLEAR_M - 2.0
            path = replace(drawn_path(rng), start_m=middle - 12.0)
            frame = studio.frame(replace(scene, movers=()), path, 0.0, rng)
            row, column, _ = seen_at(frame, scene.street.world(middle, 0.0, 0.1))
            seen.append(frame.truth.labels[row, column])
    assert len(seen) >= 12
    # most crossings have one
    assert np.mean([label != IDS['road'] for label in seen]) > 0.5


def test_corners_of_side_roads_are_round() -> None:
    studio, k, seen = rendered.studio(), rendered.CAMERA, 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        scene = draw_scene(rng, replace(Ranges(), islands=1.0, straight=1.0))
        street = scene.street
        crossing = next(c for c in street.crossings if c.start > 25)
        side, radius = crossing.sides[0], street.corner
        inner = next(zone.inner for zone in street.zones[side] if zone.height > 0)
        path = replace(drawn_path(rng), start_m=crossing.start - 10.0, height_m=6.0)
        path = replace(path, angles=np.array([0.0, 0.42, 0.0]))
        frame = studio.frame(replace(scene, movers=()), path, 0.0, rng)
        for beyond in (0.4, -0.4):
            # where the bisector of the corner meets the arc
            off = radius - (radius - beyond) / 2**0.5
            s, t = crossing.start + radius - off, side * (inner + off)
            height = street.ground_height(s, t)
            assert (height > 0) == (beyond > 0)
            row, column, z = seen_at(frame, street.world(s, t, height))
            inside = 0 <= row < k.height and 0 <= column < k.width
            # else a tree or a post is before it
            if inside and frame.truth.depth[row, column] > 0.98 * z:
                seen += 1
                assert frame.truth.depth[row, column] == pytest.approx(z, rel=0.01)
                assert (frame.truth.labels[row, column] == IDS['road']) == (beyond < 0)
    assert seen >= 8


def test_arrows_on_islands_point_down_to_the_right_of_who_comes_along() -> None:
    seen = 0
    for seed in range(8):
        post = island_post(np.random.default_rng(seed)).vertices
        blue = post[(post['surface'][:, 0] == Layer.SIGN_BLUE)]
        # in the texture the arrow points up
        tip, centre = (np.abs(blue['uv'] - [0.5, v]).max(1) < 0.01 for v in (0.0, 0.5))
        for _, y, z in blue['position'][tip] - blue['position'][centre]:
            seen += 1
            # they look along x, and y is to the left
            assert y == pytest.approx(z)
            assert y < -0.15
    assert seen >= 4


def test_a_sweep_lies_on_the_surfaces_that_the_camera_sees(still: list[Frame]) -> None:
    frame = still[0]
    rendered.studio()
    points = Lidar().sweep(frame.moment, np.random.default_rng(0), noise_m=0.0)
    assert len(points) > 5000
    optical = points[:, :3] @ LIDAR_IN_CAMERA[:3, :3].T + LIDAR_IN_CAMERA[:3, 3]
    k = rendered.CAMERA
    u = np.rint(k.fx_px * optical[:, 0] / optical[:, 2] + k.cx_px).astype(int)
    v = np.rint(k.fy_px * optical[:, 1] / optical[:, 2] + k.cy_px).astype(int)
    inside = (u >= 0) & (u < k.width) & (v >= 0) & (v < k.height) & (optical[:, 2] > 1)
    ratio = optical[inside, 2] / frame.truth.depth[v[inside], u[inside]]
    # what the lidar sees over an edge the camera may not
    assert np.median(np.abs(ratio - 1)) < 0.01
    assert np.mean(np.abs(ratio - 1) < 0.05) > 0.85


def test_a_dataset_reads_back_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    rendered.studio()
    camera = Intrinsics(180.0, 180.0, 155.0, 47.0, 310, 94)
    dataset.render(tmp_path, range(1), camera, Ranges(), processes=1, samples=1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'images').iterdir()}
    dataset.render(tmp_path, range(2), camera, Ranges(), processes=1, samples=1)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())
    assert dataset.write_index(tmp_path) == 2 * len(before)
    sheet = cv2.imread(str(dataset.write_contact_sheet(tmp_path)))
    assert sheet.shape == (12 * 188, 3 * 621, 3)
    assert sheet.std() > 20
    rows = read_index(tmp_path / 'index.csv')
    row = rows[0]
    depth, labels, normals = row.read_depth(), row.read_labels(), row.read_normals()
    assert depth is not None
    assert labels is not None
    assert normals is not None
    assert row.read_picture().shape == (94, 310, 3)
    assert row.f_px == 180.0
    sky = labels == IDS['sky']
    assert np.isnan(depth[sky]).all()
    assert np.isfinite(depth[~sky]).mean() > 0.95
    assert np.array_equal(np.isnan(normals[..., 0]), sky)
    np.testing.assert_allclose(np.linalg.norm(normals[~sky], axis=-1), 1.0, atol=0.02)


def test_nobody_draws_on_when_the_command_is_killed(tmp_path: Path) -> None:
    rendered.studio()
    words = ('render', str(tmp_path), '--frames', '800', '--samples', '1', *CAMERA_WORDS)
    command = subprocess.Popen(
        [sys.executable, '-m', 'mtl_perception.offline', *words, '--processes', '2']
    )
    try:
        wait_until(lambda: any(tmp_path.glob('images/*')))
        workers = workers_of(command.pid)
    finally:
        command.kill()
        command.wait()
    assert len(workers) == 2
    wait_until(lambda: not any(map(runs, workers)))


def workers_of(pid: int) -> list[str]:
    children = Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
    return [c for c in children if 'spawn_main' in Path(f'/proc/{c}/cmdline').read_text()]


def runs(pid: str) -> bool:
    """Tell whether a process runs: one that has ended may be waited for by nobody."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] not in 'ZX'
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(happened: Callable[[], bool], seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, 'it did not happen'
        time.sleep(0.2)


CAMERA_WORDS = ('--camera', '180', '180', '155', '47', '310', '94')


def render_words(folder: Path, *words: str) -> list[str]:
    return [
        'render',
        str(folder),
        '--frames',
        '2',
        *('--processes', '1', '--samples', '1'),
        *words,
    ]


def test_a_folder_of_other_settings_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    rendered.studio()
    assert main(render_words(tmp_path, *CAMERA_WORDS)) == 0
    assert 'with 8 frames' in capsys.readouterr().out
    assert main(render_words(tmp_path, *CAMERA_WORDS, '--queues', '1')) == 1
    said = f'{tmp_path} was rendered with queues 0.0, not 1.0; give the same, or another folder'
    assert said in capsys.readouterr().err
    # rendered before there were settings beside the scenes
    (tmp_path / dataset.SETTINGS).unlink()
    assert main(render_words(tmp_path)) == 1
    assert 'was rendered with cx_px 155.0, cy_px 47.0, fx_px 180.0' in capsys.readouterr().err
    assert main(render_words(tmp_path, *CAMERA_WORDS)) == 0
    assert 'only its camera can be compared' in caplog.text
    assert (tmp_path / dataset.SETTINGS).is_file()


def test_a_camera_may_stand_lower(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rendered.studio()
    assert main(render_words(tmp_path, *CAMERA_WORDS, '--camera-height', '0.5', '0.5')) == 0
    heights = []
    for row in read_index(tmp_path / 'index.csv'):
        labels, depth = row.read_labels(), row.read_depth()
        camera = Intrinsics.centred(row.f_px, None, row.principal_row, labels.shape)
        heights.append(ground_height_m(labels == IDS['road'], depth, camera))
    found = [height for height in heights if height is not None]
    assert len(found) > len(heights) / 2
    assert np.median(found) == pytest.approx(0.5, rel=0.1)
    assert main(render_words(tmp_path / 'no', '--camera-height', '0.5', '0')) == 1
    assert '--camera-height is 0.5 0.0; expected 0 < LOW' in capsys.readouterr().err


def test_without_egl_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv('__EGL_VENDOR_LIBRARY_DIRS', str(tmp_path))
    assert main(render_words(tmp_path / 'out', *CAMERA_WORDS)) == 1
    said = capsys.readouterr().err
    assert 'mtl_perception render: OpenGL cannot be opened without a screen' in said
    assert 'libegl1' in said
    assert 'Traceback' not in said


def test_a_drive_is_one_of_kitti_and_becomes_a_bag(tmp_path: Path) -> None:
    rendered.studio()
    folder = tmp_path / 'drive'
    write_drive(folder, Description(seed=2, frames=3, samples=1), Lidar())
    drive = read_drive(folder)
    assert len(drive.cameras['image_02'].paths) == 3
    assert np.diff(drive.cameras['image_02'].stamps_ns).tolist() == [10**8] * 2
    counts = kitti_to_bag(drive, tmp_path / 'bag', BagOptions())
    assert counts['/kitti/camera_color_left/image_raw'] == 3
    assert counts['/kitti/velo/pointcloud'] == 3
    assert Description.read(folder) == Description(2, 3, 1)
    with pytest.raises(FileExistsError, match='give a new folder'):
        write_drive(folder, Description(2, 3, 1))


def test_normals_survive_their_encoding() -> None:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(5, 7, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[2, 3] = np.nan
    encoded = encode_normals(normals)
    assert encoded.dtype == np.uint8
    assert (encoded[2, 3] == 0).all()
    assert (np.delete(encoded.reshape(-1, 3), 2 * 7 + 3, 0) > 0).all()


def test_a_moment_is_needed_for_a_picture(still: list[Frame]) -> None:
    scene: Scene = draw_scene(np.random.default_rng(0), Ranges())
    with pytest.raises(ValueError, match='one moment at least'):
        rendered.studio().renderer.picture([], scene.light)
    empty = Moment([], still[0].moment.camera)
    truth = rendered.studio().renderer.truth(empty)
    assert np.isposinf(truth.depth).all()
    assert cv2.countNonZero(truth.labels) == 0


def test_less_open_sky_darkens_the_street_and_its_shadows_most(still: list[Frame]) -> None:
    studio = rendered.studio()
    moment, labels = still[0].moment, still[0].truth.labels
    light = draw_scene(np.random.default_rng(0), Ranges(overcast=0.0)).light
    light = replace(light, sun_elevation=0.8, cloudiness=0.0, open_sky=1.0, haze_per_m=0.0)
    light = replace(light, exposure=0.3)  # nothing is near white
    wide = studio.renderer.picture([moment], light).astype(float)
    narrow = studio.renderer.picture([moment], replace(light, open_sky=0.3)).astype(float)
    sky = labels == IDS['sky']
    inner = cv2.erode(sky.astype(np.uint8), np.ones((5, 5))) > 0
    np.testing.assert_array_equal(narrow[inner], wide[inner])
    road = labels == IDS['road']
    before = wide[road].mean(1)
    left = narrow[road].mean(1) / before.clip(1)
    darkest, lightest = np.percentile(before, (10, 90))
    assert left[before <= darkest].mean() < left[before >= lightest].mean() < 0.98


@pytest.mark.parametrize(
    ('values', 'brightness', 'gain'),
    [
        *(([60.0], 90.0, 1.5), ([10.0], 90.0, 3.0), ([200.0], 90.0, 0.9), ([0.0], 90.0, 3.0)),
        ([250.0, 50.0], 180.0, 105 / 50),  # the lighter half clips at 255
    ],
)
def test_a_camera_exposes_for_its_brightness(
    values: list[float], brightness: float, gain: float
) -> None:
    found = exposure_gain(np.array(values, np.float32), brightness)
    assert found == pytest.approx(gain, rel=0.01)


def test_pictures_of_one_camera_are_as_bright_whatever_the_light() -> None:
    rng = np.random.default_rng(0)
    camera = Photography.drawn(rng, Ranges(contrast=(1.0, 1.0), brightness=(90.0, 90.0)))
    drawn = rng.integers(20, 160, (60, 80, 3)).astype(np.uint8)
    taken = [camera.develop((share * drawn).astype(np.uint8), rng) for share in (1.0, 0.5)]
    assert [picture.mean() for picture in taken] == pytest.approx([90.0, 90.0], abs=1.5)


@pytest.mark.parametrize('count', [1, 2, 4, 16])
def test_the_samples_of_a_pixel_lie_about_its_centre(count: int) -> None:
    places = np.array(offsets(count))
    np.testing.assert_allclose(places.mean(0), 0, atol=1e-9)
    assert np.abs(places).max() < 0.75
    assert len({(x, y) for x, y in places.round(6)}) == count
