"""Rounded corners of side roads: kerb, sidewalk and verge follow the arc into the side road."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from mtl_perception.rendering.opengl.mesh import Mesh
from mtl_perception.rendering.opengl.primitives import quads
from mtl_perception.rendering.scene.street import Street

from .surfaces import covered, divided, kerb_quads, kerb_stone, Tints

# from a row within an arc to the next, in radians
ARC_STEP = np.pi / 16
# between rows on both sides of a step
STEP_M = 1e-3


def corners(street: Street, tints: Tints) -> Iterator[Mesh]:
    """Build the corners of all crossings, street.corner along s each, and of that radius."""
    for crossing in street.crossings:
        for side in crossing.sides:
            yield from _corner(street, crossing.start, 1, side, tints)
            yield from _corner(street, crossing.stop, -1, side, tints)


def _corner(street: Street, edge: float, way: int, side: int, tints: Tints) -> Iterator[Mesh]:
    """Build the corner from s = edge on, way 1 or -1 along s: where the side road's arc begins."""
    zones = [zone for zone in street.zones[side] if zone.height > 0]
    radius, inner, reach = street.corner, zones[0].inner, zones[-1].outer
    # as far from the road's edge as the zones are along the street
    from_edge = [zone.inner - inner for zone in zones]
    steps = [radius - x for x in from_edge if x < radius]
    arc = radius * np.sin(np.arange(0.0, np.pi / 2, ARC_STEP))
    rows = np.unique([*arc, *steps, *(x + STEP_M for x in steps)])[::way]
    bounds = [street.corner_edge(rows, side, x) for x in from_edge]
    bounds.append(np.full(len(rows), reach))
    for zone, (low, high) in zip(zones, pairwise(bounds), strict=True):
        for a, b in pairwise(divided(inner, reach)):
            right, left = np.sort([side * np.clip(t, a, b) for t in (low, high)], axis=0)
            if (left > right).any():
                place = (street, edge + way * rows, right, left, zone.height)
                yield covered(*place, zone.kind, tints[zone.kind])
    along = divided(inner + radius, reach)
    s = edge + way * np.append(arc, np.full(len(along), radius))
    t = side * np.append(street.corner_edge(arc, side), along)
    faces = kerb_quads(street, s, t, zones[0].height)
    yield quads(faces[:, :: way * side], kerb_stone(tints['kerb']))
