"""Layers of one bay of one storey: a wall with a window, door, shop or garage in it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .canvas import Generator, noise, rgba, SIDE_PX, Texture
from .layers import Layer

# left, top, right and low edge of the opening, as shares of the bay
OPENINGS = {
    Layer.WINDOW_TALL: (0.32, 0.18, 0.68, 0.75),
    Layer.WINDOW_WIDE: (0.18, 0.25, 0.82, 0.72),
    Layer.WINDOW_SHUTTERS: (0.35, 0.2, 0.65, 0.76),
    Layer.WINDOW_OFFICE: (0.03, 0.28, 0.97, 0.82),
    Layer.DOOR: (0.34, 0.2, 0.66, 1.0),
    Layer.SHOP: (0.06, 0.22, 0.94, 0.97),
    Layer.GARAGE: (0.12, 0.22, 0.88, 1.0),
}


class _Bay(NamedTuple):
    """The maps that are drawn on, and the opening in them: edges and width of the frame."""

    colour: NDArray[np.float64]
    alpha: NDArray[np.float32]
    x0: int
    y0: int
    x1: int
    y1: int
    frame: int


def facade(rng: Generator, kind: Layer) -> Texture:
    """Draw one of OPENINGS."""
    wall = 0.88 + 0.22 * (noise(rng, 0.3, 30) - 0.5) + 0.16 * (noise(rng, 1.3) - 0.5)
    colour = np.repeat(wall[..., None], 3, -1)
    alpha = np.zeros_like(wall)
    x0, y0, x1, y1 = (round(SIDE_PX * v) for v in OPENINGS[kind])
    frame = 10 if kind != Layer.WINDOW_OFFICE else 5
    # shadow under the lintel and light on the sill give the opening depth
    colour[y0 - frame : y1 + frame, x0 - frame : x1 + frame] = rng.uniform(0.75, 0.98)
    bay = _Bay(colour, alpha, x0, y0, x1, y1, frame)
    if kind in (Layer.DOOR, Layer.GARAGE):
        _door(bay, rng, kind)
    else:
        _window(bay, rng, kind)
    if kind == Layer.SHOP:
        colour[int(0.03 * SIDE_PX) : int(0.17 * SIDE_PX)] = rng.uniform(0.1, 0.9, 3)
    if kind == Layer.WINDOW_SHUTTERS:
        _shutters(bay, rng)
    return rgba(colour.astype(np.float32), alpha)


def _door(bay: _Bay, rng: Generator, kind: Layer) -> None:
    colour, alpha, x0, y0, x1, y1, frame = bay
    tone = np.array(rng.uniform([0.2, 0.15, 0.12], [0.75, 0.6, 0.55]))
    colour[y0:y1, x0:x1] = tone
    for line in np.linspace(y0, y1, 7)[1:-1].astype(int):
        colour[line : line + 3, x0:x1] = 0.75 * tone
    if kind == Layer.DOOR:
        colour[y0:y1, x0 - frame : x0 - 4] = 0.5
        alpha[y0 + 14 : y0 + 60, x0 + 20 : x1 - 20] = 0.9


def _window(bay: _Bay, rng: Generator, kind: Layer) -> None:
    colour, alpha, x0, y0, x1, y1, frame = bay
    glass = np.linspace(0.28, 0.12, y1 - y0)[:, None, None] * np.array([0.9, 1.0, 1.08])
    colour[y0:y1, x0:x1] = glass
    alpha[y0:y1, x0:x1] = 1.0
    if rng.random() < 0.7 and kind != Layer.SHOP:
        curtain = int((x1 - x0) * rng.uniform(0.1, 0.35))
        for part in (slice(x0, x0 + curtain), slice(x1 - curtain, x1)):
            colour[y0:y1, part] = rng.uniform(0.5, 0.8)
            alpha[y0:y1, part] = 0.35
    panes = {Layer.SHOP: 4, Layer.WINDOW_OFFICE: 3}.get(kind, 2)
    for bar in np.linspace(x0, x1, panes + 1)[1:-1].astype(int):
        colour[y0:y1, bar - 5 : bar + 5] = 0.85
        alpha[y0:y1, bar - 5 : bar + 5] = 0
    colour[y0 : y0 + 12, x0:x1] *= 0.5
    colour[y1 + frame : y1 + frame + 8, x0 - 18 : x1 + 18] = 0.98
    colour[y1 + frame + 8 : y1 + frame + 26, x0 - 14 : x1 + 14] *= 0.72


def _shutters(bay: _Bay, rng: Generator) -> None:
    colour, _, x0, y0, x1, y1, _ = bay
    tone = rng.uniform([0.15, 0.2, 0.12], [0.6, 0.5, 0.45])
    width = (x1 - x0) // 2
    for part in (slice(x0 - width - 12, x0 - 12), slice(x1 + 12, x1 + 12 + width)):
        colour[y0:y1, part] = tone
        colour[y0:y1:14, part] = 0.6 * tone
