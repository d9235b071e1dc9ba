"""Triangle meshes: what they hold, how they are put together and placed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
Vector: TypeAlias = Sequence[float] | Floats

VERTEX = np.dtype(
    [
        ('position', '<f4', 3),
        ('normal', '<f4', 3),
        ('uv', '<f4', 2),
        ('tint', 'u1', 4),
        ('surface', 'u1', 4),
    ]
)


@dataclass(frozen=True)
class Material:
    """What a surface looks like, and which class it has.

    tint is sRGB in 0..1, multiplied with the texture layer; gloss in 0..1 reflects the sky.
    Foliage is seen from both sides and lets light through; a glowing surface needs no light.
    """

    label: int
    tint: tuple[float, ...]
    layer: int = 0
    gloss: float = 0.0
    foliage: bool = False
    glow: float = 0.0


@dataclass(frozen=True)
class Mesh:
    """Vertices (N,) of VERTEX and triangles (M, 3) of their indices, counter-clockwise outside."""

    vertices: NDArray[np.void]
    triangles: NDArray[np.uint32]

    def moved(self, pose: Floats) -> 'Mesh':
        """Give the mesh under a pose (4, 4) of rotation, shift and perhaps scale."""
        vertices = self.vertices.copy()
        vertices['position'] = self.vertices['position'] @ pose[:3, :3].T + pose[:3, 3]
        normals = self.vertices['normal'] @ np.linalg.inv(pose[:3, :3])
        vertices['normal'] = normals / np.linalg.norm(normals, axis=1, keepdims=True)
        triangles = self.triangles
        return Mesh(vertices, triangles[:, ::-1] if np.linalg.det(pose[:3, :3]) < 0 else triangles)


def joined(meshes: Iterable[Mesh]) -> Mesh:
    """Put meshes together to one."""
    parts = list(meshes)
    starts = np.cumsum([0, *(len(part.vertices) for part in parts)])
    return Mesh(
        np.concatenate([part.vertices for part in parts]) if parts else np.empty(0, VERTEX),
        np.concatenate(
            [part.triangles + np.uint32(k) for part, k in zip(parts, starts, strict=False)]
        )
        if parts
        else np.empty((0, 3), np.uint32),
    )


def mesh(
    positions: ArrayLike,
    triangles: ArrayLike,
    material: Material,
    uv: ArrayLike | None = None,
    normals: ArrayLike | None = None,
    shade: ArrayLike = 1.0,
) -> Mesh:
    """Build a mesh of one material; shade (N,) darkens its vertices, normals default to smooth."""
    points = np.asarray(positions, np.float32).reshape(-1, 3)
    faces = np.asarray(triangles, np.uint32).reshape(-1, 3)
    vertices = np.zeros(len(points), VERTEX)
    vertices['position'] = points
    vertices['normal'] = smooth_normals(points, faces) if normals is None else normals
    vertices['uv'] = 0.0 if uv is None else uv
    tint = np.asarray(material.tint) * np.asarray(shade)[..., None]
    vertices['tint'][:, :3] = np.clip(255 * tint, 0, 255)
    vertices['tint'][:, 3] = round(255 * material.gloss)
    vertices['surface'] = (
        *(material.layer, material.label),
        *(255 * material.foliage, round(255 * material.glow)),
    )
    return Mesh(vertices, faces)


def smooth_normals(points: Floats, faces: NDArray[np.uint32]) -> Floats:
    """Average the normals of the faces around each vertex, weighted by area."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    normals = np.zeros_like(points)
    for k in range(3):
        np.add.at(normals, faces[:, k], face_normals)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    upright = np.array([0, 0, 1], np.float32)
    return np.where(length > 1e-12, normals / np.maximum(length, 1e-12), upright)


def placed(
    x: float, y: float, z: float, heading: float = 0.0, scale: float = 1.0
) -> NDArray[np.float64]:
    """Give the pose (4, 4) at a place, turned about the vertical by heading, in radians."""
    c, s = np.cos(heading), np.sin(heading)
    return np.array(
        [
            [scale * c, -scale * s, 0, x],
            [scale * s, scale * c, 0, y],
            [0, 0, scale, z],
            [0, 0, 0, 1],
        ]
    )
