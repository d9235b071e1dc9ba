"""Lorries, tankers and buses."""

import numpy as np

from mtl_perception.rendering.opengl.mesh import joined, Material, Mesh
from mtl_perception.rendering.opengl.primitives import box, tube
from mtl_perception.rendering.opengl.textures.layers import Layer
from mtl_perception.rendering.scene.street import VEHICLE

from .bodywork import DARK, GLASS, HEADLAMP, paint, REAR_LAMP, wheels


def lorry(rng: np.random.Generator) -> Mesh:
    """Build a rigid lorry or a tanker."""
    cab, length = paint(rng), float(rng.uniform(7.0, 12.0))
    width, height = 2.5, float(rng.uniform(2.9, 3.9))
    front = length / 2
    tone = float(rng.uniform(0.5, 0.95))
    cargo = Material(VEHICLE, (tone, tone, tone), Layer.PLAIN, gloss=0.15)
    if rng.random() < 0.5:
        cargo = paint(rng)
    parts = [
        box((2.1, width, 2.2), (front - 1.05, 0, 1.85), cab),
        box((1.7, width * 0.94, 0.4), (front - 1.05, 0, 3.1), cab),
        box((0.06, width * 0.88, 0.8), (front + 0.01, 0, 2.35), GLASS),
        box((0.06, width * 0.8, 0.5), (front + 0.01, 0, 1.2), DARK),
        box((length - 0.4, 1.0, 0.3), (-0.2, 0, 0.85), DARK),
        box((0.06, 2.2, 0.16), (-front + 0.02, 0, 0.75), REAR_LAMP),
    ]
    for side in (1, -1):
        parts.append(box((1.0, 0.05, 0.75), (front - 0.9, side * width / 2, 2.35), GLASS))
        parts.append(box((0.08, 0.4, 0.18), (front + 0.01, side * 0.95, 0.85), HEADLAMP))
    middle = -1.25
    if rng.random() < 0.25:
        path = np.array([[middle + f * (length - 2.8), 0, 2.2] for f in (-0.5, -0.47, 0.47, 0.5)])
        parts.append(
            tube(path, [0.8, 1.15, 1.15, 0.8], Material(VEHICLE, (0.7, 0.71, 0.73), gloss=0.8), 18)
        )
    else:
        box_height = height - 1.05
        parts.append(
            box((length - 2.5, width, box_height), (middle, 0, 1.05 + box_height / 2), cargo)
        )
    parts += wheels(length, width / 2, 0.5, (0.36, -0.2, -0.34))
    return joined(parts)


def bus(rng: np.random.Generator) -> Mesh:
    """Build a bus."""
    body, length = paint(rng), float(rng.uniform(9.0, 13.0))
    width, height = 2.5, 3.0
    parts = [box((length, width, height - 0.35), (0, 0, 0.35 + (height - 0.35) / 2), body)]
    for side in (1, -1):
        count = 6
        pane = length / count
        for k in range(count):
            x = -length / 2 + (k + 0.5) * pane
            parts.append(box((pane - 0.12, 0.04, 1.0), (x, side * width / 2, 1.95), GLASS))
        parts.append(box((0.05, 0.3, 0.3), (-length / 2, side * 1.0, 0.9), REAR_LAMP))
        parts.append(box((0.05, 0.35, 0.2), (length / 2, side * 0.95, 0.75), HEADLAMP))
    for x in (length / 2, -length / 2):
        parts.append(box((0.06, width * 0.9, 1.1), (x, 0, 2.0), GLASS))
    parts += wheels(length, width / 2, 0.5, (0.3, -0.28))
    return joined(parts)
