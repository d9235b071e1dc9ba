"""Label spaces to train road scenes for: road8, and the six classes of arXiv 1809.04766."""

from .space import LabelSpace, one_to_one

# CamVid's colours, which the paper's pictures have as well
SKY, BUILDING, ROAD = (128, 128, 128), (128, 0, 0), (128, 64, 128)
SIDEWALK, VEGETATION, VEHICLE = (0, 0, 192), (128, 128, 0), (64, 0, 128)
PERSON, OBJECT = (220, 20, 60), (192, 192, 128)
_COLOURS = (SKY, BUILDING, ROAD, SIDEWALK, VEGETATION, VEHICLE)
_SAME = one_to_one({k: k for k in range(6)})

KITTI6 = LabelSpace(
    'kitti6',
    ('sky', 'building', 'road', 'sidewalk', 'vegetation', 'car'),
    _COLOURS,
    {'road8': _SAME},
)
ROAD8 = LabelSpace(
    'road8',
    ('sky', 'building', 'road', 'sidewalk', 'vegetation', 'vehicle', 'person', 'object'),
    (*_COLOURS, PERSON, OBJECT),
    {'kitti6': _SAME},
)
