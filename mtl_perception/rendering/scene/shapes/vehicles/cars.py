"""Cars and vans: silhouettes swept across the width, wheels, lights, glass."""

from itertools import pairwise

import numpy as np

from mtl_perception.rendering.opengl.mesh import Floats, joined, Material, Mesh
from mtl_perception.rendering.opengl.primitives import box, surface

from .bodywork import DARK, GLASS, HEADLAMP, paint, PLATE, REAR_LAMP, wheels
from .silhouettes import Silhouette


def car(rng: np.random.Generator, shape: Silhouette) -> Mesh:
    """Build a car or a van of a silhouette."""
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


def _half_width(z: Floats, half: float, height: float, shape: Silhouette) -> Floats:
    """Give the half width of the body at a height: bulged below the windows, narrowing above."""
    share = np.asarray(z) / height
    low = half * (1 - 0.05 * ((share - 0.4) / 0.4) ** 2)
    above = np.clip((share - shape.belt) / (1 - shape.belt), 0, 1)
    return np.asarray(low * (1 - (1 - shape.narrowing) * above))


def _roof_line(
    shape: Silhouette, top: Floats, half: float, height: float, body: Material
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
        ).swapaxes(0, 1)
        parts.append(surface(grid, body))
        if is_glass:
            rim = 0.1
            first, last = grid[1:-1, :1], grid[1:-1, -1:]
            pane = first + (last - first) * np.array([rim, 0.5, 1 - rim])[:, None]
            out = np.array([np.sign((p + q)[0]) * 0.012, 0, 0.012])
            parts.append(surface(pane + out, GLASS))
    return parts


def _sides(
    shape: Silhouette,
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
    z = ground + np.outer(roof - ground, shares)
    parts = []
    for side in (1, -1):
        y = side * _half_width(z, half, height, shape)
        ends = np.abs(xs) / (length / 2)
        y = y * (1 - 0.12 * np.clip((ends - 0.86) / 0.14, 0, 1) ** 2)[:, None]
        parts.append(surface(np.stack([np.broadcast_to(xs[:, None], z.shape), y, z], -1), body))
        belt = shape.belt * height + 0.03
        for rear, front in zip(shape.windows[1::2], shape.windows[::2], strict=True):
            x = np.linspace(rear * length, front * length, 7)
            high = np.interp(x, xs, roof) - 0.07
            z_pane = belt + np.outer(np.maximum(high - belt, 0.02), [0, 0.5, 1])
            y_pane = side * (_half_width(z_pane, half, height, shape) + 0.008)
            pane = np.stack([np.broadcast_to(x[:, None], z_pane.shape), y_pane, z_pane], -1)
            parts.append(surface(pane, GLASS))
    return parts
