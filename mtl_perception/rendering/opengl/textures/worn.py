"""Layers of what people wear, handle and put up: cloth, metal, planks, notices, lettering."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .canvas import Generator, grey, noise, rgba, SIDE_PX, Texture


def cloth(rng: Generator, checked: bool) -> Texture:
    """Draw cloth in folds, with pockets; checked has stripes both ways in the weave."""
    value = 0.8 + 0.3 * (noise(rng, 1.2, 5) - 0.5) + 0.1 * (noise(rng, 0.2, 60) - 0.5)
    if checked:
        stripe = (np.arange(SIDE_PX) // 11 % 3 == 0) * np.float32(0.3)
        value *= (1 - stripe) * (1 - 0.6 * stripe[:, None])
    for _ in range(6):
        x, y = rng.integers(0, SIDE_PX - 70, 2)
        corner = (int(x + rng.integers(14, 70)), int(y + rng.integers(14, 70)))
        cv2.rectangle(value, (int(x), int(y)), corner, float(rng.uniform(0.55, 0.9)), 3)
    return grey(value)


def metal(rng: Generator) -> Texture:
    """Draw painted or galvanised metal: stains that ran down, dirt, rust, seams."""
    value = 0.87 + 0.15 * (noise(rng, 0.5, 20) - 0.5) + 0.2 * (noise(rng, 1.3, 3) - 0.5)
    streaks = cv2.resize(noise(rng, 0.6, 12)[:40], (SIDE_PX, SIDE_PX))
    value += 0.25 * (streaks - 0.5)
    value[:: SIDE_PX // 4] *= 0.5
    value[1 :: SIDE_PX // 4] *= 0.5
    colour = np.repeat(value[..., None], 3, -1)
    colour *= 1 - np.clip(noise(rng, 1.2, 4) - 0.8, 0, 1)[..., None] * [0.6, 1.8, 2.6]
    return rgba(colour.astype(np.float32))


def planks(rng: Generator) -> Texture:
    """Draw planks side by side, grey from the weather, with their grain upright."""
    count = 6
    width = SIDE_PX // count + 1
    tones = rng.uniform(0.55, 1.0, count).repeat(width)[:SIDE_PX]
    grain = cv2.resize(noise(rng, 0.7, 10)[:24], (SIDE_PX, SIDE_PX))
    value = (tones * (0.65 + 0.7 * grain)).astype(np.float32)
    for k in range(count):
        value[:, k * width : k * width + 7] *= 0.35
    return grey(value)


def notices(rng: Generator) -> Texture:
    """Draw what a cabinet or a hoarding ends up with: posters in layers, scrawls, rain."""
    colour = np.full((SIDE_PX, SIDE_PX, 3), 0.75)
    for _ in range(16):
        _stick(colour, rng)
    for _ in range(4):
        steps = rng.normal(0, 26, (30, 2)).cumsum(0) + rng.integers(0, SIDE_PX, 2)
        tone = rng.uniform(0, 0.8, 3).tolist()
        cv2.polylines(colour, [steps.astype(np.int32)], False, tone, 9, cv2.LINE_AA)
    colour *= (0.8 + 0.5 * (noise(rng, 1.2) - 0.5))[..., None]
    return rgba(colour.astype(np.float32))


def lettering(rng: Generator) -> Texture:
    """Draw a plate with a dark rim, lines of writing and an arrow; its ground is white."""
    colour = np.ones((SIDE_PX, SIDE_PX, 3))
    cv2.rectangle(colour, (14, 14), (SIDE_PX - 15, SIDE_PX - 15), (0.1, 0.1, 0.1), 14)
    for row in range(3):
        _write(colour, rng, (50, 130 * row + 60), (int(rng.integers(220, 420)), 70), 0.08)
    cv2.arrowedLine(colour, (420, 440), (300, 440), (0.08, 0.08, 0.08), 26, tipLength=0.5)
    return rgba(colour.astype(np.float32))


def _stick(colour: NDArray[np.float64], rng: Generator) -> None:
    """Stick a paper with three lines of writing on a layer."""
    x, y = (int(v) for v in rng.integers(0, SIDE_PX - 60, 2))
    w, h = (int(v) for v in rng.integers(60, 190, 2))
    colour[y : y + h, x : x + w] = rng.uniform(0.15, 1.0, 3)
    for row in range(3):
        place = (x + w // 8, y + h * (1 + 3 * row) // 10)
        _write(colour, rng, place, (w * 3 // 4, h // 5), float(rng.uniform(0, 1)))


def _write(
    colour: NDArray[np.float64],
    rng: Generator,
    place: tuple[int, int],
    size: tuple[int, int],
    tone: float,
) -> None:
    """Write something illegible from a place (x, y) on: strokes a fifth of its height wide."""
    (x, y), (w, h) = place, size
    stroke = h // 5
    for left in range(x, x + w, 2 * stroke):
        top = y + int(rng.integers(0, h // 2))
        low = y + int(rng.integers(h // 2, h))
        colour[top:low, left : left + stroke] = tone
