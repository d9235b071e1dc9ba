from dataclasses import replace
import json
from pathlib import Path
from typing import Any

from made_index import make_index
import numpy as np
from numpy.typing import NDArray
import pytest

from mtl_perception.engine import Engine, Prediction
from mtl_perception.geometry import Intrinsics
from mtl_perception.ground import GroundPlane
from mtl_perception.label_space import label_space
from mtl_perception.offline.__main__ import main
from mtl_perception.offline.evaluate import (
    evaluate,
    PROTOCOLS,
    Scale,
    score,
    write_report,
)
from mtl_perception.recordings.dataset_index import read_index

PICTURE = np.full((4, 6, 3), 90, np.uint8)
SCALE = Scale('road8', 700.0)


def labels(*classes: int) -> NDArray[np.uint8]:
    """Give labels of 4 x 6 pixels, the classes side by side."""
    return np.repeat([np.repeat(classes, 6 // len(classes))], 4, axis=0).astype(np.uint8)


def predict(picture: NDArray[np.uint8]) -> Prediction:
    """Answer sky on the left, road on the right; 10 m everywhere."""
    depth = np.full(picture.shape[:2], 10, np.float32)
    return Prediction(labels(0, 2), np.full_like(labels(0), 255), depth, None)


def test_figures_are_given_per_source_and_together(tmp_path: Path) -> None:
    index = make_index(
        tmp_path,
        [
            {'picture': PICTURE, 'labels': labels(0, 2), 'source': 'one'},
            {'picture': PICTURE, 'labels': labels(2, 2), 'source': 'two'},
            {'picture': PICTURE, 'depth': np.full((4, 6), 20.0), 'source': 'two'},
        ],
    )
    report = score(predict, read_index(index), SCALE)
    assert set(report) == {'sources', 'all'}
    assert set(report['sources']) == {'one', 'two'}
    one, two, together = report['sources']['one'], report['sources']['two'], report['all']
    assert set(one) == {'segmentation'}
    assert one['segmentation']['miou'] == 1
    assert two['segmentation']['iou']['road'] == 1 / 2
    # 12 right of 24 for each of sky and road
    assert together['segmentation']['iou']['road'] == pytest.approx(24 / 36)
    assert together['segmentation']['iou']['sky'] == 1 / 2
    assert list(together['segmentation']['iou']) == list(label_space('road8').names)
    assert two['depth']['abs_rel'] == together['depth']['abs_rel'] == 1 / 2
    assert (together['segmentation']['pictures'], together['depth']['pictures']) == (2, 1)


def test_teacher_labels_are_never_scored_but_the_depth_beside_them_is(tmp_path: Path) -> None:
    teacher = {'picture': PICTURE, 'labels': labels(5, 5), 'label_source': 'teacher'}
    report = score(predict, read_index(make_index(tmp_path / 'labels', [teacher])), SCALE)
    assert report == {'sources': {}, 'all': {}}
    teacher['depth'] = np.full((4, 6), 20.0)
    report = score(predict, read_index(make_index(tmp_path / 'both', [teacher])), SCALE)
    assert set(report['all']) == {'depth', 'depth_median_scaled'}


def test_exact_labels_of_a_renderer_are_scored(tmp_path: Path) -> None:
    row = {'picture': PICTURE, 'labels': labels(0, 2), 'label_source': 'rendered'}
    report = score(predict, read_index(make_index(tmp_path, [row])), SCALE)
    assert report['all']['segmentation']['miou'] == 1


def test_labels_of_another_space_are_translated_and_unions_left_out(tmp_path: Path) -> None:
    """IDD: sky, drivable, and non-drivable, which may be sidewalk or vegetation."""
    row = {'picture': PICTURE, 'labels': labels(6, 1, 0), 'label_space': 'idd_lite7'}
    figures = score(predict, read_index(make_index(tmp_path, [row])), SCALE)['all']['segmentation']
    assert figures['pixel_accuracy'] == 1
    assert figures['iou']['sky'] == figures['iou']['road'] == 1
    assert figures['iou']['sidewalk'] is figures['iou']['vegetation'] is None


@pytest.mark.parametrize(
    ('f_px', 'training_f_px', 'metres'),
    [(1400.0, 700.0, 20.0), (350.0, 700.0, 5.0), ('', 700.0, 10.0), (1400.0, None, 10.0)],
)
def test_depth_is_taken_to_the_focal_length_of_the_picture(
    tmp_path: Path, f_px: float | str, training_f_px: float | None, metres: float
) -> None:
    """A camera of twice the focal length sees the same picture from twice the distance."""
    row = {'picture': PICTURE, 'depth': np.full((4, 6), metres), 'fx_px': f_px}
    rows = read_index(make_index(tmp_path, [row]))
    figures = score(predict, rows, Scale('road8', training_f_px))['all']['depth']
    assert figures['abs_rel'] == pytest.approx(0, abs=1e-6)


def ahead_of_a_road(picture: NDArray[np.uint8]) -> Prediction:
    """See a road below the middle, twice as far below the camera as it is."""
    camera = Intrinsics.centred(100.0, None, 59.5, picture.shape[:2])
    depth = GroundPlane.level(camera, 3.0).depth(*np.indices(picture.shape[:2]))
    depth[np.isnan(depth)] = 80.0
    road = np.where(depth < 80, 2, 0).astype(np.uint8)
    return Prediction(road, road, depth, None)


def test_depth_is_scaled_by_the_height_of_the_camera_where_that_is_known(tmp_path: Path) -> None:
    picture = np.full((120, 160, 3), 90, np.uint8)
    truth = GroundPlane.level(Intrinsics.centred(100.0, None, 59.5, (120, 160)), 1.5)
    depth = np.nan_to_num(truth.depth(*np.indices((120, 160))), nan=0.0)
    cameras: list[dict[str, Any]] = [
        {'fx_px': 100.0, 'fy_px': 100.0, 'cy_px': 59.5, 'source': 'known'},
        {'fx_px': 100.0, 'fy_px': 200.0, 'cy_px': 59.5, 'source': 'tall'},
        {'fx_px': 100.0, 'cy_px': '', 'source': 'unknown'},
    ]
    rows = [{'picture': picture, 'depth': depth, **camera} for camera in cameras]
    index = read_index(make_index(tmp_path, rows))
    # of pixels half as high the ground seen lies 1.5 m below the camera, not 3
    for height_m, errors in (
        (1.5, (0.0, 1.0, 1.0)),
        (None, (1.0, 1.0, 1.0)),
        (0.75, (0.5, 0.0, 1.0)),
    ):
        found = score(ahead_of_a_road, index, Scale('road8', 100.0, height_m))['sources']
        for source, error in zip(('known', 'tall', 'unknown'), errors, strict=True):
            assert found[source]['depth']['abs_rel'] == pytest.approx(error, abs=0.02), source


def test_the_report_is_printed_and_written_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {'picture': PICTURE, 'labels': labels(0, 2), 'depth': np.full((4, 6), 20.0)}
    report = score(predict, read_index(make_index(tmp_path, [row])), SCALE)
    path = tmp_path / 'new' / 'report.json'
    write_report(report, path)

    def refuse(constant: str) -> None:
        raise AssertionError(f'{constant} is not JSON')

    assert json.loads(path.read_text(), parse_constant=refuse) == report
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines] == [
        ['made', 'segmentation', 'miou', '1.000'],
        ['made', 'depth', 'abs_rel', '0.500'],
        ['made', 'depth_median_scaled', 'abs_rel', '0.000'],
        ['all', 'segmentation', 'miou', '1.000'],
        ['all', 'depth', 'abs_rel', '0.500'],
        ['all', 'depth_median_scaled', 'abs_rel', '0.000'],
    ]


def test_depth_is_given_as_it_is_and_scaled_by_the_median(tmp_path: Path) -> None:
    row = {'picture': PICTURE, 'depth': np.full((4, 6), 25.0)}
    figures = score(predict, read_index(make_index(tmp_path, [row])), SCALE)['all']
    assert figures['depth']['abs_rel'] == pytest.approx(15 / 25)
    assert 'scale' not in figures['depth']
    assert figures['depth_median_scaled']['abs_rel'] == pytest.approx(0, abs=1e-9)
    assert figures['depth_median_scaled']['scale'] == pytest.approx(2.5)


def test_normals_are_scored_where_the_truth_has_them(tmp_path: Path) -> None:
    ahead = np.broadcast_to(np.array([0, 0, -1], np.float32), (4, 6, 3)).copy()
    up = np.broadcast_to(np.array([0, -1, 0], np.float32), (4, 6, 3)).copy()
    up[0] = np.nan

    def predict_normals(picture: NDArray[np.uint8]) -> Prediction:
        return Prediction(None, None, None, ahead)

    rows = [
        {'picture': PICTURE, 'normals': ahead, 'source': 'one'},
        {'picture': PICTURE, 'normals': up, 'source': 'two'},
        {'picture': PICTURE, 'source': 'three'},
    ]
    report = score(predict_normals, read_index(make_index(tmp_path, rows)), SCALE)
    assert set(report['sources']) == {'one', 'two'}
    assert report['sources']['one']['normals']['mean_deg'] == pytest.approx(0, abs=0.5)
    assert report['sources']['two']['normals']['mean_deg'] == pytest.approx(90, abs=0.5)
    # 24 and 18 pixels
    assert report['all']['normals']['within_30_deg'] == pytest.approx(24 / 42)


class TestProtocols:
    """What arXiv 1809.04766 counts otherwise than we do."""

    def test_kitti6_leaves_other_truth_out_and_takes_other_answers_as_wrong(
        self, tmp_path: Path
    ) -> None:
        """True are car and person, a third of the picture each, then road; predicted is …"""

        def answer(picture: NDArray[np.uint8]) -> Prediction:
            return Prediction(labels(6, 5, 2), None, None, None)

        row = {'picture': PICTURE, 'labels': labels(13, 11, 0), 'label_space': 'cityscapes19'}
        rows = read_index(make_index(tmp_path, [row]))
        figures = score(answer, rows, SCALE, PROTOCOLS['kitti6'])['all']['segmentation']
        assert list(figures['iou']) == list(label_space('kitti6').names)
        # the car was taken for a person; that the person was taken for a car does not count
        assert (figures['iou']['car'], figures['iou']['road']) == (0, 1)
        assert figures['pixel_accuracy'] == figures['miou'] == 1 / 2

    def test_predicted_ids_of_another_space_are_translated(self, tmp_path: Path) -> None:
        """Cityscapes: 10 is sky and 0 road; its 1 and 2 are not the ids of KITTI-6 either."""

        def answer(picture: NDArray[np.uint8]) -> Prediction:
            return Prediction(labels(10, 0, 2), None, None, None)

        row = {'picture': PICTURE, 'labels': labels(0, 2, 1), 'label_space': 'kitti6'}
        rows = read_index(make_index(tmp_path, [row]))
        figures = score(answer, rows, Scale('cityscapes19', None), PROTOCOLS['kitti6'])['all']
        assert figures['segmentation']['pixel_accuracy'] == 1

    def test_kitti6_counts_classes_that_are_only_predicted(self, tmp_path: Path) -> None:
        row = {'picture': PICTURE, 'labels': labels(2), 'label_space': 'kitti6'}
        rows = read_index(make_index(tmp_path, [row]))
        figures = score(predict, rows, SCALE, PROTOCOLS['kitti6'])['all']['segmentation']
        assert figures['iou']['road'] == 1 / 2
        assert figures['miou'] == (1 / 2 + 0) / 2

    def test_depth_is_averaged_over_the_pixels_of_all_pictures(self, tmp_path: Path) -> None:
        few = np.zeros((4, 6))
        few[0, :6] = 20
        rows = [
            {'picture': PICTURE, 'depth': np.full((4, 6), 10.0)},
            {'picture': PICTURE, 'depth': few},
        ]
        rows = read_index(make_index(tmp_path, rows))
        ours = score(predict, rows, SCALE)['all']['depth']
        theirs = score(predict, rows, SCALE, PROTOCOLS['kitti6'])['all']['depth']
        assert ours['rmse_m'] == pytest.approx((0 + 10) / 2)
        assert theirs['rmse_m'] == pytest.approx((6 * 10**2 / 30) ** 0.5)

    def test_nyud40_ends_at_ten_metres(self, tmp_path: Path) -> None:
        depth = np.full((4, 6), 8.0)
        depth[0] = 10.5
        rows = read_index(make_index(tmp_path, [{'picture': PICTURE, 'depth': depth}]))
        scale = Scale('nyud40', None)
        figures = score(predict, rows, scale, PROTOCOLS['nyud40'])['all']['depth']
        assert figures['rmse_m'] == pytest.approx(2)

    def test_a_model_without_the_classes_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'road8' has no mapping to 'nyud40'"):
            score(predict, [], SCALE, PROTOCOLS['nyud40'])


def test_an_engine_is_scored_on_split_and_sources(tiny_weights: Path, tmp_path: Path) -> None:
    rows = [
        {'picture': PICTURE, 'labels': labels(7), 'split': 'val', 'source': 'one'},
        {'picture': PICTURE, 'labels': labels(7), 'split': 'val', 'source': 'two'},
        {'picture': PICTURE, 'labels': labels(7), 'split': 'train', 'source': 'one'},
    ]
    index = make_index(tmp_path, rows)
    engine = Engine(tiny_weights, 'cpu', 'torch')
    report = evaluate(index, engine, 'val', ('one',))
    assert (report['weights'], report['split']) == ('random8', 'val')
    assert list(report['sources']) == ['one']
    assert report['all']['segmentation']['pictures'] == 1
    assert evaluate(index, engine)['all']['segmentation']['pictures'] == 3
    assert 'protocol' not in report
    assert evaluate(index, engine, protocol='kitti6')['protocol'] == 'kitti6'
    words = r"split 'val' of .*index\.csv has no picture of three; it has the sources one, two"
    with pytest.raises(ValueError, match=words):
        evaluate(index, engine, 'val', ('one', 'three'))


def test_labels_that_mean_nothing_here_are_passed_over_and_counted(
    tiny_weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    foreign = {'labels': labels(7), 'label_space': 'nyud40', 'depth': np.full((4, 6), 9.0)}
    rows = [foreign, {**foreign, 'label_space': 'road8'}]
    index = make_index(tmp_path, [{'picture': PICTURE, **row} for row in rows])
    figures = evaluate(index, Engine(tiny_weights, 'cpu', 'torch'))['all']
    assert figures['segmentation']['pictures'] == 1
    assert figures['depth']['pictures'] == 2
    [said] = caplog.messages
    assert said == "labels of 1 pictures are not scored: 'nyud40' means nothing in 'road8'"


@pytest.mark.parametrize(
    'truth', [{}, {'labels': labels(255)}, {'labels': labels(7), 'label_source': 'teacher'}]
)
def test_that_there_was_nothing_to_score_is_said(
    tiny_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], truth: dict[str, Any]
) -> None:
    make_index(tmp_path, [{'picture': PICTURE, 'split': 'val', **truth}])
    options = ['--weights', str(tiny_weights), '--device', 'cpu', '--backend', 'torch']
    assert main(['evaluate', str(tmp_path), *options]) == 1
    words = f'nothing to score: none of the 1 pictures of {tmp_path} has truth for what random8'
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    'truth',
    [
        {'labels': np.zeros((4, 5), np.uint8)},
        {'depth': np.full((4, 5), 9.0)},
        {'normals': np.full((4, 5, 3), 0.5, np.float32)},
    ],
    ids=lambda truth: ''.join(truth),
)
def test_truth_of_another_size_than_its_picture_is_named(
    tmp_path: Path, truth: dict[str, Any]
) -> None:
    def answer(picture: NDArray[np.uint8]) -> Prediction:
        return replace(predict(picture), normals=np.zeros(picture.shape, np.float32))

    rows = read_index(make_index(tmp_path, [{'picture': PICTURE, **truth}]))
    with pytest.raises(ValueError, match=r'image_0\.png of source made is 6x4, .* of it 5x4;'):
        score(answer, rows, SCALE)


@pytest.mark.parametrize(
    ('space', 'given'),
    [('road8', True), ('camvid11', True), ('cityscapes19', False), ('idd_lite7', False)],
)
def test_the_mean_of_the_six_is_given_where_a_model_has_each_as_it_is(
    tmp_path: Path, space: str, given: bool
) -> None:
    row = {'picture': PICTURE, 'labels': labels(0, 1), 'label_space': space}
    rows = read_index(make_index(tmp_path, [row]))
    figures = score(predict, rows, Scale(space, None))['all']['segmentation']
    assert ('miou_kitti6' in figures) is given


def test_the_six_classes_of_the_paper_have_a_mean_of_their_own(tmp_path: Path) -> None:
    row = {'picture': PICTURE, 'labels': labels(0, 2, 6), 'source': 'one'}
    figures = score(predict, read_index(make_index(tmp_path, [row])), SCALE)['all']['segmentation']
    # sky is right on 2 of 3 columns, road on 1 of 2; the person is missed
    iou = figures['iou']
    assert figures['miou_kitti6'] == pytest.approx((iou['sky'] + iou['road']) / 2)
    assert figures['miou'] == pytest.approx((iou['sky'] + iou['road'] + iou['person']) / 3)
    assert iou['person'] == 0
