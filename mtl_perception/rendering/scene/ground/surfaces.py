"""What the ground is covered with: road, sidewalks, kerbs, verges, gardens."""

from dataclasses import replace
from typing import TypeAlias

import numpy as np

from mtl_perception.rendering.opengl.mesh import Floats, Material, Mesh, mesh
from mtl_perception.rendering.opengl.textures.layers import Layer
from mtl_perception.rendering.scene.street import Place, ROAD, SIDEWALK, Street, VEGETATION

# of each kind of ground: what its colour is multiplied by
Tints: TypeAlias = dict[str, float]

GROUNDS = {
    'road': Material(ROAD, (0.6, 0.6, 0.61), Layer.ASPHALT),
    'old road': Material(ROAD, (0.68, 0.67, 0.66), Layer.OLD_ASPHALT),
    'parking': Material(ROAD, (0.54, 0.52, 0.51), Layer.PAVING),
    'sidewalk': Material(SIDEWALK, (0.51, 0.49, 0.47), Layer.SLABS),
    'paving': Material(SIDEWALK, (0.53, 0.48, 0.45), Layer.PAVING),
    'asphalt walk': Material(SIDEWALK, (0.5, 0.49, 0.48), Layer.OLD_ASPHALT),
    'kerb': Material(SIDEWALK, (0.63, 0.63, 0.61), Layer.PLASTER),
    'grass': Material(VEGETATION, (0.56, 0.56, 0.5), Layer.GRASS),
    'field': Material(VEGETATION, (0.62, 0.56, 0.36), Layer.GRASS),
    'soil': Material(VEGETATION, (0.42, 0.36, 0.3), Layer.SOIL),
}
_METRES_PER_TILE = {
    **{Layer.ASPHALT: 4.0, Layer.OLD_ASPHALT: 9.0, Layer.PAVING: 1.6, Layer.SLABS: 2.4},
    **{Layer.PLASTER: 2.0, Layer.GRASS: 5.0, Layer.SOIL: 3.0},
}


def draw_tints(rng: np.random.Generator) -> Tints:
    """Draw how dark each kind of ground is in a scene; kerbs are at times as dark as the road."""
    tints = {kind: float(rng.uniform(0.7, 1.25)) for kind in GROUNDS}
    # apart, so that a seed stays the street that it was
    return {**tints, 'kerb': float(rng.spawn(1)[0].uniform(0.5, 1.2))}


def covered(
    street: Street,
    rows: Floats,
    low: Place,
    high: Place,
    height: float,
    kind: str,
    tint: Place = 1.0,
) -> Mesh:
    """Cover the ground from low to high t, at rows of s (N,), with a kind of GROUNDS.

    tint darkens it: all of it, or each row at low and at high (N, 2).
    """
    across = np.stack(np.broadcast_arrays(low, high), -1).reshape(-1, 2)
    points = street.world(rows[:, None], across, height)
    count = len(rows)
    index = 2 * np.arange(count - 1)[:, None]
    faces = np.concatenate([index + [0, 2, 3], index + [0, 3, 1]], 1)
    material = GROUNDS[kind]
    tile = _METRES_PER_TILE[Layer(material.layer)]
    uv = np.stack(np.broadcast_arrays(rows[:, None], across), -1) / tile
    return mesh(
        points, faces, material, uv.reshape(-1, 2), shade=np.broadcast_to(tint, (count, 2)).ravel()
    )


def kerb_quads(street: Street, rows: Floats, t: Place, height: float) -> Floats:
    """Give the corners (N - 1, 4, 3) of the faces of a kerb at t, at rows of s (N,)."""
    foot, top = street.world(rows, t, 0.0), street.world(rows, t, height)
    return np.stack([foot[:-1], foot[1:], top[1:], top[:-1]], 1)


def kerb_stone(tint: float) -> Material:
    """Give the material of a kerb's face, darkened by a tint like what is covered."""
    kerb = GROUNDS['kerb']
    return replace(kerb, tint=tuple(tint * value for value in kerb.tint))


def divided(inner: float, outer: float) -> Floats:
    """Divide a zone from inner to outer t: fine near the road, coarse far away."""
    edges = [inner]
    while edges[-1] < outer - 1e-6:
        edges.append(min(outer, edges[-1] + max(3.0, 0.35 * (edges[-1] - inner))))
    return np.array(edges)
