"""A side of each kind of street, put together from rows; woods behind."""

from collections.abc import Callable

import numpy as np

from mtl_perception.rendering.ranges import Ranges
from mtl_perception.rendering.scene.shapes import furniture, vegetation
from mtl_perception.rendering.scene.street import AHEAD_M, BEHIND_M, Generator, THEIRS

from .chunks import Chunks
from .rows import borders, bushes, houses, posts, stretches, thicket, trees, tufts


def _city(chunks: Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    houses(chunks, rng, side, (0.0, 2.5), (2, 7), (-0.01, 0.0), shops=0.5)
    posts(chunks, rng, side)
    edge = chunks.street.edge(side)
    if rng.random() < 0.5:
        per_100_m = float(rng.uniform(*ranges.trees_per_100_m))
        trees(chunks, rng, side, per_100_m, (edge - 0.8, edge - 0.3), (4, 10))


def _residential(chunks: Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    edge = chunks.street.edge(side)
    if (instead := rng.random()) < 0.2:
        thicket(chunks, rng, side, (0.8, 4.0))
    elif instead < 0.4:
        # a park
        trees(chunks, rng, side, 25.0, (edge + 1.5, edge + 30), (5, 16))
        bushes(chunks, rng, side, 12.0, (edge + 0.8, edge + 12))
    else:
        houses(chunks, rng, side, (0.5, 9.0), (1, 4), (0.0, 9.0), shops=0.06)
    per_100_m = float(rng.uniform(*ranges.trees_per_100_m))
    trees(chunks, rng, side, per_100_m, (edge + 0.5, edge + 3.5), (3, 11))
    bushes(chunks, rng, side, float(rng.uniform(0, 12)), (edge + 0.6, edge + 4))
    borders(chunks, rng, side, ('hedge', 'hedge', 'wall', 'fence', 'none'))
    posts(chunks, rng, side)


def _alley(chunks: Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    """Let fronts, or high walls and hedges with trees behind, stand close to what drives."""
    edge = chunks.street.edge(side)
    if rng.random() < 0.4:
        houses(chunks, rng, side, (0.0, 0.6), (1, 4), (0.0, 3.0), shops=0.1)
    else:
        borders(chunks, rng, side, ('hedge', 'wall', 'wall', 'fence'), tall=1.6)
        trees(chunks, rng, side, float(rng.uniform(10, 60)), (edge + 1.2, edge + 4), (2.5, 9))
        bushes(chunks, rng, side, float(rng.uniform(0, 60)), (edge + 0.9, edge + 3))
        houses(chunks, rng, side, (3.0, 12.0), (1, 3), (1.0, 12.0))
    if rng.random() < 0.5:
        posts(chunks, rng, side)


def _suburb(chunks: Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    edge = chunks.street.edge(side)
    if rng.random() < 0.4:
        thicket(chunks, rng, side, (0.8, 6.0))
    else:
        houses(chunks, rng, side, (4.0, 16.0), (1, 3), (4.0, 25.0))
    per_100_m = float(rng.uniform(*ranges.trees_per_100_m))
    trees(chunks, rng, side, 1.5 * per_100_m, (edge + 0.5, edge + 25), (4, 15))
    bushes(chunks, rng, side, 10.0, (edge + 0.5, edge + 10))
    borders(chunks, rng, side, ('hedge', 'fence', 'none', 'none'))
    posts(chunks, rng, side)
    tufts(chunks, rng, side, (edge, edge + 6))


def _rural(chunks: Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    edge = chunks.street.edge(side)
    wooded = rng.random() < 0.5
    if wooded:
        thicket(chunks, rng, side, (0.5, 5.0))
    trees(chunks, rng, side, 22.0 if wooded else 4.0, (edge + 0.5, edge + 28), (5, 18))
    bushes(chunks, rng, side, 25.0 if wooded else 6.0, (edge + 0.3, edge + 12))
    if not wooded and rng.random() < 0.4:
        houses(chunks, rng, side, (8.0, 30.0), (1, 3), (30.0, 90.0))
    if rng.random() < 0.3:
        for start, stop in stretches(chunks.street, side, 3.0):
            line = chunks.line(start, stop, side * (chunks.street.half_width + 0.9), 2.0)
            chunks.add(start, furniture.guard_rail(line))
    tufts(chunks, rng, side, (chunks.street.half_width + 1.0, edge + 8))


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
    if rng.random() < 0.4:
        thicket(chunks, rng, side, (2.5, 8.0))
    trees(chunks, rng, side, 18.0, (edge + 3, edge + 30), (5, 16))
    bushes(chunks, rng, side, 20.0, (edge + 1.5, edge + 10))
    if rng.random() < 0.4:
        houses(chunks, rng, side, (15.0, 35.0), (1, 5), (10.0, 60.0))
    tufts(chunks, rng, side, (half + 2.2, edge + 6))


SIDES: dict[str, Callable[[Chunks, Generator, Ranges, int], None]] = {
    'city': _city,
    'residential': _residential,
    'alley': _alley,
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
