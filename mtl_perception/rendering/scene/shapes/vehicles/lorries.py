"""Lorries of three builds."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from mtl_perception.rendering.opengl.mesh import joined, Material, Mesh
from mtl_perception.rendering.opengl.primitives import box, surface, tube

from .bodywork import CHROME, DARK, GLASS, HEADLAMP, paint, PLATE, REAR_LAMP, wheels
from .cargo import Bed, cargo


class _Build(NamedTuple):
    """Ranges of what a build measures: metres, and the axles as shares of the length."""

    share: float
    length: tuple[float, float]
    half: tuple[float, float]
    cab: tuple[float, float]
    cab_height: tuple[float, float]
    floor: float
    roof: tuple[float, float]
    gap: float
    wheel: float
    axles: tuple[float, ...]


_BUILDS = (
    # up to 7.5 t, with one or two rows of seats
    _Build(0.3, (5.4, 7.2), (1.0, 1.12), (1.7, 2.7), (2.0, 2.3), 0.8, (2.3, 3.1), 0.1, 0.37,
           (0.34, -0.27)),
    _Build(0.4, (7.0, 11.0), (1.2, 1.27), (1.9, 2.3), (2.7, 3.5), 1.1, (2.9, 3.9), 0.2, 0.5,
           (0.36, -0.2, -0.34)),
    # a tractor and its semi-trailer
    _Build(0.3, (14.5, 16.5), (1.22, 1.28), (2.0, 2.4), (2.9, 3.7), 1.2, (3.4, 4.0), 0.7, 0.5,
           (0.41, 0.2, -0.2, -0.28, -0.36)),
)  # fmt: skip


def lorry(rng: np.random.Generator) -> Mesh:
    """Build a light lorry, a heavy one, or a tractor with a semi-trailer."""
    build = _BUILDS[int(rng.choice(len(_BUILDS), p=[b.share for b in _BUILDS]))]
    length, half, cab, cab_height, roof = (
        float(rng.uniform(*span))
        for span in (build.length, build.half, build.cab, build.cab_height, build.roof)
    )
    front = length / 2
    bed = Bed(-front, front - cab - build.gap, half, build.floor, roof)
    parts = _cab(paint(rng), front, cab, 0.97 * half, cab_height, build.wheel)
    parts += _chassis(rng, bed, front, build)
    parts += cargo(rng, bed)
    parts += wheels(length, half, build.wheel, build.axles)
    return joined(parts)


def _cab(
    body: Material, front: float, length: float, half: float, height: float, wheel: float
) -> list[Mesh]:
    """Build a cab over the engine: its outline swept across, panes, grille, lamps, mirrors."""
    low = 0.9 * wheel
    # from the bumper over the windscreen and the roof to the back
    outline = np.array(
        [
            (0.0, low),
            (0.05, 0.36 * height),
            (0.0, 0.5 * height),
            (-0.16, 0.86 * height),
            (-0.4, height),
            (-length, 0.98 * height),
            (-length, low),
        ]
    ) + np.array([front - 0.05, 0])
    across = np.array([1, 0.92, 0, -0.92, -1]) * half
    drop = np.array([0.05, 0.0, 0.0, 0.0, 0.05])
    parts = []
    for p, q in pairwise(outline):
        rows = [np.column_stack([np.full(5, x) - drop, across, np.full(5, z)]) for x, z in (p, q)]
        parts.append(surface(np.array(rows), body))
    pane = outline[2] + np.outer([0.12, 0.9], outline[3] - outline[2])
    glass = [
        np.column_stack([np.full(5, x) + 0.02, 0.93 * across, np.full(5, z)]) for x, z in pane
    ]
    parts.append(surface(np.array(glass), GLASS))
    x = np.array([front - 0.05 - length, front - 0.2])
    middle = float(x.mean())
    for side in (1, -1):
        size = (float(x[1] - x[0]), 0.04, 0.93 * height - low)
        parts.append(box(size, (middle, side * (half - 0.02), low + size[2] / 2), body))
        window = (min(1.0, 0.55 * length), 0.03, 0.26 * height)
        parts.append(box(window, (front - 0.85, side * (half + 0.01), 0.68 * height), GLASS))
        parts.append(
            box((0.12, 0.2, 0.5), (front - 0.1, side * (half + 0.17), 0.7 * height), DARK)
        )
        parts.append(box((0.08, 0.4, 0.16), (front, side * 0.75 * half, low + 0.3), HEADLAMP))
    parts.append(box((0.06, 1.2 * half, 0.16 * height), (front, 0, 0.34 * height), DARK))
    parts.append(box((0.1, 2 * half, 0.22), (front, 0, low + 0.08), DARK))
    parts.append(box((0.04, 0.52, 0.11), (front + 0.06, 0, low + 0.1), PLATE))
    return parts


def _chassis(rng: np.random.Generator, bed: Bed, front: float, build: _Build) -> list[Mesh]:
    """Build what is below the bed: frame, tanks, guards, the rear's bar and lamps."""
    length = front - bed.rear
    parts = [box((length - 0.6, 0.9, 0.25), (-0.2, 0, build.floor - 0.2), DARK)]
    rear_wheels = [share * length for share in build.axles if share < 0.1]
    guard_front, guard_rear = bed.front - 0.9, max(rear_wheels) + 1.4 * build.wheel
    low = build.wheel + 0.05
    for side in (1, -1):
        y = side * (bed.half - 0.05)
        middle = (guard_front + guard_rear) / 2
        if guard_front - guard_rear > 0.8:
            for z in (low, low + 0.3):
                parts.append(box((guard_front - guard_rear, 0.04, 0.1), (middle, y, z), CHROME))
            if rng.random() < 0.6:
                barrel = [(middle + d, side * (bed.half - 0.4), low + 0.1) for d in (-0.5, 0.5)]
                parts.append(tube(barrel, 0.3, CHROME if rng.random() < 0.5 else DARK, sides=10))
        for x in rear_wheels:
            place = (x, side * (bed.half - 0.2), 2 * build.wheel + 0.07)
            parts.append(box((2.3 * build.wheel, 0.4, 0.05), place, DARK))
        flap = (min(rear_wheels) - 1.3 * build.wheel, side * (bed.half - 0.2), build.wheel)
        parts.append(box((0.03, 0.4, 0.8 * build.wheel), flap, DARK))
        lamp = (bed.rear, side * (bed.half - 0.3), build.floor - 0.2)
        parts.append(box((0.08, 0.4, 0.13), lamp, REAR_LAMP))
    parts.append(box((0.1, 1.9 * bed.half, 0.12), (bed.rear + 0.1, 0, 0.55), DARK))
    parts.append(box((0.05, 0.52, 0.11), (bed.rear, 0, build.floor - 0.2), PLATE))
    return parts
