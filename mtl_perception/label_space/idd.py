"""Label spaces of the India Driving Dataset: all ids, those of level 3, the lite version's."""

from .cityscapes import CITYSCAPES19
from .road import KITTI6, PERSON, ROAD, ROAD8
from .space import by_name, LabelSpace

IDD_LITE7 = LabelSpace(
    'idd_lite7',
    (
        *('drivable', 'non_drivable', 'living_things', 'vehicles', 'roadside_objects'),
        *('far_objects', 'sky'),
    ),
    (
        *(ROAD, (244, 35, 232), PERSON, (0, 0, 142), (190, 153, 153), (70, 70, 70)),
        (70, 130, 180),
    ),
    {
        'kitti6': {0: (2,), 1: (3, 4), 3: (5,), 5: (1, 4), 6: (0,)},
        'road8': {0: (2,), 1: (3, 4), 2: (6,), 3: (5,), 4: (1, 7), 5: (1, 4), 6: (0,)},
    },
)

# a class of level 3 is called, coloured and mapped as the most frequent of its members
_LEVEL3 = (
    *('road', 'drivable_fallback', 'sidewalk', 'non_drivable_fallback', 'person', 'rider'),
    *('motorcycle', 'bicycle', 'autorickshaw', 'car', 'truck', 'bus', 'vehicle_fallback', 'curb'),
    *('wall', 'fence', 'guard_rail', 'billboard', 'traffic_sign', 'traffic_light', 'pole'),
    *('obs_str_bar_fallback', 'building', 'bridge', 'vegetation', 'sky'),
)

# one of several
_PAVED, _SOIL, _FAR = 'road sidewalk', 'sidewalk vegetation', 'building vegetation'

# id by id: name, colour, class of level 3, then the classes of cityscapes19, kitti6 and road8
_IDS = (
    ('road', ROAD, 'road', 'road', 'road', 'road'),
    ('parking', (250, 170, 160), 'drivable_fallback', '', '', _PAVED),
    ('drivable_fallback', (81, 0, 81), 'drivable_fallback', '', _PAVED, _PAVED),
    ('sidewalk', (244, 35, 232), 'sidewalk', 'sidewalk', 'sidewalk', 'sidewalk'),
    ('rail_track', (230, 150, 140), 'non_drivable_fallback', '', '', ''),
    ('non_drivable_fallback', (152, 251, 152), 'non_drivable_fallback', 'terrain', _SOIL, _SOIL),
    ('person', PERSON, 'person', 'person', '', 'person'),
    ('animal', (246, 198, 145), 'person', '', '', ''),
    ('rider', (255, 0, 0), 'rider', 'rider', '', 'person'),
    ('motorcycle', (0, 0, 230), 'motorcycle', 'motorcycle', '', 'vehicle'),
    ('bicycle', (119, 11, 32), 'bicycle', 'bicycle', '', 'vehicle'),
    ('autorickshaw', (255, 204, 54), 'autorickshaw', '', 'car', 'vehicle'),
    ('car', (0, 0, 142), 'car', 'car', 'car', 'vehicle'),
    ('truck', (0, 0, 70), 'truck', 'truck', 'car', 'vehicle'),
    ('bus', (0, 60, 100), 'bus', 'bus', 'car', 'vehicle'),
    ('caravan', (0, 0, 90), 'vehicle_fallback', '', 'car', 'vehicle'),
    ('trailer', (0, 0, 110), 'vehicle_fallback', '', 'car', 'vehicle'),
    ('train', (0, 80, 100), 'vehicle_fallback', 'train', 'car', 'vehicle'),
    ('vehicle_fallback', (136, 143, 153), 'vehicle_fallback', '', 'car', 'vehicle'),
    ('curb', (220, 190, 40), 'curb', '', '', 'sidewalk object'),
    ('wall', (102, 102, 156), 'wall', 'wall', 'building', 'object'),
    ('fence', (190, 153, 153), 'fence', 'fence', 'building', 'object'),
    ('guard_rail', (180, 165, 180), 'guard_rail', '', '', 'object'),
    ('billboard', (174, 64, 67), 'billboard', '', '', 'object'),
    ('traffic_sign', (220, 220, 0), 'traffic_sign', 'traffic_sign', '', 'object'),
    ('traffic_light', (250, 170, 30), 'traffic_light', 'traffic_light', '', 'object'),
    ('pole', (153, 153, 153), 'pole', 'pole', '', 'object'),
    ('polegroup', (153, 153, 153), 'pole', '', '', 'object'),
    ('obs_str_bar_fallback', (169, 187, 214), 'obs_str_bar_fallback', '', '', 'object'),
    ('building', (70, 70, 70), 'building', 'building', 'building', 'building'),
    ('bridge', (150, 100, 100), 'bridge', '', 'building', 'building'),
    ('tunnel', (150, 120, 90), 'bridge', '', 'building', 'building'),
    ('vegetation', (107, 142, 35), 'vegetation', 'vegetation', 'vegetation', 'vegetation'),
    ('sky', (70, 130, 180), 'sky', 'sky', 'sky', 'sky'),
    ('fallback_background', (169, 187, 214), 'sky', '', _FAR, _FAR),
    ('unlabeled', (0, 0, 0), '', '', '', ''),
    ('ego_vehicle', (0, 0, 0), '', '', '', ''),
    ('rectification_border', (0, 0, 0), '', '', '', ''),
    ('out_of_roi', (0, 0, 0), '', '', '', ''),
    ('license_plate', (0, 0, 142), '', '', '', ''),
)
_NAMES, _COLOURS, _MEMBERS_OF, _CITYSCAPES19, _KITTI6, _ROAD8 = zip(*_IDS, strict=True)
# where the ids of level 3 are in the table
_ROWS = [_NAMES.index(name) for name in _LEVEL3]

IDD26 = LabelSpace(
    'idd26',
    _LEVEL3,
    tuple(_COLOURS[row] for row in _ROWS),
    {
        'cityscapes19': by_name(CITYSCAPES19, [_CITYSCAPES19[row] for row in _ROWS]),
        'kitti6': by_name(KITTI6, [_KITTI6[row] for row in _ROWS]),
        'road8': by_name(ROAD8, [_ROAD8[row] for row in _ROWS]),
    },
)
IDD40 = LabelSpace(
    'idd40',
    _NAMES,
    _COLOURS,
    {
        'idd26': by_name(IDD26, _MEMBERS_OF),
        'cityscapes19': by_name(CITYSCAPES19, _CITYSCAPES19),
        'kitti6': by_name(KITTI6, _KITTI6),
        'road8': by_name(ROAD8, _ROAD8),
    },
    # the category "void" of the official table, and licence plates, which have no class either
    ignored=frozenset(range(35, 40)),
)
