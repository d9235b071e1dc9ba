"""What is painted on vehicles: letters, bands, warning stripes, on flat and on round faces."""

from collections.abc import Callable
import colorsys
from typing import NamedTuple

import numpy as np

from mtl_perception.rendering.opengl.mesh import Floats, Material, Mesh, Vector
from mtl_perception.rendering.opengl.primitives import quads
from mtl_perception.rendering.scene.street import VEHICLE

# how far paint lies before its face, and a coat before the next, so that none shows through
LIFT_M, COAT_M = 0.02, 0.005
RED = Material(VEHICLE, (0.75, 0.06, 0.05), gloss=0.1)
YELLOW = Material(VEHICLE, (0.9, 0.75, 0.1), gloss=0.1)
WHITE = Material(VEHICLE, (0.9, 0.9, 0.9), gloss=0.1)

# strokes of a letter one high and 0.6 wide: corners left, low, right, top
_STROKES = np.array(
    [
        (0.0, 0.0, 0.13, 1.0),
        (0.47, 0.0, 0.6, 1.0),
        (0.23, 0.0, 0.36, 1.0),
        (0.0, 0.87, 0.6, 1.0),
        (0.0, 0.44, 0.6, 0.57),
        (0.0, 0.0, 0.6, 0.13),
    ]
)


class Face(NamedTuple):
    """A face that is painted on: width and height, and where a point (…, 2) of it lies (…, 3).

    As seen from outside, its first axis points right, its second up.
    """

    width: float
    height: float
    place: Callable[[Floats], Floats]

    def patches(self, corners: Floats, material: Material, coat: int = 0) -> Mesh:
        """Paint quadrilaterals (N, 4, 2), each counter-clockwise, over as many other coats."""
        painted = quads(self.place(np.asarray(corners)), material)
        painted.vertices['position'] += coat * COAT_M * painted.vertices['normal']
        return painted


def flat(corner: Vector, along: Vector, size: tuple[float, float]) -> Face:
    """Give an upright face by its low left corner, and the direction in which it leads right."""
    right, up = np.asarray(along, float), np.array([0.0, 0.0, 1.0])
    low = np.asarray(corner, float) + LIFT_M * np.cross(right, up)
    return Face(*size, lambda uv: low + uv[..., :1] * right + uv[..., 1:] * up)


def round_side(
    begin: float, end: float, axis_height: float, radius: float, side: int, high: float = 1.1
) -> Face:
    """Give a side of a drum that lies along x: as high as `high` radii, about its axis."""
    start, turn = (end, -1.0) if side > 0 else (begin, 1.0)

    def place(uv: Floats) -> Floats:
        angle = uv[..., 1] / radius - high / 2
        reach = radius + LIFT_M
        return np.stack(
            [
                start + turn * uv[..., 0],
                side * reach * np.cos(angle),
                axis_height + reach * np.sin(angle),
            ],
            -1,
        )

    return Face(end - begin, high * radius, place)


def rectangles(edges: Floats) -> Floats:
    """Give the corners (N, 4, 2) of rectangles left, low, right, top (N, 4)."""
    return np.asarray(edges)[..., [[0, 1], [2, 1], [2, 3], [0, 3]]]


def lettering(
    rng: np.random.Generator, face: Face, low: float, high: float, material: Material
) -> Mesh:
    """Write a line of letters that nobody can read, at most from one height to another."""
    count = int(rng.integers(4, 13))
    size = min(high - low, 0.9 * face.width / (0.8 * count))
    left = rng.uniform(0.05, 0.95) * (face.width - 0.8 * count * size)
    letters = []
    for k in range(count):
        # else a gap between words
        if k == 0 or rng.random() > 0.12:
            strokes = _STROKES[rng.permutation(len(_STROKES))[: rng.integers(2, 5)]]
            letters.append(np.array([left + 0.8 * k * size, low] * 2) + size * strokes)
    return face.patches(rectangles(np.concatenate(letters)), material, coat=1)


def stripes(face: Face, colours: tuple[Material, Material], pitch: float = 0.18) -> list[Mesh]:
    """Paint slanting warning stripes over a face."""
    edges = np.linspace(0, face.width, max(2, round(face.width / pitch)) + 1)
    left, right = edges[:-1:2], edges[1::2]
    slant = min(face.height, edges[1])
    x = np.minimum(np.stack([left, right, right + slant, left + slant], -1), face.width)
    y = np.broadcast_to([0, 0, face.height, face.height], x.shape)
    ground = rectangles(np.array([[0, 0, face.width, face.height]]))
    return [
        face.patches(ground, colours[1]),
        face.patches(np.stack([x, y], -1), colours[0], coat=1),
    ]


def _livery(rng: np.random.Generator, face: Face) -> list[Mesh]:
    """Paint what a haulier paints: a block of colour, bands, lines of letters, or nothing."""
    parts = []
    ink = Material(
        VEHICLE,
        colorsys.hsv_to_rgb(rng.random(), rng.uniform(0, 1), rng.uniform(0.05, 0.9)),
        gloss=0.2,
    )
    if rng.random() < 0.35:
        low = face.height * rng.uniform(0.05, 0.6)
        bands = [(0.0, low, face.width, low + face.height * rng.uniform(0.05, 0.3))]
        if rng.random() < 0.3:
            left = face.width * rng.uniform(0, 0.6)
            bands.append((left, 0.0, left + face.width * rng.uniform(0.1, 0.4), low))
        parts.append(face.patches(rectangles(np.array(bands)), ink))
    text = Material(
        VEHICLE, colorsys.hsv_to_rgb(rng.random(), 0.7, float(rng.choice([0.1, 0.5, 0.9])))
    )
    if rng.random() < 0.75:
        top = rng.uniform(0.55, 0.92)
        for _ in range(rng.integers(1, 4)):
            low = top - rng.uniform(0.07, 0.3)
            if low < 0.05:
                break
            parts.append(lettering(rng, face, face.height * low, face.height * top, text))
            top = low - 0.4 * (top - low)
    return parts


def on_both_sides(rng: np.random.Generator, face: Callable[[int], Face]) -> list[Mesh]:
    """Paint both flanks alike; face gives the left one for 1, the right one for -1."""
    seed = rng.integers(2**32)
    return [part for side in (1, -1) for part in _livery(np.random.default_rng(seed), face(side))]
