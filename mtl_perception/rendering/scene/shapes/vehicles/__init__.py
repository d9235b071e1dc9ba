"""Vehicles; each heads along x, with its wheels on z = 0."""

import numpy as np

from mtl_perception.rendering.opengl.mesh import Mesh

from .buses import bus
from .cars import car
from .lorries import lorry
from .silhouettes import SILHOUETTES


def vehicle(rng: np.random.Generator, kind: str) -> Mesh:
    """Build a car or van of SILHOUETTES, a lorry or a bus."""
    if kind == 'lorry':
        return lorry(rng)
    if kind == 'bus':
        return bus(rng)
    return car(rng, SILHOUETTES[kind])
