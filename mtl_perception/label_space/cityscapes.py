"""Label spaces of Cityscapes: its 19 training classes, and all 34 ids, which KITTI has as well."""

from .road import KITTI6, PERSON, ROAD, ROAD8
from .space import by_name, LabelSpace, one_to_one

CITYSCAPES19 = LabelSpace(
    'cityscapes19',
    (
        *('road', 'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic_light'),
        *('traffic_sign', 'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck'),
        *('bus', 'train', 'motorcycle', 'bicycle'),
    ),
    (
        *(ROAD, (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153)),
        *((153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152)),
        *((70, 130, 180), PERSON, (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100)),
        *((0, 80, 100), (0, 0, 230), (119, 11, 32)),
    ),
    {
        # walls and fences count as building, terrain as vegetation, every vehicle as car
        'kitti6': one_to_one(
            {0: 2, 1: 3, 2: 1, 3: 1, 4: 1, 8: 4, 9: 4, 10: 0, 13: 5, 14: 5, 15: 5, 16: 5}
        ),
        'road8': one_to_one(
            {0: 2, 1: 3, 2: 1, **dict.fromkeys(range(3, 8), 7), 8: 4, 9: 4, 10: 0, 11: 6, 12: 6}
            | dict.fromkeys(range(13, 19), 5)
        ),
    },
)

# id by id: name, colour, class of kitti6 (scored as the paper does), classes of road8
_IDS = (
    ('unlabeled', (0, 0, 0), '', ''),
    ('ego_vehicle', (0, 0, 0), '', ''),
    ('rectification_border', (0, 0, 0), '', ''),
    ('out_of_roi', (0, 0, 0), '', ''),
    ('static', (0, 0, 0), '', ''),
    ('dynamic', (111, 74, 0), '', ''),
    ('ground', (81, 0, 81), '', 'road sidewalk'),
    ('road', ROAD, 'road', 'road'),
    ('sidewalk', (244, 35, 232), 'sidewalk', 'sidewalk'),
    ('parking', (250, 170, 160), '', 'road sidewalk'),
    ('rail_track', (230, 150, 140), '', ''),
    ('building', (70, 70, 70), 'building', 'building'),
    ('wall', (102, 102, 156), 'building', 'object'),
    ('fence', (190, 153, 153), 'building', 'object'),
    ('guard_rail', (180, 165, 180), '', 'object'),
    ('bridge', (150, 100, 100), '', 'building'),
    ('tunnel', (150, 120, 90), '', 'building'),
    ('pole', (153, 153, 153), '', 'object'),
    ('polegroup', (153, 153, 153), '', 'object'),
    ('traffic_light', (250, 170, 30), '', 'object'),
    ('traffic_sign', (220, 220, 0), '', 'object'),
    ('vegetation', (107, 142, 35), 'vegetation', 'vegetation'),
    ('terrain', (152, 251, 152), 'vegetation', 'vegetation'),
    ('sky', (70, 130, 180), 'sky', 'sky'),
    ('person', PERSON, '', 'person'),
    ('rider', (255, 0, 0), '', 'person'),
    ('car', (0, 0, 142), 'car', 'vehicle'),
    ('truck', (0, 0, 70), 'car', 'vehicle'),
    ('bus', (0, 60, 100), 'car', 'vehicle'),
    ('caravan', (0, 0, 90), '', 'vehicle'),
    ('trailer', (0, 0, 110), '', 'vehicle'),
    ('train', (0, 80, 100), 'car', 'vehicle'),
    ('motorcycle', (0, 0, 230), '', 'vehicle'),
    ('bicycle', (119, 11, 32), '', 'vehicle'),
)
_NAMES, _COLOURS, _KITTI6, _ROAD8 = zip(*_IDS, strict=True)

CITYSCAPES34 = LabelSpace(
    'cityscapes34',
    _NAMES,
    _COLOURS,
    {
        'cityscapes19': by_name(
            CITYSCAPES19, [name if name in CITYSCAPES19.names else '' for name in _NAMES]
        ),
        'kitti6': by_name(KITTI6, _KITTI6),
        'road8': by_name(ROAD8, _ROAD8),
    },
    # the category "void" of the official table
    ignored=frozenset(range(7)),
)
