"""The page of an evaluation and the pictures on it."""

import base64
from html.parser import HTMLParser
import json
import math
from pathlib import Path
from typing import Any

import cv2
from made_index import make_index
import numpy as np
from numpy.typing import NDArray
import pytest

from mtl_perception.label_space import label_space
from mtl_perception.offline.__main__ import main
from mtl_perception.offline.evaluate.page import best_and_worst, SHOWN
from mtl_perception.offline.evaluate.panels import draw_panels
from mtl_perception.offline.evaluate.score import Comparison, ScoredPicture
from mtl_perception.recordings.dataset_index import read_index
from mtl_perception.visualization import TOO_HIGH_COLOUR, TOO_LOW_COLOUR

SPACE = label_space('road8')
RANGE_M = (0.5, 80.0)
PICTURE = np.full((40, 60, 3), 90, np.uint8)


class Page(HTMLParser):
    """What is in a page: the addresses of its pictures and other resources, the text of cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.images: list[str] = []
        self.resources: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = dict(attributes)
        if tag == 'img':
            self.images.append(values['src'] or '')
        elif tag in ('script', 'link', 'iframe') or {'href', 'src'} & values.keys():
            self.resources.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())


def comparison(**fields: Any) -> Comparison:
    return Comparison(**{'labels': None, 'depth_m': None, 'normals': None, **fields})


def panels(task: str, compared: Comparison) -> list[NDArray[np.uint8]]:
    return list(draw_panels(task, PICTURE, compared, SPACE, RANGE_M).values())


def test_wrong_labels_are_red_and_pixels_without_truth_dark() -> None:
    found = np.full((40, 60), 2, np.uint8)
    truth = np.full((40, 60), 1 << 2, np.int64)
    truth[:, :20] = 1 << 5
    truth[:, 40:] = 0
    picture, predicted, true, errors = panels('segmentation', comparison(labels=(found, truth)))
    assert (picture == PICTURE).all()
    assert (errors[:, :20] == TOO_HIGH_COLOUR).all()
    assert (errors[:, 20:40] == 90).all()
    assert (errors[:, 40:] == 30).all()
    # where both say road they look alike; without truth the picture is seen
    assert (predicted[:, 20:40] == true[:, 20:40]).all()
    assert (predicted[:, :20] != true[:, :20]).any()
    assert (true[:, 40:] == PICTURE[:, 40:]).all()


def test_depth_errors_have_the_colour_of_their_sign() -> None:
    truth = np.full((40, 60), 10, np.float32)
    found = np.full((40, 60), 10, np.float32)
    found[:, :20], found[:, 40:] = 4, np.inf
    *_, errors = panels('depth', comparison(depth_m=(found, truth)))
    assert (errors[:, :20] == TOO_LOW_COLOUR).all()
    assert (errors[:, 20:40] == 255).all()
    assert (errors[:, 40:] == TOO_HIGH_COLOUR).all()


def test_points_of_a_sparse_truth_are_drawn_larger_but_not_everywhere() -> None:
    truth = np.full((40, 60), np.nan, np.float32)
    truth[20, 30] = 10
    truth[20, 5] = 90  # beyond what is scored
    _, _, true, errors = panels('depth', comparison(depth_m=(np.full_like(truth, 10), truth)))
    drawn = errors.any(-1)
    assert (drawn == true.any(-1)).all()
    assert drawn[18:23, 29:32].all()
    assert not drawn[:, :20].any()
    assert 20 < drawn.sum() < 50


def test_no_truth_within_the_range_is_black() -> None:
    truth = np.full((40, 60), np.nan, np.float32)
    _, _, true, errors = panels('depth', comparison(depth_m=(np.full_like(truth, 10), truth)))
    assert not true.any()
    assert not errors.any()


def test_normals_are_red_by_the_angle_that_they_turn_away() -> None:
    truth = np.zeros((40, 60, 3), np.float32)
    truth[..., 2] = -1
    found = truth.copy()
    found[:, :20] = (0, -math.sqrt(0.5), -math.sqrt(0.5))
    truth[:, 40:] = np.nan
    _, _, true, errors = panels('normals', comparison(normals=(found, truth)))
    assert (errors[:, :20] == TOO_HIGH_COLOUR).all()
    assert (errors[:, 20:40] == 255).all()
    assert not errors[:, 40:].any()
    assert not true[:, 40:].any()


def test_a_task_without_truth_is_refused() -> None:
    with pytest.raises(ValueError, match="'depth' cannot be drawn; the picture lacks its truth"):
        panels('depth', comparison())


@pytest.mark.parametrize(
    ('values', 'best', 'worst'),
    [
        ([0.4, 0.1, 0.3, 0.2, 0.8, 0.6, 0.5], [0.1, 0.2, 0.3], [0.8, 0.6, 0.5]),
        ([0.4, 0.1, None], [0.1], [0.4]),
        ([0.4, 0.1, 0.2], [0.1, 0.2], [0.4]),
        ([0.4], [0.4], []),
        ([], [], []),
    ],
)
def test_the_best_and_the_worst_are_chosen_by_their_own_figures(
    tmp_path: Path, values: list[float | None], best: list[float], worst: list[float]
) -> None:
    [row] = read_index(make_index(tmp_path, [{'picture': PICTURE}]))
    for task, key, sign in (('depth', 'abs_rel', 1), ('segmentation', 'miou', -1)):
        pictures = [ScoredPicture(row, {task: {key: x and sign * x}}) for x in values]
        chosen = best_and_worst(pictures, task)
        found = [[sign * p.figures[task][key] for p in some] for some in chosen]
        assert found == [best, worst]
    assert SHOWN == 3


def test_the_page_holds_the_figures_and_all_its_pictures(
    tiny_weights: Path, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    rows: list[dict[str, Any]] = [
        {
            'picture': random.integers(0, 255, (64, 96, 3), np.uint8),
            'labels': random.integers(0, 8, (64, 96)).astype(np.uint8),
            'depth': np.full((64, 96), 10.0 + number),
            'split': 'val',
            'source': 'R&D <b>',
        }
        for number in range(3)
    ]
    make_index(tmp_path, rows)
    page, figures = tmp_path / 'new' / 'page.html', tmp_path / 'figures.json'
    arguments = ['evaluate', str(tmp_path), '--weights', str(tiny_weights), '--backend', 'torch']
    arguments += ['--device', 'cpu', '--protocol', 'kitti6']
    assert main([*arguments, '--json', str(figures), '--report', str(page)]) == 0
    report = json.loads(figures.read_text())
    found = Page(page.read_text())
    assert not found.resources
    # three pictures of two tasks, four panels each
    assert len(found.images) == 3 * 2 * 4
    for image in found.images:
        kind, encoded = image.split(',')
        assert kind == 'data:image/jpeg;base64'
        buffer = np.frombuffer(base64.b64decode(encoded), np.uint8)
        assert cv2.imdecode(buffer, cv2.IMREAD_COLOR).shape == (64, 96, 3)
    assert 'R&D <b>' in found.words
    assert {'kitti6', 'sky', 'car', 'image_0.png'} <= set(found.words)
    for task, key in (('segmentation', 'miou'), ('depth', 'abs_rel')):
        assert f'{report["all"][task][key]:.3f}' in found.words


def test_a_page_of_another_kind_is_refused_before_anything_is_scored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(['evaluate', 'nowhere', '--report', 'page.pdf'])
    assert "'page.pdf' must be a file that ends in .html" in capsys.readouterr().err
