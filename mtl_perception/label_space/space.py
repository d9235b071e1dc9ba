"""What a label space is: classes by id, colours, and mappings to other spaces."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

UNLABELLED = 255
Colour = tuple[int, int, int]
# the classes of another space by id; several mean "one of these"
Classes = Mapping[int, tuple[int, ...]]


class Part(NamedTuple):
    """The classes [start, stop) of a label space, which are those of the space of that name."""

    space: str
    start: int
    stop: int


@dataclass(frozen=True)
class LabelSpace:
    """Classes by id; `mappings` takes ids to those of another space, by its name.

    A mapping to several ids means "one of these" (the class is their union); an id without a
    mapping becomes unlabelled. `ignored` are ids that a data set gives to what is no class;
    `joined` the spaces that this one sets side by side.
    """

    name: str
    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    mappings: Mapping[str, Classes] = field(default_factory=dict)
    ignored: frozenset[int] = frozenset()
    joined: tuple['LabelSpace', ...] = ()

    def palette(self) -> NDArray[np.uint8]:
        """Give the RGB colour of each id as (256, 3); ids without a class are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self.colours)] = self.colours
        return table

    def id_of(self, class_name: str) -> int | None:
        """Give the id of a class, None if this space does not have it."""
        return self.names.index(class_name) if class_name in self.names else None

    def ids_of(self, class_names: Iterable[str]) -> list[int]:
        """Give the ids of those of the classes that this space has."""
        return [self.names.index(name) for name in class_names if name in self.names]

    def parts(self) -> tuple[Part, ...]:
        """Give the parts whose classes exclude each other: the joined spaces, or this one whole.

        A pixel has a class of the part that its picture was labelled in; what it would be in
        another part, nobody has said.
        """
        spaces = self.joined or (self,)
        stops = list(accumulate(len(space.names) for space in spaces))
        return tuple(
            Part(space.name, stop - len(space.names), stop)
            for space, stop in zip(spaces, stops, strict=True)
        )

    def maps_to(self, target: str) -> bool:
        """Say whether ids of this space have a meaning in the target space."""
        return target == self.name or target in self.mappings

    def allowed_classes(self, target: str) -> NDArray[np.int64]:
        """Tabulate, for each id, the classes of the target space that it may be.

        Returns (256,) of bit sets: bit k is set where class k is allowed; 0 is unlabelled.
        Raises ValueError if there is no mapping to target.
        """
        if not self.maps_to(target):
            raise ValueError(
                f"label space '{self.name}' has no mapping to '{target}'; "
                f'it maps to {", ".join(self.mappings) or "none"}'
            )
        table = np.zeros(256, np.int64)
        for source_id, target_ids in self.classes(target).items():
            table[source_id] = sum(1 << target_id for target_id in target_ids)
        return table

    def classes(self, target: str) -> Classes:
        """Give the classes of the target space that each id may be."""
        if target != self.name:
            return self.mappings[target]
        return {k: (k,) for k in range(len(self.names)) if k not in self.ignored}


def varied_colours(count: int) -> tuple[Colour, ...]:
    """Spread the bits of the ids over the channels, as the PASCAL VOC colour map does."""
    ids = np.arange(count)
    channels = [
        sum(((ids >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(3))
        for channel in range(3)
    ]
    return tuple((int(r), int(g), int(b)) for r, g, b in zip(*channels, strict=True))


def one_to_one(mapping: Mapping[int, int]) -> Classes:
    """Map each id to one."""
    return {source: (target,) for source, target in mapping.items()}


def by_name(target: LabelSpace, classes: Sequence[str]) -> Classes:
    """Map each id to the classes of its text, by name: none, one, or 'road sidewalk' for either.

    Raises ValueError if target lacks one of them.
    """
    named = {source: text.split() for source, text in enumerate(classes) if text}
    return {source: tuple(map(target.names.index, names)) for source, names in named.items()}


def side_by_side(*spaces: LabelSpace) -> LabelSpace:
    """Set spaces side by side: the classes of the first, then those of the next.

    Colours are new ones, since spaces share theirs.
    """
    return LabelSpace(
        '+'.join(space.name for space in spaces),
        tuple(name for space in spaces for name in space.names),
        varied_colours(sum(len(space.names) for space in spaces)),
        joined=spaces,
    )


def with_mapping_to(joint: LabelSpace, space: LabelSpace) -> LabelSpace:
    """Let what maps to a part of a joint space map to it there."""
    mapping: dict[int, tuple[int, ...]] = {}
    for part in joint.parts():
        if space.maps_to(part.space):
            for source, targets in space.classes(part.space).items():
                there = tuple(part.start + target for target in targets)
                mapping[source] = mapping.get(source, ()) + there
    return replace(space, mappings={**space.mappings, joint.name: mapping}) if mapping else space


def only_class(allowed: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Give the class of bit sets that hold exactly one, 255 for all others; of any shape."""
    single = (allowed > 0) & (allowed & (allowed - 1) == 0)
    classes = np.full(allowed.shape, UNLABELLED, np.uint8)
    classes[single] = np.log2(allowed[single]).astype(np.uint8)
    return classes
