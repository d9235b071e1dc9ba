"""What stands beside the road: lamps, signs, lights, fences, walls, bins."""

from itertools import pairwise

import numpy as np

from mtl_perception.rendering.opengl.mesh import Floats, joined, Material, Mesh, mesh, Vector
from mtl_perception.rendering.opengl.primitives import box, disc, quads, tube
from mtl_perception.rendering.opengl.textures.layers import Layer
from mtl_perception.rendering.scene.street import OBJECT

_GALVANISED = Material(OBJECT, (0.68, 0.69, 0.7), Layer.METAL, gloss=0.2)
_BACK = Material(OBJECT, (0.7, 0.7, 0.7), Layer.METAL)
_BLACK, _WHITE = Material(OBJECT, (0.07, 0.08, 0.07)), Material(OBJECT, (0.9, 0.9, 0.88))


def lamp(rng: np.random.Generator) -> Mesh:
    """Build a street lamp whose arm reaches along x."""
    height, arm = float(rng.uniform(4.0, 9.0)), float(rng.uniform(0.4, 2.2))
    tone = float(rng.uniform(0.25, 0.75))
    steel = Material(OBJECT, (tone, tone * 1.02, tone), Layer.METAL, gloss=0.2)
    path = [(0, 0, -0.2), (0, 0, height * 0.9), (0.3 * arm, 0, height), (arm, 0, height + 0.1)]
    head = box((0.7, 0.22, 0.14), (arm + 0.2, 0, height + 0.1), Material(OBJECT, (0.8, 0.8, 0.78)))
    parts = [tube(path, [0.09, 0.07, 0.045, 0.04], steel), head]
    # the door to its fuses, and what people stick on poles
    parts.append(box((0.2, 0.12, 0.4), (0, 0, 0.6), steel))
    if rng.random() < 0.3:
        papers = Material(OBJECT, (1, 1, 1), Layer.NOTICES)
        parts.append(tube([(0, 0, 1.3), (0, 0, 1.3 + float(rng.uniform(0.3, 0.8)))], 0.1, papers))
    return joined(parts)


def sign(rng: np.random.Generator) -> Mesh:
    """Build a traffic sign that faces -x."""
    height = float(rng.uniform(2.0, 3.0))
    face = Material(
        OBJECT, (1, 1, 1), int(rng.choice([Layer.SIGN_LIMIT, Layer.SIGN_STOP, Layer.SIGN_BLUE]))
    )
    radius = float(rng.uniform(0.28, 0.42))
    pole = tube([(0, 0, -0.2), (0, 0, height + radius)], 0.032, _GALVANISED)
    if rng.random() < 0.3:
        tint = (1.0, 0.95, 0.4) if rng.random() < 0.3 else (0.95, 0.95, 0.95)
        return joined([pole, _lettered_plate((-0.04, 0, height), (0.45, 0.3), tint)])
    parts = [pole]
    if rng.random() < 0.25:
        parts.append(_give_way(height))
    else:
        parts.append(_round_plate(-0.045, height, radius, face))
    if rng.random() < 0.4:
        # what it holds for, on a plate below
        low = height - radius - 0.25
        parts.append(_lettered_plate((-0.045, 0, low), (0.22, 0.13), (1, 1, 1)))
    return joined(parts)


def _lettered_plate(centre: Vector, half: tuple[float, float], tint: tuple[float, ...]) -> Mesh:
    """Build an upright plate with writing, which faces -x; half is of its width and height."""
    (x, y, z), (right, up) = centre, half
    corners = [
        (x, y + right, z - up),
        (x, y - right, z - up),
        (x, y - right, z + up),
        (x, y + right, z + up),
    ]
    return quads([corners], Material(OBJECT, tint, Layer.SIGN_TEXT))


def _round_plate(x: float, height: float, radius: float, face: Material) -> Mesh:
    """Build a plate of a centimetre that faces -x, at x."""
    front = disc((x, 0, height), (-1, 0, 0), radius, face)
    return joined([front, disc((x + 0.01, 0, height), (1, 0, 0), radius, _BACK)])


def traffic_light(rng: np.random.Generator) -> Mesh:
    """Build a traffic light that faces -x."""
    pole = tube([(0, 0, -0.2), (0, 0, 3.2)], 0.06, _GALVANISED)
    case = box((0.25, 0.3, 0.9), (0, 0, 2.9), _BLACK)
    lit = int(rng.integers(3))
    parts = [pole, case]
    if rng.random() < 0.6:
        # a contrasting board behind it
        parts.append(box((0.02, 0.62, 1.2), (0.08, 0, 2.9), _WHITE))
        parts.append(box((0.03, 0.54, 1.12), (0.07, 0, 2.9), _BLACK))
    # the box of the button
    parts.append(box((0.12, 0.12, 0.25), (-0.1, 0, 1.05), Material(OBJECT, (0.85, 0.7, 0.1))))
    for k, colour in enumerate(((0.9, 0.1, 0.08), (0.9, 0.6, 0.05), (0.1, 0.8, 0.35))):
        glow = 1.0 if k == lit else 0.0
        dim = tuple(c * (1.0 if k == lit else 0.25) for c in colour)
        parts.append(
            disc((-0.13, 0, 3.2 - 0.3 * k), (-1, 0, 0), 0.1, Material(OBJECT, dim, glow=glow))
        )
        parts.append(box((0.18, 0.22, 0.02), (-0.2, 0, 3.31 - 0.3 * k), _BLACK))
    return joined(parts)


def island_post(rng: np.random.Generator) -> Mesh:
    """Build what heads a traffic island and faces -x: lights or a sign over a low keep-right."""
    parts, above = [], rng.random()
    if above < 0.4:
        parts.append(traffic_light(rng))
        case = Material(OBJECT, (0.33, 0.36, 0.32))
        parts += [box((0.2, 0.25, 0.6), (0, y, 2.7), case) for y in (-0.3, 0.3)]
    else:
        parts.append(tube([(0, 0, -0.2), (0, 0, 1.2 if above < 0.8 else 2.9)], 0.04, _GALVANISED))
    if above >= 0.8:
        parts.append(_give_way(2.6))
    if above >= 0.4 or rng.random() < 0.7:
        parts.append(_keep_right(float(rng.uniform(0.7, 1.2)), float(rng.uniform(0.25, 0.35))))
    return joined(parts)


def _keep_right(height: float, radius: float) -> Mesh:
    """Build a blue disc at a height, with an arrow down to the right of who comes along x."""
    plate = _round_plate(-0.07, 0.0, radius, Material(OBJECT, (1, 1, 1), Layer.SIGN_BLUE))
    turn = np.deg2rad(135)
    pose = np.eye(4)
    pose[1:3, 1:3] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    pose[2, 3] = height
    return plate.moved(pose)


def _give_way(height: float) -> Mesh:
    """Build a triangle on its tip, white with a red rim, which faces -x."""
    corners = np.array([(0.0, 0.45, 0.26), (0.0, 0.0, -0.52), (0.0, -0.45, 0.26)])
    layers = [
        (-0.07, 0.65, Material(OBJECT, (0.93, 0.93, 0.93))),
        (-0.065, 1.0, Material(OBJECT, (0.72, 0.1, 0.1))),
    ]
    faces = [
        mesh(size * corners + [x, 0, height], [[0, 1, 2]], material)
        for x, size, material in layers
    ]
    return joined([*faces, mesh(corners + [-0.06, 0, height], [[2, 1, 0]], _BACK)])


def bin_or_box(rng: np.random.Generator) -> Mesh:
    """Build a waste bin, a bollard or a cabinet."""
    kind = rng.integers(3)
    if kind == 0:
        colour = Material(OBJECT, tuple(rng.uniform(0.15, 0.6, 3)), Layer.METAL, gloss=0.1)
        size = rng.uniform([0.5, 0.5, 0.9], [0.8, 0.8, 1.2])
        return joined(
            [
                box(size, (0, 0, size[2] / 2), colour),
                box((size[0] * 1.08, size[1] * 1.08, 0.08), (0, 0, size[2]), _BACK),
            ]
        )
    if kind == 1:
        band = Material(OBJECT, (0.7, 0.12, 0.1)) if rng.random() < 0.5 else _BLACK
        levels = np.linspace(-0.1, 0.9, 6)
        return joined(
            tube([(0, 0, a), (0, 0, b)], 0.07, (_WHITE, band)[k % 2])
            for k, (a, b) in enumerate(pairwise(levels))
        )
    size = rng.uniform([0.3, 0.7, 1.0], [0.45, 1.4, 1.5])
    layer = Layer.NOTICES if rng.random() < 0.5 else Layer.METAL
    tone = float(rng.uniform(0.45, 0.85))
    return box(size, (0, 0, size[2] / 2), Material(OBJECT, (tone, tone, 0.93 * tone), layer))


def wall(rng: np.random.Generator, line: Floats, height: float) -> Mesh:
    """Build a wall along a line (P, 3)."""
    layer = int(rng.choice([Layer.BRICK, Layer.STONE, Layer.PLASTER, Layer.NOTICES, Layer.PLANKS]))
    tone = float(rng.uniform(0.5, 0.9))
    material = Material(OBJECT, (tone, tone * 0.92, tone * 0.84), layer)
    return _ribbon(line, height, 0.25, material, 2.0)


def fence(rng: np.random.Generator, line: Floats, height: float) -> Mesh:
    """Build a fence of pickets or of wire along a line (P, 3)."""
    tone = float(rng.uniform(0.25, 0.85))
    wood = Material(OBJECT, (tone, tone * 0.85, tone * 0.7), Layer.PLANKS)
    parts = [tube([p - [0, 0, 0.2], p + [0, 0, height]], 0.045, wood, 5) for p in line]
    if rng.random() < 0.5:
        wire = Material(OBJECT, (0.5, 0.55, 0.5), Layer.WIRE, foliage=True)
        return joined([*parts, _ribbon(line, height, 0.0, wire, 0.6)])
    for a, b in pairwise(line):
        for level in (0.25, 0.8):
            up = np.array([0, 0, level * height])
            parts.append(tube([a + up, b + up], 0.03, wood, 4))
        count = max(2, round(float(np.linalg.norm(b - a)) / 0.16))
        feet = a + np.outer((np.arange(count) + 0.5) / count, b - a) + [0, 0, 0.06]
        along = (b - a) / np.linalg.norm(b - a) * 0.045
        high = np.array([0, 0, height])
        corners = np.stack(
            [feet - along, feet + along, feet + along + high, feet - along + high], 1
        )
        parts.append(quads(corners, wood))
    return joined(parts)


def guard_rail(line: Floats) -> Mesh:
    """Build a guard rail along a line (P, 3)."""
    parts = [tube([p - [0, 0, 0.3], p + [0, 0, 0.7]], 0.05, _GALVANISED, 5) for p in line[::2]]
    raised = line + [0, 0, 0.42]
    return joined([*parts, _ribbon(raised, 0.31, 0.06, _GALVANISED, 1.0)])


def _ribbon(
    line: Floats, height: float, thickness: float, material: Material, tile: float
) -> Mesh:
    """Build an upright strip along a line, with a top where it is thick."""
    along = np.gradient(line, axis=0)
    aside = np.stack([-along[:, 1], along[:, 0], 0 * along[:, 0]], -1)
    aside *= thickness / 2 / np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-6)
    run = np.concatenate([[0], np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()]) / tile
    up = np.array([0, 0, height])
    low = np.array([0, 0, 0.25 if thickness > 0.1 else 0.0])
    parts = []
    for side in (1, -1) if thickness else (1,):
        edge = line + side * aside
        corners = np.stack([edge[:-1] - low, edge[1:] - low, edge[1:] + up, edge[:-1] + up], 1)
        uv = np.stack(
            [
                np.column_stack([run[:-1], 0 * run[1:] + (height / tile)]),
                np.column_stack([run[1:], 0 * run[1:] + (height / tile)]),
                np.column_stack([run[1:], 0 * run[1:]]),
                np.column_stack([run[:-1], 0 * run[1:]]),
            ],
            1,
        )
        parts.append(quads(corners, material, uv))
    if thickness:
        left, right = line + aside + up, line - aside + up
        parts.append(quads(np.stack([left[:-1], right[:-1], right[1:], left[1:]], 1), material))
        for end in (0, -1):
            cap = [left[end] - up - low, right[end] - up - low, right[end], left[end]]
            parts.append(quads([cap], material))
    return joined(parts)
