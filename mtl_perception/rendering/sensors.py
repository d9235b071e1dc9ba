"""What real sensors make of a scene: a camera's photograph, a lidar's sweep."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mtl_perception.geometry import Intrinsics

from .opengl.renderer import Renderer
from .opengl.views import Moment
from .ranges import Ranges

# of KITTI's lidar: 64 beams from 2 degrees above the horizon to 24.8 below it
BEAMS, BEAMS_TOP_DEG, BEAMS_LOW_DEG = 64, 2.0, -24.8
AZIMUTH_STEP_DEG, AZIMUTH_HALF_DEG = 0.2, 44.0
LIDAR_REACH_M, LIDAR_NOISE_M = 80.0, 0.015
# pose of the lidar's frame (x ahead, y left, z up) in the camera's optical frame, as KITTI's
LIDAR_IN_CAMERA: NDArray[np.float64] = np.array(
    [[0.0, -1, 0, 0.06], [0, 0, -1, -0.08], [1, 0, 0, -0.27], [0, 0, 0, 1]]
)


@dataclass(frozen=True)
class Photography:
    """How a camera takes pictures: noise in grey levels, softness in pixels, white balance.

    It exposes for a mean of `brightness`, and contrast spreads the grey levels around that: a
    small sensor in the sun has black shadows and a white sky.
    """

    contrast: float
    brightness: float
    saturation: float
    noise: float
    softness_px: float
    balance: tuple[float, ...]
    jpeg_quality: int
    shutter_s: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, ranges: Ranges) -> 'Photography':
        """Draw a camera."""
        return cls(
            contrast=float(rng.uniform(*ranges.contrast)),
            brightness=float(rng.uniform(*ranges.brightness)),
            saturation=float(rng.uniform(*ranges.saturation)),
            noise=float(rng.uniform(*ranges.noise)),
            softness_px=float(rng.uniform(*ranges.softness_px)),
            balance=tuple(rng.normal(1.0, 0.03, 3).tolist()),
            jpeg_quality=round(rng.uniform(*ranges.jpeg_quality)),
            shutter_s=float(rng.uniform(*ranges.shutter_s)),
        )

    def develop(self, picture: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Give the picture (H, W, 3) that the camera hands out."""
        values = picture.astype(np.float32) * np.asarray(self.balance, np.float32)
        grey = values.mean(2, keepdims=True)
        values = grey + self.saturation * (values - grey)
        values *= exposure_gain(values, self.brightness)
        values = self.contrast * (values - self.brightness) + self.brightness
        if self.softness_px > 0.2:
            values = cv2.GaussianBlur(values, (0, 0), self.softness_px).astype(np.float32)
        grain = rng.standard_normal(picture.shape, np.float32) * np.float32(self.noise)
        # photons: noisier where it is bright, in linear light; gamma evens most of that out
        values += grain * (0.6 + 0.4 * np.clip(values / 255, 0, 1))
        developed: NDArray[np.uint8] = np.clip(values + 0.5, 0, 255).astype(np.uint8)
        return developed


def exposure_gain(values: NDArray[np.float32], brightness: float) -> float:
    """Tell what to multiply grey levels by, so that their mean, once clipped, is `brightness`.

    Between 0.9 and 3: what is brighter than that is a bright scene, and its sky stays white.
    """
    low, high = 0.9, 3.0
    for _ in range(10):
        gain = (low + high) / 2
        if np.clip(gain * values, 0, 255).mean() < brightness:
            low = gain
        else:
            high = gain
    return (low + high) / 2


class Lidar:
    """A rotating lidar, of which the part ahead is simulated."""

    def __init__(self) -> None:
        """Open a wide view to take the ranges from."""
        half = np.tan(np.radians(AZIMUTH_HALF_DEG + 1))
        width, height, focal = 2048, 1024, 1024 / half
        centre = -focal * np.tan(np.radians(BEAMS_LOW_DEG - 1))
        self._view = Renderer(
            Intrinsics(focal, focal, width / 2, height - 1 - centre, width, height)
        )
        azimuth = np.radians(np.arange(-AZIMUTH_HALF_DEG, AZIMUTH_HALF_DEG, AZIMUTH_STEP_DEG))
        elevation = np.radians(np.linspace(BEAMS_TOP_DEG, BEAMS_LOW_DEG, BEAMS))[:, None]
        x = np.cos(elevation) * np.cos(azimuth)
        y = np.cos(elevation) * np.sin(azimuth)
        z = np.broadcast_to(np.sin(elevation), x.shape)
        self._directions = np.stack([x, y, z], -1).reshape(-1, 3)

    def sweep(
        self, moment: Moment, rng: np.random.Generator, noise_m: float = LIDAR_NOISE_M
    ) -> NDArray[np.float32]:
        """Measure points (N, 4): x, y, z in metres in the lidar's frame, reflectance."""
        to_view = np.array([[0.0, -1, 0], [0, 0, -1], [1, 0, 0]])
        pose = moment.camera @ LIDAR_IN_CAMERA
        optical = pose.copy()
        optical[:3, :3] = pose[:3, :3] @ to_view.T
        seen = self._view.truth(Moment(moment.parts, optical))
        k = self._view.intrinsics
        rays = self._directions @ to_view.T
        u = np.rint(k.fx_px * rays[:, 0] / rays[:, 2] + k.cx_px).astype(int)
        v = np.rint(k.fy_px * rays[:, 1] / rays[:, 2] + k.cy_px).astype(int)
        inside = (u >= 0) & (u < k.width) & (v >= 0) & (v < k.height)
        u, v, rays = u[inside], v[inside], rays[inside]
        # where the beam meets the plane of the surface that the pixel saw
        pixel = np.stack([(u - k.cx_px) / k.fx_px, (v - k.cy_px) / k.fy_px, np.ones(len(u))], -1)
        normals, depth = seen.normals[v, u], seen.depth[v, u]
        along = (normals * rays).sum(1)
        with np.errstate(invalid='ignore', divide='ignore'):
            distance = depth * (normals * pixel).sum(1) / along
            kept = (distance > 0.5) & (distance < LIDAR_REACH_M) & (np.abs(along) > 0.02)
            kept &= np.abs(distance * rays[:, 2] / depth - 1) < 0.05
        distance = distance[kept] + noise_m * rng.standard_normal(int(kept.sum()))
        points = self._directions[inside][kept] * distance[:, None]
        reflectance = np.abs(along[kept])[:, None]
        return np.hstack([points, reflectance]).astype(np.float32)
