"""Predictions beside their truth, and the figures of all of them by source."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from mtl_perception.engine import Prediction
from mtl_perception.geometry import focal_factor, Intrinsics
from mtl_perception.ground import ground_height_m, is_ground
from mtl_perception.label_space import label_space, LabelSpace, only_class
from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture

from .metrics import DepthMetrics, NormalsMetrics, SegmentationMetrics
from .protocols import OWN, Protocol

ALL = 'all'
_Pixel = TypeVar('_Pixel', np.uint8, np.float32)


@dataclass(frozen=True)
class Scale:
    """What predictions mean: the label space of their ids, the focal length of their depth.

    With `camera_height_m`, each picture's depth is multiplied by what brings the ground that it
    has so far below the camera, where it has ground and the camera is known.
    """

    label_space: str
    training_f_px: float | None
    camera_height_m: float | None = None


class Comparison(NamedTuple):
    """What is predicted of a picture and what is true, (H, W) each; None where either is missing.

    | field    | predicted                  | true                                      |
    |----------|----------------------------|-------------------------------------------|
    | labels   | uint8 ids of the protocol  | int64 bit sets of the ids that may be     |
    | depth_m  | float32, +Inf beyond range | float32 metres, NaN unknown               |
    | normals  | float32 (H, W, 3)          | float32 (H, W, 3), NaN unknown            |
    """

    labels: tuple[NDArray[np.uint8], NDArray[np.int64]] | None
    depth_m: tuple[NDArray[np.float32], NDArray[np.float32]] | None
    normals: tuple[NDArray[np.float32], NDArray[np.float32]] | None


class ScoredPicture(NamedTuple):
    """A picture and the figures of it alone, by task."""

    row: AnnotatedPicture
    figures: dict[str, Any]


class Scoring:
    """Scores predictions by a protocol: together, by source, and for each picture alone.

    A teacher's labels are never scored, nor are those that mean nothing in the label space that
    is scored in; a sensor's depth is on any picture. `foreign` counts the latter by label space.
    """

    def __init__(self, scale: Scale, protocol: Protocol = OWN) -> None:
        """Start without pictures. Raises ValueError if the model lacks the protocol's classes."""
        self.space: LabelSpace = label_space(protocol.label_space or scale.label_space)
        self.pictures: list[ScoredPicture] = []
        self.foreign: Counter[str] = Counter()
        self._scale = scale
        self.max_depth_m = protocol.max_depth_m
        self._protocol = protocol
        self._class_of_id = only_class(
            label_space(scale.label_space).allowed_classes(self.space.name)
        )
        self._scores: dict[str, _Scores] = {ALL: _Scores(self.space, protocol)}

    def add(self, row: AnnotatedPicture, prediction: Prediction) -> None:
        """Count what is predicted of a picture."""
        one = _Scores(self.space, self._protocol)
        if not row.without_teachers().labels_fit(self.space.name):
            self.foreign[row.label_space] += 1
        one.add(self.compare(row, prediction))
        each = self._scores.setdefault(row.source, _Scores(self.space, self._protocol))
        for scores in (self._scores[ALL], each):
            scores.merge(one)
        self.pictures.append(ScoredPicture(row, one.summary()))

    def compare(self, row: AnnotatedPicture, prediction: Prediction) -> Comparison:
        """Read what is true of the picture, and express what is predicted in its terms.

        Raises ValueError if what is true has another size.
        """
        known = row.without_teachers()
        labels = None
        if known.labels_fit(self.space.name):
            labels = _pair(row, prediction.labels, known.read_labels())
        depth = _pair(row, prediction.depth, known.read_depth())
        return Comparison(
            labels
            and (
                self._class_of_id[labels[0]],
                label_space(row.label_space).allowed_classes(self.space.name)[labels[1]],
            ),
            depth and (self._metric(row, depth[0], prediction.labels), depth[1]),
            _pair(row, prediction.normals, known.read_normals()),
        )

    def _metric(
        self, row: AnnotatedPicture, depth: NDArray[np.float32], labels: NDArray[np.uint8] | None
    ) -> NDArray[np.float32]:
        """Give what is predicted in metres for the picture's camera."""
        depth = depth * np.float32(focal_factor(row.f_px, self._scale.training_f_px))
        height_m, f_px, principal_row = self._scale.camera_height_m, row.f_px, row.principal_row
        if height_m is None or labels is None or f_px is None or principal_row is None:
            return depth
        height, width = depth.shape
        camera = Intrinsics.centred(f_px, row.fy_px, principal_row, (height, width))
        ground = is_ground(labels, label_space(self._scale.label_space))
        found_m = ground_height_m(ground, depth, camera)
        return depth if found_m is None else depth * np.float32(height_m / found_m)

    def report(self) -> dict[str, Any]:
        """Give the figures: {'sources': {name: {task: …}}, 'all': {task: …}}."""
        summaries = {name: scores.summary() for name, scores in self._scores.items()}
        together = summaries.pop(ALL)
        return {'sources': {name: s for name, s in summaries.items() if s}, ALL: together}


def score(
    predict: Callable[[NDArray[np.uint8]], Prediction],
    rows: Iterable[AnnotatedPicture],
    scale: Scale,
    protocol: Protocol = OWN,
) -> dict[str, Any]:
    """Score what predict says of the pictures, see Scoring.report."""
    scoring = Scoring(scale, protocol)
    for row in rows:
        scoring.add(row, predict(row.read_picture()))
    return scoring.report()


def _pair(
    row: AnnotatedPicture, predicted: NDArray[_Pixel] | None, true: NDArray[_Pixel] | None
) -> tuple[NDArray[_Pixel], NDArray[_Pixel]] | None:
    """Put what is predicted and what is true beside each other, if there are both."""
    if predicted is None or true is None:
        return None
    row.check_size(predicted.shape[:2], true.shape[:2])
    return predicted, true


class _Scores:
    """The metrics of some pictures by task."""

    def __init__(self, space: LabelSpace, protocol: Protocol) -> None:
        far, pooled = protocol.max_depth_m, protocol.pooled
        self.segmentation = SegmentationMetrics(space.names, only_predicted_count=pooled)
        self.depth = DepthMetrics(far, median_scaled=False, pooled=pooled)
        self.depth_median_scaled = DepthMetrics(far, median_scaled=True, pooled=pooled)
        self.normals = NormalsMetrics()
        # the classes that arXiv 1809.04766 scores on KITTI, where the space has each as it is
        classes = space.mappings.get('kitti6', {})
        six = [(index,) for index in range(len(label_space('kitti6').names))]
        self._kitti6 = list(classes) if sorted(classes.values()) == six else []

    def add(self, comparison: Comparison) -> None:
        if comparison.labels:
            self.segmentation.add(*comparison.labels)
        if comparison.depth_m:
            self.depth.add(*comparison.depth_m)
            self.depth_median_scaled.add(*comparison.depth_m)
        if comparison.normals:
            self.normals.add(*comparison.normals)

    def merge(self, other: '_Scores') -> None:
        self.segmentation.merge(other.segmentation)
        self.depth.merge(other.depth)
        self.depth_median_scaled.merge(other.depth_median_scaled)
        self.normals.merge(other.normals)

    def summary(self) -> dict[str, Any]:
        tasks = {
            'segmentation': self.segmentation.summary(),
            'depth': self.depth.summary(),
            'depth_median_scaled': self.depth_median_scaled.summary(),
            'normals': self.normals.summary(),
        }
        if self._kitti6:
            tasks['segmentation']['miou_kitti6'] = self.segmentation.miou(self._kitti6)
        return {task: summary for task, summary in tasks.items() if summary['pictures']}
