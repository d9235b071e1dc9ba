"""Procedural textures: every layer of the scenes' texture array, drawn from one seed.

Layers are RGBA in sRGB; the colour multiplies a surface's tint. Alpha is how much a facade or a
vehicle mirrors the sky like glass; for leaves, grass and wire it is coverage.
"""

from collections.abc import Callable
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE_PX = 512
Texture = NDArray[np.uint8]
Generator = np.random.Generator


class Layer(IntEnum):
    """The layers by name; those from LEAVES on are cut out by their alpha.

    A number is the seed of its layer as well: that of one which goes is not given again.
    """

    PLAIN = 0
    ASPHALT = 1
    OLD_ASPHALT = 2
    PAVING = 3
    SLABS = 4
    GRASS = 5
    SOIL = 6
    PLASTER = 7
    BRICK = 8
    STONE = 9
    ROOF = 10
    BARK = 11
    WINDOW_TALL = 12
    WINDOW_WIDE = 13
    WINDOW_SHUTTERS = 14
    WINDOW_OFFICE = 15
    DOOR = 16
    SHOP = 17
    GARAGE = 18
    SIGN_LIMIT = 19
    SIGN_STOP = 20
    SIGN_BLUE = 21
    LEAVES = 23
    NEEDLES = 24
    LARGE_LEAVES = 25
    BLADES = 26
    WIRE = 27


def texture_array(seed: int) -> Texture:
    """Draw all layers, (layers, SIDE_PX, SIDE_PX, 4)."""
    layers = np.full((max(Layer) + 1, SIDE_PX, SIDE_PX, 4), 255, np.uint8)
    for layer, draw in _PAINTERS.items():
        layers[layer] = draw(np.random.default_rng((seed, layer)))
    return layers


def noise(rng: Generator, exponent: float, low: int = 1) -> NDArray[np.float32]:
    """Draw seamless noise with a spectrum of 1/f^exponent from `low` cycles a side on, in 0..1."""
    frequency = np.fft.fftfreq(SIDE_PX, 1 / SIDE_PX)
    radius = np.hypot(frequency[:, None], frequency[None, :SIDE_PX])
    spectrum = np.where(radius >= low, np.maximum(radius, 1.0) ** -exponent, 0.0)
    phase = np.exp(2j * np.pi * rng.random((SIDE_PX, SIDE_PX)))
    field = np.fft.ifft2(spectrum * phase).real
    field = (field - field.mean()) / field.std()
    return np.asarray(np.clip(0.5 + 0.2 * field, 0, 1), np.float32)


def _grey(value: NDArray[np.float32], alpha: float = 0.0) -> Texture:
    return _rgba(np.repeat(value[..., None], 3, -1), alpha)


def _rgba(colour: NDArray[np.float32], alpha: float | NDArray[np.float32] = 0.0) -> Texture:
    picture = np.empty((SIDE_PX, SIDE_PX, 4), np.uint8)
    picture[..., :3] = np.clip(255 * colour, 0, 255)
    picture[..., 3] = np.clip(255 * np.asarray(alpha), 0, 255)
    return picture


def _asphalt(rng: Generator, patches: bool) -> Texture:
    value = 0.78 + 0.22 * (noise(rng, 0.2, 40) - 0.5) + 0.3 * (noise(rng, 1.4) - 0.5)
    if patches:
        for _ in range(5):
            x, y = rng.integers(0, SIDE_PX - 90, 2)
            w, h = rng.integers(30, 90, 2)
            value[y : y + h, x : x + w] *= rng.uniform(0.8, 0.95)
        cracks = np.ones_like(value)
        for _ in range(9):
            steps = rng.normal(0, 9, (40, 2)).cumsum(0) + rng.integers(0, SIDE_PX, 2)
            cv2.polylines(cracks, [steps.astype(np.int32)], False, 0.62, 1, cv2.LINE_AA)
        value *= cracks
    return _grey(value)


def _tiles(rng: Generator, rows: int, columns: int, joint_px: int, contrast: float) -> Texture:
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
    return _grey(value * (0.9 + 0.2 * noise(rng, 1.0)))


def _grass(rng: Generator) -> Texture:
    fine, coarse = noise(rng, 0.4, 8), noise(rng, 1.6, 2)
    value = 0.45 + 0.55 * fine + 0.35 * (coarse - 0.5)
    dry = np.clip(2.4 * (coarse - 0.45), 0, 1)[..., None]
    colour = value[..., None] * ((1 - dry) * [0.72, 0.9, 0.42] + dry * [0.95, 0.9, 0.6])
    return _rgba(colour.astype(np.float32))


def _soil(rng: Generator) -> Texture:
    return _grey(0.5 + 0.4 * noise(rng, 0.7, 4) + 0.2 * (noise(rng, 1.6) - 0.5))


def _plaster(rng: Generator) -> Texture:
    stains = np.linspace(0.04, -0.06, SIDE_PX, dtype=np.float32)[:, None]
    return _grey(
        0.9 + 0.06 * (noise(rng, 0.3, 30) - 0.5) + 0.16 * (noise(rng, 1.5) - 0.5) + stains
    )


def _bark(rng: Generator) -> Texture:
    value = noise(rng, 1.0, 6)
    value = cv2.resize(value[:, : SIDE_PX // 6], (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
    return _grey(0.25 + 0.9 * np.rot90(value).astype(np.float32))


def _facade(rng: Generator, kind: Layer) -> Texture:
    """Draw one bay of one storey: a wall with a window, door, shop or garage in it."""
    wall = 0.9 + 0.06 * (noise(rng, 0.3, 30) - 0.5) + 0.12 * (noise(rng, 1.5) - 0.5)
    colour = np.repeat(wall[..., None], 3, -1)
    alpha = np.zeros_like(wall)
    left, top, right, low = {
        Layer.WINDOW_TALL: (0.32, 0.18, 0.68, 0.75),
        Layer.WINDOW_WIDE: (0.18, 0.25, 0.82, 0.72),
        Layer.WINDOW_SHUTTERS: (0.35, 0.2, 0.65, 0.76),
        Layer.WINDOW_OFFICE: (0.03, 0.28, 0.97, 0.82),
        Layer.DOOR: (0.34, 0.2, 0.66, 1.0),
        Layer.SHOP: (0.06, 0.22, 0.94, 0.97),
        Layer.GARAGE: (0.12, 0.22, 0.88, 1.0),
    }[kind]
    x0, y0, x1, y1 = (round(SIDE_PX * v) for v in (left, top, right, low))
    frame = 10 if kind != Layer.WINDOW_OFFICE else 5
    # shadow under the lintel and light on the sill give the opening depth
    colour[y0 - frame : y1 + frame, x0 - frame : x1 + frame] = rng.uniform(0.75, 0.98)
    if kind in (Layer.DOOR, Layer.GARAGE):
        tone = np.array(rng.uniform([0.2, 0.15, 0.12], [0.75, 0.6, 0.55]))
        colour[y0:y1, x0:x1] = tone
        for line in np.linspace(y0, y1, 7)[1:-1].astype(int):
            colour[line : line + 3, x0:x1] = 0.75 * tone
        if kind == Layer.DOOR:
            colour[y0:y1, x0 - frame : x0 - 4] = 0.5
            alpha[y0 + 14 : y0 + 60, x0 + 20 : x1 - 20] = 0.9
    else:
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
    if kind == Layer.SHOP:
        colour[int(0.03 * SIDE_PX) : int(0.17 * SIDE_PX)] = rng.uniform(0.1, 0.9, 3)
    if kind == Layer.WINDOW_SHUTTERS:
        tone = rng.uniform([0.15, 0.2, 0.12], [0.6, 0.5, 0.45])
        width = (x1 - x0) // 2
        for part in (slice(x0 - width - 12, x0 - 12), slice(x1 + 12, x1 + 12 + width)):
            colour[y0:y1, part] = tone
            colour[y0:y1:14, part] = 0.6 * tone
    return _rgba(colour.astype(np.float32), alpha)


def _sign(kind: Layer) -> Texture:
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


def _leaves(rng: Generator, count: int, length: float, width: float) -> Texture:
    """Scatter leaves of varied green over a transparent card."""
    picture = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    picture[..., :3] = 150
    for _ in range(count):
        radius = SIDE_PX * 0.46 * np.sqrt(rng.random())
        angle = rng.uniform(0, 2 * np.pi)
        x, y = SIDE_PX / 2 + radius * np.cos(angle), SIDE_PX / 2 + radius * np.sin(angle)
        tone = rng.uniform(0.45, 1.0)
        colour = np.clip(
            255 * tone * np.array([0.85, 1.0, 0.62]) * rng.uniform(0.85, 1.1, 3), 0, 255
        )
        axes = (length * rng.uniform(0.7, 1.2), width * rng.uniform(0.7, 1.2))
        ellipse = ((float(x), float(y)), axes, float(rng.uniform(0, 360)))
        cv2.ellipse(picture, ellipse, (*colour.tolist(), 255), -1)
    return picture


def _blades(rng: Generator) -> Texture:
    picture = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    picture[..., :3] = (130, 150, 80)
    for _ in range(260):
        x = rng.integers(0, SIDE_PX)
        tip = (int(x + rng.normal(0, 50)), int(SIDE_PX * rng.uniform(0.15, 0.8)))
        tone = rng.uniform(0.5, 1.0)
        colour = (225 * tone, 245 * tone, 140 * tone, 255)
        cv2.line(picture, (int(x), SIDE_PX), tip, colour, int(rng.integers(3, 8)))
    return picture


def _wire(rng: Generator) -> Texture:
    picture = np.zeros((SIDE_PX, SIDE_PX, 4), np.uint8)
    picture[..., :3] = 190
    for start in range(-SIDE_PX, 2 * SIDE_PX, 64):
        cv2.line(picture, (start, 0), (start + SIDE_PX, SIDE_PX), (190, 195, 190, 255), 7)
        cv2.line(picture, (start, SIDE_PX), (start + SIDE_PX, 0), (190, 195, 190, 255), 7)
    return picture


_FACADES = (
    *(Layer.WINDOW_TALL, Layer.WINDOW_WIDE, Layer.WINDOW_SHUTTERS, Layer.WINDOW_OFFICE),
    *(Layer.DOOR, Layer.SHOP, Layer.GARAGE),
)
_PAINTERS: dict[Layer, Callable[[Generator], Texture]] = {
    Layer.PLAIN: lambda rng: _grey(np.ones((SIDE_PX, SIDE_PX), np.float32)),
    Layer.ASPHALT: lambda rng: _asphalt(rng, patches=False),
    Layer.OLD_ASPHALT: lambda rng: _asphalt(rng, patches=True),
    Layer.PAVING: lambda rng: _tiles(rng, 16, 8, 3, 0.05),
    Layer.SLABS: lambda rng: _tiles(rng, 8, 8, 3, 0.05),
    Layer.GRASS: _grass,
    Layer.SOIL: _soil,
    Layer.PLASTER: _plaster,
    Layer.BRICK: lambda rng: _tiles(rng, 32, 12, 2, 0.09),
    Layer.STONE: lambda rng: _tiles(rng, 14, 7, 4, 0.12),
    Layer.ROOF: lambda rng: _tiles(rng, 20, 16, 4, 0.09),
    Layer.BARK: _bark,
    **{kind: lambda rng, kind=kind: _facade(rng, kind) for kind in _FACADES},  # type: ignore[misc]
    **{
        kind: lambda rng, kind=kind: _sign(kind)  # type: ignore[misc]
        for kind in (Layer.SIGN_LIMIT, Layer.SIGN_STOP, Layer.SIGN_BLUE)
    },
    Layer.LEAVES: lambda rng: _leaves(rng, 520, 34, 18),
    Layer.NEEDLES: lambda rng: _leaves(rng, 900, 44, 6),
    Layer.LARGE_LEAVES: lambda rng: _leaves(rng, 230, 58, 34),
    Layer.BLADES: _blades,
    Layer.WIRE: _wire,
}
