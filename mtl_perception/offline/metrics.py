"""Figures of merit of segmentation and depth, accumulated over pictures."""

from dataclasses import dataclass, field
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_DEPTH_M = 80.0


class SegmentationMetrics:
    """Intersection over union from one confusion matrix over all pictures."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """Count for classes of these names; the last column is of unlabelled predictions."""
        self.names = names
        self.confusion = np.zeros((len(names), len(names) + 1), np.int64)
        self.pictures = 0

    def add(self, labels: NDArray[np.uint8], allowed: NDArray[np.int64]) -> None:
        """Count a picture: predicted ids and the true class as a bit set, both (H, W).

        Pixels of which the truth is unlabelled, or one of several classes, do not count. A
        prediction that is no class, as 255, is wrong.
        """
        single = (allowed > 0) & (allowed & (allowed - 1) == 0)
        truth = np.log2(allowed[single]).astype(np.int64)
        count = len(self.names)
        found = np.minimum(labels[single], count)
        pairs = np.bincount(truth * (count + 1) + found, minlength=count * (count + 1))
        self.confusion += pairs.reshape(count, count + 1)
        self.pictures += 1

    def iou(self) -> NDArray[np.float64]:
        """Give the IoU of each class, NaN for a class that neither truth nor prediction has."""
        hits = np.diag(self.confusion)
        union = self.confusion[:, :-1].sum(0) + self.confusion.sum(1) - hits
        return np.where(union > 0, hits / np.maximum(union, 1), np.nan)

    def miou(self, classes: slice | list[int] = slice(None)) -> float | None:
        """Give the mean IoU over those of the classes that the truth has, None if it has none."""
        present = self.confusion.sum(1)[classes] > 0
        return float(self.iou()[classes][present].mean()) if present.any() else None

    def summary(self) -> dict[str, Any]:
        """Give mIoU, IoU per class, pixel accuracy and the number of pictures.

        What has no value is None, since JSON has no NaN.
        """
        iou = [None if math.isnan(value) else value for value in self.iou().tolist()]
        return {
            'miou': self.miou(),
            'iou': dict(zip(self.names, iou, strict=True)),
            'pixel_accuracy': float(np.diag(self.confusion).sum() / max(self.confusion.sum(), 1)),
            'pictures': self.pictures,
        }


@dataclass
class DepthMetrics:
    """Errors of depth in metres against a sparse truth, means over pictures.

    As usual for KITTI (arXiv 1406.2283): the truth up to 80 m counts, predictions are clipped to
    1 mm and 80 m, and nothing is rescaled by the median.
    """

    pictures: list[dict[str, float]] = field(default_factory=list)

    def add(self, depth_m: NDArray[np.float32], truth_m: NDArray[np.float32]) -> None:
        """Count a picture: predicted (+Inf beyond range) and true depth (NaN unknown), (H, W)."""
        valid = (truth_m > 0) & (truth_m <= MAX_DEPTH_M)
        if not valid.any():
            return
        truth = truth_m[valid].astype(np.float64)
        found = np.nan_to_num(depth_m[valid].astype(np.float64), nan=MAX_DEPTH_M)
        found = np.clip(found, 1e-3, MAX_DEPTH_M)
        error, ratio = found - truth, np.maximum(found / truth, truth / found)
        self.pictures.append(
            {
                'abs_rel': float(np.mean(np.abs(error) / truth)),
                'sq_rel': float(np.mean(error**2 / truth)),
                'rmse_m': float(np.sqrt(np.mean(error**2))),
                'rmse_log': float(np.sqrt(np.mean(np.log(found / truth) ** 2))),
                'log10': float(np.mean(np.abs(np.log10(found / truth)))),
                **{f'delta{k}': float(np.mean(ratio < 1.25**k)) for k in (1, 2, 3)},
            }
        )

    def summary(self) -> dict[str, Any]:
        """Give the mean of each error over the pictures, and their number."""
        names = self.pictures[0] if self.pictures else ()
        means = {name: float(np.mean([p[name] for p in self.pictures])) for name in names}
        return {**means, 'pictures': len(self.pictures)}
