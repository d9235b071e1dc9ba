"""The ground of a street: road, kerbs, sidewalks, verges, the land around."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mtl_perception.rendering.opengl.mesh import Floats, joined, Mesh
from mtl_perception.rendering.opengl.primitives import quads
from mtl_perception.rendering.scene.street import AHEAD_M, BEHIND_M, Street, Zone

from .corners import corners
from .surfaces import covered, divided, kerb_quads, kerb_stone, Tints


def ground(street: Street, rng: np.random.Generator, tints: Tints) -> Mesh:
    """Build road, kerbs, sidewalks, verges, side roads and the land around."""
    road = str(rng.choice(['road', 'old road']))
    rows = np.unique(
        np.concatenate(
            [np.arange(-BEHIND_M, AHEAD_M, 2.0), *([c.start, c.stop] for c in street.crossings)]
        )
    )
    parts = list(corners(street, tints)) if street.corner else []
    # apart, so that a seed stays the street that it was
    (weather,) = rng.spawn(1)
    for side in (1, -1):
        zones = street.zones[side]
        for zone in zones:
            parts += _strip(street, weather, side, zone, rows, road, tints)
        inner_heights = [0.0, *(zone.height for zone in zones)]
        parts += [
            _kerb_faces(street, side, zone, rows, tints)
            for zone, inner_height in zip(zones, inner_heights, strict=False)
            if zone.height != inner_height
        ]
    middle = np.linspace(-street.half_width, street.half_width, 13)
    worn = tints[road] * _wear(rng, len(rows), len(middle))
    for k, (first, second) in enumerate(pairwise(middle)):
        parts.append(covered(street, rows, first, second, 0.0, road, worn[:, k : k + 2]))
    return joined(parts)


def _wear(rng: np.random.Generator, rows: int, columns: int) -> Floats:
    """Draw how wear and weather have darkened the ground, (rows, columns): mostly lengthwise."""
    tracks = rng.normal(0, rng.uniform(0.01, 0.08), columns)
    stretches = rng.normal(0, 0.05, (rows // 6 + 2, columns))
    spots = np.repeat(stretches, 6, axis=0)[:rows]
    return np.asarray(1 + tracks + spots)


def _strip(
    street: Street,
    rng: np.random.Generator,
    side: int,
    zone: Zone,
    rows: Floats,
    road: str,
    tints: Tints,
) -> list[Mesh]:
    """Build one zone of one side, with side roads across it."""
    widths = divided(zone.inner, zone.outer)
    taken = np.array([not street.free((a + b) / 2, side) for a, b in pairwise(rows)])
    worn, parts = _wear(rng, len(rows), 1), []
    for a, b in pairwise(widths):
        low, high = sorted((side * a, side * b))
        for open_road in (False, True):
            kind, height = (road, 0.0) if open_road else (zone.kind, zone.height)
            for start, stop in _runs(taken == open_road):
                here = slice(start, stop + 1)
                shade = tints[kind] * (1.0 if open_road else worn[here])
                parts.append(covered(street, rows[here], low, high, height, kind, shade))
    if zone.height > 0 and not street.corner:
        for c in street.crossings:
            if side in c.sides and zone.inner < 40:
                for s in (c.start, c.stop):
                    t = side * np.array([zone.inner, min(zone.outer, 40.0)])
                    low_edge, top_edge = street.world(s, t, 0.0), street.world(s, t, zone.height)
                    corners = [low_edge[0], low_edge[1], top_edge[1], top_edge[0]]
                    parts.append(quads([corners], kerb_stone(tints['kerb'])))
    return parts


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Give [start, stop) of each run of True."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in zip(changes[::2], changes[1::2], strict=True)]


def _kerb_faces(street: Street, side: int, zone: Zone, rows: Floats, tints: Tints) -> Mesh:
    keep = [street.free((a + b) / 2, side) for a, b in pairwise(rows)]
    faces = kerb_quads(street, rows, side * zone.inner, zone.height)[keep]
    return quads(faces, kerb_stone(tints['kerb']))
