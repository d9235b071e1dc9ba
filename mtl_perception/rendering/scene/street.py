"""The street: its course, its cross-section, and the ground that it lies in."""

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import label_space
from mtl_perception.rendering.opengl.mesh import Floats, placed
from mtl_perception.rendering.ranges import Ranges

_ids = label_space('road8').names.index
BUILDING, ROAD, SIDEWALK = _ids('building'), _ids('road'), _ids('sidewalk')
VEGETATION, VEHICLE = _ids('vegetation'), _ids('vehicle')
PERSON, OBJECT = _ids('person'), _ids('object')

BEHIND_M, AHEAD_M, ASIDE_M = 30.0, 260.0, 130.0
STEP_M = 0.5
Generator: TypeAlias = np.random.Generator
# along or across the street, in metres
Place: TypeAlias = float | Floats
# streets that islands may divide
TOWN = ('residential', 'city', 'suburb')
# what people walk on, see ground.GROUNDS
WALKS = ('sidewalk', 'paving', 'asphalt walk')
# right-hand traffic: the camera's side is -1
OURS, THEIRS = -1, 1


class Zone(NamedTuple):
    """A strip along the street from the inner to the outer distance t, on one side."""

    kind: str
    inner: float
    outer: float
    height: float


class Crossing(NamedTuple):
    """A side road in the interval [start, stop] of s; on the sides (+1 left, -1 right).

    With its rounded corners, if the street has such.
    """

    start: float
    stop: float
    sides: tuple[int, ...]


@dataclass(frozen=True)
class Street:
    """A street: kind, widths, zones by side, crossings, and its course through the world.

    Islands as wide as twice `island`, 0 for none, divide the lanes here and there. `corner` is the
    radius of the corners of side roads, 0 for square ones.
    """

    kind: str
    half_width: float
    lanes: int
    zones: dict[int, list[Zone]]
    crossings: list[Crossing]
    banks: dict[int, tuple[float, float]]
    course: 'Course'
    island: float = 0.0
    corner: float = 0.0

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

    def slope(self, s: float) -> float:
        """Give the angle, in radians, by which the street climbs at s."""
        behind, ahead = self.world(np.array([s - 1.0, s + 1.0]), 0.0)
        return float(np.arctan2(ahead[2] - behind[2], 2.0))

    def free(self, s: float, side: int, margin: float = 0.0) -> bool:
        """Tell whether no side road leaves at s on that side."""
        return self._crossing(s, side, margin) is None

    def _crossing(self, s: float, side: int, margin: float = 0.0) -> Crossing | None:
        reached = (c for c in self.crossings if c.start - margin < s < c.stop + margin)
        return next((c for c in reached if side in c.sides), None)

    def ground_height(self, s: float, t: float) -> float:
        """Give the height of the zone at (s, t) above the terrain."""
        side, zones = (1, self.zones[1]) if t > 0 else (-1, self.zones[-1])
        if abs(t) < self.half_width:
            return 0.0
        if crossing := self._crossing(s, side):
            into = min(s - crossing.start, crossing.stop - s)
            raised = self.corner and abs(t) >= self.corner_edge(into, side)
            return zones[-1].height if raised else 0.0
        return next((z.height for z in zones if z.inner <= abs(t) < z.outer), 0.0)

    def corner_edge(self, into: Place, side: int, from_edge: float = 0.0) -> Floats:
        """Give beyond which t a rounded corner's ground is farther than from_edge from the road.

        `into` is how far along s that is from the end of the crossing's interval.
        """
        into, within = np.asarray(into), self.corner - from_edge
        bulge = np.sqrt(np.maximum(within**2 - into**2, 0.0))
        zones = self.zones[side]
        edge = next(z.inner for z in zones if z.height > 0) + self.corner - bulge
        return np.where(into <= within, edge, zones[-1].outer)


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


def draw_street(rng: Generator, ranges: Ranges) -> Street:
    """Draw a street of a random kind."""
    kinds = list(ranges.streets)
    kind = str(rng.choice(kinds, p=np.array(list(ranges.streets.values()))))
    lanes = {'highway': 4, 'city': int(rng.choice([2, 3, 4])), 'rural': 2}.get(kind, 2)
    half = lanes * rng.uniform(*ranges.lane_width) / 2
    # no draw where there are none, so that a seed stays the street that it was
    if ranges.alleys > 0 and rng.random() < ranges.alleys:
        kind, lanes, half = 'alley', 2, rng.uniform(*ranges.alley_half_width)
    island = corner = 0.0
    if ranges.islands > 0 and rng.random() < ranges.islands:
        kind, lanes = str(rng.choice(TOWN)), 2
        island = float(rng.uniform(*ranges.island_half_width))
        corner = float(rng.uniform(*ranges.island_corner))
        half = rng.uniform(*ranges.lane_width) + island + 1.1
    if kind in ('residential', 'city') and rng.random() < 0.7:
        half += 1.1
    zones = {side: _zones(rng, ranges, kind, half) for side in (1, -1)}
    crossings = [] if kind == 'highway' else _crossings(rng, ranges, kind, corner)
    banks = {
        side: (
            zones[side][-1].inner + 3.0,
            float(rng.choice([0.0, 0.0, rng.uniform(-0.12, 0.3)])),
        )
        for side in (1, -1)
    }
    course = _course(rng, ranges, kind)
    return Street(kind, float(half), lanes, zones, crossings, banks, course, island, corner)


def _zones(rng: Generator, ranges: Ranges, kind: str, half: float) -> list[Zone]:
    kerb = float(rng.uniform(*ranges.kerb_height))
    edges: list[tuple[str, float, float]] = []
    walk = str(rng.choice(WALKS))
    if kind in ('rural', 'highway'):
        edges.append(('old road', float(rng.uniform(0.3, 2.0)), 0.0))
        edges.append(('grass', float(rng.uniform(1.5, 4.0)), 0.0))
        last = str(rng.choice(['grass', 'field', 'soil']))
    elif kind == 'alley':
        if rng.random() < 0.6:
            edges.append(('kerb', 0.15, kerb))
        edges.append((walk, float(rng.uniform(0.3, 1.4)), edges[-1][2] if edges else 0.0))
        last = str(rng.choice(['grass', 'soil', 'paving']))
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


def _crossings(rng: Generator, ranges: Ranges, kind: str, corner: float) -> list[Crossing]:
    crossings, scale = [], 2.0 if corner else 1.0
    s = float(rng.uniform(-10, 60))
    while s < AHEAD_M - 20:
        width = scale * float(rng.uniform(3.0, 8.0)) + 2 * corner
        sides = [(1,), (-1,), (1, -1)][rng.integers(3)]
        if rng.random() < (0.4 if kind == 'rural' else 0.85):
            crossings.append(Crossing(s, s + width, sides))
        s += float(rng.uniform(*ranges.crossing_spacing)) / scale**0.5
    return crossings


def _course(rng: Generator, ranges: Ranges, kind: str) -> Course:
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
