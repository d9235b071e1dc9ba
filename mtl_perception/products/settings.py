"""How products look: what a user can choose of them."""

from dataclasses import dataclass, field

from mtl_perception.label_space import LabelSpace
from mtl_perception.products.obstacles import ObstacleFilter

DEPTH_ENCODINGS = ('32FC1', '16UC1')


@dataclass(frozen=True)
class ProductSettings:
    """How products look.

    Labels of less confidence (0 to 1) than `confidence_threshold` become unlabelled.
    `depth_factor` is what depth is multiplied by before anything is made of it: the focal
    correction of the camera, the user's scale, and what a lidar or the ground say.
    `depth_colour_range_m` is the fixed range of the colours of depth; `obstacles` says what is
    one. Raises ValueError if the encoding is not one of DEPTH_ENCODINGS.
    """

    label_space: LabelSpace
    confidence_threshold: float = 0.0
    depth_encoding: str = '32FC1'
    depth_factor: float = 1.0
    depth_colour_range_m: tuple[float, float] = (1.0, 80.0)
    overlay_opacity: float = 0.5
    obstacles: ObstacleFilter = field(default_factory=ObstacleFilter)

    def __post_init__(self) -> None:
        """Check the encoding."""
        if self.depth_encoding not in DEPTH_ENCODINGS:
            raise ValueError(
                f"depth encoding '{self.depth_encoding}' is unknown; "
                f'choose of {", ".join(DEPTH_ENCODINGS)}'
            )
