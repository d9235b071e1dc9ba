"""Cars, vans, lorries and buses: silhouettes swept across the width, wheels, lights, glass."""

import colorsys
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mtl_perception.rendering.opengl.mesh import (
    box,
    Floats,
    joined,
    Material,
    Mesh,
    mesh,
    quads,
    tube,
)
from mtl_perception.rendering.opengl.textures import Layer

from .street import VEHICLE


class Shape(NamedTuple):
    """A side silhouette: top line (x, z) from front to rear as shares of length and height.

    The parts from `glass` indices on are windscreen and rear window; belt is the height of the
    window line, narrowing that of the roof against the body.
    """

    size: tuple[float, float, float]
    top: tuple[tuple[float, float], ...]
    windscreen: int
    rear_window: int
    cabin: tuple[float, float]
    belt: float
    narrowing: float
    windows: tuple[float, ...]


SHAPES = {
    'hatchback': Shape(
        (4.0, 1.74, 1.48),
        (
            (0.5, 0.36),
            (0.49, 0.5),
            (0.44, 0.58),
            (0.24, 0.66),
            (0.06, 0.98),
            (-0.1, 1.0),
            (-0.38, 0.96),
            (-0.46, 0.66),
            (-0.5, 0.6),
            (-0.5, 0.3),
        ),
        3,
        6,
        (0.2, -0.44),
        0.62,
        0.78,
        (0.17, 0.0, -0.02, -0.24, -0.27, -0.38),
    ),
    'sedan': Shape(
        (4.6, 1.8, 1.44),
        (
            (0.5, 0.36),
            (0.49, 0.5),
            (0.43, 0.6),
            (0.2, 0.67),
            (0.04, 0.97),
            (-0.08, 1.0),
            (-0.22, 0.97),
            (-0.37, 0.72),
            (-0.48, 0.68),
            (-0.5, 0.6),
            (-0.5, 0.3),
        ),
        3,
        6,
        (0.17, -0.36),
        0.64,
        0.76,
        (0.14, -0.01, -0.03, -0.19, -0.22, -0.28),
    ),
    'estate': Shape(
        (4.6, 1.8, 1.5),
        (
            (0.5, 0.36),
            (0.49, 0.5),
            (0.43, 0.59),
            (0.22, 0.66),
            (0.06, 0.97),
            (-0.1, 1.0),
            (-0.42, 0.97),
            (-0.48, 0.66),
            (-0.5, 0.6),
            (-0.5, 0.3),
        ),
        3,
        6,
        (0.18, -0.46),
        0.62,
        0.78,
        (0.15, 0.0, -0.02, -0.2, -0.23, -0.42),
    ),
    'suv': Shape(
        (4.5, 1.88, 1.72),
        (
            (0.5, 0.34),
            (0.49, 0.5),
            (0.45, 0.6),
            (0.24, 0.66),
            (0.1, 0.97),
            (-0.1, 1.0),
            (-0.42, 0.97),
            (-0.48, 0.64),
            (-0.5, 0.6),
            (-0.5, 0.28),
        ),
        3,
        6,
        (0.2, -0.46),
        0.62,
        0.82,
        (0.17, 0.02, 0.0, -0.2, -0.23, -0.42),
    ),
    'van': Shape(
        (5.0, 1.95, 2.05),
        (
            (0.5, 0.28),
            (0.49, 0.44),
            (0.44, 0.52),
            (0.34, 0.58),
            (0.2, 0.94),
            (0.1, 1.0),
            (-0.46, 0.99),
            (-0.49, 0.6),
            (-0.5, 0.5),
            (-0.5, 0.24),
        ),
        3,
        6,
        (0.32, -0.47),
        0.56,
        0.88,
        (0.3, 0.1, 0.07, -0.16, -0.19, -0.42),
    ),
    'transporter': Shape(
        (5.6, 2.0, 2.5),
        (
            (0.5, 0.22),
            (0.49, 0.38),
            (0.45, 0.44),
            (0.37, 0.48),
            (0.24, 0.88),
            (0.14, 1.0),
            (-0.49, 1.0),
            (-0.495, 0.6),
            (-0.5, 0.5),
            (-0.5, 0.2),
        ),
        3,
        12,
        (0.35, 0.12),
        0.48,
        0.92,
        (0.33, 0.14),
    ),
}
_GLASS = Material(VEHICLE, (0.1, 0.11, 0.12), gloss=1.0)
_DARK = Material(VEHICLE, (0.1, 0.1, 0.1), gloss=0.05)
_CHROME = Material(VEHICLE, (0.6, 0.6, 0.62), gloss=0.8)
_HEADLAMP = Material(VEHICLE, (0.85, 0.87, 0.9), gloss=0.9)
_REAR_LAMP = Material(VEHICLE, (0.6, 0.05, 0.05), gloss=0.5, glow=0.1)
_PLATE = Material(VEHICLE, (0.9, 0.9, 0.86))


def paint(rng: np.random.Generator) -> Material:
    """Draw a paint: mostly white, grey, black and silver, as on the road."""
    if rng.random() < 0.68:
        tone = float(rng.choice([0.08, 0.14, 0.3, 0.5, 0.66, 0.8, 0.93]) * rng.uniform(0.9, 1.05))
        colour = (tone, tone, min(1.0, tone * 1.02))
    else:
        colour = colorsys.hsv_to_rgb(
            float(rng.choice([0.0, 0.0, 0.6, 0.6, 0.62, 0.35, 0.1])),
            rng.uniform(0.5, 0.95),
            rng.uniform(0.25, 0.75),
        )
    return Material(VEHICLE, colour, gloss=float(rng.uniform(0.4, 0.9)))


def vehicle(rng: np.random.Generator, kind: str) -> Mesh:
    """Build a vehicle of SHAPES, or a lorry or a bus; it heads along x, wheels on z = 0."""
    if kind == 'lorry':
        return _lorry(rng)
    if kind == 'bus':
        return _bus(rng)
    return _car(rng, SHAPES[kind])


def _car(rng: np.random.Generator, shape: Shape) -> Mesh:
    length, width, height = np.array(shape.size) * rng.uniform(0.94, 1.06, 3)
    body = paint(rng)
    half, ground = width / 2, 0.19
    top = np.array(shape.top) * [length, height]
    parts = [*_roof_line(shape, top, half, height, body)]
    parts += _sides(shape, top, length, half, height, ground, body)
    parts += _wheels(
        length, half, radius=0.5 * (0.62 + 0.06 * rng.random()) * (height / 1.5) ** 0.4
    )
    front, rear = length / 2, -length / 2
    for side in (1, -1):
        y = side * 0.74 * half
        parts.append(
            box((0.12, 0.3 * half, 0.09 * height), (front - 0.05, y, 0.46 * height), _HEADLAMP)
        )
        parts.append(
            box(
                (0.08, 0.22 * half, 0.13 * height),
                (rear + 0.02, side * 0.82 * half, 0.53 * height),
                _REAR_LAMP,
            )
        )
        mirror = (length * shape.cabin[0] - 0.35, side * (half + 0.07), shape.belt * height + 0.06)
        parts.append(box((0.12, 0.18, 0.13), mirror, body))
    parts.append(box((0.05, 0.52, 0.11), (front - 0.005, 0, 0.3 * height), _PLATE))
    parts.append(box((0.05, 0.52, 0.11), (rear - 0.005, 0, 0.42 * height), _PLATE))
    parts.append(box((0.06, 1.0 * half, 0.08 * height), (front - 0.03, 0, 0.41 * height), _DARK))
    parts.append(box((length * 0.96, 1.86 * half, 0.2), (0, 0, ground + 0.08), _DARK))
    return joined(parts)


def _half_width(z: Floats, half: float, height: float, shape: Shape) -> Floats:
    """Give the half width of the body at a height: bulged below the windows, narrowing above."""
    share = np.asarray(z) / height
    low = half * (1 - 0.05 * ((share - 0.4) / 0.4) ** 2)
    above = np.clip((share - shape.belt) / (1 - shape.belt), 0, 1)
    return np.asarray(low * (1 - (1 - shape.narrowing) * above))


def _roof_line(
    shape: Shape, top: Floats, half: float, height: float, body: Material
) -> list[Mesh]:
    """Sweep the silhouette across: bonnet, windscreen, roof, rear."""
    parts = []
    across = np.array([-1, -0.93, -0.75, -0.4, 0, 0.4, 0.75, 0.93, 1])
    drop = np.array([0.05, 0.022, 0.008, 0.002, 0, 0.002, 0.008, 0.022, 0.05])
    for k, (p, q) in enumerate(pairwise(top)):
        is_glass = k in (shape.windscreen, shape.rear_window)
        rows = [p + (q - p) * f for f in (0, 0.33, 0.67, 1)]
        grid = np.array(
            [
                np.column_stack(
                    [
                        np.full(9, x) - np.sign(x) * drop * 1.2,
                        across * _half_width(np.array(z), half, height, shape),
                        z - drop,
                    ]
                )
                for x, z in rows
            ]
        )
        parts.append(_sheet(grid, body))
        if is_glass:
            pane = grid.copy()
            rim = 0.1
            pane = grid[0] + (grid[-1] - grid[0]) * np.array([rim, 0.5, 1 - rim])[:, None, None]
            out = np.array([np.sign((p + q)[0]) * 0.012, 0, 0.012])
            parts.append(_sheet(pane[:, 1:-1] + out, _GLASS))
    return parts


def _sheet(grid: Floats, material: Material) -> Mesh:
    rows, columns = grid.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.stack([np.stack([a, c, d], -1), np.stack([a, b, c], -1)], -2).reshape(-1, 3)
    return mesh(grid, faces, material)


def _sides(
    shape: Shape,
    top: Floats,
    length: float,
    half: float,
    height: float,
    ground: float,
    body: Material,
) -> list[Mesh]:
    """Build the flanks, with side windows between their pillars."""
    xs = np.linspace(top[-1, 0], top[0, 0], 34)
    order = np.argsort(top[:, 0], kind='stable')
    roof = np.interp(xs, top[order, 0], top[order, 1])
    roof = roof - 0.05
    shares = np.linspace(0, 1, 9)
    z = ground + np.outer(shares, roof - ground)
    parts = []
    for side in (1, -1):
        y = side * _half_width(z, half, height, shape)
        ends = np.abs(xs) / (length / 2)
        y = y * (1 - 0.12 * np.clip((ends - 0.86) / 0.14, 0, 1) ** 2)
        grid = np.stack([np.broadcast_to(xs, z.shape), y, z], -1)
        parts.append(_sheet(grid, body))
        belt = shape.belt * height + 0.03
        for rear, front in zip(shape.windows[1::2], shape.windows[::2], strict=True):
            x = np.linspace(rear * length, front * length, 7)
            high = np.interp(x, xs, roof) - 0.07
            z_pane = belt + np.outer([0, 0.5, 1], np.maximum(high - belt, 0.02))
            y_pane = side * (_half_width(z_pane, half, height, shape) + 0.008)
            parts.append(
                _sheet(np.stack([np.broadcast_to(x, z_pane.shape), y_pane, z_pane], -1), _GLASS)
            )
    return parts


def _wheels(
    length: float, half: float, radius: float, axles: tuple[float, ...] = (0.31, -0.3)
) -> list[Mesh]:
    parts = []
    for x in axles:
        for side in (1, -1):
            centre = np.array([x * length, side * (half - 0.13), radius])
            out = np.array([0, side * 0.12, 0])
            arch = tube([centre - out, centre + out * 1.12], radius * 1.16, _DARK, sides=16)
            tyre = tube([centre - out, centre + out * 1.22], radius, _DARK, sides=16)
            hub = tube([centre, centre + out * 1.3], radius * 0.62, _CHROME, sides=10)
            parts += [arch, tyre, hub]
    return parts


def _lorry(rng: np.random.Generator) -> Mesh:
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
        box((0.06, width * 0.88, 0.8), (front + 0.01, 0, 2.35), _GLASS),
        box((0.06, width * 0.8, 0.5), (front + 0.01, 0, 1.2), _DARK),
        box((length - 0.4, 1.0, 0.3), (-0.2, 0, 0.85), _DARK),
        box((0.06, 2.2, 0.16), (-front + 0.02, 0, 0.75), _REAR_LAMP),
    ]
    for side in (1, -1):
        parts.append(box((1.0, 0.05, 0.75), (front - 0.9, side * width / 2, 2.35), _GLASS))
        parts.append(box((0.08, 0.4, 0.18), (front + 0.01, side * 0.95, 0.85), _HEADLAMP))
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
    parts += _wheels(length, width / 2, 0.5, (0.36, -0.2, -0.34))
    return joined(parts)


def _bus(rng: np.random.Generator) -> Mesh:
    body, length = paint(rng), float(rng.uniform(9.0, 13.0))
    width, height = 2.5, 3.0
    parts = [box((length, width, height - 0.35), (0, 0, 0.35 + (height - 0.35) / 2), body)]
    for side in (1, -1):
        count = 6
        pane = length / count
        for k in range(count):
            x = -length / 2 + (k + 0.5) * pane
            parts.append(box((pane - 0.12, 0.04, 1.0), (x, side * width / 2, 1.95), _GLASS))
        parts.append(box((0.05, 0.3, 0.3), (-length / 2, side * 1.0, 0.9), _REAR_LAMP))
        parts.append(box((0.05, 0.35, 0.2), (length / 2, side * 0.95, 0.75), _HEADLAMP))
    for x in (length / 2, -length / 2):
        parts.append(box((0.06, width * 0.9, 1.1), (x, 0, 2.0), _GLASS))
    parts += _wheels(length, width / 2, 0.5, (0.3, -0.28))
    return joined(parts)


def footprint(mesh_of: Mesh) -> Mesh:
    """Build the quad on which a vehicle takes the sky's light from the road."""
    low = mesh_of.vertices['position'].min(0)
    high = mesh_of.vertices['position'].max(0)
    x0, y0, x1, y1 = low[0] - 0.25, low[1] - 0.3, high[0] + 0.25, high[1] + 0.3
    corners = [(x0, y0, 0.02), (x1, y0, 0.02), (x1, y1, 0.02), (x0, y1, 0.02)]
    return quads([corners], Material(0, (0, 0, 0), gloss=0.78))
