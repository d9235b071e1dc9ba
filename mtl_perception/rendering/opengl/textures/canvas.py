"""What layers are drawn with: their size, seamless noise, grey and colour."""

import numpy as np
from numpy.typing import NDArray

SIDE_PX = 512
Texture = NDArray[np.uint8]
Generator = np.random.Generator


def noise(rng: Generator, exponent: float, low: int = 1) -> NDArray[np.float32]:
    """Draw seamless noise with a spectrum of 1/f^exponent from `low` cycles a side on, in 0..1."""
    frequency = np.fft.fftfreq(SIDE_PX, 1 / SIDE_PX)
    radius = np.hypot(frequency[:, None], frequency[None, :SIDE_PX])
    spectrum = np.where(radius >= low, np.maximum(radius, 1.0) ** -exponent, 0.0)
    phase = np.exp(2j * np.pi * rng.random((SIDE_PX, SIDE_PX)))
    field = np.fft.ifft2(spectrum * phase).real
    field = (field - field.mean()) / field.std()
    return np.asarray(np.clip(0.5 + 0.2 * field, 0, 1), np.float32)


def grey(value: NDArray[np.float32], alpha: float = 0.0) -> Texture:
    """Make a layer of a grey value (SIDE_PX, SIDE_PX) in 0..1."""
    return rgba(np.repeat(value[..., None], 3, -1), alpha)


def rgba(colour: NDArray[np.float32], alpha: float | NDArray[np.float32] = 0.0) -> Texture:
    """Make a layer of a colour (SIDE_PX, SIDE_PX, 3) and an alpha in 0..1."""
    picture = np.empty((SIDE_PX, SIDE_PX, 4), np.uint8)
    picture[..., :3] = np.clip(255 * colour, 0, 255)
    picture[..., 3] = np.clip(255 * np.asarray(alpha), 0, 255)
    return picture
