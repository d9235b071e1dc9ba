import json
import math

import numpy as np
from numpy.typing import NDArray
import pytest

from mtl_perception.offline.evaluate.metrics import DepthMetrics, SegmentationMetrics

NAMES = ('sky', 'road', 'car', 'train')


def counted(labels: list[int], truth: list[int]) -> SegmentationMetrics:
    metrics = SegmentationMetrics(NAMES)
    allowed = np.array([[1 << k for k in truth]], np.int64)
    metrics.add(np.array([labels], np.uint8), allowed)
    return metrics


def test_iou_by_hand() -> None:
    """Sky 2 of 3, road 1 of 3, car 2 of 3; nobody saw a train and there was none."""
    metrics = counted([0, 0, 1, 1, 2, 2, 0], [0, 0, 1, 2, 2, 2, 1])
    np.testing.assert_allclose(metrics.iou(), [2 / 3, 1 / 3, 2 / 3, np.nan])
    assert metrics.miou() == pytest.approx((2 / 3 + 1 / 3 + 2 / 3) / 3)
    assert metrics.miou(slice(0, 2)) == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert metrics.summary()['pixel_accuracy'] == pytest.approx(5 / 7)


def test_a_class_that_only_the_prediction_has_does_not_count_in_the_mean() -> None:
    metrics = counted([0, 3], [0, 0])
    np.testing.assert_allclose(metrics.iou(), [1 / 2, np.nan, np.nan, 0])
    assert metrics.miou() == 1 / 2


def test_pixels_of_no_class_or_of_one_of_several_do_not_count() -> None:
    metrics = SegmentationMetrics(NAMES)
    metrics.add(np.array([[0, 1, 2, 3]], np.uint8), np.array([[1, 0, 0b110, 0b1111]], np.int64))
    assert metrics.confusion.sum() == metrics.confusion[0, 0] == 1


def test_an_unlabelled_prediction_is_wrong() -> None:
    metrics = counted([255, 0, 1], [0, 0, 1])
    np.testing.assert_allclose(metrics.iou()[:2], [1 / 2, 1])
    assert metrics.summary()['pixel_accuracy'] == pytest.approx(2 / 3)


def test_the_counts_of_all_pictures_are_put_together() -> None:
    """The mean over pictures would be (1 + 0) / 2 for sky."""
    metrics = counted([0, 0, 0], [0, 0, 0])
    metrics.add(np.array([[1]], np.uint8), np.array([[1]], np.int64))
    assert metrics.iou()[0] == 3 / 4
    assert metrics.summary()['pictures'] == 2


def test_the_highest_class_of_a_large_space_is_counted() -> None:
    metrics = SegmentationMetrics(tuple(map(str, range(40))))
    metrics.add(np.array([[39]], np.uint8), np.array([[1 << 39]], np.int64))
    assert metrics.iou()[39] == 1


def test_summaries_are_json_without_nan() -> None:
    metrics = SegmentationMetrics(NAMES)
    metrics.add(np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.int64))
    summary = json.loads(json.dumps(metrics.summary(), allow_nan=False))
    assert summary == {
        'miou': None,
        'iou': dict.fromkeys(NAMES),
        'pixel_accuracy': 0.0,
        'pictures': 1,
    }


def row(*values: float) -> NDArray[np.float32]:
    return np.array([values], np.float32)


def test_depth_errors_by_hand() -> None:
    metrics = DepthMetrics()
    metrics.add(row(10.0, 30.0, 2.0, 5.0), row(10.0, 20.0, 4.0, np.nan))
    summary = metrics.summary()
    # errors 0, 10 and -2 on 10, 20 and 4 metres; ratios 1, 1.5 and 2
    assert summary['abs_rel'] == pytest.approx((0 + 0.5 + 0.5) / 3)
    assert summary['sq_rel'] == pytest.approx((0 + 5 + 1) / 3)
    assert summary['rmse_m'] == pytest.approx(math.sqrt((0 + 100 + 4) / 3))
    assert summary['rmse_log'] == pytest.approx(
        math.sqrt((math.log(1.5) ** 2 + math.log(2) ** 2) / 3)
    )
    assert summary['log10'] == pytest.approx((math.log10(1.5) + math.log10(2)) / 3)
    # 1.25, 1.5625 and 1.953
    assert [summary[f'delta{k}'] for k in (1, 2, 3)] == pytest.approx([1 / 3, 2 / 3, 2 / 3])
    assert summary['pictures'] == 1


def test_predictions_are_clipped_to_the_range_of_the_truth() -> None:
    """+Inf, NaN and more than 80 m are 80 m; truth beyond 80 m or at 0 is not counted."""
    metrics = DepthMetrics()
    metrics.add(
        row(np.inf, np.nan, 200.0, 0.0, 7.0, 7.0, 7.0),
        row(80.0, 80.0, 80.0, 0.001, 81.0, 0.0, np.inf),
    )
    assert metrics.summary()['abs_rel'] == pytest.approx(0, abs=1e-6)


def test_nothing_is_rescaled() -> None:
    metrics = DepthMetrics()
    metrics.add(row(20.0, 40.0), row(10.0, 20.0))
    assert metrics.summary()['abs_rel'] == 1


def test_pictures_count_alike_and_those_without_truth_not_at_all() -> None:
    metrics = DepthMetrics()
    metrics.add(row(11.0), row(10.0))
    metrics.add(row(13.0, 13.0, 13.0), row(10.0, 10.0, 10.0))
    metrics.add(row(1.0), row(np.nan))
    summary = metrics.summary()
    assert summary['abs_rel'] == pytest.approx((0.1 + 0.3) / 2)
    assert summary['pictures'] == 2
    assert DepthMetrics().summary() == {'pictures': 0}


def test_iou_agrees_with_torchmetrics() -> None:
    classification = pytest.importorskip('torchmetrics.functional.classification')
    import torch

    random = np.random.default_rng(0)
    labels, truth = random.integers(0, 4, (2, 30, 40))
    found = classification.multiclass_jaccard_index(
        torch.from_numpy(labels), torch.from_numpy(truth), 4, average='none'
    )
    metrics = counted(labels.ravel().tolist(), truth.ravel().tolist())
    np.testing.assert_allclose(metrics.iou(), found, rtol=1e-6)
