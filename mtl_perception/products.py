"""What is made of one answered frame: fields of messages by topic, for the node and for bags."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from .engine import Prediction
from .geometry import RayTable
from .label_space import LabelSpace
from .messages import CloudFields, depth_to_millimetres, encode_cloud, encode_image, ImageFields
from .visualization import colour_depth, colour_labels, overlay_labels

LABELS = 'segmentation/labels'
CONFIDENCE = 'segmentation/confidence'
LABEL_COLOURS = 'segmentation/color'
OVERLAY = 'segmentation/overlay'
DEPTH = 'depth/image'
DEPTH_COLOURS = 'depth/color'
NORMALS = 'normals/image'
POINTS = 'points'
# the CameraInfo that goes with the pictures of a topic, and the names of the classes
CAMERA_INFOS = {LABELS: 'segmentation/camera_info', DEPTH: 'depth/camera_info'}
LABEL_INFO = 'segmentation/label_info'

DEPTH_ENCODINGS = ('32FC1', '16UC1')
_TOPICS_OF_TASK = {
    'segmentation': (LABELS, CONFIDENCE, LABEL_COLOURS, OVERLAY),
    'depth': (DEPTH, DEPTH_COLOURS, POINTS),
    'normals': (NORMALS,),
}
# what each is made of
_FIELDS = {
    LABELS: ('labels',),
    CONFIDENCE: ('confidence',),
    LABEL_COLOURS: ('labels',),
    OVERLAY: ('labels',),
    DEPTH: ('depth',),
    DEPTH_COLOURS: ('depth',),
    POINTS: ('labels', 'confidence', 'depth'),
    NORMALS: ('normals',),
}
TOPICS = tuple(topic for topics in _TOPICS_OF_TASK.values() for topic in topics)


@dataclass(frozen=True)
class ProductSettings:
    """How products look.

    `depth_factor` is what depth is multiplied by before anything is made of it: the focal
    correction of the camera times the user's scale. `depth_colour_range_m` is the fixed range of
    the colours of depth. Raises ValueError if the encoding is not one of DEPTH_ENCODINGS.
    """

    label_space: LabelSpace
    depth_encoding: str = '32FC1'
    depth_factor: float = 1.0
    depth_colour_range_m: tuple[float, float] = (1.0, 80.0)
    overlay_opacity: float = 0.5

    def __post_init__(self) -> None:
        """Check the encoding."""
        if self.depth_encoding not in DEPTH_ENCODINGS:
            raise ValueError(
                f"depth encoding '{self.depth_encoding}' is unknown; "
                f'choose of {", ".join(DEPTH_ENCODINGS)}'
            )


def topics_of(tasks: Collection[str]) -> tuple[str, ...]:
    """Give the topics that a model with these tasks can fill, in their usual order."""
    return tuple(
        topic for task, topics in _TOPICS_OF_TASK.items() if task in tasks for topic in topics
    )


def fields_of(topics: Collection[str], with_confidence: bool = False) -> set[str]:
    """Give the fields of a Prediction that these topics are made of.

    Whoever unlabels by confidence needs that field too. Topics that are not of TOPICS need none.
    """
    fields = {field for topic in topics for field in _FIELDS.get(topic, ())}
    return fields | {'confidence'} if with_confidence and 'labels' in fields else fields


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
    the prediction lacks, or POINTS without rays, is left out.
    Raises ValueError if a wanted topic is none of TOPICS.
    """
    unknown = set(wanted) - set(TOPICS)
    if unknown:
        raise ValueError(
            f'no product is named {", ".join(sorted(unknown))}; choose of {", ".join(TOPICS)}'
        )
    frame = _Frame(picture, prediction, rays, settings)
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
        if self.picture.shape[:2] == (height, width):
            return self.picture
        reduced: NDArray[np.uint8] = cv2.resize(
            self.picture, (width, height), interpolation=cv2.INTER_AREA
        )
        return reduced

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

    def points(self) -> CloudFields | None:
        if self.depth_m is None or self.rays is None:
            return None
        taken = np.s_[:: self.rays.stride, :: self.rays.stride]
        labels, confidence = self.prediction.labels, self.prediction.confidence
        return encode_cloud(
            self.rays.points(self.depth_m),
            self.reduced[taken],
            None if labels is None else labels[taken],
            None if confidence is None else confidence[taken],
        )


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
}
