"""Trees, bushes, hedges and tufts of grass, out of many small cards of leaves."""

import colorsys
from itertools import pairwise

import numpy as np

from mtl_perception.rendering.opengl.mesh import Floats, joined, Material, Mesh, mesh
from mtl_perception.rendering.opengl.primitives import cards, quads, tube
from mtl_perception.rendering.opengl.textures.layers import Layer
from mtl_perception.rendering.scene.street import VEGETATION


def _green(rng: np.random.Generator) -> tuple[float, float, float]:
    hue, saturation = float(rng.normal(0.24, 0.04)), float(rng.uniform(0.1, 0.45))
    # in autumn
    if rng.random() < 0.08:
        hue, saturation = float(rng.uniform(0.07, 0.17)), saturation + 0.2
    return colorsys.hsv_to_rgb(hue, saturation, float(rng.uniform(0.4, 0.8)))


def _foliage(rng: np.random.Generator, layer: Layer | None = None) -> Material:
    kind = layer or Layer(int(rng.choice([Layer.LEAVES, Layer.LARGE_LEAVES])))
    return Material(VEGETATION, _green(rng), kind, foliage=True)


def _blob(
    rng: np.random.Generator,
    centre: Floats,
    radii: Floats,
    count: int,
    size: float,
    leaf: Material,
) -> Mesh:
    """Scatter cards through an ellipsoid, most near its surface; inside and below it is darker."""
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    reach = rng.uniform(0.45, 1.0, count) ** 0.5
    centres = centre + direction * radii * reach[:, None]
    normals = direction + 0.45 * rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    shade = (
        (0.15 + 0.85 * reach**3) * (0.78 + 0.22 * direction[:, 2]) * rng.uniform(0.8, 1.15, count)
    )
    sizes = size * rng.uniform(0.7, 1.3, count)
    return cards(centres, normals, sizes, leaf, rng.uniform(0, 6.28, count), shade)


def tree(rng: np.random.Generator, height: float, detail: float = 1.0) -> Mesh:
    """Build a tree of a height, its foot at the origin; detail scales the number of cards."""
    if rng.random() < 0.15:
        return conifer(rng, height, detail)
    leaf, crown = _foliage(rng), height * float(rng.uniform(0.5, 0.78))
    width = crown * float(rng.uniform(0.28, 0.5))
    lean = rng.normal(0, 0.04 * height, 2)
    levels = np.linspace(0, 1, 6)
    wobble = rng.normal(0, 0.012 * height, (6, 2)) * levels[:, None]
    trunk = np.column_stack([lean * levels[:, None] ** 2 + wobble, 0.85 * height * levels - 0.4])
    radius = 0.016 * height + 0.05
    bark = Material(VEGETATION, (0.46, 0.4, 0.33), Layer.BARK)
    parts = [tube(trunk, radius * (1.15 - 0.9 * levels), bark)]
    centre = np.array([*lean * 0.5, height - crown / 2])
    blobs = int(rng.integers(5, 10))
    for _ in range(blobs):
        offset = rng.normal(size=3)
        offset *= rng.uniform(0.25, 0.62) / np.linalg.norm(offset)
        middle = centre + offset * [width, width, crown / 2]
        radii = np.array([width, width, crown / 2]) * rng.uniform(0.42, 0.62)
        count = int(detail * np.clip(46 * width**1.2, 60, 260))
        size = float(np.clip(0.34 * width, 0.5, 1.3))
        parts.append(_blob(rng, middle, radii, count, size, leaf))
        limb = np.stack([trunk[3], (trunk[3] + middle) / 2 + [0, 0, 0.1], middle])
        parts.append(tube(limb, [radius * 0.45, radius * 0.3, 0.02], bark, sides=5, closed=False))
    return joined(parts)


def conifer(rng: np.random.Generator, height: float, detail: float = 1.0) -> Mesh:
    """Build a fir or a cypress."""
    leaf = Material(
        VEGETATION, colorsys.hsv_to_rgb(0.3, 0.4, rng.uniform(0.3, 0.55)), Layer.NEEDLES
    )
    leaf = Material(leaf.label, leaf.tint, leaf.layer, foliage=True)
    count = int(detail * 90 * height)
    level = 1 - np.sqrt(rng.random(count))
    width = height * float(rng.uniform(0.13, 0.26)) * (1 - level) + 0.1
    angle = rng.uniform(0, 6.28, count)
    reach = np.sqrt(rng.uniform(0.4, 1.0, count))
    out = np.stack([np.cos(angle), np.sin(angle), np.full(count, 0.4)], -1)
    centres = np.column_stack(
        [out[:, :2] * (width * reach)[:, None], 0.3 + level * (height - 0.3)]
    )
    normals = out + 0.4 * rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    sizes = rng.uniform(0.35, 0.7, count) * (0.5 + 0.05 * height)
    crown = cards(centres, normals, sizes, leaf, angle, 0.35 + 0.65 * reach)
    bark = Material(VEGETATION, (0.4, 0.33, 0.27), Layer.BARK)
    trunk = tube([[0, 0, -0.4], [0, 0, 0.9 * height]], [0.02 * height + 0.05, 0.02], bark)
    return joined([crown, trunk])


def bush(rng: np.random.Generator, radius: float) -> Mesh:
    """Build a round bush."""
    leaf = _foliage(rng)
    radii = np.array([radius, radius * rng.uniform(0.7, 1.2), radius * rng.uniform(0.6, 1.1)])
    count = int(np.clip(180 * radius, 60, 420))
    return _blob(rng, np.array([0, 0, 0.7 * radii[2]]), radii, count, 0.42 * radius + 0.15, leaf)


def hedge(rng: np.random.Generator, line: Floats, height: float, width: float) -> Mesh:
    """Build a clipped hedge along a line (P, 3)."""
    leaf = _foliage(rng)
    core = Material(VEGETATION, tuple(0.38 * c for c in leaf.tint), Layer.GRASS)
    parts = []
    for a, b in pairwise(line):
        along = b - a
        length = float(np.linalg.norm(along))
        along /= max(length, 1e-6)
        aside = np.array([-along[1], along[0], 0.0])
        inner = 0.38 * width
        top = height * 0.93
        low = [a - inner * aside, b - inner * aside, b + inner * aside, a + inner * aside]
        high = [corner + [0, 0, top] for corner in low]
        sides = [[low[k], low[(k + 1) % 4], high[(k + 1) % 4], high[k]] for k in range(4)]
        parts.append(quads([high, *sides], core))
        area = length * (2 * height + width)
        count = int(np.clip(area * 11, 20, 900))
        share = rng.random(count)
        u, side = rng.random(count), rng.choice([-1, 1], count)
        on_top = share < width / (2 * height + width)
        v = np.where(on_top, rng.uniform(-0.5, 0.5, count) * width, side * width / 2)
        z = np.where(on_top, height, rng.random(count) * height)
        centres = a + np.outer(u * length, along) + np.outer(v, aside) + np.outer(z, [0, 0, 1])
        out = np.where(on_top[:, None], [0, 0, 1.0], np.outer(side, aside))
        normals = out + 0.4 * rng.normal(size=(count, 3))
        normals /= np.linalg.norm(normals, axis=1, keepdims=True)
        shade = (0.6 + 0.4 * z / height) * rng.uniform(0.8, 1.1, count)
        sizes = rng.uniform(0.3, 0.55, count)
        parts.append(cards(centres, normals, sizes, leaf, rng.uniform(0, 6.28, count), shade))
    radii = np.array([width / 2, width / 2, 0.55 * height])
    for end in (line[0], line[-1]):
        parts.append(_blob(rng, end + [0, 0, height / 2], radii, round(70 * height), 0.4, leaf))
    return joined(parts)


def tufts(rng: np.random.Generator, places: Floats, height: float) -> Mesh:
    """Build tufts of grass at places (N, 3)."""
    tone = float(rng.uniform(0.5, 0.9))
    blades = Material(VEGETATION, (tone, tone, 0.8 * tone), Layer.BLADES, foliage=True)
    angle = rng.uniform(0, 3.14, len(places))
    right = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1)
    size = height * rng.uniform(0.6, 1.2, len(places))[:, None]
    up = size * [0, 0, 1.0]
    low = places - [0, 0, 0.03]
    corners = np.stack(
        [low - size * right, low + size * right, low + size * right + up, low - size * right + up],
        1,
    )
    sheet = quads(corners, blades)
    sheet.vertices['normal'] = (0, 0, 1)
    return sheet


def wood(rng: np.random.Generator, line: Floats, height: float) -> Mesh:
    """Build a far edge of a wood along a line (P, 3): a dark body with crowns in front."""
    leaf = _foliage(rng, Layer.LARGE_LEAVES)
    body = Material(VEGETATION, tuple(0.4 * c for c in leaf.tint), Layer.GRASS)
    tops = line + np.outer(height * rng.uniform(0.55, 0.8, len(line)), [0, 0, 1])
    index = np.arange(len(line) - 1)[:, None]
    count = len(line)
    faces = np.concatenate([index + [0, 1, count + 1], index + [0, count + 1, count]], 1)
    uv = np.vstack([np.column_stack([np.arange(count), np.full(count, k)]) for k in (0, 2)])
    parts = [mesh(np.vstack([line - [0, 0, 2], tops]), faces, body, uv)]
    for place in line:
        size = height * rng.uniform(0.35, 0.55)
        centre = place + [0, 0, height * rng.uniform(0.45, 0.75)]
        parts.append(_blob(rng, centre, np.array([size, size, size]), 90, 0.5 * size, leaf))
    return joined(parts)
