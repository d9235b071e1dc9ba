"""Label spaces: ids, names, colours, and the mappings between them."""

from .camvid import CAMVID11, CAMVID31
from .cityscapes import CITYSCAPES19, CITYSCAPES34
from .idd import IDD26, IDD40, IDD_LITE7
from .nyud import NYUD40
from .road import KITTI6, ROAD8
from .space import LabelSpace, only_class, Part, side_by_side, UNLABELLED, with_mapping_to

__all__ = [
    'LABEL_SPACES',
    'ROAD8',
    'UNLABELLED',
    'LabelSpace',
    'Part',
    'label_space',
    'only_class',
]

# the 46 logits of the network for both in arXiv 1809.04766
_JOINT = side_by_side(NYUD40, KITTI6)
_SPACES = (
    *(ROAD8, KITTI6, CITYSCAPES19, CAMVID11, IDD_LITE7, NYUD40),
    # as people painted them
    *(CITYSCAPES34, CAMVID31, IDD26, IDD40),
)
LABEL_SPACES: dict[str, LabelSpace] = {
    space.name: space for space in (*(with_mapping_to(_JOINT, each) for each in _SPACES), _JOINT)
}


def label_space(name: str) -> LabelSpace:
    """Give the label space of that name; ValueError lists the known ones."""
    if name not in LABEL_SPACES:
        raise ValueError(f"label space '{name}' is unknown; choose of {', '.join(LABEL_SPACES)}")
    return LABEL_SPACES[name]
