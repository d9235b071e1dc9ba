"""Who parks, drives, walks and cycles along a street."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mtl_perception.rendering.opengl.views import Part
from mtl_perception.rendering.ranges import Ranges

from .shapes import people
from .shapes.vehicles import vehicle
from .shapes.vehicles.bodywork import footprint
from .street import AHEAD_M, BEHIND_M, Generator, OURS, Street, THEIRS, WALKS

CARS = ('hatchback', 'sedan', 'estate', 'suv', 'van', 'transporter')
CAR_SHARES = (0.32, 0.2, 0.2, 0.14, 0.08, 0.06)
CAR_SPACE_M = 6.0
# mirrors and all; what is wider is a lorry or a bus, and needs lanes that lie so far apart
CAR_WIDTH_M, WIDE_LANES_M = 2.45, 2.6
MIRROR_M = 0.2
# how far apart lanes of two directions lie at least
NARROW_LANES_M = 2.0


@dataclass(frozen=True)
class Mover:
    """What moves along the street: from s at a distance t, at a speed along s, turned."""

    part: Part
    s: float
    t: float
    speed_mps: float
    turn: float
    height: float

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """Metres that it takes about its place: along s from and to, across from and to."""
        x, y = self.part.mesh.vertices['position'][:, :2].T
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        along, across = x * cos - y * sin, x * sin + y * cos
        return np.array([along.min(), along.max(), across.min(), across.max()])

    def meets(self, others: Sequence['Mover'], times_s: NDArray[np.float64]) -> bool:
        """Whether it is where one of the others is at any of the times; mirrors may pass."""
        if not others:
            return False
        spans = np.array([m.bounds + [m.s, m.s, m.t, m.t] for m in (self, *others)])
        spans[:, 2:] += MIRROR_M * np.array([1, -1]) * (np.ptp(spans[:, 2:], axis=1) > 1)[:, None]
        own, (starts, ends, rights, lefts) = spans[0], spans[1:].T
        beside = (rights < own[3]) & (own[2] < lefts)
        speeds = np.array([m.speed_mps for m in others])
        ahead = (self.speed_mps - speeds)[:, None] * times_s
        level = (starts[:, None] < own[1] + ahead) & (own[0] + ahead < ends[:, None])
        return bool((beside[:, None] & level).any())

    @property
    def length(self) -> float:
        """Metres from end to end."""
        return float(np.ptp(self.part.mesh.vertices['position'][:, 0]))

    @property
    def excess(self) -> float:
        """Metres by which it is longer than what a car stands in."""
        return max(0.0, self.length - CAR_SPACE_M)

    @property
    def width(self) -> float:
        """Metres from side to side."""
        return float(np.ptp(self.part.mesh.vertices['position'][:, 1]))

    def beside(self, edge: float) -> 'Mover':
        """Give the mover, moved aside where it would be nearer to the middle than edge."""
        half_width = self.width / 2
        return replace(self, t=float(np.copysign(max(abs(self.t), edge + half_width), self.t)))


def parked_cars(street: Street, rng: Generator, ranges: Ranges) -> tuple[list[Mover], float]:
    """Park cars along both sides; give them, and the t of the camera's lane."""
    if street.kind in ('rural', 'highway'):
        lane = street.half_width / (street.lanes / 2)
        taken = float(rng.integers(street.lanes // 2))
        return [], -lane * (taken + 0.5)
    movers = []
    lane_t = -street.half_width / 2 if street.lanes == 2 else -street.half_width / street.lanes
    for side in (OURS, THEIRS):
        share = float(rng.uniform(*ranges.parked)) if rng.random() < 0.85 else 0.0
        bays = street.zones[side][0]
        if bays.kind == 'parking':
            t, height = (bays.inner + bays.outer) / 2, bays.height
        elif street.half_width > 3.6:
            t, height = street.half_width - 1.05, 0.0
        elif rng.random() < 0.3:
            # on the sidewalk
            t, height = street.half_width + 1.1, street.zones[side][0].height
        else:
            continue
        if side == OURS and street.lanes == 2 and bays.kind != 'parking':
            lane_t = -min(street.half_width / 2, max(0.3, t - 2.2))
        movers += _row_of_cars(street, rng, side, t, height, share)
    return movers, float(lane_t)


def _row_of_cars(
    street: Street, rng: Generator, side: int, t: float, height: float, share: float
) -> list[Mover]:
    movers = []
    s = -BEHIND_M + 5
    while s < AHEAD_M - 60:
        if rng.random() < share and street.free(s, side, 4.0):
            turn = (0.0 if side == OURS else np.pi) + float(rng.normal(0, 0.03))
            place = side * (t + float(rng.normal(0, 0.08)))
            movers.append(Mover(_car(rng), s, place, 0.0, turn, height))
        s += float(rng.uniform(5.2, 6.8))
    return movers


def _car(rng: Generator, heavy: float = 0.0) -> Part:
    kind = (
        str(rng.choice(['lorry', 'lorry', 'bus']))
        if rng.random() < heavy
        else str(rng.choice(CARS, p=CAR_SHARES))
    )
    mesh = vehicle(rng, kind)
    return Part(mesh, footprint(mesh))


def traffic(street: Street, rng: Generator, ranges: Ranges, lane_t: float) -> list[Mover]:
    """Drive cars in every lane, or let them stand there in a jam."""
    lanes = _lanes(street, lane_t)
    # no draw where there are none, so that a seed stays the scene that it was
    if ranges.queues > 0 and rng.random() < ranges.queues:
        movers = [mover for t in lanes for mover in _queue(rng, ranges, t)]
    else:
        heavy = {'highway': 0.3, 'city': 0.12, 'rural': 0.12}.get(street.kind, 0.04)
        movers = [mover for t in lanes for mover in _flow(rng, ranges, t, heavy, t == lane_t)]
    return [mover for mover in movers if _has_room(mover, lane_t)]


def _flow(
    rng: Generator, ranges: Ranges, t: float, heavy: float, is_ours: bool
) -> Iterator[Mover]:
    """Let traffic flow along a lane."""
    if rng.random() < 0.25:
        return
    spacing = float(rng.uniform(*ranges.traffic_spacing))
    speed = float(rng.uniform(*ranges.speed_mps))
    # nothing stands where the camera drives
    s = float(rng.uniform(7, 40)) if is_ours else float(rng.uniform(-10, 30))
    while s < AHEAD_M - 80:
        mover = _driving(rng, _car(rng, heavy), s, t, speed)
        yield replace(mover, s=s + mover.excess / 2)
        s += CAR_SPACE_M + mover.excess + spacing * float(rng.uniform(0.5, 1.6))


def _has_room(mover: Mover, lane_t: float) -> bool:
    """Whether two can meet: parked cars may leave no more than one lane."""
    apart = 2 * abs(lane_t)
    if mover.width > CAR_WIDTH_M:
        return apart >= WIDE_LANES_M
    return mover.t * lane_t > 0 or apart >= NARROW_LANES_M


def _lanes(street: Street, lane_t: float) -> list[float]:
    width = 2 * street.half_width / street.lanes
    lanes = {lane_t, -lane_t}
    if street.lanes > 2:
        centres = street.half_width - width * (np.arange(street.lanes) + 0.5)
        lanes |= {float(c) for c in centres if abs(abs(c) - abs(lane_t)) > 2.2}
    return sorted(lanes)


def _queue(rng: Generator, ranges: Ranges, t: float) -> list[Mover]:
    """Let a lane stand nearly still, bumper to bumper, from behind the camera on."""
    movers = []
    speed, s = float(rng.uniform(*ranges.queue_speed_mps)), float(rng.uniform(-20, 0))
    while s < AHEAD_M - 80:
        mover = _driving(rng, _car(rng, ranges.queue_lorries), s, t, speed)
        movers.append(replace(mover, s=s + mover.length / 2))
        s += mover.length + float(rng.uniform(*ranges.queue_spacing))
    return movers


def _driving(rng: Generator, part: Part, s: float, t: float, speed_mps: float) -> Mover:
    """Let a vehicle drive along its lane, which leads ahead right of the middle."""
    forward = t < 0
    place = t + float(rng.normal(0, 0.12))
    turn = 0.0 if forward else np.pi
    return Mover(part, s, place, speed_mps if forward else -speed_mps, turn, 0.0)


def walkers(street: Street, rng: Generator, ranges: Ranges) -> list[Mover]:
    """Let people walk on the sidewalks, cross, stand, and ride bicycles."""
    if street.kind in ('rural', 'highway'):
        return []
    movers = []
    for side in (OURS, THEIRS):
        walk = next(z for z in street.zones[side] if z.kind in WALKS)
        outer = min(walk.outer, walk.inner + 4.0)
        density = float(rng.uniform(*ranges.people_per_100_m))
        for _ in range(rng.poisson(density * 1.5)):
            turn = float(rng.choice([0.0, np.pi, rng.uniform(0, 6.28)]))
            s, t = float(rng.uniform(4, 150)), side * float(rng.uniform(walk.inner + 0.3, outer))
            part = Part(people.person(rng))
            speed = 1.3 * float(np.cos(turn)) * float(rng.random() < 0.7)
            height = street.ground_height(s, t)
            movers.append(Mover(part, s, t, speed, turn, height))
        for _ in range(rng.poisson(0.25 * density)):
            t = side * (street.half_width - 0.7)
            turn = 0.0 if side == OURS else np.pi
            mover = Part(people.cyclist(rng))
            movers.append(Mover(mover, float(rng.uniform(6, 90)), t, -side * 4.0, turn, 0.0))
    return movers
