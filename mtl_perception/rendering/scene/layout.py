"""Whole scenes: a street with what stands, parks, drives and walks along it, under some sky."""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtl_perception.rendering.opengl.mesh import Floats, joined, Mesh, placed
from mtl_perception.rendering.opengl.renderer import Light, Part, Posed
from mtl_perception.rendering.ranges import Ranges

from . import buildings, furniture, people, vegetation, vehicles
from .street import AHEAD_M, BEHIND_M, draw_street, ground, markings, Street

Generator: TypeAlias = np.random.Generator
# right-hand traffic: the camera's side is -1
OURS, THEIRS = -1, 1
CHUNK_M = 20.0
CARS = ('hatchback', 'sedan', 'estate', 'suv', 'van', 'transporter')
CAR_SHARES = (0.32, 0.2, 0.2, 0.14, 0.08, 0.06)


@dataclass(frozen=True)
class Mover:
    """What moves along the street: from s at a distance t, at a speed along s, turned."""

    part: Part
    s: float
    t: float
    speed_mps: float
    turn: float
    height: float


@dataclass(frozen=True)
class Scene:
    """A street scene; static parts stand in the world's frame."""

    street: Street
    static: tuple[Part, ...]
    movers: tuple[Mover, ...]
    light: Light
    lane_t: float

    def parts(self, time_s: float = 0.0) -> list[Posed]:
        """Give all parts with their poses in the world at a time."""
        still: list[Posed] = [(part, np.eye(4)) for part in self.static]
        return still + [
            (m.part, self.street.pose(m.s + m.speed_mps * time_s, m.t, m.turn, m.height))
            for m in self.movers
        ]

    def all_parts(self) -> list[Part]:
        """Give every part, for the renderer to release."""
        return [*self.static, *(mover.part for mover in self.movers)]


def draw_scene(rng: Generator, ranges: Ranges) -> Scene:
    """Draw a scene."""
    street = draw_street(rng, ranges)
    chunks = _Chunks(street)
    chunks.add(0.0, joined([ground(street, rng), markings(street, rng)]), whole=True)
    for side in (OURS, THEIRS):
        _SIDES[street.kind](chunks, rng, ranges, side)
        _background(chunks, rng, side)
    if street.kind in ('highway', 'rural', 'city') and rng.random() < 0.25:
        s = float(rng.uniform(40, 140))
        clearance = float(rng.uniform(4.2, 6.0))
        body = buildings.bridge(rng, street.edge(1) + float(rng.uniform(0.5, 6)), clearance)
        chunks.put(s, 0.0, body)
    parked, lane_t = _parked(street, rng, ranges)
    movers = [*parked, *_traffic(street, rng, ranges, lane_t), *_walkers(street, rng, ranges)]
    return Scene(street, chunks.parts(), tuple(movers), draw_light(rng, ranges), lane_t)


class _Chunks:
    """Collects what stands still, in pieces along the street that can be left out of a picture."""

    def __init__(self, street: Street) -> None:
        self.street = street
        self._meshes: dict[int, list[Mesh]] = defaultdict(list)

    def add(self, s: float, mesh: Mesh, whole: bool = False) -> None:
        """Take a mesh that is in the world's frame already."""
        self._meshes[-999 if whole else int(s // CHUNK_M)].append(mesh)

    def put(self, s: float, t: float, mesh: Mesh, turn: float = 0.0) -> None:
        """Stand a mesh at (s, t), turned from the street's heading."""
        height = self.street.ground_height(s, t)
        self.add(s, mesh.moved(self.street.pose(s, t, turn, height)))

    def line(self, start: float, stop: float, t: float, step: float = 2.5) -> Floats:
        """Give points along the street at a distance, on the ground."""
        s = np.linspace(start, stop, max(2, round((stop - start) / step) + 1))
        return self.street.world(s, t, self.street.ground_height((start + stop) / 2, t))

    def parts(self) -> tuple[Part, ...]:
        return tuple(Part(joined(meshes)) for meshes in self._meshes.values())


def _stretches(street: Street, side: int, margin: float) -> Iterator[tuple[float, float]]:
    """Give the intervals of s between the side roads of one side."""
    start = -BEHIND_M + 2
    for crossing in sorted(street.crossings):
        if side in crossing.sides:
            if crossing.start - margin > start:
                yield start, crossing.start - margin
            start = crossing.stop + margin
    yield start, AHEAD_M - 4


def _houses(
    chunks: _Chunks,
    rng: Generator,
    side: int,
    setback: tuple[float, float],
    storeys: tuple[int, int],
    gap: tuple[float, float],
    shops: float = 0.0,
) -> None:
    street = chunks.street
    inner = street.edge(side)
    back = float(rng.uniform(*setback))
    for start, stop in _stretches(street, side, 1.5):
        s = start + float(rng.uniform(0, 4))
        while True:
            size = (float(rng.uniform(8, 20)), float(rng.uniform(8, 13)))
            if s + size[0] > stop:
                break
            house = buildings.building(
                rng, size, int(rng.integers(*storeys)), rng.random() < shops
            )
            t = inner + max(0.0, back + float(rng.normal(0, 0.15 * (setback[1] - setback[0]))))
            # the front looks at the street: the building's +x runs along it, or against it
            if side > 0:
                chunks.put(s, t, house)
            else:
                chunks.put(s + size[0], -t, house, np.pi)
            s += size[0] + float(rng.uniform(*gap))


def _trees(
    chunks: _Chunks,
    rng: Generator,
    side: int,
    per_100_m: float,
    band: tuple[float, float],
    height: tuple[float, float],
    margin: float = 2.0,
) -> None:
    for start, stop in _stretches(chunks.street, side, margin):
        for _ in range(rng.poisson(max(0.0, stop - start) * per_100_m / 100)):
            s, t = float(rng.uniform(start, stop)), side * float(rng.uniform(*band))
            far = abs(t) > 30 or s > 120
            tall = float(rng.uniform(*height))
            chunks.put(s, t, vegetation.tree(rng, tall, 0.4 if far else 1.0))


def _bushes(
    chunks: _Chunks, rng: Generator, side: int, per_100_m: float, band: tuple[float, float]
) -> None:
    for start, stop in _stretches(chunks.street, side, 1.0):
        for _ in range(rng.poisson(max(0.0, stop - start) * per_100_m / 100)):
            s, t = float(rng.uniform(start, stop)), side * float(rng.uniform(*band))
            chunks.put(s, t, vegetation.bush(rng, float(rng.uniform(0.4, 1.8))))


def _borders(chunks: _Chunks, rng: Generator, side: int, kinds: tuple[str, ...]) -> None:
    """Set off the front gardens by hedges, walls or fences, house by house."""
    inner = chunks.street.edge(side) + 0.4
    for start, stop in _stretches(chunks.street, side, 0.5):
        s = start
        while s < stop - 4:
            end = min(stop, s + float(rng.uniform(6, 22)))
            kind = str(rng.choice(kinds))
            line = chunks.line(s, end, side * inner)
            if kind == 'hedge':
                height, width = float(rng.uniform(0.7, 2.4)), float(rng.uniform(0.5, 1.1))
                line = chunks.line(s, end, side * (inner + width / 2))
                chunks.add(s, vegetation.hedge(rng, line, height, width))
            elif kind == 'wall':
                chunks.add(s, furniture.wall(rng, line, float(rng.uniform(0.5, 2.2))))
            elif kind == 'fence':
                chunks.add(s, furniture.fence(rng, line, float(rng.uniform(0.8, 1.8))))
            s = end + float(rng.choice([0.0, 1.2, 3.5]))


def _posts(chunks: _Chunks, rng: Generator, side: int) -> None:
    """Set lamps, signs, lights and bins along the edge of the road."""
    street = chunks.street
    t = side * (street.half_width + float(rng.uniform(0.4, 0.9)))
    towards = -np.pi / 2 * side
    if rng.random() < 0.75:
        spacing = float(rng.uniform(18, 40))
        one = furniture.lamp(np.random.default_rng(int(rng.integers(2**31))))
        for s in np.arange(-BEHIND_M + 5, AHEAD_M - 10, spacing):
            if street.free(s, side, 0.5):
                chunks.put(float(s), t, one, towards)
    for _ in range(rng.poisson(7)):
        s = float(rng.uniform(0, AHEAD_M - 10))
        if street.free(s, side, 0.5):
            turn = (0.0 if side == OURS else np.pi) + float(rng.normal(0, 0.15))
            chunks.put(s, t, furniture.sign(rng), turn)
    for _ in range(rng.poisson(5)):
        s = float(rng.uniform(0, AHEAD_M - 10))
        if street.free(s, side, 0.5):
            chunks.put(s, side * (street.edge(side) + 0.1), furniture.bin_or_box(rng))
    for crossing in street.crossings:
        if street.kind == 'city' and rng.random() < 0.5:
            s = crossing.start - 1.0 if side == OURS else crossing.stop + 1.0
            chunks.put(s, t, furniture.traffic_light(rng), 0.0 if side == OURS else np.pi)


def _tufts(chunks: _Chunks, rng: Generator, side: int, band: tuple[float, float]) -> None:
    street = chunks.street
    count = int(rng.integers(200, 1200))
    s = rng.uniform(0, 110, count)
    t = side * rng.uniform(*band, count)
    keep = np.array([street.free(a, side, 0.3) for a in s])
    height = street.ground_height(60.0, side * (band[0] + band[1]) / 2)
    places = street.world(s[keep], t[keep], height)
    chunks.add(0.0, vegetation.tufts(rng, places, float(rng.uniform(0.1, 0.5))))


def _city(chunks: _Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    _houses(chunks, rng, side, (0.0, 2.5), (2, 7), (-0.01, 0.0), shops=0.5)
    _posts(chunks, rng, side)
    edge = chunks.street.edge(side)
    if rng.random() < 0.5:
        per_100_m = float(rng.uniform(*ranges.trees_per_100_m))
        _trees(chunks, rng, side, per_100_m, (edge - 0.8, edge - 0.3), (4, 10))


def _residential(chunks: _Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    edge = chunks.street.edge(side)
    if rng.random() < 0.15:
        # a park, or a wood, instead of houses
        _trees(chunks, rng, side, 25.0, (edge + 1.5, edge + 30), (5, 16))
        _bushes(chunks, rng, side, 12.0, (edge + 0.8, edge + 12))
    else:
        _houses(chunks, rng, side, (0.5, 9.0), (1, 4), (0.0, 9.0), shops=0.06)
    per_100_m = float(rng.uniform(*ranges.trees_per_100_m))
    _trees(chunks, rng, side, per_100_m, (edge + 0.5, edge + 3.5), (3, 11))
    _bushes(chunks, rng, side, float(rng.uniform(0, 12)), (edge + 0.6, edge + 4))
    _borders(chunks, rng, side, ('hedge', 'hedge', 'wall', 'fence', 'none'))
    _posts(chunks, rng, side)


def _suburb(chunks: _Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    edge = chunks.street.edge(side)
    _houses(chunks, rng, side, (4.0, 16.0), (1, 3), (4.0, 25.0))
    per_100_m = float(rng.uniform(*ranges.trees_per_100_m))
    _trees(chunks, rng, side, 1.5 * per_100_m, (edge + 0.5, edge + 25), (4, 15))
    _bushes(chunks, rng, side, 10.0, (edge + 0.5, edge + 10))
    _borders(chunks, rng, side, ('hedge', 'fence', 'none', 'none'))
    _posts(chunks, rng, side)
    _tufts(chunks, rng, side, (edge, edge + 6))


def _rural(chunks: _Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    edge = chunks.street.edge(side)
    wooded = rng.random() < 0.4
    _trees(chunks, rng, side, 22.0 if wooded else 4.0, (edge + 0.5, edge + 28), (5, 18))
    _bushes(chunks, rng, side, 25.0 if wooded else 6.0, (edge + 0.3, edge + 12))
    if not wooded and rng.random() < 0.4:
        _houses(chunks, rng, side, (8.0, 30.0), (1, 3), (30.0, 90.0))
    if rng.random() < 0.3:
        for start, stop in _stretches(chunks.street, side, 3.0):
            line = chunks.line(start, stop, side * (chunks.street.half_width + 0.9), 2.0)
            chunks.add(start, furniture.guard_rail(line))
    _tufts(chunks, rng, side, (chunks.street.half_width + 1.0, edge + 8))


def _highway(chunks: _Chunks, rng: Generator, ranges: Ranges, side: int) -> None:
    half, edge = chunks.street.half_width, chunks.street.edge(side)
    for start in np.arange(-BEHIND_M + 2, AHEAD_M - 24, 20.0):
        line = chunks.line(float(start), float(start) + 20, side * (half + 1.4), 2.0)
        chunks.add(float(start), furniture.guard_rail(line))
        if side == THEIRS:
            middle = chunks.line(float(start), float(start) + 20, 0.0, 2.0)
            chunks.add(float(start), furniture.guard_rail(middle))
    if rng.random() < 0.35:
        height = float(rng.uniform(2.0, 4.5))
        for start in np.arange(-BEHIND_M + 2, AHEAD_M - 24, 20.0):
            line = chunks.line(float(start), float(start) + 20, side * (edge + 1.0), 4.0)
            chunks.add(float(start), furniture.wall(rng, line, height))
    _trees(chunks, rng, side, 18.0, (edge + 3, edge + 30), (5, 16))
    _bushes(chunks, rng, side, 20.0, (edge + 1.5, edge + 10))
    if rng.random() < 0.4:
        _houses(chunks, rng, side, (15.0, 35.0), (1, 5), (10.0, 60.0))
    _tufts(chunks, rng, side, (half + 2.2, edge + 6))


_SIDES: dict[str, Callable[[_Chunks, Generator, Ranges, int], None]] = {
    'city': _city,
    'residential': _residential,
    'suburb': _suburb,
    'rural': _rural,
    'highway': _highway,
}


def _background(chunks: _Chunks, rng: Generator, side: int) -> None:
    """Close the view by woods and far houses."""
    street = chunks.street
    t = float(rng.uniform(70, 118))
    height = float(rng.uniform(6, 18))
    s = np.arange(-BEHIND_M, AHEAD_M, 9.0)
    line = street.world(s, side * (t + rng.normal(0, 2.0, len(s))), 0.0)
    chunks.add(0.0, vegetation.wood(rng, line, height), whole=True)
    across = np.linspace(0, side * (t + 5), 12)
    if rng.random() < 0.9:
        end = street.world(AHEAD_M - 2 - 0.002 * across**2, across, 0.0)
        chunks.add(0.0, vegetation.wood(rng, end, height), whole=True)


def _parked(street: Street, rng: Generator, ranges: Ranges) -> tuple[list[Mover], float]:
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
            if side == OURS and street.lanes == 2:
                lane_t = -min(street.half_width / 2, max(0.3, t - 2.2))
        elif rng.random() < 0.3:
            # half on the sidewalk
            t, height = street.half_width + 0.5, street.zones[side][0].height
        else:
            continue
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
    mesh = vehicles.vehicle(rng, kind)
    return Part(mesh, vehicles.footprint(mesh))


def _traffic(street: Street, rng: Generator, ranges: Ranges, lane_t: float) -> list[Mover]:
    """Drive cars in every lane, those of the camera's lane at about its speed."""
    heavy = {'highway': 0.3, 'city': 0.12, 'rural': 0.12}.get(street.kind, 0.04)
    width = 2 * street.half_width / street.lanes
    lanes = {lane_t, -lane_t}
    if street.lanes > 2:
        centres = street.half_width - width * (np.arange(street.lanes) + 0.5)
        lanes |= {float(c) for c in centres if abs(abs(c) - abs(lane_t)) > 2.2}
    movers = []
    for t in sorted(lanes):
        if rng.random() < 0.25:
            continue
        spacing = float(rng.uniform(*ranges.traffic_spacing))
        speed = float(rng.uniform(*ranges.speed_mps))
        # nothing stands where the camera drives
        s = float(rng.uniform(7, 40)) if t == lane_t else float(rng.uniform(-10, 30))
        while s < AHEAD_M - 80:
            forward = t < 0
            movers.append(
                Mover(
                    _car(rng, heavy),
                    s,
                    t + float(rng.normal(0, 0.12)),
                    speed if forward else -speed,
                    0.0 if forward else np.pi,
                    0.0,
                )
            )
            s += 6 + spacing * float(rng.uniform(0.5, 1.6))
    return movers


def _walkers(street: Street, rng: Generator, ranges: Ranges) -> list[Mover]:
    """Let people walk on the sidewalks, cross, stand, and ride bicycles."""
    if street.kind in ('rural', 'highway'):
        return []
    movers = []
    for side in (OURS, THEIRS):
        walk = next(z for z in street.zones[side] if z.kind in ('sidewalk', 'paving'))
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


def draw_light(rng: Generator, ranges: Ranges) -> Light:
    """Draw the sky: sunny with some clouds, or overcast."""
    overcast = rng.random() < ranges.overcast
    elevation = np.radians(rng.uniform(*ranges.sun_elevation))
    warm = float(np.clip(1.2 - 1.4 * elevation, 0.0, 0.6))
    strength = float(rng.uniform(2.2, 3.6))
    sun = (strength, strength * (0.95 - 0.15 * warm), strength * (0.87 - 0.4 * warm))
    if overcast:
        tone = float(rng.uniform(0.9, 1.4))
        zenith, horizon = (tone * 0.85, tone * 0.92, tone), (tone, tone * 1.02, tone * 1.05)
    else:
        blue = float(rng.uniform(0.6, 1.1))
        zenith = (0.22 * blue, 0.42 * blue, 0.95 * blue)
        horizon = (0.75, 0.88, 1.05)
    return Light(
        sun_elevation=float(elevation),
        sun_azimuth=float(rng.uniform(0, 2 * np.pi)),
        sun_light=sun,
        zenith=zenith,
        horizon=horizon,
        cloudiness=float(rng.uniform(0.8, 1.0) if overcast else rng.uniform(0.0, 0.6)),
        wind=(float(rng.random()), float(rng.random())),
        haze_per_m=float(rng.uniform(*ranges.haze_per_km)) / 1000,
        exposure=0.62 * float(np.exp(rng.uniform(*np.log(ranges.exposure)))),
    )


def camera_pose(
    scene: Scene, s: float, height: float, angles: NDArray[np.float64], t: float | None = None
) -> NDArray[np.float64]:
    """Give the pose of the camera's optical frame at s; angles are yaw, pitch, roll in radians."""
    street = scene.street
    yaw, pitch, roll = angles
    ahead, behind = street.world(s + 1.0, 0.0), street.world(s - 1.0, 0.0)
    slope = float(np.arctan2(ahead[2] - behind[2], 2.0))
    lane = scene.lane_t if t is None else t
    x, y, z = street.world(s, lane, height)
    base = placed(float(x), float(y), float(z), float(street.course.heading(s)) + yaw)
    return base @ _turn(1, pitch - slope) @ _turn(0, roll) @ OPTICAL


def _turn(axis: int, angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    pose: NDArray[Any] = np.eye(4)
    i, j = [(1, 2), (2, 0), (0, 1)][axis]
    pose[i, i] = pose[j, j] = c
    pose[i, j], pose[j, i] = -s, s
    return pose


# x ahead, y left, z up -> x right, y down, z ahead (REP 103)
OPTICAL: NDArray[np.float64] = np.array(
    [[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]]
)
