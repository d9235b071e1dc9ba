"""Whole scenes: a street with what stands, parks, drives and walks along it, under some sky."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_perception.rendering.opengl.mesh import joined, placed
from mtl_perception.rendering.opengl.views import Light, Part, Posed
from mtl_perception.rendering.ranges import Ranges

from .ground.islands import islands
from .ground.markings import markings
from .ground.strips import ground
from .ground.surfaces import draw_tints
from .light import draw_light
from .roadside.chunks import Chunks
from .roadside.sides import background, SIDES
from .shapes import buildings
from .street import draw_street, Generator, OURS, Street, THEIRS
from .traffic import Mover, parked_cars, traffic, walkers

# a lorry's, and how far it is off the middle of its lane
LANE_HALF_WIDTH_M = 1.4
BRIDGE_HALF_M = 8.0


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
        return still + [(m.part, self._pose(m, m.s + m.speed_mps * time_s)) for m in self.movers]

    def _pose(self, mover: Mover, s: float) -> NDArray[np.float64]:
        """Give the pose of a mover at s: its wheels on the slope."""
        level = self.street.pose(s, mover.t, h=mover.height)
        return level @ _turn(1, -self.street.slope(s)) @ _turn(2, mover.turn)


def draw_scene(rng: Generator, ranges: Ranges) -> Scene:
    """Draw a scene."""
    street = draw_street(rng, ranges)
    chunks = Chunks(street)
    tints = draw_tints(rng)
    chunks.add(0.0, joined([ground(street, rng, tints), markings(street, rng)]), whole=True)
    for side in (OURS, THEIRS):
        SIDES[street.kind](chunks, rng, ranges, side)
        background(chunks, rng, side)
    if street.kind in ('highway', 'rural', 'city') and rng.random() < 0.25:
        s = float(rng.uniform(40, 140))
        clearance = float(rng.uniform(4.2, 6.0))
        reach = max(map(street.edge, (OURS, THEIRS))) + float(rng.uniform(0.5, 6))
        # its abutments do not stand in side roads
        if all(street.free(s, side, BRIDGE_HALF_M) for side in (OURS, THEIRS)):
            chunks.put(s, 0.0, buildings.bridge(rng, reach, clearance))
    parked, lane_t = parked_cars(street, rng, ranges)
    # what the lanes leave
    island = min(street.island, abs(lane_t) - LANE_HALF_WIDTH_M)
    islands(chunks, rng, island, tints)
    driving = traffic(street, rng, ranges, lane_t)
    if street.island:
        driving = [mover.beside(island) for mover in driving]
    movers = [*parked, *driving, *walkers(street, rng, ranges)]
    return Scene(street, chunks.parts(), tuple(movers), draw_light(rng, ranges), lane_t)


def camera_pose(
    scene: Scene, s: float, height: float, angles: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Give the pose of the camera's optical frame at s; angles are yaw, pitch, roll in radians."""
    street = scene.street
    yaw, pitch, roll = angles
    x, y, z = street.world(s, scene.lane_t, height)
    base = placed(float(x), float(y), float(z), float(street.course.heading(s)) + yaw)
    return base @ _turn(1, pitch - street.slope(s)) @ _turn(0, roll) @ OPTICAL


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
