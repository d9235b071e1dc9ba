"""Painted lines."""

from collections.abc import Sequence

import numpy as np

from mtl_perception.rendering.opengl.mesh import Floats, joined, Material, Mesh
from mtl_perception.rendering.opengl.primitives import quads
from mtl_perception.rendering.opengl.textures.layers import Layer
from mtl_perception.rendering.scene.street import AHEAD_M, BEHIND_M, ROAD, Street

MARKING_HEIGHT_M = 0.006


def markings(street: Street, rng: np.random.Generator) -> Mesh:
    """Build lane lines, edge lines, stop lines and zebra crossings."""
    worn = float(rng.uniform(0.6, 0.95))
    paint = Material(ROAD, (worn, worn, worn), Layer.ASPHALT)
    half, parts = street.half_width, []
    if street.kind != 'residential' or rng.random() < 0.3:
        dash, gap = (6.0, 12.0) if street.kind == 'highway' else (3.0, 6.0)
        lines = np.linspace(-half, half, street.lanes + 1)[1:-1]
        for t in lines:
            solid = rng.random() < 0.2
            starts = np.arange(-BEHIND_M, AHEAD_M - 10, 4.0 if solid else dash + gap)
            parts.append(_line(street, starts, 4.0 if solid else dash, float(t), paint))
    if street.kind in ('rural', 'highway') or rng.random() < 0.25:
        starts = np.arange(-BEHIND_M, AHEAD_M - 10, 4.0)
        for t in (half - 0.25, 0.25 - half):
            parts.append(_line(street, starts, 4.0, t, paint))
    for crossing in street.crossings:
        if street.kind in ('city', 'residential') and rng.random() < 0.5:
            for t in np.arange(-half + 0.4, half - 0.4, 1.0):
                start = np.array([crossing.start - 5.0])
                parts.append(_line(street, start, 3.0, float(t), paint, 0.5))
    return joined(parts)


def _line(
    street: Street,
    starts: Sequence[float] | Floats,
    length: float,
    t: float,
    paint: Material,
    width: float = 0.13,
) -> Mesh:
    pieces = max(1, round(length / 2.0))
    edges = np.asarray(starts)[:, None] + np.linspace(0, length, pieces + 1)
    a, b = edges[:, :-1].ravel(), edges[:, 1:].ravel()
    corners = [(a, t - width / 2), (b, t - width / 2), (b, t + width / 2), (a, t + width / 2)]
    points = np.stack([street.world(s, u, MARKING_HEIGHT_M) for s, u in corners], 1)
    uv = np.stack([np.stack([s, np.full_like(s, u)], -1) for s, u in corners], 1) / 4.0
    return quads(points, paint, uv)
