"""Label spaces of CamVid: the 11 classes that are scored, and the 31 that people painted."""

from .road import BUILDING, KITTI6, OBJECT, ROAD, ROAD8, SIDEWALK, SKY, VEGETATION, VEHICLE
from .space import by_name, LabelSpace, one_to_one

CAMVID11 = LabelSpace(
    'camvid11',
    (
        *('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign_symbol', 'fence', 'car'),
        *('pedestrian', 'bicyclist'),
    ),
    (
        *(SKY, BUILDING, OBJECT, ROAD, SIDEWALK, VEGETATION, (192, 128, 128)),
        *((64, 64, 128), VEHICLE, (64, 64, 0), (0, 128, 192)),
    ),
    {
        'kitti6': one_to_one({0: 0, 1: 1, 3: 2, 4: 3, 5: 4, 8: 5}),
        'road8': one_to_one({0: 0, 1: 1, 2: 7, 3: 2, 4: 3, 5: 4, 6: 7, 7: 7, 8: 5, 9: 6, 10: 6}),
    },
)

# name, colour, class of camvid11 as SegNet's annotations have it, classes of kitti6 and road8;
# the 32nd colour, black, is "void"
_CLASSES = (
    ('animal', (64, 128, 64), 'pedestrian', '', ''),
    ('archway', (192, 0, 128), 'building', 'building', 'building'),
    ('bicyclist', (0, 128, 192), 'bicyclist', '', 'person'),
    ('bridge', (0, 128, 64), 'building', 'building', 'building'),
    ('building', BUILDING, 'building', 'building', 'building'),
    ('car', VEHICLE, 'car', 'car', 'vehicle'),
    ('cart_luggage_pram', (64, 0, 192), 'pedestrian', '', 'person object'),
    ('child', (192, 128, 64), 'pedestrian', '', 'person'),
    ('column_pole', OBJECT, 'pole', '', 'object'),
    ('fence', (64, 64, 128), 'fence', '', 'object'),
    ('lane_markings_driving', (128, 0, 192), 'road', 'road', 'road'),
    ('lane_markings_not_driving', (192, 0, 64), 'road', 'road', 'road'),
    ('misc_text', (128, 128, 64), 'sign_symbol', '', 'object'),
    ('motorcycle_scooter', (192, 0, 192), 'bicyclist', '', 'vehicle person'),
    ('other_moving', (128, 64, 64), 'car', 'car', 'vehicle'),
    ('parking_block', (64, 192, 128), 'pavement', 'sidewalk', 'sidewalk'),
    ('pedestrian', (64, 64, 0), 'pedestrian', '', 'person'),
    ('road', ROAD, 'road', 'road', 'road'),
    ('road_shoulder', (128, 128, 192), 'pavement', 'sidewalk', 'sidewalk'),
    ('sidewalk', SIDEWALK, 'pavement', 'sidewalk', 'sidewalk'),
    ('sign_symbol', (192, 128, 128), 'sign_symbol', '', 'object'),
    ('sky', SKY, 'sky', 'sky', 'sky'),
    ('suv_pickup_truck', (64, 128, 192), 'car', 'car', 'vehicle'),
    ('traffic_cone', (0, 0, 64), 'pole', '', 'object'),
    ('traffic_light', (0, 64, 64), 'sign_symbol', '', 'object'),
    ('train', (192, 64, 128), 'car', 'car', 'vehicle'),
    ('tree', VEGETATION, 'tree', 'vegetation', 'vegetation'),
    ('truck_bus', (192, 128, 192), 'car', 'car', 'vehicle'),
    ('tunnel', (64, 0, 64), 'building', 'building', 'building'),
    ('vegetation_misc', (192, 192, 0), 'tree', 'vegetation', 'vegetation'),
    ('wall', (64, 192, 0), 'building', 'building', 'building object'),
)
_NAMES, _COLOURS, _CAMVID11, _KITTI6, _ROAD8 = zip(*_CLASSES, strict=True)

CAMVID31 = LabelSpace(
    'camvid31',
    _NAMES,
    _COLOURS,
    {
        'camvid11': by_name(CAMVID11, _CAMVID11),
        'kitti6': by_name(KITTI6, _KITTI6),
        'road8': by_name(ROAD8, _ROAD8),
    },
)
