"""Cars, vans, lorries and buses: silhouettes swept across the width, wheels, lights, glass."""

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
)

from .bodywork import DARK, GLASS, HEADLAMP, paint, PLATE, REAR_LAMP, wheels
from .lorries import bus, lorry


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


def vehicle(rng: np.random.Generator, kind: str) -> Mesh:
    """Build a vehicle of SHAPES, or a lorry or a bus; it heads along x, wheels on z = 0."""
    if kind == 'lorry':
        return lorry(rng)
    if kind == 'bus':
        return bus(rng)
    return _car(rng, SHAPES[kind])


def _car(rng: np.random.Generator, shape: Shape) -> Mesh:
    length, width, height = np.array(shape.size) * rng.uniform(0.94, 1.06, 3)
    body = paint(rng)
    half, ground = width / 2, 0.19
    top = np.array(shape.top) * [length, height]
    parts = [*_roof_line(shape, top, half, height, body)]
    parts += _sides(shape, top, length, half, height, ground, body)
    parts += wheels(
        length, half, radius=0.5 * (0.62 + 0.06 * rng.random()) * (height / 1.5) ** 0.4
    )
    front, rear = length / 2, -length / 2
    for side in (1, -1):
        y = side * 0.74 * half
        parts.append(
            box((0.12, 0.3 * half, 0.09 * height), (front - 0.05, y, 0.46 * height), HEADLAMP)
        )
        parts.append(
            box(
                (0.08, 0.22 * half, 0.13 * height),
                (rear + 0.02, side * 0.82 * half, 0.53 * height),
                REAR_LAMP,
            )
        )
        mirror = (length * shape.cabin[0] - 0.35, side * (half + 0.07), shape.belt * height + 0.06)
        parts.append(box((0.12, 0.18, 0.13), mirror, body))
    parts.append(box((0.05, 0.52, 0.11), (front - 0.005, 0, 0.3 * height), PLATE))
    parts.append(box((0.05, 0.52, 0.11), (rear - 0.005, 0, 0.42 * height), PLATE))
    parts.append(box((0.06, 1.0 * half, 0.08 * height), (front - 0.03, 0, 0.41 * height), DARK))
    parts.append(box((length * 0.96, 1.86 * half, 0.2), (0, 0, ground + 0.08), DARK))
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
            parts.append(_sheet(pane[:, 1:-1] + out, GLASS))
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
                _sheet(np.stack([np.broadcast_to(x, z_pane.shape), y_pane, z_pane], -1), GLASS)
            )
    return parts
