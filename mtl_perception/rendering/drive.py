"""Drives and single views through drawn scenes: pictures with everything that is true of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mtl_perception.geometry import Intrinsics

from .opengl.renderer import Renderer, Truth
from .opengl.views import Moment
from .ranges import KITTI_CAMERA, Ranges
from .scene.layout import camera_pose, draw_scene, Scene
from .scene.traffic import Mover
from .sensors import Photography

VIEWS_PER_SCENE = 8
# room that the camera's own car takes among others of up to 6 m, along and across the street
OWN_LENGTH_M, OWN_WIDTH_M = 6.5, 2.2
FIRST_M, LAST_M = 2.0, 140.0


@dataclass(frozen=True)
class Frame:
    """A picture (H, W, 3) uint8 RGB, the truth of it, and the moment that it shows."""

    picture: NDArray[np.uint8]
    truth: Truth
    moment: Moment
    jpeg_quality: int


@dataclass(frozen=True)
class Path:
    """How the camera goes through a scene: start and speed along it, height, wobble, lens."""

    start_m: float
    speed_mps: float
    height_m: float
    angles: NDArray[np.float64]
    photography: Photography

    @classmethod
    def drawn(cls, rng: np.random.Generator, ranges: Ranges) -> 'Path':
        """Draw a path."""
        spread = [ranges.camera_yaw, ranges.camera_pitch, ranges.camera_roll]
        return cls(
            start_m=FIRST_M,
            speed_mps=float(rng.uniform(*ranges.speed_mps)),
            height_m=float(rng.uniform(*ranges.camera_height)),
            angles=np.radians([rng.uniform(low, high) for low, high in spread]),
            photography=Photography.drawn(rng, ranges),
        )

    def camera(self, scene: Scene, time_s: float) -> NDArray[np.float64]:
        """Give the pose of the optical frame at a time."""
        return camera_pose(
            scene, self.start_m + self.speed_mps * time_s, self.height_m, self.angles
        )


class Studio:
    """Takes frames of scenes with one camera."""

    def __init__(
        self, intrinsics: Intrinsics = KITTI_CAMERA, ranges: Ranges | None = None, samples: int = 4
    ) -> None:
        """Set up; samples are the samples of a pixel, between them the shutter is open."""
        self.intrinsics = intrinsics
        self.ranges = ranges or Ranges()
        self.samples = samples
        self.renderer = Renderer(intrinsics)

    def views(self, seed: int) -> Iterator[Frame]:
        """Take single views, far apart, of the scene of a seed."""
        rng = np.random.default_rng((seed, 0))
        scene = draw_scene(rng, self.ranges)
        for s in np.linspace(FIRST_M, LAST_M, VIEWS_PER_SCENE):
            path = replace(Path.drawn(rng, self.ranges), start_m=float(s))
            yield self.frame(with_room(scene, path, [0.0]), path, 0.0, rng)

    def drive(self, seed: int, frames: int, rate_hz: float = 10.0) -> Iterator[Frame]:
        """Drive through the scene of a seed."""
        rng = np.random.default_rng((seed, 1))
        scene, path, times = self._plan(rng, frames, rate_hz)
        for time_s in times:
            yield self.frame(scene, path, time_s, rng)

    def moments(self, seed: int, frames: int, rate_hz: float = 10.0) -> Iterator[Moment]:
        """Give the moments of a drive's frames, for their truth, without the pictures."""
        scene, path, times = self._plan(np.random.default_rng((seed, 1)), frames, rate_hz)
        for time_s in times:
            yield Moment(scene.parts(time_s), path.camera(scene, time_s))

    def _plan(
        self, rng: np.random.Generator, frames: int, rate_hz: float
    ) -> tuple[Scene, Path, list[float]]:
        scene = draw_scene(rng, self.ranges)
        path = Path.drawn(rng, self.ranges)
        times = [index / rate_hz for index in range(frames)]
        return with_room(scene, path, times), path, times

    def frame(self, scene: Scene, path: Path, time_s: float, rng: np.random.Generator) -> Frame:
        """Take one frame; its truth is that of the moment in the middle of the exposure."""
        shutter = path.photography.shutter_s
        times = time_s + shutter * ((np.arange(self.samples) + 0.5) / self.samples - 0.5)
        moments = [Moment(scene.parts(float(t)), path.camera(scene, float(t))) for t in times]
        picture = self.renderer.picture(moments, scene.light)
        middle = Moment(scene.parts(time_s), path.camera(scene, time_s))
        truth = self.renderer.truth(middle)
        developed = path.photography.develop(picture, rng)
        return Frame(developed, truth, middle, path.photography.jpeg_quality)


def with_room(scene: Scene, path: Path, times_s: Sequence[float]) -> Scene:
    """Take away who would be where the camera's car, or another, is at any of the times."""
    times = np.asarray(times_s)
    own = path.start_m + path.speed_mps * times

    def in_the_way(m: Mover) -> bool:
        near = np.abs(m.s + m.speed_mps * times - own) < OWN_LENGTH_M + m.excess / 2
        return bool(near.any()) and abs(m.t - scene.lane_t) < OWN_WIDTH_M

    kept: list[Mover] = []
    # those that stand still come first
    for mover in scene.movers:
        if not (in_the_way(mover) or mover.meets(kept, times)):
            kept.append(mover)
    return replace(scene, movers=tuple(kept))
