"""Traffic islands in the middle of the road, with what stands on them."""

from collections.abc import Iterator

import numpy as np

from mtl_perception.rendering.opengl.mesh import Floats, joined, Mesh
from mtl_perception.rendering.opengl.primitives import quads
from mtl_perception.rendering.scene.roadside.chunks import Chunks
from mtl_perception.rendering.scene.shapes import furniture, vegetation
from mtl_perception.rendering.scene.street import AHEAD_M, Generator, Street, WALKS

from .surfaces import covered, kerb_quads, kerb_stone, Tints

# what is narrower is no island
NARROWEST_M = 0.35
KERB_M = 0.15
# from a crossing to the islands before and behind it, for those who turn
CLEAR_M = 2.5
PLANTED = ('grass', 'soil')


def islands(chunks: Chunks, rng: Generator, half_width: float, tints: Tints) -> None:
    """Lay islands before and behind most crossings, and some between them.

    They are twice half_width wide, in metres; too narrow, they are left out.
    """
    if half_width < NARROWEST_M:
        return
    street = chunks.street
    surface, height = str(rng.choice([*WALKS, *PLANTED])), float(rng.uniform(0.06, 0.16))
    for start, stop in _spans(street, rng):
        chunks.add(start, _mesh(street, start, stop, half_width, height, surface, tints))
        for s, mesh, turn in _furniture(rng, start, stop, half_width, surface in PLANTED):
            chunks.add(s, mesh.moved(street.pose(s, 0.0, turn, height)))


def _spans(street: Street, rng: Generator) -> list[tuple[float, float]]:
    """Draw from where to where along s islands lie, clear of crossings and of each other."""
    drawn = [(s, 1) for s in np.arange(5.0, AHEAD_M - 60, 50.0) + rng.uniform(0, 40)]
    for crossing in street.crossings:
        drawn += [(crossing.start - CLEAR_M, -1), (crossing.stop + CLEAR_M, 1)]
    taken = [(c.start, c.stop) for c in street.crossings]
    spans = []
    # those of crossings first
    for edge, way in reversed(drawn):
        length = float(rng.uniform(4.0, 20.0))
        start, stop = sorted((float(edge), float(edge) + way * length))
        clear = all(stop + 1.0 < low or high + 1.0 < start for low, high in taken)
        if clear and rng.random() < 0.8:
            spans.append((start, stop))
            taken.append((start, stop))
    return spans


def _furniture(
    rng: Generator, start: float, stop: float, half_width: float, planted: bool
) -> Iterator[tuple[float, Mesh, float]]:
    """Draw what stands on an island: at which s, and turned by how much."""
    for s, turn in ((start + 0.7, 0.0), (stop - 0.7, np.pi)):
        if rng.random() < 0.8:
            yield s, furniture.island_post(rng), turn
    if planted and rng.random() < 0.6:
        for s in np.arange(start + 1.5, stop - 1.5, float(rng.uniform(1.0, 4.0))):
            yield float(s), vegetation.bush(rng, float(rng.uniform(0.3, 0.8)) * half_width), 0.0


def _mesh(
    street: Street,
    start: float,
    stop: float,
    half_width: float,
    height: float,
    surface: str,
    tints: Tints,
) -> Mesh:
    """Build an island with round ends: its kerb, upright and from above, and what it encloses."""
    s = _rows(start, stop, half_width)
    outer = _half_widths(s, start, stop, half_width)
    inner = np.maximum(outer - KERB_M, 0.0)
    parts = [covered(street, s, -inner, inner, height, surface, tints[surface])]
    for low, high in ((inner, outer), (-outer, -inner)):
        parts.append(covered(street, s, low, high, height, 'kerb', tints['kerb']))
    for side in (-1, 1):
        faces = kerb_quads(street, s, side * outer, height)
        parts.append(quads(faces[:, ::-side], kerb_stone(tints['kerb'])))
    return joined(parts)


def _rows(start: float, stop: float, radius: float) -> Floats:
    """Divide an island along s, finely at its round ends."""
    round_end = radius * (1 - np.cos(np.linspace(0, np.pi / 2, 7)))
    middle = np.arange(start + radius, stop - radius, 2.0)
    return np.unique(np.concatenate([start + round_end, middle, stop - round_end]))


def _half_widths(s: Floats, start: float, stop: float, radius: float) -> Floats:
    into = np.clip(np.minimum(s - start, stop - s), 0.0, radius)
    return np.asarray(np.sqrt(radius**2 - (radius - into) ** 2))
