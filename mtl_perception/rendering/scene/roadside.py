"""What stands along a street: houses, trees, borders of gardens, lamps, woods behind."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from mtl_perception.rendering.opengl.mesh import Floats, joined, Mesh
from mtl_perception.rendering.opengl.views import Part
from mtl_perception.rendering.ranges import Ranges

from .shapes import buildings, furniture, vegetation
from .street import AHEAD_M, BEHIND_M, OURS, Street, THEIRS

Generator: TypeAlias = np.random.Generator
CHUNK_M = 20.0


class Chunks:
    """Collects what stands still, in pieces along the street that can be left out of a picture."""

    def __init__(self, street: Street) -> None:
        """Start with nothing."""
        self.street = street
        self._meshes: dict[int, list[Mesh]] = defaultdict(list)

    def add(self, s: float, mesh: Mesh, whole: bool = False) -> None:
        """Take a mesh that is in the world's frame already."""
        self._meshes[-999 if whole else int(s // CHUNK_M)].append(mesh)

    def put(self, s: float, t: float, mesh: Mesh, turn: float = 0.0) -> None:
        """Stand a mesh at (s, t), turned from the street's heading."""
        height = self.street.ground_height(s, t)
        self.add(s, mesh.moved(self.street.pose(s, t, turn, height)))

    def line(self, start: float, stop: float, t: float, step: float = 2.5) -> Floats:
        """Give points along the street at a distance, on the ground."""
        s = np.linspace(start, stop, max(2, round((stop - start) / step) + 1))
        return self.street.world(s, t, self.street.ground_height((start + stop) / 2, t))

    def parts(self) -> tuple[Part, ...]:
        """Give the pieces, whose meshes are in the world's frame."""
        return tuple(Part(joined(meshes)) for meshes in self._meshes.values())


def _stretches(street: Street, side: int, margin: float) -> Iterator[tuple[float, float]]:
    """Give the intervals of s between the side roads of one side."""
    start = -BEHIND_M + 2
    for crossing in sorted(street.crossings):
        if side in crossing.sides:
            if crossing.start - margin > start:
                yield start, crossing.start - margin
            start = crossing.stop + margin
    yield start, AHEAD_M - 4


def _houses(
    chunks: Chunks,
    rng: Generator,
    side: int,
    setback: tuple[float, float],
    storeys: tuple[int, int],
    gap: tuple[float, float],
    shops: float = 0.0,
) -> None:
    street = chunks.street
    inner = street.edge(side)
    back = float(rng.uniform(*setback))
    for start, stop in _stretches(street, side, 1.5):
        s = start + float(rng.uniform(0, 4))
        while True:
            size = (float(rng.uniform(8, 20)), float(rng.uniform(8, 13)))
            if s + size[0] > stop:
                break
            house = buildings.building(
                rng, size, int(rng.integers(*storeys)), rng.random() < shops
            )
            t = inner + max(0.0, back + float(rng.normal(0, 0.15 * (setback[1] - setback[0]))))
            # the front looks at the street: the building's +x runs along it, or against it
            if side > 0:
                chunks.put(s, t, house)
            else:
                chunks.put(s + size[0], -t, house, np.pi)
            s += size[0] + float(rng.uniform(*gap))


def _trees(
    chunks: Chunks,
    rng: Generator,
    side: int,
    per_100_m: float,
    band: tuple[float, float],
    height: tuple[float, float],
    margin: float = 2.0,
) -> None:
    for start, stop in _stretches(chunks.street, side, margin):
        for _ in range(rng.poisson(max(0.0, stop - start) * per_100_m / 100)):
            s, t = float(rng.uniform(start, stop)), side * float(rng.uniform(*band))
            far = abs(t) > 30 or s > 120
            tall = float(rng.uniform(*height))
            chunks.put(s, t, vegetation.tree(rng, tall, 0.4 if far else 1.0))


def _bushes(
    chunks: Chunks, rng: Generator, side: int, per_100_m: float, band: tuple[float, float]
) -> None:
    for start, stop in _stretches(chunks.street, side, 1.0):
        for _ in range(rng.poisson(max(0.0, stop - start) * per_100_m / 100)):
            s, t = float(rng.uniform(start, stop)), side * float(rng.uniform(*band))
            chunks.put(s, t, vegetation.bush(rng, float(rng.uniform(0.4, 1.8))))


def _borders(chunks: Chunks, rng: Generator, side: int, kinds: tuple[str, ...]) -> None:
    """Set off the front gardens by hedges, walls or fences, house by house."""
    inner = chunks.street.edge(side) + 0.4
    for start, stop in _stretches(chunks.street, side, 0.5):
        s = start
        while s < stop - 4:
            end = min(stop, s + float(rng.uniform(6, 22)))
            kind = str(rng.choice(kinds))
            line = chunks.line(s, end, side * inner)
            if kind == 'hedge':
                height, width = float(rng.uniform(0.7, 2.4)), float(rng.uniform(0.5, 1.1))
                line = chunks.line(s, end, side * (inner + width / 2))
                chunks.add(s, vegetation.hedge(rng, line, height, width))
            elif kind == 'wall':
                chunks.add(s, furniture.wall(rng, line, float(rng.uniform(0.5, 2.2))))
            elif kind == 'fence':
                chunks.add(s, furniture.fence(rng, line, float(rng.uniform(0.8, 1.8))))
            s = end + float(rng.choice([0.0, 1.2, 3.5]))


def _posts(chunks: Chunks, rng: Generator, side: int) -> None:
    """Set lamps, signs, lights and bins along the edge of the road."""
    street = chunks.street
    t = side * (street.half_width + float(rng.uniform(0.4, 0.9)))
    towards = -np.pi / 2 * side
    if rng.random() < 0.75:
        spacing = float(rng.uniform(18, 40))
        one = furniture.lamp(np.random.default_rng(int(rng.integers(2**31))))
        for s in np.arange(-BEHIND_M + 5, AHEAD_M - 10, spacing):
            if street.free(s, side, 0.5):
                chunks.put(float(s), t, one, towards)
    for _ in range(rng.poisson(7)):
        s = float(rng.uniform(0, AHEAD_M - 10))
        if street.free(s, side, 0.5):
            turn = (0.0 if side == OURS else np.pi) + float(rng.normal(0, 0.15))
            chunks.put(s, t, furniture.sign(rng), turn)
    for _ in range(rng.poisson(5)):
        s = float(rng.uniform(0, AHEAD_M - 10))
        if street.free(s, side, 0.5):
            chunks.put(s, side * (street.edge(side) + 0.1), furniture.bin_or_box(rng))
    for crossing in street.crossings:
        if street.kind == 'city' and rng.random() < 0.5:
            s = crossing.start - 1.0 if side == OURS else crossing.stop + 1.0
            chunks.put(s, t, furniture.traffic_light(rng), 0.0 if side == OURS else np.pi)


def _tufts(chunks: Chunks, rng: Generator, side: int, band: tuple[float, float]) -> None:
    street = chunks.street
    count = int(rng.integers(200, 1200))
    s = rng.uniform(0, 110, count)
    t = side * rng.uniform(*band, count)
    keep = np.array([street.free(a, side, 0.3) for a in s])
    height = street.ground_height(60.0, side * (band[0] + band[1]) / 2)
    places = street.world(s[keep], t[keep], height)
    chunks.add(0.0, vegetation.tufts(rng, places, float(rng.uniform(0.1, 0.5))))


def _city(chunks: Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    _houses(chunks, rng, side, (0.0, 2.5), (2, 7), (-0.01, 0.0), shops=0.5)
    _posts(chunks, rng, side)
    edge = chunks.street.edge(side)
    if rng.random() < 0.5:
        per_100_m = float(rng.uniform(*ranges.trees_per_100_m))
        _trees(chunks, rng, side, per_100_m, (edge - 0.8, edge - 0.3), (4, 10))


def _residential(chunks: Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    edge = chunks.street.edge(side)
    if rng.random() < 0.15:
        # a park, or a wood, instead of houses
        _trees(chunks, rng, side, 25.0, (edge + 1.5, edge + 30), (5, 16))
        _bushes(chunks, rng, side, 12.0, (edge + 0.8, edge + 12))
    else:
        _houses(chunks, rng, side, (0.5, 9.0), (1, 4), (0.0, 9.0), shops=0.06)
    per_100_m = float(rng.uniform(*ranges.trees_per_100_m))
    _trees(chunks, rng, side, per_100_m, (edge + 0.5, edge + 3.5), (3, 11))
    _bushes(chunks, rng, side, float(rng.uniform(0, 12)), (edge + 0.6, edge + 4))
    _borders(chunks, rng, side, ('hedge', 'hedge', 'wall', 'fence', 'none'))
    _posts(chunks, rng, side)


def _suburb(chunks: Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    edge = chunks.street.edge(side)
    _houses(chunks, rng, side, (4.0, 16.0), (1, 3), (4.0, 25.0))
    per_100_m = float(rng.uniform(*ranges.trees_per_100_m))
    _trees(chunks, rng, side, 1.5 * per_100_m, (edge + 0.5, edge + 25), (4, 15))
    _bushes(chunks, rng, side, 10.0, (edge + 0.5, edge + 10))
    _borders(chunks, rng, side, ('hedge', 'fence', 'none', 'none'))
    _posts(chunks, rng, side)
    _tufts(chunks, rng, side, (edge, edge + 6))


def _rural(chunks: Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    edge = chunks.street.edge(side)
    wooded = rng.random() < 0.4
    _trees(chunks, rng, side, 22.0 if wooded else 4.0, (edge + 0.5, edge + 28), (5, 18))
    _bushes(chunks, rng, side, 25.0 if wooded else 6.0, (edge + 0.3, edge + 12))
    if not wooded and rng.random() < 0.4:
        _houses(chunks, rng, side, (8.0, 30.0), (1, 3), (30.0, 90.0))
    if rng.random() < 0.3:
        for start, stop in _stretches(chunks.street, side, 3.0):
            line = chunks.line(start, stop, side * (chunks.street.half_width + 0.9), 2.0)
            chunks.add(start, furniture.guard_rail(line))
    _tufts(chunks, rng, side, (chunks.street.half_width + 1.0, edge + 8))


def _highway(chunks: Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    half, edge = chunks.street.half_width, chunks.street.edge(side)
    for start in np.arange(-BEHIND_M + 2, AHEAD_M - 24, 20.0):
        line = chunks.line(float(start), float(start) + 20, side * (half + 1.4), 2.0)
        chunks.add(float(start), furniture.guard_rail(line))
        if side == THEIRS:
            middle = chunks.line(float(start), float(start) + 20, 0.0, 2.0)
            chunks.add(float(start), furniture.guard_rail(middle))
    if rng.random() < 0.35:
        height = float(rng.uniform(2.0, 4.5))
        for start in np.arange(-BEHIND_M + 2, AHEAD_M - 24, 20.0):
            line = chunks.line(float(start), float(start) + 20, side * (edge + 1.0), 4.0)
            chunks.add(float(start), furniture.wall(rng, line, height))
    _trees(chunks, rng, side, 18.0, (edge + 3, edge + 30), (5, 16))
    _bushes(chunks, rng, side, 20.0, (edge + 1.5, edge + 10))
    if rng.random() < 0.4:
        _houses(chunks, rng, side, (15.0, 35.0), (1, 5), (10.0, 60.0))
    _tufts(chunks, rng, side, (half + 2.2, edge + 6))


SIDES: dict[str, Callable[[Chunks, Generator, Ranges, int], None]] = {
    'city': _city,
    'residential': _residential,
    'suburb': _suburb,
    'rural': _rural,
    'highway': _highway,
}


def background(chunks: Chunks, rng: Generator, side: int) -> None:
    """Close the view by woods and far houses."""
    street = chunks.street
    t = float(rng.uniform(70, 118))
    height = float(rng.uniform(6, 18))
    s = np.arange(-BEHIND_M, AHEAD_M, 9.0)
    line = street.world(s, side * (t + rng.normal(0, 2.0, len(s))), 0.0)
    chunks.add(0.0, vegetation.wood(rng, line, height), whole=True)
    across = np.linspace(0, side * (t + 5), 12)
    if rng.random() < 0.9:
        end = street.world(AHEAD_M - 2 - 0.002 * across**2, across, 0.0)
        chunks.add(0.0, vegetation.wood(rng, end, height), whole=True)
