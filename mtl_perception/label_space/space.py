"""What a label space is: classes by id, colours, and mappings to other spaces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

UNLABELLED = 255
Colour = tuple[int, int, int]
# the classes of another space by id; several mean "one of these"
Classes = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True)
class LabelSpace:
    """Classes by id; `mappings` takes ids to those of another space, by its name.

    A mapping to several ids means "one of these" (the class is their union); an id without a
    mapping becomes unlabelled. `ignored` are ids that a data set gives to what is no class.
    """

    name: str
    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    mappings: Mapping[str, Classes] = field(default_factory=dict)
    ignored: frozenset[int] = frozenset()

    def palette(self) -> NDArray[np.uint8]:
        """Give the RGB colour of each id as (256, 3); ids without a class are black."""
        table = np.zeros((256, 3), np.uint8)
        table[: len(self.colours)] = self.colours
        return table

    def id_of(self, class_name: str) -> int | None:
        """Give the id of a class, None if this space does not have it."""
        return self.names.index(class_name) if class_name in self.names else None

    def allowed_classes(self, target: str) -> NDArray[np.int64]:
        """Tabulate, for each id, the classes of the target space that it may be.

        Returns (256,) of bit sets: bit k is set where class k is allowed; 0 is unlabelled.
        Raises ValueError if there is no mapping to target.
        """
        if target != self.name and target not in self.mappings:
            raise ValueError(
                f"label space '{self.name}' has no mapping to '{target}'; "
                f'it maps to {", ".join(self.mappings) or "none"}'
            )
        table = np.zeros(256, np.int64)
        for source_id, target_ids in self._classes(target).items():
            table[source_id] = sum(1 << target_id for target_id in target_ids)
        return table

    def _classes(self, target: str) -> Classes:
        if target != self.name:
            return self.mappings[target]
        return {k: (k,) for k in range(len(self.names)) if k not in self.ignored}


def one_to_one(mapping: Mapping[int, int]) -> Classes:
    """Map each id to one."""
    return {source: (target,) for source, target in mapping.items()}


def by_name(target: LabelSpace, classes: Sequence[str]) -> Classes:
    """Map each id to the classes of its text, by name: none, one, or 'road sidewalk' for either.

    Raises ValueError if target lacks one of them.
    """
    named = {source: text.split() for source, text in enumerate(classes) if text}
    return {source: tuple(map(target.names.index, names)) for source, names in named.items()}


def only_class(allowed: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Give the class of bit sets that hold exactly one, 255 for all others; of any shape."""
    single = (allowed > 0) & (allowed & (allowed - 1) == 0)
    classes = np.full(allowed.shape, UNLABELLED, np.uint8)
    classes[single] = np.log2(allowed[single]).astype(np.uint8)
    return classes
