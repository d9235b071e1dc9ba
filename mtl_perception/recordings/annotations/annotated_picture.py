"""A picture with what is known of it, read when asked for."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import label_space

# who made an annotation that is no truth, never scored against: another network, of which nothing
# is known but its labels; and what training.experts asked
TEACHER = 'teacher'
EXPERT = 'expert'
TEACHERS = frozenset({TEACHER, EXPERT})
_Pixel_co = TypeVar('_Pixel_co', np.uint8, np.float32, covariant=True)


class Annotation(Protocol[_Pixel_co]):
    """Something that knows where pixels lie and how they are encoded; small, and picklable."""

    @property
    def path(self) -> Path:
        """The file that has them."""

    def read(self) -> NDArray[_Pixel_co]:
        """Read the pixels. Raises ValueError if their file is missing or of another kind."""


class Picture(Annotation[np.uint8], Protocol):
    """A picture that people can find again."""

    @property
    def name(self) -> str:
        """What people call it."""


@dataclass(frozen=True)
class AnnotatedPicture:
    """A picture, its camera as far as that is known, and annotations, of which any may be None.

    `source` is the data set, or what an index calls it; `label_source` and `depth_source` say
    who made an annotation: what one of TEACHERS made is learnt from, but never scored against.
    """

    picture: Picture
    source: str
    split: str
    licence: str
    labels: Annotation[np.uint8] | None = None
    label_space: str = ''
    label_source: str = ''
    depth: Annotation[np.float32] | None = None
    depth_source: str = ''
    normals: Annotation[np.float32] | None = None
    f_px: float | None = None
    principal_row: float | None = None
    # where pixels are not square, or the principal column is told
    fy_px: float | None = None
    principal_column: float | None = None

    def read_picture(self) -> NDArray[np.uint8]:
        """Read the picture as (H, W, 3) RGB. Raises ValueError if it cannot be decoded."""
        return self.picture.read()

    def read_labels(self) -> NDArray[np.uint8] | None:
        """Read the class ids (H, W) in `label_space`, 255 unlabelled.

        Raises ValueError if they cannot be decoded.
        """
        return self.labels.read() if self.labels else None

    def read_depth(self) -> NDArray[np.float32] | None:
        """Read the depth (H, W) in metres along the optical axis, NaN where unknown.

        Raises ValueError if it cannot be decoded.
        """
        return self.depth.read() if self.depth else None

    def read_normals(self) -> NDArray[np.float32] | None:
        """Read unit normals (H, W, 3) in the optical frame, NaN where unknown.

        Raises ValueError if they cannot be decoded.
        """
        return self.normals.read() if self.normals else None

    def check_size(self, size: tuple[int, ...], annotation: tuple[int, ...]) -> None:
        """Raise ValueError unless an annotation has the size of the picture, (height, width)."""
        if annotation != size:
            (height, width), (other_height, other_width) = size, annotation
            raise ValueError(
                f'{self.picture.name} of source {self.source} is {width}x{height}, an annotation '
                f'of it {other_width}x{other_height}; give them one size'
            )

    def labels_fit(self, space: str) -> bool:
        """Say whether the labels, if there are any, have a meaning in a label space."""
        return self.labels is None or label_space(self.label_space).maps_to(space)

    def without_teachers(self) -> 'AnnotatedPicture':
        """Give the picture with what people and sensors say of it alone."""
        left: dict[str, Any] = {}
        if self.label_source in TEACHERS:
            left |= {'labels': None, 'label_source': ''}
        if self.depth_source in TEACHERS:
            left |= {'depth': None, 'depth_source': ''}
        return replace(self, **left)
