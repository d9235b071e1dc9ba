"""The label space of NYUDv2: 40 classes (Gupta et al., CVPR 2013)."""

import numpy as np

from .space import Colour, LabelSpace

_NAMES = (
    *('wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window'),
    *('bookshelf', 'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser'),
    *('pillow', 'mirror', 'floor_mat', 'clothes', 'ceiling', 'books', 'refridgerator'),
    *('television', 'paper', 'towel', 'shower_curtain', 'box', 'whiteboard', 'person'),
    *('night_stand', 'toilet', 'sink', 'lamp', 'bathtub', 'bag', 'otherstructure'),
    *('otherfurniture', 'otherprop'),
)


def _varied_colours(count: int) -> tuple[Colour, ...]:
    """Spread the bits of the ids over the channels, as the PASCAL VOC colour map does."""
    ids = np.arange(count)
    channels = [
        sum(((ids >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(3))
        for channel in range(3)
    ]
    return tuple((int(r), int(g), int(b)) for r, g, b in zip(*channels, strict=True))


NYUD40 = LabelSpace('nyud40', _NAMES, _varied_colours(len(_NAMES)))
