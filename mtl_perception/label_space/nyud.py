"""The label space of NYUDv2: 40 classes (Gupta et al., CVPR 2013)."""

from .space import LabelSpace, varied_colours

_NAMES = (
    *('wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window'),
    *('bookshelf', 'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser'),
    *('pillow', 'mirror', 'floor_mat', 'clothes', 'ceiling', 'books', 'refridgerator'),
    *('television', 'paper', 'towel', 'shower_curtain', 'box', 'whiteboard', 'person'),
    *('night_stand', 'toilet', 'sink', 'lamp', 'bathtub', 'bag', 'otherstructure'),
    *('otherfurniture', 'otherprop'),
)


NYUD40 = LabelSpace('nyud40', _NAMES, varied_colours(len(_NAMES)))
