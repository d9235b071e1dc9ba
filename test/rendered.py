"""Rendered scenes for tests; skipped by name where OpenGL cannot be opened."""

from collections.abc import Iterator
from functools import cache

import pytest

from mtl_perception.geometry import Intrinsics

pytest.importorskip('moderngl')

from mtl_perception.rendering.drive import Frame, Path, Studio

__all__ = ['CAMERA', 'Frame', 'Path', 'frames', 'studio']

CAMERA = Intrinsics(360.0, 358.0, 310.3, 95.7, 621, 188)


@cache
def _open() -> Studio | str:
    try:
        return Studio(CAMERA, samples=1)
    except OSError as error:
        return str(error)


def studio() -> Studio:
    """Give a studio of a half-size camera, opened once."""
    opened = _open()
    if isinstance(opened, str):
        pytest.skip(opened)
    return opened


def frames(seed: int, count: int, rate_hz: float = 5.0) -> Iterator[Frame]:
    """Give the first frames of the drive of a seed."""
    return studio().drive(seed, count, rate_hz)
