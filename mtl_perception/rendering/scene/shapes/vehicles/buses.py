"""Buses."""

import numpy as np

from mtl_perception.rendering.opengl.mesh import joined, Mesh
from mtl_perception.rendering.opengl.primitives import box

from .bodywork import DARK, GLASS, HEADLAMP, paint, PLATE, REAR_LAMP, wheels
from .cargo import Bed
from .livery import on_both_sides

HALF_WIDTH_M, FLOOR_M = 1.25, 0.35


def bus(rng: np.random.Generator) -> Mesh:
    """Build a bus: panes all around, doors on the right, a display, a grille, a livery."""
    coat, length, height = paint(rng), float(rng.uniform(9.0, 13.0)), float(rng.uniform(2.9, 3.3))
    front, sill = length / 2, float(rng.uniform(1.2, 1.5))
    body = Bed(-front, front, HALF_WIDTH_M, FLOOR_M, height)
    roof = Bed(1.0 - front, front - 1.5, 0.7 * HALF_WIDTH_M, height, height)
    parts = [
        body.block(coat, FLOOR_M, height),
        roof.block(coat, height, height + float(rng.uniform(0.05, 0.35))),
        *_flanks(body, sill, panes=int(rng.integers(5, 9))),
        *on_both_sides(rng, body._replace(floor=FLOOR_M + 0.15, roof=sill - 0.1).side),
        *_ends(front, height),
        *wheels(length, HALF_WIDTH_M, 0.5, (0.3, -0.28)),
    ]
    return joined(parts)


def _flanks(body: Bed, sill: float, panes: int) -> list[Mesh]:
    """Build the black edges, the panes above the sill, and two doors of two leaves each."""
    black = Bed(body.rear + 0.03, body.front - 0.03, body.half + 0.01, body.floor, body.roof)
    parts = [
        black.block(DARK, body.floor, body.floor + 0.12),
        black.block(DARK, sill, body.roof - 0.45),
    ]
    edges = np.linspace(body.rear + 0.08, body.front - 0.08, panes + 1)
    for rear, front in zip(edges[:-1], edges[1:] - 0.1, strict=True):
        pane = Bed(float(rear), float(front), body.half + 0.02, body.floor, body.roof)
        parts.append(pane.block(GLASS, sill + 0.06, body.roof - 0.5))
    high = body.roof - body.floor - 0.5
    for door in (0.8 * body.front, 0.05 * body.front):
        for x in (door, door + 0.62):
            place = (x, -body.half - 0.015, body.floor + 0.15 + high / 2)
            parts.append(box((0.56, 0.04, high), place, GLASS))
    return parts


def _ends(front: float, height: float) -> list[Mesh]:
    """Build what is at the front and the rear: panes, displays, bumpers, plates, lamps."""
    parts = [box((0.04, 1.5, 0.6), (-front, 0, 1.0), DARK)]
    for end, glass in ((front, 1.4), (-front, 0.9)):
        width = 1.84 * HALF_WIDTH_M
        parts.append(box((0.06, width, glass), (end, 0, height - 0.55 - glass / 2), GLASS))
        parts.append(box((0.07, 1.6, 0.28), (end, 0, height - 0.3), DARK))
        parts.append(box((0.07, 2 * HALF_WIDTH_M, 0.25), (end, 0, FLOOR_M + 0.12), DARK))
        parts.append(box((0.09, 0.52, 0.11), (end, 0, FLOOR_M + 0.35), PLATE))
    for side in (1, -1):
        parts.append(box((0.05, 0.3, 0.5), (-front, side * 1.05, 0.95), REAR_LAMP))
        parts.append(box((0.05, 0.35, 0.2), (front, side * 0.95, 0.75), HEADLAMP))
        mirror = (front, side * (HALF_WIDTH_M + 0.2), 2.1)
        parts.append(box((0.15, 0.25, 0.5), mirror, DARK))
    return parts
