"""Label spaces: ids, names, colours, and the mappings between them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNLABELLED = 255
Colour = tuple[int, int, int]


class Part(NamedTuple):
    """The classes [start, stop) of a label space, which are those of the space of that name."""

    space: str
    start: int
    stop: int


@dataclass(frozen=True)
class LabelSpace:
    """Classes by id; `mappings` takes ids to those of another space, by its name.

    A mapping to several ids means "one of these" (the class is their union); an id without a
    mapping becomes unlabelled. `joined` names the spaces that this one sets side by side: what
    maps to one of them maps to its part of this one.
    """

    name: str
    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    mappings: Mapping[str, Mapping[int, tuple[int, ...]]] = field(default_factory=dict)
    joined: tuple[str, ...] = ()

    def palette(self) -> NDArray[np.uint8]:
        """Give the RGB colour of each id as (256, 3); ids without a class are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self.colours)] = self.colours
        return table

    def id_of(self, class_name: str) -> int | None:
        """Give the id of a class, None if this space does not have it."""
        return self.names.index(class_name) if class_name in self.names else None

    def parts(self) -> tuple[Part, ...]:
        """Give the parts whose classes exclude each other: the joined spaces, or this one whole.

        A pixel has a class of the part that its picture was labelled in; what it would be in
        another part, nobody has said.
        """
        if not self.joined:
            return (Part(self.name, 0, len(self.names)),)
        counts = [len(label_space(name).names) for name in self.joined]
        stops = np.cumsum(counts).tolist()
        starts = [0, *stops[:-1]]
        return tuple(Part(*part) for part in zip(self.joined, starts, stops, strict=True))

    def maps_to(self, target: str) -> bool:
        """Say whether ids of this space have a meaning in the target space."""
        joined = LABEL_SPACES[target].joined if target in LABEL_SPACES else ()
        return target in (self.name, *self.mappings) or any(map(self.maps_to, joined))

    def allowed_classes(self, target: str) -> NDArray[np.int64]:
        """Tabulate, for each id, the classes of the target space that it may be.

        Returns (256,) of bit sets: bit k is set where class k is allowed; 0 is unlabelled.
        Raises ValueError if there is no mapping to target.
        """
        table = np.zeros(256, np.int64)
        if target == self.name:
            table[: len(self.names)] = 1 << np.arange(len(self.names))
            return table
        if target not in self.mappings and self.maps_to(target):
            for part in label_space(target).parts():
                if self.maps_to(part.space):
                    table |= self.allowed_classes(part.space) << part.start
            return table
        if target not in self.mappings:
            raise ValueError(
                f"label space '{self.name}' has no mapping to '{target}'; "
                f'it maps to {", ".join(self.mappings) or "none"}'
            )
        for source_id, target_ids in self.mappings[target].items():
            table[source_id] = sum(1 << target_id for target_id in target_ids)
        return table


def label_space(name: str) -> LabelSpace:
    """Give the label space of that name; ValueError lists the known ones."""
    if name not in LABEL_SPACES:
        raise ValueError(f"label space '{name}' is unknown; choose of {', '.join(LABEL_SPACES)}")
    return LABEL_SPACES[name]


def _varied_colours(count: int) -> tuple[Colour, ...]:
    """Spread the bits of the ids over the channels, as the PASCAL VOC colour map does."""
    ids = np.arange(count)
    channels = [
        sum(((ids >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(3))
        for channel in range(3)
    ]
    return tuple((int(r), int(g), int(b)) for r, g, b in zip(*channels, strict=True))


def _one_to_one(mapping: Mapping[int, int]) -> dict[int, tuple[int, ...]]:
    return {source: (target,) for source, target in mapping.items()}


_SKY, _BUILDING, _ROAD = (128, 128, 128), (128, 0, 0), (128, 64, 128)
_SIDEWALK, _VEGETATION, _VEHICLE = (0, 0, 192), (128, 128, 0), (64, 0, 128)
_PERSON, _OBJECT = (220, 20, 60), (192, 192, 128)
_KITTI6_COLOURS = (_SKY, _BUILDING, _ROAD, _SIDEWALK, _VEGETATION, _VEHICLE)

_KITTI6 = LabelSpace(
    'kitti6',
    ('sky', 'building', 'road', 'sidewalk', 'vegetation', 'car'),
    _KITTI6_COLOURS,
    {'road8': _one_to_one({k: k for k in range(6)})},
)
_ROAD8 = LabelSpace(
    'road8',
    ('sky', 'building', 'road', 'sidewalk', 'vegetation', 'vehicle', 'person', 'object'),
    (*_KITTI6_COLOURS, _PERSON, _OBJECT),
    {'kitti6': _one_to_one({k: k for k in range(6)})},
)
_CAMVID11 = LabelSpace(
    'camvid11',
    (
        *('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign_symbol', 'fence', 'car'),
        *('pedestrian', 'bicyclist'),
    ),
    (
        *(_SKY, _BUILDING, _OBJECT, _ROAD, _SIDEWALK, _VEGETATION, (192, 128, 128)),
        *((64, 64, 128), _VEHICLE, (64, 64, 0), (0, 128, 192)),
    ),
    {
        'kitti6': _one_to_one({0: 0, 1: 1, 3: 2, 4: 3, 5: 4, 8: 5}),
        'road8': _one_to_one({0: 0, 1: 1, 2: 7, 3: 2, 4: 3, 5: 4, 6: 7, 7: 7, 8: 5, 9: 6, 10: 6}),
    },
)
_IDD_LITE7 = LabelSpace(
    'idd_lite7',
    (
        *('drivable', 'non_drivable', 'living_things', 'vehicles', 'roadside_objects'),
        *('far_objects', 'sky'),
    ),
    (
        *(_ROAD, (244, 35, 232), _PERSON, (0, 0, 142), (190, 153, 153), (70, 70, 70)),
        (70, 130, 180),
    ),
    {
        'kitti6': {0: (2,), 1: (3, 4), 3: (5,), 5: (1, 4), 6: (0,)},
        'road8': {0: (2,), 1: (3, 4), 2: (6,), 3: (5,), 4: (1, 7), 5: (1, 4), 6: (0,)},
    },
)
_CITYSCAPES19 = LabelSpace(
    'cityscapes19',
    (
        *('road', 'sidewalk', 'building', 'wall', 'fence', 'pole', 'traffic_light'),
        *('traffic_sign', 'vegetation', 'terrain', 'sky', 'person', 'rider', 'car', 'truck'),
        *('bus', 'train', 'motorcycle', 'bicycle'),
    ),
    (
        *(_ROAD, (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153)),
        *((153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152)),
        *((70, 130, 180), _PERSON, (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100)),
        *((0, 80, 100), (0, 0, 230), (119, 11, 32)),
    ),
    {
        # walls and fences count as building, terrain as vegetation, every vehicle as car
        'kitti6': _one_to_one(
            {0: 2, 1: 3, 2: 1, 3: 1, 4: 1, 8: 4, 9: 4, 10: 0, 13: 5, 14: 5, 15: 5, 16: 5}
        ),
        'road8': _one_to_one(
            {0: 2, 1: 3, 2: 1, **dict.fromkeys(range(3, 8), 7), 8: 4, 9: 4, 10: 0, 11: 6, 12: 6}
            | dict.fromkeys(range(13, 19), 5)
        ),
    },
)
_NYUD40_NAMES = (
    *('wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window'),
    *('bookshelf', 'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser'),
    *('pillow', 'mirror', 'floor_mat', 'clothes', 'ceiling', 'books', 'refridgerator'),
    *('television', 'paper', 'towel', 'shower_curtain', 'box', 'whiteboard', 'person'),
    *('night_stand', 'toilet', 'sink', 'lamp', 'bathtub', 'bag', 'otherstructure'),
    *('otherfurniture', 'otherprop'),
)
_NYUD40 = LabelSpace('nyud40', _NYUD40_NAMES, _varied_colours(40))
# the 46 logits of the network for both in arXiv 1809.04766
_NYUD40_KITTI6 = LabelSpace(
    'nyud40+kitti6',
    (*_NYUD40.names, *_KITTI6.names),
    _varied_colours(46),
    joined=(_NYUD40.name, _KITTI6.name),
)

LABEL_SPACES: dict[str, LabelSpace] = {
    space.name: space
    for space in (
        *(_ROAD8, _KITTI6, _CITYSCAPES19, _CAMVID11, _IDD_LITE7, _NYUD40),
        _NYUD40_KITTI6,
    )
}
