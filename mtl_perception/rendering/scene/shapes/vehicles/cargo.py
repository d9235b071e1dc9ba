"""What lorries carry: boxes, tarpaulins, tanks, tippers, containers."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from mtl_perception.rendering.opengl.mesh import Floats, Material, Mesh
from mtl_perception.rendering.opengl.primitives import box, surface, tube
from mtl_perception.rendering.opengl.textures.layers import Layer
from mtl_perception.rendering.scene.street import VEHICLE

from .bodywork import CHROME, DARK, paint
from .livery import Face, flat, on_both_sides, RED, round_side, stripes, WHITE, YELLOW

LOAD = Material(VEHICLE, (0.35, 0.3, 0.25), Layer.SOIL)


class Bed(NamedTuple):
    """Where a lorry carries: from rear to front, half the width, from the floor to the roof."""

    rear: float
    front: float
    half: float
    floor: float
    roof: float

    @property
    def length(self) -> float:
        """Metres from rear to front."""
        return self.front - self.rear

    def side(self, side: int) -> Face:
        """Give the face of a flank: left 1, right -1."""
        start = self.front if side > 0 else self.rear
        corner = (start, side * self.half, self.floor)
        return flat(corner, (-side, 0, 0), (self.length, self.roof - self.floor))

    @property
    def back(self) -> Face:
        """Give the face of the rear."""
        corner = (self.rear, self.half, self.floor)
        return flat(corner, (0, -1, 0), (2 * self.half, self.roof - self.floor))

    def block(self, material: Material, low: float, high: float) -> Mesh:
        """Fill the bed between two heights."""
        size = (self.length, 2 * self.half, high - low)
        return box(size, ((self.rear + self.front) / 2, 0, (low + high) / 2), material)


def cargo(rng: np.random.Generator, bed: Bed) -> list[Mesh]:
    """Draw what stands on a bed."""
    kinds: list[Callable[[np.random.Generator, Bed], list[Mesh]]] = [
        _box_body,
        _tarpaulin,
        _tank,
        _tipper,
        _container,
    ]
    return kinds[int(rng.choice(len(kinds), p=(0.3, 0.32, 0.16, 0.1, 0.12)))](rng, bed)


def _body(rng: np.random.Generator, layer: Layer = Layer.PLAIN, gloss: float = 0.15) -> Material:
    """Draw the material of a body: half of them are white to grey."""
    if rng.random() < 0.5:
        tone = float(rng.uniform(0.5, 0.95))
        return Material(VEHICLE, (tone, tone, tone), layer, gloss)
    return Material(VEHICLE, paint(rng).tint, layer, gloss)


def _box_body(rng: np.random.Generator, bed: Bed) -> list[Mesh]:
    parts = [bed.block(_body(rng), bed.floor, bed.roof), *_doors(bed)]
    rail = CHROME if rng.random() < 0.6 else DARK
    for z in (bed.floor, bed.roof):
        parts.append(bed._replace(half=bed.half + 0.015).block(rail, z - 0.06, z + 0.06))
    return parts + on_both_sides(rng, bed.side)


def _doors(bed: Bed) -> list[Mesh]:
    """Build the rear doors' gap, bars and hinges."""
    height, middle = bed.roof - bed.floor, (bed.roof + bed.floor) / 2
    parts = [box((0.03, 0.04, height), (bed.rear, 0, middle), DARK)]
    for y in (-0.6, -0.25, 0.25, 0.6):
        bar = [(bed.rear - 0.04, y * bed.half, z) for z in (bed.floor + 0.05, bed.roof - 0.05)]
        parts.append(tube(bar, 0.02, CHROME, sides=5))
    for y in (-1, 1):
        for share in (0.15, 0.5, 0.85):
            place = (bed.rear - 0.01, y * (bed.half - 0.1), bed.floor + share * height)
            parts.append(box((0.04, 0.2, 0.07), place, DARK))
    return parts


def _tarpaulin(rng: np.random.Generator, bed: Bed) -> list[Mesh]:
    """Build a body of cloth over bows, on drop sides, or a curtain down to the floor."""
    cloth = _body(rng, Layer.PLASTER, gloss=0.05)
    sill = bed.floor + float(rng.choice([0.08, 0.4, 0.6]))
    drop = paint(rng) if rng.random() < 0.5 else CHROME
    parts = [bed.block(drop, bed.floor, sill), bed.block(DARK, bed.floor - 0.05, bed.floor + 0.03)]
    pitch, depth = float(rng.uniform(0.25, 0.7)), float(rng.uniform(0.0, 0.03))
    sag = float(rng.uniform(0.0, 0.06))
    x = np.linspace(bed.rear, bed.front, max(12, round(6 * bed.length / pitch)))
    fold = depth * np.sin(2 * np.pi * (x - bed.rear) / pitch + rng.uniform(0, 6))
    fold = fold + depth * np.cumsum(rng.normal(0, 0.15, len(x))) * 0.3
    half = bed.half - 0.04 + np.clip(fold, -0.06, 0.06)
    roof = bed.roof - sag * np.abs(np.sin(np.pi * (x - bed.rear) / 1.2))
    parts.append(surface(_arch(x, half, roof, sill), cloth))
    # what closes it at both ends
    parts.append(bed._replace(half=bed.half - 0.05).block(cloth, sill, bed.roof - 0.09))
    if rng.random() < 0.5:
        for at in np.arange(bed.rear + 0.3, bed.front, 0.6):
            for side in (1, -1):
                strap = (0.04, 0.02, bed.roof - 0.2 - sill)
                middle = (at, side * bed.half, sill + strap[2] / 2)
                parts.append(box(strap, middle, DARK))
    parts += on_both_sides(rng, bed._replace(floor=sill, half=bed.half + 0.02).side)
    if sill - bed.floor > 0.3 and rng.random() < 0.5:
        tail = flat(
            (bed.rear - 0.01, bed.half, bed.floor + 0.08), (0, -1, 0), (2 * bed.half, 0.25)
        )
        parts += stripes(tail, (RED, YELLOW if rng.random() < 0.5 else WHITE))
    return parts


def _arch(x: Floats, half: Floats, roof: Floats, sill: float) -> Floats:
    """Give the grid (R, C, 3) of cloth at each place of x: up the left, over, down the right."""
    across = [
        np.stack([x, -v * half * 0.985, roof - 0.1 * v**4], -1) for v in np.linspace(-1, 1, 9)
    ]
    flanks = [
        np.stack([x, side * half, sill + share * (roof - 0.12 - sill)], -1)
        for side in (1, -1)
        for share in (0.0, 0.25, 0.5, 0.75)
    ]
    return np.array([*flanks[:4], *across, *flanks[:3:-1]])


def _tank(rng: np.random.Generator, bed: Bed) -> list[Mesh]:
    """Build a tank: a drum with domed ends, rings, a ladder, pipes and a walkway."""
    tone = float(rng.uniform(0.55, 0.92))
    shell = Material(VEHICLE, (tone, tone, tone * 1.02), gloss=float(rng.uniform(0.15, 0.85)))
    radius = min(bed.half, float(rng.uniform(0.8, 1.0)) * (bed.roof - bed.floor) / 2)
    axis = bed.roof - radius
    dome = float(rng.uniform(0.1, 0.9))
    begin, end = bed.rear + dome, bed.front - dome
    turn = np.linspace(0, np.pi / 2, 5)
    ends = np.concatenate([begin - dome * np.cos(turn), end + dome * np.sin(turn)])
    radii = radius * np.concatenate(
        [np.maximum(np.sin(turn), 0.05), np.maximum(np.cos(turn), 0.05)]
    )
    parts = [tube([(x, 0, axis) for x in ends], radii, shell, sides=24)]
    ring = Material(VEHICLE, (0.8 * tone,) * 3, gloss=0.3)
    for x in np.linspace(begin, end, int(rng.integers(3, 8))):
        parts.append(
            tube([(x - 0.04, 0, axis), (x + 0.04, 0, axis)], radius + 0.03, ring, sides=24)
        )
    parts.append(
        box((0.9 * (end - begin), 0.5, 0.1), ((begin + end) / 2, 0, bed.roof + 0.03), DARK)
    )
    for y in (-0.22, 0.22):
        rail = [(begin - 0.6 * dome, y + 0.3, z) for z in (bed.floor - 0.2, bed.roof + 0.2)]
        parts.append(tube(rail, 0.025, CHROME, sides=5))
    for z in np.arange(bed.floor, bed.roof, 0.3):
        parts.append(box((0.03, 0.44, 0.03), (begin - 0.6 * dome, 0.3, z), CHROME))
    parts += on_both_sides(rng, lambda side: round_side(begin, end, axis, radius + 0.03, side))
    for side in (1, -1):
        pipe = [(x, side * 0.9 * bed.half, bed.floor - 0.05) for x in (begin, end)]
        parts.append(tube(pipe, 0.11, DARK, sides=8))
    saddle = bed._replace(half=0.5 * bed.half)
    parts.append(saddle.block(DARK, bed.floor - 0.05, axis - 0.7 * radius))
    return parts


def _tipper(rng: np.random.Generator, bed: Bed) -> list[Mesh]:
    """Build an open body of steel with ribs, loaded or empty."""
    steel = paint(rng)
    top = bed.floor + float(rng.uniform(0.8, 1.5))
    parts = [bed.block(steel, bed.floor, top)]
    for at in np.linspace(bed.rear + 0.05, bed.front - 0.05, max(3, round(bed.length / 0.9))):
        for side in (1, -1):
            size = (0.1, 0.08, top - bed.floor)
            parts.append(box(size, (at, side * (bed.half + 0.02), (top + bed.floor) / 2), steel))
    for low in (bed.floor, top - 0.1):
        parts.append(bed._replace(half=bed.half + 0.06).block(steel, low, low + 0.12))
    heap = np.linspace(-1, 1, 9)
    high = float(rng.uniform(0.05, 0.7))
    grid = np.array(
        [
            [
                (
                    (bed.rear + bed.front) / 2 + 0.48 * v * bed.length,
                    0.95 * u * bed.half,
                    top + high * (1 - u**2) * (1 - v**2) + 0.02,
                )
                for u in heap
            ]
            for v in heap
        ]
    )
    parts.append(surface(grid, LOAD))
    if rng.random() < 0.5:
        parts += stripes(bed._replace(roof=bed.floor + 0.2).back, (RED, WHITE))
    return parts


def _container(rng: np.random.Generator, bed: Bed) -> list[Mesh]:
    """Build a container with corrugated sides."""
    steel = _body(rng, gloss=0.1)
    bed = bed._replace(roof=min(bed.roof, bed.floor + 2.6), half=min(bed.half, 1.22))
    inner = bed._replace(half=bed.half - 0.05)
    parts = [inner.block(steel, bed.floor, bed.roof), *_doors(bed)]
    for low in (bed.floor, bed.roof - 0.12):
        parts.append(bed.block(steel, low, low + 0.12))
    x = np.linspace(bed.rear + 0.1, bed.front - 0.1, 4 * max(6, round(bed.length / 0.28)))
    wave = 0.02 * np.clip(2 * np.sin(2 * np.pi * (x - bed.rear) / 0.28), -1, 1)
    for side in (1, -1):
        edge = bed.half - 0.025 + wave
        rows = [np.stack([x, side * edge, np.full_like(x, z)], -1) for z in (bed.floor, bed.roof)]
        parts.append(surface(np.array(rows[::side]), steel))
        for at in (bed.rear + 0.06, bed.front - 0.06):
            size = (0.12, 0.06, bed.roof - bed.floor)
            place = (at, side * (bed.half - 0.02), (bed.roof + bed.floor) / 2)
            parts.append(box(size, place, steel))
    return parts + on_both_sides(rng, bed.side)
