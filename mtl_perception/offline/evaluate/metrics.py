"""Figures of merit of segmentation, depth and normals, accumulated over pictures."""

from dataclasses import dataclass, field
import math
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import only_class, UNLABELLED

from .protocols import MAX_DEPTH_M

# the limits of Eigen and Fergus (arXiv 1411.4734), in degrees
ANGLES_DEG = (11.25, 22.5, 30.0)
_BINS_PER_DEGREE = 20


class SegmentationMetrics:
    """Intersection over union from one confusion matrix over all pictures."""

    def __init__(self, names: tuple[str, ...], only_predicted_count: bool = False) -> None:
        """Count for classes of these names; the last column is of unlabelled predictions.

        The mean IoU is over the classes that the truth has, and over those that only predictions
        have if these count.
        """
        self.names = names
        self.confusion = np.zeros((len(names), len(names) + 1), np.int64)
        self.pictures = 0
        self._only_predicted_count = only_predicted_count

    def add(self, labels: NDArray[np.uint8], allowed: NDArray[np.int64]) -> None:
        """Count a picture: predicted ids and the true class as a bit set, both (H, W).

        Pixels of which the truth is unlabelled, or one of several classes, do not count, nor does
        a picture without others. A prediction that is no class, as 255, is wrong.
        """
        truth = only_class(allowed)
        known = truth != UNLABELLED
        if not known.any():
            return
        count = len(self.names)
        found = np.minimum(labels[known], count)
        pairs = np.bincount(
            truth[known].astype(np.int64) * (count + 1) + found, minlength=count * (count + 1)
        )
        self.confusion += pairs.reshape(count, count + 1)
        self.pictures += 1

    def merge(self, other: Self) -> None:
        """Count the pictures of another as well."""
        self.confusion += other.confusion
        self.pictures += other.pictures

    def iou(self) -> NDArray[np.float64]:
        """Give the IoU of each class, NaN for a class that neither truth nor prediction has."""
        hits = np.diag(self.confusion)
        union = self.confusion[:, :-1].sum(0) + self.confusion.sum(1) - hits
        return np.where(union > 0, hits / np.maximum(union, 1), np.nan)

    def miou(self, classes: slice | list[int] = slice(None)) -> float | None:
        """Give the mean IoU over those of the classes that count, None if none does."""
        iou = self.iou()
        if self._only_predicted_count:
            counted = ~np.isnan(iou[classes])
        else:
            counted = self.confusion.sum(1)[classes] > 0
        return float(iou[classes][counted].mean()) if counted.any() else None

    def summary(self) -> dict[str, Any]:
        """Give mIoU, IoU per class, pixel accuracy and the number of pictures.

        What has no value is None, since JSON has no NaN.
        """
        iou = [None if math.isnan(value) else value for value in self.iou().tolist()]
        pixels = self.confusion.sum()
        return {
            'miou': self.miou(),
            'iou': dict(zip(self.names, iou, strict=True)),
            'pixel_accuracy': float(np.diag(self.confusion).sum() / pixels) if pixels else None,
            'pictures': self.pictures,
        }


@dataclass
class DepthMetrics:
    """Errors of depth in metres against a sparse truth, means over pictures.

    As usual for KITTI (arXiv 1406.2283): the truth up to a limit counts, predictions are clipped
    to 1 mm and that limit. Predictions are taken as they are, or with `median_scaled` multiplied
    by what brings their median to the truth's in each picture, for the mean of which `scale`
    stands in the figures. `pooled` means are over the pixels of all pictures.
    """

    max_depth_m: float = MAX_DEPTH_M
    median_scaled: bool = False
    pooled: bool = False
    _errors: list[dict[str, float]] = field(default_factory=list, init=False)
    _pixels: list[int] = field(default_factory=list, init=False)

    def add(self, depth_m: NDArray[np.float32], truth_m: NDArray[np.float32]) -> None:
        """Count a picture: predicted (+Inf beyond range) and true depth (NaN unknown), (H, W)."""
        valid = (truth_m > 0) & (truth_m <= self.max_depth_m)
        if not valid.any():
            return
        truth, found = (depth[valid].astype(np.float64) for depth in (truth_m, depth_m))
        far = self.max_depth_m
        found = np.nan_to_num(found, nan=far, posinf=far)
        errors = {}
        if self.median_scaled:
            scale = float(np.median(truth) / np.median(np.maximum(found, 1e-3)))
            found, errors['scale'] = found * scale, scale
        self._errors.append({**_depth_errors(np.clip(found, 1e-3, far), truth), **errors})
        self._pixels.append(len(truth))

    def merge(self, other: Self) -> None:
        """Count the pictures of another as well."""
        self._errors += other._errors
        self._pixels += other._pixels

    def summary(self) -> dict[str, Any]:
        """Give the mean of each error over the pictures, or their pixels, and their number."""
        names = self._errors[0] if self._errors else ()
        return {**{name: self._mean(name) for name in names}, 'pictures': len(self._errors)}

    def _mean(self, name: str) -> float:
        values = np.array([errors[name] for errors in self._errors])
        if not self.pooled:
            return float(values.mean())
        # the root is taken last: pictures' squared errors are averaged
        power = 2 if name.startswith('rmse') else 1
        return float(np.average(values**power, weights=self._pixels) ** (1 / power))


class NormalsMetrics:
    """Angles between predicted and true normals, over the pixels of all pictures."""

    def __init__(self) -> None:
        """Count the angles in steps of a twentieth of a degree, to which the median is right."""
        self._counts = np.zeros(180 * _BINS_PER_DEGREE + 1, np.int64)
        self._within = np.zeros(len(ANGLES_DEG), np.int64)
        self._sum_deg = 0.0
        self.pictures = 0

    def add(self, normals: NDArray[np.float32], truth: NDArray[np.float32]) -> None:
        """Count a picture: predicted and true vectors (H, W, 3), NaN where there is none.

        Vectors need not have unit length. A missing prediction is wrong by 180 degrees.
        """
        angles = angles_deg(normals, truth)
        angles = angles[~np.isnan(angles)]
        if not len(angles):
            return
        bins = (angles * _BINS_PER_DEGREE).astype(np.int64)
        self._counts += np.bincount(bins, minlength=len(self._counts))
        self._within += [np.count_nonzero(angles < limit) for limit in ANGLES_DEG]
        self._sum_deg += float(angles.sum())
        self.pictures += 1

    def merge(self, other: Self) -> None:
        """Count the pictures of another as well."""
        self._counts += other._counts
        self._within += other._within
        self._sum_deg += other._sum_deg
        self.pictures += other.pictures

    def summary(self) -> dict[str, Any]:
        """Give mean and median angle, the shares of pixels below the limits, and the pictures."""
        if not self.pictures:
            return {'pictures': 0}
        pixels = int(self._counts.sum())
        median_bin = np.searchsorted(np.cumsum(self._counts), (pixels + 1) // 2)
        shares = (self._within / pixels).tolist()
        return {
            'mean_deg': self._sum_deg / pixels,
            'median_deg': float(median_bin + 0.5) / _BINS_PER_DEGREE,
            **{f'within_{limit:g}_deg': x for limit, x in zip(ANGLES_DEG, shares, strict=True)},
            'pictures': self.pictures,
        }


def angles_deg(normals: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """Give the angle between vectors (H, W, 3) as (H, W): NaN where there is no truth.

    Where only the prediction is missing, it is 180.
    """
    lengths = np.linalg.norm(normals, axis=-1) * np.linalg.norm(truth, axis=-1)
    with np.errstate(invalid='ignore', divide='ignore'):
        cosine = (normals.astype(np.float64) * truth).sum(-1) / lengths
    angles: NDArray[np.float64] = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    unknown = ~(np.linalg.norm(truth, axis=-1) > 0)
    return np.where(unknown, np.nan, np.nan_to_num(angles, nan=180.0))


def _depth_errors(found: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, float]:
    error, ratio = found - truth, np.maximum(found / truth, truth / found)
    return {
        'abs_rel': float(np.mean(np.abs(error) / truth)),
        'sq_rel': float(np.mean(error**2 / truth)),
        'rmse_m': float(np.sqrt(np.mean(error**2))),
        'rmse_log': float(np.sqrt(np.mean(np.log(found / truth) ** 2))),
        'log10': float(np.mean(np.abs(np.log10(found / truth)))),
        **{f'delta{k}': float(np.mean(ratio < 1.25**k)) for k in (1, 2, 3)},
    }
