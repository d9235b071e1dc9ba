import json
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest
import torch

from mtl_perception.offline.evaluate.metrics import (
    DepthMetrics,
    NormalsMetrics,
    SegmentationMetrics,
)

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
        'pixel_accuracy': None,
        'pictures': 0,
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


def test_only_predicted_classes_count_in_the_mean_where_asked() -> None:
    """As in the evaluation that the authors of arXiv 1809.04766 publish."""
    metrics = SegmentationMetrics(NAMES, only_predicted_count=True)
    metrics.add(np.array([[0, 3]], np.uint8), np.array([[1, 1]], np.int64))
    assert metrics.miou() == (1 / 2 + 0) / 2


def test_median_scaling_takes_out_a_factor_and_says_which() -> None:
    metrics = DepthMetrics(median_scaled=True)
    metrics.add(row(20.0, 40.0, 60.0), row(10.0, 20.0, 30.0))
    metrics.add(row(5.0, 10.0, np.inf), row(10.0, 20.0, 80.0))
    summary = metrics.summary()
    assert summary['abs_rel'] == pytest.approx(0, abs=1e-9)
    assert summary['scale'] == pytest.approx((0.5 + 2) / 2)


def test_what_is_scaled_is_clipped_afterwards() -> None:
    metrics = DepthMetrics(max_depth_m=40.0, median_scaled=True)
    metrics.add(row(5.0, 5.0, 30.0), row(10.0, 10.0, 40.0))
    assert metrics.summary()['abs_rel'] == pytest.approx(0, abs=1e-9)


def test_pooled_errors_count_pixels_alike_with_one_root_for_all() -> None:
    metrics = DepthMetrics(pooled=True)
    metrics.add(row(11.0), row(10.0))
    metrics.add(row(13.0, 13.0, 13.0), row(10.0, 10.0, 10.0))
    summary = metrics.summary()
    assert summary['abs_rel'] == pytest.approx((0.1 + 3 * 0.3) / 4)
    assert summary['rmse_m'] == pytest.approx(math.sqrt((1 + 3 * 9) / 4))


def turned(*angles: float) -> NDArray[np.float32]:
    """Give normals (1, N, 3) turned from the camera's axis by angles in degrees."""
    radians = np.radians(angles)
    normals = np.stack([np.sin(radians), 0 * radians, -np.cos(radians)], -1)
    return normals[None].astype(np.float32)


def test_angles_between_normals_by_hand() -> None:
    metrics = NormalsMetrics()
    metrics.add(turned(0, 10, 20, 25, 90), turned(0, 0, 0, 0, 0))
    summary = metrics.summary()
    assert summary['mean_deg'] == pytest.approx(145 / 5, abs=1e-3)
    assert summary['median_deg'] == pytest.approx(20, abs=0.06)
    assert summary['within_11.25_deg'] == 2 / 5
    assert summary['within_22.5_deg'] == 3 / 5
    assert summary['within_30_deg'] == 4 / 5
    assert summary['pictures'] == 1


def test_length_does_not_matter_and_the_opposite_is_counted() -> None:
    metrics = NormalsMetrics()
    metrics.add(3 * turned(0, 180), turned(0, 0))
    assert metrics.summary()['mean_deg'] == pytest.approx(90, abs=1e-3)


def test_unknown_normals_do_not_count_but_missing_predictions_are_wrong() -> None:
    metrics = NormalsMetrics()
    metrics.add(np.full((1, 2, 3), np.nan, np.float32), turned(0, np.nan))
    assert metrics.summary()['mean_deg'] == 180
    unseen = NormalsMetrics()
    unseen.add(turned(0), np.full((1, 1, 3), np.nan, np.float32))
    assert unseen.summary() == {'pictures': 0}


def test_normals_of_all_pictures_are_put_together() -> None:
    parts = [NormalsMetrics(), NormalsMetrics()]
    parts[0].add(turned(10), turned(0))
    parts[1].add(turned(20, 30, 40), turned(0, 0, 0))
    parts[0].merge(parts[1])
    summary = parts[0].summary()
    assert summary['mean_deg'] == pytest.approx(25, abs=1e-3)
    assert summary['pictures'] == 2


class TestTorchmetrics:
    """Random pictures, measured by an independent library as well."""

    @pytest.fixture
    def functional(self) -> Any:
        return pytest.importorskip('torchmetrics.functional')

    def test_segmentation(self, functional: Any) -> None:
        random = np.random.default_rng(0)
        truth = random.integers(0, 4, (3, 30, 40))
        labels = np.where(random.random(truth.shape) < 0.6, truth, random.integers(0, 4, (30, 40)))
        truth[0, :9] = 255
        metrics = SegmentationMetrics(NAMES)
        for one, true in zip(labels, truth, strict=True):
            allowed = np.where(true == 255, 0, 1 << np.minimum(true, 4))
            metrics.add(one.astype(np.uint8), allowed.astype(np.int64))
        tensors = torch.from_numpy(labels), torch.from_numpy(truth)
        settings: dict[str, Any] = {'task': 'multiclass', 'num_classes': 4, 'ignore_index': 255}
        iou = functional.jaccard_index(*tensors, average='none', **settings)
        accuracy = functional.accuracy(*tensors, average='micro', **settings)
        np.testing.assert_allclose(metrics.iou(), iou, rtol=1e-6)
        assert metrics.miou() == pytest.approx(iou.mean().item(), rel=1e-6)
        assert metrics.summary()['pixel_accuracy'] == pytest.approx(accuracy.item(), rel=1e-6)

    @pytest.mark.parametrize('pooled', [False, True])
    def test_depth(self, functional: Any, pooled: bool) -> None:
        """The errors that it has; depth within the range, so that nothing is clipped."""
        random = np.random.default_rng(1)
        truth = [random.uniform(1, 40, (1, n)).astype(np.float32) for n in (500, 90)]
        found = [depth * random.uniform(0.5, 2, depth.shape).astype(np.float32) for depth in truth]
        metrics = DepthMetrics(pooled=pooled)
        for pair in zip(found, truth, strict=True):
            metrics.add(*pair)
        if pooled:
            found, truth = [np.concatenate(found, 1)], [np.concatenate(truth, 1)]
        expected: dict[str, list[float]] = {}
        for pair in zip(found, truth, strict=True):
            one, true = (torch.from_numpy(depth).double().ravel() for depth in pair)
            for name, value in {
                'abs_rel': functional.mean_absolute_percentage_error(one, true),
                'rmse_m': functional.mean_squared_error(one, true, squared=False),
                'rmse_log': functional.mean_squared_error(one.log(), true.log(), squared=False),
                'log10': functional.mean_absolute_error(one.log10(), true.log10()),
            }.items():
                expected.setdefault(name, []).append(value.item())
        summary = metrics.summary()
        for name, values in expected.items():
            assert summary[name] == pytest.approx(np.mean(values), rel=1e-5), name

    def test_normals(self, functional: Any) -> None:
        random = np.random.default_rng(2)
        truth = random.normal(size=(30, 40, 3)).astype(np.float32)
        found = truth + random.normal(scale=0.4, size=truth.shape).astype(np.float32)
        metrics = NormalsMetrics()
        metrics.add(found, truth)
        flat = (torch.from_numpy(each).double().reshape(-1, 3) for each in (found, truth))
        cosine = functional.cosine_similarity(*flat, reduction='none')
        angles = np.degrees(np.arccos(cosine.clamp(-1, 1).numpy()))
        summary = metrics.summary()
        assert summary['mean_deg'] == pytest.approx(angles.mean(), rel=1e-5)
        assert summary['median_deg'] == pytest.approx(np.median(angles), abs=0.1)
        assert summary['within_22.5_deg'] == pytest.approx((angles < 22.5).mean())
