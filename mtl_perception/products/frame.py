"""The products of one answered frame."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtl_perception.engine import Prediction, reduce_picture
from mtl_perception.geometry import RayTable
from mtl_perception.label_space import UNLABELLED
from mtl_perception.messages import (
    CloudFields,
    depth_to_millimetres,
    encode_cloud,
    encode_image,
    ImageFields,
)
from mtl_perception.products.settings import ProductSettings
from mtl_perception.products.topics import (
    CONFIDENCE,
    DEPTH,
    DEPTH_COLOURS,
    LABEL_COLOURS,
    LABELS,
    NORMALS,
    OBSTACLES,
    OVERLAY,
    POINTS,
    TOPICS,
)
from mtl_perception.visualization import colour_depth, colour_labels, overlay_labels

Map: TypeAlias = NDArray[np.uint8] | None


def products(
    picture: NDArray[np.uint8],
    prediction: Prediction,
    wanted: Collection[str],
    rays: RayTable | None,
    settings: ProductSettings,
) -> dict[str, ImageFields | CloudFields]:
    """Make the wanted products of one frame, and nothing else.

    picture is (H, W, 3) RGB; where the prediction is smaller, it is reduced to its size. rays are
    those of the camera at the size of the prediction (None: uncalibrated). A topic whose maps
    the prediction lacks, or a cloud without rays, is left out.
    Raises ValueError if a wanted topic is none of TOPICS.
    """
    unknown = set(wanted) - set(TOPICS)
    if unknown:
        raise ValueError(
            f'no product is named {", ".join(sorted(unknown))}; choose of {", ".join(TOPICS)}'
        )
    confident = _confident(prediction, settings.confidence_threshold)
    frame = _Frame(picture, confident, rays, settings)
    made = ((topic, _MAKERS[topic](frame)) for topic in TOPICS if topic in wanted)
    return {topic: fields for topic, fields in made if fields is not None}


@dataclass(frozen=True, eq=False)
class _Frame:
    """One frame, with what several products share computed once and on demand."""

    picture: NDArray[np.uint8]
    prediction: Prediction
    rays: RayTable | None
    settings: ProductSettings

    @cached_property
    def reduced(self) -> NDArray[np.uint8]:
        """The picture at the size of the prediction."""
        maps = (x for x in vars(self.prediction).values() if x is not None)
        height, width = next(maps, self.picture).shape[:2]
        return reduce_picture(self.picture, height, width)

    @cached_property
    def depth_m(self) -> NDArray[np.float32] | None:
        depth_m, factor = self.prediction.depth, self.settings.depth_factor
        return depth_m if depth_m is None or factor == 1.0 else depth_m * np.float32(factor)

    def labels(self) -> ImageFields | None:
        return _encoded(self.prediction.labels, 'mono8')

    def confidence(self) -> ImageFields | None:
        return _encoded(self.prediction.confidence, 'mono8')

    def label_colours(self) -> ImageFields | None:
        labels = self.prediction.labels
        if labels is None:
            return None
        return encode_image(colour_labels(labels, self.settings.label_space), 'rgb8')

    def overlay(self) -> ImageFields | None:
        labels, settings = self.prediction.labels, self.settings
        if labels is None:
            return None
        return encode_image(
            overlay_labels(self.reduced, labels, settings.label_space, settings.overlay_opacity),
            'rgb8',
        )

    def depth(self) -> ImageFields | None:
        depth_m, encoding = self.depth_m, self.settings.depth_encoding
        if depth_m is None:
            return None
        values = depth_to_millimetres(depth_m) if encoding == '16UC1' else depth_m
        return encode_image(values, encoding)

    def depth_colours(self) -> ImageFields | None:
        if self.depth_m is None:
            return None
        return encode_image(colour_depth(self.depth_m, self.settings.depth_colour_range_m), 'rgb8')

    def normals(self) -> ImageFields | None:
        return _encoded(self.prediction.normals, '32FC3')

    @cached_property
    def points_m(self) -> NDArray[np.float32] | None:
        if self.depth_m is None or self.rays is None:
            return None
        return self.rays.points(self.depth_m)

    def points(self) -> CloudFields | None:
        if self.points_m is None:
            return None
        return encode_cloud(self.points_m, *self._at_points())

    def obstacles(self) -> CloudFields | None:
        """List the obstacles; pixels without depth are none."""
        if self.points_m is None:
            return None
        picture, labels, confidence = self._at_points()
        chosen = self.settings.obstacles
        candidate = chosen.candidates(labels, confidence, self.settings.label_space)
        rows, columns = np.nonzero(candidate & np.isfinite(self.points_m[..., 2]))
        near = chosen.is_near(self.points_m[rows, columns])
        taken = rows[near][None], columns[near][None]
        cloud = encode_cloud(
            self.points_m[taken],
            picture[taken],
            None if labels is None else labels[taken],
            None if confidence is None else confidence[taken],
        )
        return replace(cloud, is_dense=True)

    def _at_points(self) -> tuple[NDArray[np.uint8], Map, Map]:
        """Give picture, labels and confidence of the pixels that have a point."""
        stride = 1 if self.rays is None else self.rays.stride
        taken = np.s_[::stride, ::stride]
        labels, confidence = self.prediction.labels, self.prediction.confidence
        return (
            self.reduced[taken],
            None if labels is None else labels[taken],
            None if confidence is None else confidence[taken],
        )


def _confident(prediction: Prediction, threshold: float) -> Prediction:
    labels, confidence = prediction.labels, prediction.confidence
    if threshold == 0 or labels is None or confidence is None:
        return prediction
    kept = np.where(confidence < threshold * 255, np.uint8(UNLABELLED), labels)
    return replace(prediction, labels=kept)


def _encoded(
    values: NDArray[np.uint8] | NDArray[np.float32] | None, encoding: str
) -> ImageFields | None:
    return None if values is None else encode_image(values, encoding)


_MAKERS: dict[str, Callable[[_Frame], ImageFields | CloudFields | None]] = {
    LABELS: _Frame.labels,
    CONFIDENCE: _Frame.confidence,
    LABEL_COLOURS: _Frame.label_colours,
    OVERLAY: _Frame.overlay,
    DEPTH: _Frame.depth,
    DEPTH_COLOURS: _Frame.depth_colours,
    NORMALS: _Frame.normals,
    POINTS: _Frame.points,
    OBSTACLES: _Frame.obstacles,
}
