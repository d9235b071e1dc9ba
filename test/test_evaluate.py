import json
from pathlib import Path

from made_index import make_index
import numpy as np
from numpy.typing import NDArray
import pytest

from mtl_perception.engine import Engine, Prediction
from mtl_perception.label_space import label_space
from mtl_perception.offline.evaluate import evaluate, Scale, score, write_report
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


def test_machine_labels_are_never_scored(tmp_path: Path) -> None:
    teacher = {'picture': PICTURE, 'labels': labels(5, 5), 'label_source': 'teacher'}
    report = score(predict, read_index(make_index(tmp_path, [teacher])), SCALE)
    assert report == {'sources': {}, 'all': {}}


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


def test_the_report_is_printed_and_written_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {'picture': PICTURE, 'labels': labels(0, 2), 'depth': np.full((4, 6), 20.0)}
    report = score(predict, read_index(make_index(tmp_path, [row])), SCALE)
    write_report(report, tmp_path / 'report.json')

    def refuse(constant: str) -> None:
        raise AssertionError(f'{constant} is not JSON')

    text = (tmp_path / 'report.json').read_text()
    assert json.loads(text, parse_constant=refuse) == report
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:4] for line in lines] == [
        ['made', 'segmentation', 'miou', '1.000'],
        ['made', 'depth', 'abs_rel', '0.500'],
        ['all', 'segmentation', 'miou', '1.000'],
        ['all', 'depth', 'abs_rel', '0.500'],
    ]


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
    with pytest.raises(ValueError, match=r"has no picture of three in split 'val'"):
        evaluate(index, engine, 'val', ('three',))


def test_the_six_classes_of_the_paper_have_a_mean_of_their_own(tmp_path: Path) -> None:
    row = {'picture': PICTURE, 'labels': labels(0, 2, 6), 'source': 'one'}
    figures = score(predict, read_index(make_index(tmp_path, [row])), SCALE)['all']['segmentation']
    # sky is right on 2 of 3 columns, road on 1 of 2; the person is missed
    iou = figures['iou']
    assert figures['miou_kitti6'] == pytest.approx((iou['sky'] + iou['road']) / 2)
    assert figures['miou'] == pytest.approx((iou['sky'] + iou['road'] + iou['person']) / 3)
    assert iou['person'] == 0
