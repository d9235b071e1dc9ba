"""Rows of things along one side of a street: houses, trees, borders of gardens, lamps."""

from collections.abc import Iterator

import numpy as np

from mtl_perception.rendering.scene.shapes import buildings, furniture, vegetation
from mtl_perception.rendering.scene.street import AHEAD_M, BEHIND_M, Generator, OURS, Street

from .chunks import Chunks


def stretches(street: Street, side: int, margin: float) -> Iterator[tuple[float, float]]:
    """Give the intervals of s between the side roads of one side."""
    start = -BEHIND_M + 2
    for crossing in sorted(street.crossings):
        if side in crossing.sides:
            if crossing.start - margin > start:
                yield start, crossing.start - margin
            start = crossing.stop + margin
    yield start, AHEAD_M - 4


def houses(
    chunks: Chunks,
    rng: Generator,
    side: int,
    setback: tuple[float, float],
    storeys: tuple[int, int],
    gap: tuple[float, float],
    shops: float = 0.0,
) -> None:
    """Stand houses behind the edge, gaps between them; shops is their share on the ground floor.

    setback is how far behind, storeys how high: from, and below.
    """
    street = chunks.street
    inner = street.edge(side)
    back = float(rng.uniform(*setback))
    for start, stop in stretches(street, side, 1.5):
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


def trees(
    chunks: Chunks,
    rng: Generator,
    side: int,
    per_100_m: float,
    band: tuple[float, float],
    height: tuple[float, float],
) -> None:
    """Scatter trees over a band of t, far ones with fewer leaves."""
    for s, t in _scattered(chunks.street, rng, side, per_100_m, band, margin=2.0):
        far = abs(t) > 30 or s > 120
        tall = float(rng.uniform(*height))
        chunks.put(s, t, vegetation.tree(rng, tall, 0.4 if far else 1.0))


def bushes(
    chunks: Chunks, rng: Generator, side: int, per_100_m: float, band: tuple[float, float]
) -> None:
    """Scatter bushes over a band of t."""
    for s, t in _scattered(chunks.street, rng, side, per_100_m, band, margin=1.0):
        chunks.put(s, t, vegetation.bush(rng, float(rng.uniform(0.4, 1.8))))


def thicket(chunks: Chunks, rng: Generator, side: int, behind: tuple[float, float]) -> None:
    """Close a side by the edge of a wood: bushes and trees in front of what nobody sees through.

    behind is how far from the edge of the built-up strip it begins.
    """
    begin = chunks.street.edge(side) + float(rng.uniform(*behind))
    height = float(rng.uniform(4, 14))
    bushes(chunks, rng, side, 45.0, (begin, begin + 2.5))
    trees(chunks, rng, side, 12.0, (begin + 1.0, begin + 4.0), (0.6 * height, 1.2 * height))
    for start, stop in stretches(chunks.street, side, 2.0):
        line = chunks.line(start, stop, side * (begin + 4.5), 3.0)
        chunks.add(start, vegetation.wood(rng, line, height))


def _scattered(
    street: Street,
    rng: Generator,
    side: int,
    per_100_m: float,
    band: tuple[float, float],
    margin: float,
) -> Iterator[tuple[float, float]]:
    """Draw places (s, t) between the side roads, one at a time."""
    for start, stop in stretches(street, side, margin):
        for _ in range(rng.poisson(max(0.0, stop - start) * per_100_m / 100)):
            yield float(rng.uniform(start, stop)), side * float(rng.uniform(*band))


def borders(
    chunks: Chunks, rng: Generator, side: int, kinds: tuple[str, ...], tall: float = 1.0
) -> None:
    """Set off the front gardens by hedges, walls or fences, house by house; tall scales them."""
    inner = chunks.street.edge(side) + 0.4
    for start, stop in stretches(chunks.street, side, 0.5):
        s = start
        while s < stop - 4:
            end = min(stop, s + float(rng.uniform(6, 22)))
            kind = str(rng.choice(kinds))
            line = chunks.line(s, end, side * inner)
            if kind == 'hedge':
                height, width = tall * float(rng.uniform(0.7, 2.4)), float(rng.uniform(0.5, 1.1))
                line = chunks.line(s, end, side * (inner + width / 2))
                chunks.add(s, vegetation.hedge(rng, line, height, width))
            elif kind == 'wall':
                chunks.add(s, furniture.wall(rng, line, tall * float(rng.uniform(0.5, 2.2))))
            elif kind == 'fence':
                chunks.add(s, furniture.fence(rng, line, float(rng.uniform(0.8, 1.8))))
            s = end + float(rng.choice([0.0, 1.2, 3.5]))


def posts(chunks: Chunks, rng: Generator, side: int) -> None:
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


def tufts(chunks: Chunks, rng: Generator, side: int, band: tuple[float, float]) -> None:
    """Strew tufts of high grass over a band of t."""
    street = chunks.street
    count = int(rng.integers(200, 1200))
    s = rng.uniform(0, 110, count)
    t = side * rng.uniform(*band, count)
    keep = np.array([street.free(a, side, 0.3) for a in s])
    height = street.ground_height(60.0, side * (band[0] + band[1]) / 2)
    places = street.world(s[keep], t[keep], height)
    chunks.add(0.0, vegetation.tufts(rng, places, float(rng.uniform(0.1, 0.5))))
