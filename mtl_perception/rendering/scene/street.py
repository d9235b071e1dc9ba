"""The street: its course, its cross-section, and the ground that it lies in."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import label_space
from mtl_perception.rendering.opengl.mesh import (
    Floats,
    joined,
    Material,
    Mesh,
    mesh,
    placed,
    quads,
)
from mtl_perception.rendering.opengl.textures import Layer
from mtl_perception.rendering.ranges import Ranges

_ids = label_space('road8').names.index
BUILDING, ROAD, SIDEWALK = _ids('building'), _ids('road'), _ids('sidewalk')
VEGETATION, VEHICLE = _ids('vegetation'), _ids('vehicle')
PERSON, OBJECT = _ids('person'), _ids('object')

BEHIND_M, AHEAD_M, ASIDE_M = 30.0, 260.0, 130.0
STEP_M = 0.5
# along or across the street, in metres
Place: TypeAlias = float | Floats
MARKING_HEIGHT_M = 0.006


class Zone(NamedTuple):
    """A strip along the street from the inner to the outer distance t, on one side."""

    kind: str
    inner: float
    outer: float
    height: float


class Crossing(NamedTuple):
    """A side road in the interval [start, stop] of s; on the sides (+1 left, -1 right)."""

    start: float
    stop: float
    sides: tuple[int, ...]


GROUNDS = {
    'road': Material(ROAD, (0.36, 0.36, 0.37), Layer.ASPHALT),
    'old road': Material(ROAD, (0.45, 0.44, 0.43), Layer.OLD_ASPHALT),
    'parking': Material(ROAD, (0.5, 0.48, 0.47), Layer.PAVING),
    'sidewalk': Material(SIDEWALK, (0.62, 0.6, 0.58), Layer.SLABS),
    'paving': Material(SIDEWALK, (0.66, 0.58, 0.54), Layer.PAVING),
    'kerb': Material(SIDEWALK, (0.68, 0.68, 0.66), Layer.PLASTER),
    'grass': Material(VEGETATION, (0.5, 0.5, 0.42), Layer.GRASS),
    'field': Material(VEGETATION, (0.62, 0.56, 0.36), Layer.GRASS),
    'soil': Material(VEGETATION, (0.42, 0.36, 0.3), Layer.SOIL),
}
_METRES_PER_TILE = {
    **{Layer.ASPHALT: 4.0, Layer.OLD_ASPHALT: 9.0, Layer.PAVING: 1.6, Layer.SLABS: 2.4},
    **{Layer.PLASTER: 2.0, Layer.GRASS: 5.0, Layer.SOIL: 3.0},
}


@dataclass(frozen=True)
class Street:
    """A street: kind, widths, zones by side, crossings, and its course through the world."""

    kind: str
    half_width: float
    lanes: int
    zones: dict[int, list[Zone]]
    crossings: list[Crossing]
    banks: dict[int, tuple[float, float]]
    course: 'Course'

    def edge(self, side: int) -> float:
        """Give where the built-up strip begins: the outer edge of the last narrow zone."""
        return self.zones[side][-1].inner

    def height(self, s: Place, t: Place) -> Floats:
        """Give the terrain's height above the centre line: banks beyond the last zone."""
        t = np.asarray(t, float)
        rise = np.zeros(np.broadcast_shapes(np.shape(s), t.shape))
        for side, (start, slope) in self.banks.items():
            beyond = np.clip(side * t - start, 0, 60)
            rise = rise + slope * beyond**2 / (beyond + 6.0)
        return np.asarray(rise)

    def world(self, s: Place, t: Place, h: Place = 0.0) -> Floats:
        """Place (s along, t to the left, h above the ground) in the world, (…, 3)."""
        return self.course.world(s, t, np.asarray(h) + self.height(s, t))

    def pose(self, s: float, t: float, turn: float = 0.0, h: float = 0.0) -> NDArray[np.float64]:
        """Give the pose of what stands upright at (s, t), turned from the street's heading."""
        x, y, z = self.world(s, t, h)
        return placed(float(x), float(y), float(z), float(self.course.heading(s)) + turn)

    def free(self, s: float, side: int, margin: float = 0.0) -> bool:
        """Tell whether no side road leaves at s on that side."""
        return not any(
            side in c.sides and c.start - margin < s < c.stop + margin for c in self.crossings
        )

    def ground_height(self, s: float, t: float) -> float:
        """Give the height of the zone at (s, t) above the terrain."""
        side = 1 if t > 0 else -1
        if abs(t) < self.half_width or not self.free(s, side):
            return 0.0
        return next((z.height for z in self.zones[side] if z.inner <= abs(t) < z.outer), 0.0)


class Course:
    """A smooth line through the world: straights, bends, slopes."""

    def __init__(self, curvature: Floats, slope: Floats) -> None:
        """Integrate curvature (1/m) and slope, sampled every STEP_M from -BEHIND_M on."""
        self._s = -BEHIND_M + STEP_M * np.arange(len(curvature))
        heading = np.cumsum(curvature) * STEP_M
        self._heading = heading - np.interp(0.0, self._s, heading)
        lines = [np.cos(self._heading), np.sin(self._heading), slope]
        sums = [np.cumsum(line) * STEP_M for line in lines]
        self._xyz = [line - np.interp(0.0, self._s, line) for line in sums]

    def heading(self, s: Place) -> Floats:
        """Give the direction of the street in the world, in radians."""
        return np.asarray(np.interp(s, self._s, self._heading))

    def world(self, s: Place, t: Place, h: Place) -> Floats:
        """Place (s, t, h) in the world."""
        x, y, z = (np.interp(s, self._s, line) for line in self._xyz)
        turn = self.heading(s)
        return np.stack(np.broadcast_arrays(x - t * np.sin(turn), y + t * np.cos(turn), z + h), -1)


def draw_street(rng: np.random.Generator, ranges: Ranges) -> Street:
    """Draw a street of a random kind."""
    kinds = list(ranges.streets)
    kind = str(rng.choice(kinds, p=np.array(list(ranges.streets.values()))))
    lanes = {'highway': 4, 'city': int(rng.choice([2, 3, 4])), 'rural': 2}.get(kind, 2)
    half = lanes * rng.uniform(*ranges.lane_width) / 2
    if kind in ('residential', 'city') and rng.random() < 0.7:
        half += 1.1
    zones = {side: _zones(rng, ranges, kind, half) for side in (1, -1)}
    crossings = [] if kind == 'highway' else _crossings(rng, ranges, kind)
    banks = {
        side: (
            zones[side][-1].inner + 3.0,
            float(rng.choice([0.0, 0.0, rng.uniform(-0.12, 0.3)])),
        )
        for side in (1, -1)
    }
    return Street(kind, float(half), lanes, zones, crossings, banks, _course(rng, ranges, kind))


def _zones(rng: np.random.Generator, ranges: Ranges, kind: str, half: float) -> list[Zone]:
    kerb = float(rng.uniform(*ranges.kerb_height))
    edges: list[tuple[str, float, float]] = []
    paved = str(rng.choice(['sidewalk', 'paving', 'old road']))
    walk = 'sidewalk' if paved == 'old road' else paved
    if kind in ('rural', 'highway'):
        edges.append(('old road', float(rng.uniform(0.3, 2.0)), 0.0))
        edges.append(('grass', float(rng.uniform(1.5, 4.0)), 0.0))
        last = str(rng.choice(['grass', 'field', 'soil']))
    else:
        parking = rng.random() < 0.3
        if parking:
            edges.append(('parking', 2.3, 0.0))
        edges.append(('kerb', 0.15, kerb))
        if rng.random() < (0.6 if kind == 'suburb' else 0.25):
            edges.append(('grass', float(rng.uniform(*ranges.verge_width)), kerb))
        edges.append((walk, float(rng.uniform(*ranges.sidewalk_width)), kerb))
        gardens = str(rng.choice(['grass', 'grass', 'soil', 'paving']))
        last = walk if kind == 'city' else gardens
    zones, inner = [], half
    for name, width, height in edges:
        zones.append(Zone(name, inner, inner + width, height))
        inner += width
    zones.append(Zone(last, inner, ASIDE_M, zones[-1].height))
    return zones


def _crossings(rng: np.random.Generator, ranges: Ranges, kind: str) -> list[Crossing]:
    crossings = []
    s = float(rng.uniform(-10, 60))
    while s < AHEAD_M - 20:
        width = float(rng.uniform(3.0, 8.0))
        sides = [(1,), (-1,), (1, -1)][rng.integers(3)]
        if rng.random() < (0.4 if kind == 'rural' else 0.85):
            crossings.append(Crossing(s, s + width, sides))
        s += float(rng.uniform(*ranges.crossing_spacing))
    return crossings


def _course(rng: np.random.Generator, ranges: Ranges, kind: str) -> Course:
    count = round((BEHIND_M + AHEAD_M) / STEP_M) + 1
    curvature, slope = np.zeros(count), np.zeros(count)
    start = 0
    while start < count:
        length = int(rng.uniform(40, 140) / STEP_M)
        if rng.random() > ranges.straight:
            radius = rng.uniform(*ranges.turn_radius) * (3.0 if kind == 'highway' else 1.0)
            curvature[start : start + length] = rng.choice([-1, 1]) / radius
        slope[start : start + length] = rng.uniform(*ranges.slope_percent) / 100 * rng.beta(1, 2)
        start += length
    kernel = np.hanning(round(30 / STEP_M))
    smooth = [
        np.convolve(np.pad(x, 40, 'edge'), kernel / kernel.sum(), 'same')[40:-40]
        for x in (curvature, slope)
    ]
    return Course(*smooth)


def ground(street: Street, rng: np.random.Generator) -> Mesh:
    """Build road, kerbs, sidewalks, verges, side roads and the land around."""
    tints = {kind: float(rng.uniform(0.75, 1.2)) for kind in GROUNDS}
    road = str(rng.choice(['road', 'old road']))
    rows = np.unique(
        np.concatenate(
            [np.arange(-BEHIND_M, AHEAD_M, 2.0), *([c.start, c.stop] for c in street.crossings)]
        )
    )
    parts = []
    for side in (1, -1):
        walls: list[Zone] = []
        for index, zone in enumerate(street.zones[side]):
            inner_height = street.zones[side][index - 1].height if index else 0.0
            parts += _strip(street, side, zone, rows, road, tints)
            if zone.height != inner_height:
                walls.append(Zone('kerb', zone.inner, zone.inner, zone.height))
        parts += [_kerb_faces(street, side, wall, rows) for wall in walls]
    middle = np.linspace(-street.half_width, street.half_width, 7)
    for first, second in pairwise(middle):
        parts.append(_sheet(street, rows, first, second, 0.0, road, tints))
    return joined(parts)


def _strip(
    street: Street, side: int, zone: Zone, rows: Floats, road: str, tints: dict[str, float]
) -> list[Mesh]:
    """Build one zone of one side, with side roads across it."""
    widths = _fill(zone.inner, zone.outer)
    taken = np.array([not street.free((a + b) / 2, side) for a, b in pairwise(rows)])
    parts = []
    for a, b in pairwise(widths):
        low, high = sorted((side * a, side * b))
        for open_road in (False, True):
            kind, height = (road, 0.0) if open_road else (zone.kind, zone.height)
            for start, stop in _runs(taken == open_road):
                rows_here = rows[start : stop + 1]
                parts.append(_sheet(street, rows_here, low, high, height, kind, tints))
    if zone.height > 0:
        for c in street.crossings:
            if side in c.sides and zone.inner < 40:
                for s in (c.start, c.stop):
                    t = side * np.array([zone.inner, min(zone.outer, 40.0)])
                    low_edge, top_edge = street.world(s, t, 0.0), street.world(s, t, zone.height)
                    corners = [low_edge[0], low_edge[1], top_edge[1], top_edge[0]]
                    parts.append(quads([corners], GROUNDS['kerb']))
    return parts


def _fill(inner: float, outer: float) -> Floats:
    """Divide a zone: fine near the road, coarse far away."""
    edges = [inner]
    while edges[-1] < outer - 1e-6:
        edges.append(min(outer, edges[-1] + max(3.0, 0.35 * (edges[-1] - inner))))
    return np.array(edges)


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Give [start, stop) of each run of True."""
    changes = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(int)))
    return [(int(a), int(b)) for a, b in zip(changes[::2], changes[1::2], strict=True)]


def _sheet(
    street: Street,
    rows: Floats,
    low: float,
    high: float,
    height: float,
    kind: str,
    tints: dict[str, float],
) -> Mesh:
    points = street.world(rows[:, None], np.array([[low, high]]), height)
    count = len(rows)
    index = 2 * np.arange(count - 1)[:, None]
    faces = np.concatenate([index + [0, 2, 3], index + [0, 3, 1]], 1)
    material = GROUNDS[kind]
    tile = _METRES_PER_TILE[Layer(material.layer)]
    uv = np.stack(np.broadcast_arrays(rows[:, None], np.array([[low, high]])), -1) / tile
    return mesh(points, faces, material, uv.reshape(-1, 2), shade=np.full(2 * count, tints[kind]))


def _kerb_faces(street: Street, side: int, wall: Zone, rows: Floats) -> Mesh:
    keep = [street.free((a + b) / 2, side) for a, b in pairwise(rows)]
    low = street.world(rows, side * wall.inner, 0.0)
    top = street.world(rows, side * wall.inner, wall.height)
    corners = np.stack([low[:-1], low[1:], top[1:], top[:-1]], 1)[np.array(keep)]
    return quads(corners, GROUNDS['kerb'])


def markings(street: Street, rng: np.random.Generator) -> Mesh:
    """Build lane lines, edge lines, stop lines and zebra crossings."""
    worn = float(rng.uniform(0.6, 0.95))
    paint = Material(ROAD, (worn, worn, worn), Layer.ASPHALT)
    half, parts = street.half_width, []
    if street.kind != 'residential' or rng.random() < 0.3:
        dash, gap = (6.0, 12.0) if street.kind == 'highway' else (3.0, 6.0)
        lines = np.linspace(-half, half, street.lanes + 1)[1:-1]
        for t in lines:
            solid = rng.random() < 0.2
            starts = np.arange(-BEHIND_M, AHEAD_M - 10, 4.0 if solid else dash + gap)
            parts.append(_line(street, starts, 4.0 if solid else dash, float(t), paint))
    if street.kind in ('rural', 'highway') or rng.random() < 0.25:
        starts = np.arange(-BEHIND_M, AHEAD_M - 10, 4.0)
        for t in (half - 0.25, 0.25 - half):
            parts.append(_line(street, starts, 4.0, t, paint))
    for crossing in street.crossings:
        if street.kind in ('city', 'residential') and rng.random() < 0.5:
            for t in np.arange(-half + 0.4, half - 0.4, 1.0):
                start = np.array([crossing.start - 5.0])
                parts.append(_line(street, start, 3.0, float(t), paint, 0.5))
    return joined(parts)


def _line(
    street: Street,
    starts: Sequence[float] | Floats,
    length: float,
    t: float,
    paint: Material,
    width: float = 0.13,
) -> Mesh:
    pieces = max(1, round(length / 2.0))
    edges = np.asarray(starts)[:, None] + np.linspace(0, length, pieces + 1)
    a, b = edges[:, :-1].ravel(), edges[:, 1:].ravel()
    corners = [(a, t - width / 2), (b, t - width / 2), (b, t + width / 2), (a, t + width / 2)]
    points = np.stack([street.world(s, u, MARKING_HEIGHT_M) for s, u in corners], 1)
    uv = np.stack([np.stack([s, np.full_like(s, u)], -1) for s, u in corners], 1) / 4.0
    return quads(points, paint, uv)
