"""Layers that repeat over a surface: asphalt, stones, tiles, grass, plaster, bark."""

import cv2
import numpy as np

from .canvas import Generator, grey, noise, rgba, SIDE_PX, Texture


def asphalt(rng: Generator, patches: bool) -> Texture:
    """Draw asphalt, old one with patches and cracks."""
    value = 0.78 + 0.6 * (noise(rng, 0.2, 40) - 0.5) + 0.3 * (noise(rng, 1.4) - 0.5)
    if patches:
        for _ in range(5):
            x, y = rng.integers(0, SIDE_PX - 90, 2)
            w, h = rng.integers(30, 90, 2)
            value[y : y + h, x : x + w] *= rng.uniform(0.8, 0.95)
        cracks = np.ones_like(value)
        for _ in range(9):
            width = int(rng.choice([1, 1, 2, 4]))
            steps = rng.normal(0, 9, (40, 2)).cumsum(0) + rng.integers(0, SIDE_PX, 2)
            cv2.polylines(cracks, [steps.astype(np.int32)], False, 0.62, width, cv2.LINE_AA)
        value *= cracks
    return grey(value)


def tiles(rng: Generator, rows: int, columns: int, joint_px: int, contrast: float) -> Texture:
    """Draw bricks, slabs or roof tiles, each row shifted by half."""
    value = np.full((SIDE_PX, SIDE_PX), 0.6, np.float32)
    height, width = SIDE_PX // rows, SIDE_PX // columns
    for row in range(rows):
        for column in range(columns):
            x = column * width + (row % 2) * width // 2
            tone = 0.88 + contrast * rng.normal()
            y = row * height
            for left in (x, x - SIDE_PX):
                if left + width > 0:
                    value[
                        y + joint_px : y + height, max(left + joint_px, 0) : max(left + width, 0)
                    ] = tone
    return grey(value * (0.9 + 0.2 * noise(rng, 1.0)))


def grass(rng: Generator) -> Texture:
    """Draw a lawn, dry in places."""
    fine, coarse = noise(rng, 0.4, 8), noise(rng, 1.6, 2)
    value = 0.45 + 0.55 * fine + 0.35 * (coarse - 0.5)
    dry = np.clip(2.4 * (coarse - 0.45), 0, 1)[..., None]
    colour = value[..., None] * ((1 - dry) * [0.78, 0.9, 0.54] + dry * [0.95, 0.9, 0.6])
    return rgba(colour.astype(np.float32))


def soil(rng: Generator) -> Texture:
    """Draw bare earth."""
    return grey(0.5 + 0.4 * noise(rng, 0.7, 4) + 0.2 * (noise(rng, 1.6) - 0.5))


def plaster(rng: Generator) -> Texture:
    """Draw the plaster of a storey, stained from above."""
    stains = np.linspace(0.04, -0.06, SIDE_PX, dtype=np.float32)[:, None]
    rough = 0.25 * (noise(rng, 0.3, 30) - 0.5) + 0.2 * (noise(rng, 1.3) - 0.5)
    return grey((0.88 + rough + stains).astype(np.float32))


def bark(rng: Generator) -> Texture:
    """Draw bark, its furrows upright."""
    value = noise(rng, 1.0, 6)
    value = cv2.resize(value[:, : SIDE_PX // 6], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return grey(0.25 + 0.9 * np.rot90(value).astype(np.float32))
