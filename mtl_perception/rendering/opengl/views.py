"""What is drawn and from where: parts, moments, light, and the matrices of their views."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mtl_perception.geometry import Intrinsics

from .mesh import Floats, Mesh

SHADOW_SIDE_PX = 2048
SHADOW_HALF_M, SHADOW_AHEAD_M = 45.0, 32.0
NEAR_M, FAR_M = 0.25, 900.0


@dataclass(frozen=True)
class Light:
    """Sun, sky and air of a scene; colours are linear radiance."""

    sun_elevation: float
    sun_azimuth: float
    sun_light: tuple[float, float, float]
    zenith: tuple[float, float, float]
    horizon: tuple[float, float, float]
    # share of the sky's light that reaches the street: trees and houses take the rest
    open_sky: float
    cloudiness: float
    wind: tuple[float, float]
    haze_per_m: float
    exposure: float

    @property
    def direction(self) -> NDArray[np.float64]:
        """Give the unit vector towards the sun, in the world."""
        flat = np.cos(self.sun_elevation)
        return np.array(
            [
                flat * np.cos(self.sun_azimuth),
                flat * np.sin(self.sun_azimuth),
                np.sin(self.sun_elevation),
            ]
        )

    @property
    def direct(self) -> float:
        """Give the share of the sun that the clouds let through."""
        return float(np.clip(1.6 - 2.0 * self.cloudiness, 0.0, 1.0))


class Part:
    """A mesh on its way to the screen: uploaded once, drawn under a pose."""

    def __init__(self, mesh: Mesh, contact: Mesh | None = None) -> None:
        """Take what is seen, and the quads of the dark beneath it."""
        self.mesh = mesh
        self.contact = contact
        positions = mesh.vertices['position']
        low, high = positions.min(0), positions.max(0)
        self.centre: Floats = (low + high) / 2
        self.radius = float(np.linalg.norm(high - low) / 2)


Posed: TypeAlias = tuple[Part, NDArray[np.float64]]


@dataclass(frozen=True)
class Moment:
    """Parts, each with its pose (4, 4) in the world, and that of the camera's optical frame."""

    parts: Sequence[Posed]
    camera: NDArray[np.float64]


def visible(k: Intrinsics, parts: Sequence[Posed], camera: NDArray[np.float64]) -> list[Posed]:
    """Keep the parts whose bounding ball reaches into the view."""
    view = np.linalg.inv(camera)
    edges = np.array(
        [
            [k.fx_px, 0, k.cx_px + 0.5],
            [-k.fx_px, 0, k.width - k.cx_px - 0.5],
            [0, k.fy_px, k.cy_px + 0.5],
            [0, -k.fy_px, k.height - k.cy_px - 0.5],
            [0, 0, 1],
        ]
    )
    edges /= np.linalg.norm(edges, axis=1, keepdims=True)
    kept = []
    for part, pose in parts:
        centre = (view @ pose @ [*part.centre, 1.0])[:3]
        scale = np.linalg.norm(pose[:3, 0])
        if (edges @ centre).min() > -part.radius * scale:
            kept.append((part, pose))
    return kept


def clip_matrix(k: Intrinsics, offset: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float64]:
    """Take the optical frame to clip space, shifted by pixels; row 0 is read first."""
    x, y = 2 / k.width, 2 / k.height
    depth, shift = (FAR_M + NEAR_M) / (FAR_M - NEAR_M), -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M)
    return np.array(
        [
            [k.fx_px * x, 0, (k.cx_px + 0.5 + offset[0]) * x - 1, 0],
            [0, k.fy_px * y, (k.cy_px + 0.5 + offset[1]) * y - 1, 0],
            [0, 0, depth, shift],
            [0, 0, 1, 0],
        ]
    )


def shadow_view(light: Light, camera: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take the world in front of the camera to the shadow map, in steps of its pixels."""
    towards = light.direction
    helper = np.array([0.0, 0.0, 1.0])
    right = np.cross(helper, towards)
    right /= np.linalg.norm(right)
    up = np.cross(towards, right)
    axes = np.stack([right, up, -towards])
    ahead = camera[:3, 3] + SHADOW_AHEAD_M * camera[:3, 2]
    step = 2 * SHADOW_HALF_M / SHADOW_SIDE_PX
    centre = axes @ ahead
    centre[:2] = np.round(centre[:2] / step) * step
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = axes, -centre
    return np.diag([1 / SHADOW_HALF_M, 1 / SHADOW_HALF_M, 1 / 150.0, 1.0]) @ pose


def reaches(posed: Posed, light_view: NDArray[np.float64]) -> bool:
    """Tell whether a part reaches into the shadow map."""
    part, pose = posed
    centre = (light_view @ pose @ [*part.centre, 1.0])[:2]
    return bool((np.abs(centre) < 1 + part.radius / SHADOW_HALF_M).all())


def clip_to_world(
    camera: NDArray[np.float64], projection: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Take clip space at a depth of one to directions in the world."""
    inverse = np.linalg.inv(projection[[0, 1, 3]][:, :3])
    ray = np.zeros((4, 4))
    ray[:3, :2] = camera[:3, :3] @ inverse[:, :2]
    ray[:3, 2] = camera[:3, :3] @ inverse[:, 2]
    return ray


def offsets(count: int) -> list[tuple[float, float]]:
    """Spread samples over the pixel, in pixels from its centre, which is their mean.

    An additive recurrence. Depth and labels are those of the centre.
    """
    places = (0.5 + np.outer(np.arange(count), (0.7549, 0.5698))) % 1
    return [(x, y) for x, y in (places - places.mean(0)).tolist()]
