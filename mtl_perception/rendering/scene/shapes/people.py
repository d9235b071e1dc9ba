"""People who walk or stand, and cyclists."""

import colorsys

import numpy as np

from mtl_perception.rendering.opengl.mesh import joined, Material, Mesh, placed
from mtl_perception.rendering.opengl.primitives import ball, box, tube
from mtl_perception.rendering.opengl.textures.layers import Layer
from mtl_perception.rendering.scene.street import PERSON

_SKIN = ((0.87, 0.68, 0.56), (0.72, 0.52, 0.4), (0.45, 0.3, 0.22))
_RUBBER, _STEEL = (
    Material(PERSON, (0.08, 0.08, 0.08)),
    Material(PERSON, (0.4, 0.1, 0.1), gloss=0.5),
)


def _cloth(rng: np.random.Generator) -> Material:
    hue, value = float(rng.random()), float(rng.uniform(0.12, 1.0))
    layer = Layer.CHECKED_CLOTH if rng.random() < 0.2 else Layer.CLOTH
    tint = colorsys.hsv_to_rgb(hue, 0.6 * float(rng.random()) ** 2, value)
    return Material(PERSON, tint, layer)


def person(rng: np.random.Generator, stride: float | None = None) -> Mesh:
    """Build somebody of 1.1 to 1.95 m, on z = 0, who faces x; stride swings the legs."""
    height = float(np.clip(rng.normal(1.72, 0.14), 1.1, 1.95))
    swing = float(rng.uniform(-0.5, 0.5)) if stride is None else stride
    legs, coat, hair = _cloth(rng), _cloth(rng), _cloth(rng)
    skin = Material(PERSON, _SKIN[rng.integers(3)])
    parts = _torso(coat, skin, hair)
    parts += _open_coat(rng, coat)
    for side in (1, -1):
        turn = side * swing
        hip = np.array([0, side * 0.09, 0.5])
        knee = hip + 0.25 * np.array([np.sin(turn), 0, -np.cos(turn)])
        bent = turn - 0.35 * max(0.0, -turn)
        foot = knee + 0.24 * np.array([np.sin(bent), 0, -np.cos(bent)])
        parts.append(tube([hip, knee, foot], [0.055, 0.042, 0.032], legs))
        parts.append(box((0.14, 0.055, 0.04), foot + [0.04, 0, 0.0], _RUBBER))
        shoulder = np.array([0, side * 0.125, 0.81])
        elbow = shoulder + 0.18 * np.array([-np.sin(turn) * 0.7, side * 0.1, -1])
        hand = elbow + 0.17 * np.array([0.3 - 0.5 * np.sin(turn), 0, -0.9])
        parts.append(tube([shoulder, elbow, hand], [0.036, 0.03, 0.022], coat))
        parts.append(ball(hand, (0.025, 0.02, 0.03), skin))
    parts += _luggage(rng)
    return joined(parts).moved(placed(0, 0, 0, scale=height))


def _torso(coat: Material, skin: Material, hair: Material) -> list[Mesh]:
    """Build trunk and head of somebody one metre tall."""
    levels = np.array([[0, 0, 0.46], [0, 0, 0.52], [0, 0, 0.62], [0, 0, 0.76], [0, 0, 0.83]])
    body = tube(levels, [0.085, 0.1, 0.09, 0.105, 0.05], coat, 10)
    flat = np.diag([0.75, 1.1, 1.0, 1.0])
    return [
        body.moved(flat),
        tube([[0, 0, 0.82], [0, 0, 0.88]], 0.032, skin),
        ball((0.005, 0, 0.93), (0.052, 0.043, 0.066), skin),
        ball((-0.012, 0, 0.945), (0.052, 0.047, 0.06), hair),
    ]


def _open_coat(rng: np.random.Generator, coat: Material) -> list[Mesh]:
    """Build what a coat of somebody one metre tall leaves to be seen: shirt, hem and collar."""
    shirt, below = _cloth(rng), rng.random()
    parts = [tube([[0, 0, 0.815], [0, 0, 0.845]], 0.04, shirt)]
    if rng.random() < 0.6:
        wide = float(rng.uniform(0.03, 0.08))
        parts.append(box((0.03, wide, 0.27), (0.066, 0, 0.68), shirt))
    if below < 0.5:
        ring = tube([[0, 0, 0.47], [0, 0, 0.5]], 0.104, shirt if below < 0.3 else _RUBBER, 10)
        parts.append(ring.moved(np.diag([0.78, 1.1, 1.0, 1.0])))
    elif below < 0.7:
        # down to the knees
        skirt = tube([[0, 0, 0.3], [0, 0, 0.5]], [0.12, 0.1], coat, 10)
        parts.append(skirt.moved(np.diag([0.85, 1.1, 1.0, 1.0])))
    return parts


def _luggage(rng: np.random.Generator) -> list[Mesh]:
    """Build a backpack with its straps, a bag in the hand, or nothing, for one metre tall."""
    kind = rng.random()
    if kind < 0.3:
        pack = _cloth(rng)
        straps = [box((0.17, 0.025, 0.2), (-0.005, y, 0.72), _RUBBER) for y in (-0.07, 0.07)]
        return [box((0.1, 0.17, 0.24), (-0.12, 0, 0.7), pack), *straps]
    if kind < 0.5:
        side = float(rng.choice([-1, 1]))
        bag = box((0.16, 0.05, 0.15), (0.02, side * 0.17, 0.36), _cloth(rng))
        handle = box((0.06, 0.02, 0.1), (0.02, side * 0.17, 0.45), _RUBBER)
        return [bag, handle]
    return []


def cyclist(rng: np.random.Generator) -> Mesh:
    """Build a cyclist, with the bicycle, who rides along x."""
    parts = []
    angle = np.linspace(0, 2 * np.pi, 17)
    for x in (0.52, -0.52):
        rim = np.column_stack([x + 0.34 * np.cos(angle), 0 * angle, 0.35 + 0.34 * np.sin(angle)])
        parts.append(tube(rim, 0.022, _RUBBER, 5, closed=False))
    crank, seat, head = (0, 0, 0.3), (-0.18, 0, 0.9), (0.38, 0, 0.85)
    bars = [
        (crank, seat),
        (crank, head),
        (seat, head),
        (seat, (-0.52, 0, 0.35)),
        (head, (0.52, 0, 0.35)),
    ]
    parts += [tube(bar, 0.02, _STEEL, 6) for bar in bars]
    parts.append(box((0.05, 0.5, 0.04), (0.36, 0, 1.02), _RUBBER))
    parts.append(box((0.25, 0.14, 0.06), (-0.2, 0, 0.95), _RUBBER))
    legs, coat, skin = _cloth(rng), _cloth(rng), Material(PERSON, _SKIN[rng.integers(3)])
    for side in (1, -1):
        knee = (0.18, side * 0.12, 0.62 + 0.1 * side)
        parts.append(
            tube(
                [(-0.18, side * 0.1, 0.98), knee, (0.02, side * 0.1, 0.32 + 0.1 * side)],
                [0.09, 0.065, 0.045],
                legs,
            )
        )
        parts.append(
            tube(
                [(0.12, side * 0.2, 1.42), (0.22, side * 0.25, 1.18), (0.36, side * 0.22, 1.04)],
                [0.055, 0.045, 0.035],
                coat,
            )
        )
    parts.append(
        tube([(-0.2, 0, 0.98), (-0.1, 0, 1.2), (0.1, 0, 1.45)], [0.15, 0.16, 0.11], coat, 10)
    )
    parts.append(ball((0.18, 0, 1.62), (0.09, 0.075, 0.115), skin))
    parts.append(ball((0.16, 0, 1.66), (0.1, 0.085, 0.1), _cloth(rng)))
    return joined(parts)
