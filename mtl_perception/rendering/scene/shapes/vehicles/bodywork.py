"""What all vehicles have: paint, glass, lamps, wheels, and the dark beneath them."""

import colorsys

import numpy as np

from mtl_perception.rendering.opengl.mesh import Material, Mesh
from mtl_perception.rendering.opengl.primitives import disc, quads, tube
from mtl_perception.rendering.scene.street import VEHICLE

GLASS = Material(VEHICLE, (0.1, 0.11, 0.12), gloss=1.0)
DARK = Material(VEHICLE, (0.1, 0.1, 0.1), gloss=0.05)
CHROME = Material(VEHICLE, (0.6, 0.6, 0.62), gloss=0.8)
HEADLAMP = Material(VEHICLE, (0.7, 0.72, 0.75), gloss=0.9)
REAR_LAMP = Material(VEHICLE, (0.5, 0.04, 0.04), gloss=0.5, glow=0.05)
PLATE = Material(VEHICLE, (0.9, 0.9, 0.86))


def paint(rng: np.random.Generator) -> Material:
    """Draw a paint: mostly white, grey, black and silver, as on the road."""
    if rng.random() < 0.68:
        tone = float(rng.choice([0.08, 0.14, 0.3, 0.5, 0.66, 0.75, 0.87]) * rng.uniform(0.9, 1.05))
        colour = (tone, tone, min(1.0, tone * 1.02))
    else:
        colour = colorsys.hsv_to_rgb(
            float(rng.choice([0.0, 0.0, 0.6, 0.6, 0.62, 0.35, 0.1])),
            rng.uniform(0.5, 0.95),
            rng.uniform(0.25, 0.75),
        )
    return Material(VEHICLE, colour, gloss=float(rng.uniform(0.4, 0.9)))


def wheels(
    length: float, half: float, radius: float, axles: tuple[float, ...] = (0.31, -0.3)
) -> list[Mesh]:
    """Build the wheels, whose axles lie at shares of the length from the middle."""
    parts = []
    for x in axles:
        for side in (1, -1):
            centre = np.array([x * length, side * (half - 0.13), radius])
            out = np.array([0, side * 0.12, 0])
            arch = tube([centre - out, centre + out * 1.12], radius * 1.1, DARK, sides=16)
            tyre = tube([centre - out, centre + out * 1.22], radius, DARK, sides=16)
            hub = tube([centre, centre + out * 1.3], radius * 0.66, CHROME, sides=12)
            parts += [arch, tyre, hub]
            for angle in 2 * np.pi * np.arange(5) / 5:
                hole = 0.42 * radius * np.array([np.cos(angle), 0, np.sin(angle)])
                parts.append(disc(centre + out * 1.31 + hole, out, 0.17 * radius, DARK))
    return parts


def footprint(mesh_of: Mesh) -> Mesh:
    """Build the quad on which a vehicle takes the sky's light from the road."""
    low = mesh_of.vertices['position'].min(0)
    high = mesh_of.vertices['position'].max(0)
    x0, y0, x1, y1 = low[0] - 0.25, low[1] - 0.3, high[0] + 0.25, high[1] + 0.3
    corners = [(x0, y0, 0.02), (x1, y0, 0.02), (x1, y1, 0.02), (x0, y1, 0.02)]
    return quads([corners], Material(0, (0, 0, 0), gloss=0.78))
