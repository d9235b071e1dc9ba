"""Layers drawn once on a card: signs, leaves, blades of grass, wire."""

import cv2
import numpy as np

from .canvas import Generator, SIDE_PX, Texture
from .layers import Layer


def sign(kind: Layer) -> Texture:
    """Draw one of the traffic signs."""
    picture = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    centre, full = (SIDE_PX // 2, SIDE_PX // 2), SIDE_PX // 2
    if kind == Layer.SIGN_LIMIT:
        picture[..., :3] = (200, 20, 25)
        cv2.circle(picture, centre, round(0.8 * full), (245, 245, 245, 0), -1)
        cv2.putText(picture, '30', (95, 330), 0, 6.5, (20, 20, 20, 0), 34)
    elif kind == Layer.SIGN_STOP:
        picture[..., :3] = (190, 15, 20)
        cv2.putText(picture, 'STOP', (60, 310), 0, 4.8, (245, 245, 245, 0), 24)
    else:
        picture[..., :3] = (10, 60, 160)
        cv2.arrowedLine(picture, (256, 420), (256, 90), (245, 245, 245, 0), 50, tipLength=0.4)
    return picture


def leaves(rng: Generator, count: int, length: float, width: float) -> Texture:
    """Scatter leaves of varied green over a transparent card."""
    picture = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    picture[..., :3] = 150
    for _ in range(count):
        radius = SIDE_PX * 0.46 * np.sqrt(rng.random())
        angle = rng.uniform(0, 2 * np.pi)
        x, y = SIDE_PX / 2 + radius * np.cos(angle), SIDE_PX / 2 + radius * np.sin(angle)
        tone = rng.uniform(0.2, 1.0)
        colour = np.clip(
            255 * tone * np.array([0.92, 1.0, 0.78]) * rng.uniform(0.85, 1.1, 3), 0, 255
        )
        axes = (length * rng.uniform(0.7, 1.2), width * rng.uniform(0.7, 1.2))
        ellipse = ((float(x), float(y)), axes, float(rng.uniform(0, 360)))
        cv2.ellipse(picture, ellipse, (*colour.tolist(), 255), -1)
    return picture


def blades(rng: Generator) -> Texture:
    """Draw blades of grass that stand on the lower edge."""
    picture = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    picture[..., :3] = (130, 150, 80)
    for _ in range(260):
        x = rng.integers(0, SIDE_PX)
        tip = (int(x + rng.normal(0, 50)), int(SIDE_PX * rng.uniform(0.15, 0.8)))
        tone = rng.uniform(0.5, 1.0)
        colour = (215 * tone, 230 * tone, 160 * tone, 255)
        cv2.line(picture, (int(x), SIDE_PX), tip, colour, int(rng.integers(3, 8)))
    return picture


def wire(rng: Generator) -> Texture:
    """Draw the mesh of a wire fence."""
    picture = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    picture[..., :3] = 190
    for start in range(-SIDE_PX, 2 * SIDE_PX, 64):
        cv2.line(picture, (start, 0), (start + SIDE_PX, SIDE_PX), (190, 195, 190, 255), 7)
        cv2.line(picture, (start, SIDE_PX), (start + SIDE_PX, 0), (190, 195, 190, 255), 7)
    return picture
