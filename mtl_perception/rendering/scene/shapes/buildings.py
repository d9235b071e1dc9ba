"""Buildings: facades of bays and storeys, roofs, chimneys, bridges across the street."""

import colorsys

import numpy as np

from mtl_perception.rendering.opengl.mesh import joined, Material, Mesh
from mtl_perception.rendering.opengl.primitives import box, quads
from mtl_perception.rendering.opengl.textures.layers import Layer
from mtl_perception.rendering.scene.street import BUILDING

_WINDOWS = (Layer.WINDOW_TALL, Layer.WINDOW_WIDE, Layer.WINDOW_SHUTTERS, Layer.WINDOW_OFFICE)
_WALLS = (Layer.PLASTER, Layer.PLASTER, Layer.PLASTER, Layer.BRICK, Layer.STONE)
FOUNDATION_M = 3.0


def building(
    rng: np.random.Generator, size: tuple[float, float], storeys: int, shops: bool
) -> Mesh:
    """Build a house on [0, length] x [0, depth], its front on y = 0 facing -y."""
    length, depth = size
    storey = float(rng.uniform(2.7, 3.5))
    height = storeys * storey
    bay = length / max(1, round(length / rng.uniform(2.4, 4.2)))
    hue, light = rng.uniform(0.03, 0.14), rng.uniform(0.45, 0.95)
    tint = colorsys.hsv_to_rgb(hue, float(rng.choice([0.05, 0.15, 0.35])), light)
    wall = Material(BUILDING, tint, int(rng.choice(_WALLS)))
    if wall.layer != Layer.PLASTER:
        wall = Material(
            BUILDING, colorsys.hsv_to_rgb(0.03, rng.uniform(0.1, 0.5), light), wall.layer
        )
    window = Material(BUILDING, tint, int(rng.choice(_WINDOWS)))
    corners = [(0.0, 0.0), (length, 0.0), (length, depth), (0.0, depth)]
    parts = []
    for index in range(4):
        a, b = np.array(corners[index]), np.array(corners[(index + 1) % 4])
        blind = index in (1, 3) and rng.random() < 0.5
        parts.append(_base(a, b, wall))
        if blind:
            parts.append(_wall(a, b, 0.0, height, wall))
        else:
            parts += _storeys(rng, a, b, storeys, storey, bay, window, shops and index == 0)
    parts.append(_roof(rng, length, depth, height))
    if rng.random() < 0.3 and storeys > 1:
        parts += _balconies(rng, length, storeys, storey, bay)
    return joined(parts)


def _base(a: np.ndarray, b: np.ndarray, wall: Material) -> Mesh:
    return _wall(a, b, -FOUNDATION_M, 0.0, wall)


def _wall(a: np.ndarray, b: np.ndarray, low: float, high: float, material: Material) -> Mesh:
    width = float(np.linalg.norm(b - a))
    corners = [(*a, low), (*b, low), (*b, high), (*a, high)]
    uv = np.array([[0, high - low], [width, high - low], [width, 0], [0, 0]]) / 3.0
    return quads([corners], material, uv)


def _storeys(
    rng: np.random.Generator,
    a: np.ndarray,
    b: np.ndarray,
    storeys: int,
    storey: float,
    bay: float,
    window: Material,
    shops: bool,
) -> list[Mesh]:
    """Build a facade of windows; the ground floor has doors, and shops where they belong."""
    count = max(1, round(float(np.linalg.norm(b - a)) / bay))
    upper = [(*a, storey), (*b, storey), (*b, storeys * storey), (*a, storeys * storey)]
    uv = np.array([[0, storeys - 1], [count, storeys - 1], [count, 0], [0, 0]])
    parts = [quads([upper], window, uv)] if storeys > 1 else []
    kinds = [Layer.SHOP] if shops else [Layer.DOOR, Layer.GARAGE, *[Layer(window.layer)] * 4]
    for k in range(count):
        p, q = a + (b - a) * k / count, a + (b - a) * (k + 1) / count
        kind = Material(window.label, window.tint, int(rng.choice(kinds)))
        corners = [(*p, 0), (*q, 0), (*q, storey), (*p, storey)]
        parts.append(quads([corners], kind, np.array([[0, 1], [1, 1], [1, 0], [0, 0]])))
    return parts


def _roof(rng: np.random.Generator, length: float, depth: float, height: float) -> Mesh:
    tone = rng.uniform(0.3, 0.8)
    red = rng.random() < 0.6
    tiles = Material(
        BUILDING,
        (tone, tone * (0.55 if red else 0.95), tone * (0.42 if red else 0.95)),
        Layer.ROOF,
    )
    if rng.random() < 0.3:
        slab = Material(BUILDING, (0.5, 0.5, 0.5), Layer.PLASTER)
        return box((length + 0.5, depth + 0.5, 0.4), (length / 2, depth / 2, height + 0.2), slab)
    over, ridge = 0.45, height + depth / 2 * float(rng.uniform(0.45, 0.95))
    eave = height - 0.15
    x0, x1, y0, y1 = -over, length + over, -over, depth + over
    middle = depth / 2
    slopes = [
        [(x0, y0, eave), (x1, y0, eave), (x1, middle, ridge), (x0, middle, ridge)],
        [(x1, y1, eave), (x0, y1, eave), (x0, middle, ridge), (x1, middle, ridge)],
    ]
    run = float(np.hypot(middle, ridge - eave))
    uv = np.array([[0, run], [length, run], [length, 0], [0, 0]]) / 4.0
    gable = Material(BUILDING, (0.75, 0.72, 0.68), Layer.PLASTER)
    gables = [
        [(x, 0, height), (x, depth, height), (x, middle, ridge), (x, middle, ridge)]
        for x in (0.0, length)
    ]
    chimney = box(
        (0.6, 0.6, 1.6),
        (length * rng.uniform(0.2, 0.8), middle, ridge + 0.4),
        Material(BUILDING, (0.6, 0.4, 0.35), Layer.BRICK),
    )
    return joined([quads(slopes, tiles, np.stack([uv, uv])), quads(gables, gable), chimney])


def _balconies(
    rng: np.random.Generator, length: float, storeys: int, storey: float, bay: float
) -> list[Mesh]:
    concrete = Material(BUILDING, (0.72, 0.71, 0.69), Layer.PLASTER)
    rail = Material(BUILDING, (0.35, 0.36, 0.38))
    x = bay * (rng.integers(0, max(1, int(length / bay))) + 0.5)
    parts = []
    for level in range(1, storeys):
        z = level * storey
        parts.append(box((bay, 1.2, 0.15), (x, -0.6, z), concrete))
        parts.append(box((bay, 0.06, 0.9), (x, -1.15, z + 0.5), rail))
    return parts


def bridge(rng: np.random.Generator, width: float, clearance: float) -> Mesh:
    """Build a bridge across the street, along y, with its abutments."""
    tone = float(rng.uniform(0.5, 0.75))
    concrete = Material(BUILDING, (tone, tone, tone * 0.97), Layer.PLASTER)
    deck = float(rng.uniform(6, 14))
    parts = [
        box((deck, 2 * width + 30, 1.4), (0, 0, clearance + 0.7), concrete),
        box((0.3, 2 * width + 30, 1.0), (-deck / 2, 0, clearance + 1.9), concrete),
    ]
    for side in (1, -1):
        parts.append(
            box((deck, 1.2, clearance + 2), (0, side * width, clearance / 2 - 1), concrete)
        )
    return joined(parts)
