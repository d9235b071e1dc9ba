"""Triangle meshes: the shapes that street scenes are put together from."""

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


def quads(corners: ArrayLike, material: Material, uv: ArrayLike | None = None) -> Mesh:
    """Build flat quadrilaterals (Q, 4, 3), each counter-clockwise; uv (Q, 4, 2)."""
    corners = np.asarray(corners, np.float32).reshape(-1, 4, 3)
    normals = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    first = 4 * np.arange(len(corners), dtype=np.uint32)[:, None]
    faces = np.concatenate([first + [0, 1, 2], first + [0, 2, 3]], 1)
    uv = np.tile([[0, 1], [1, 1], [1, 0], [0, 0]], (len(corners), 1, 1)) if uv is None else uv
    return mesh(corners, faces, material, np.reshape(uv, (-1, 2)), np.repeat(normals, 4, axis=0))


def box(size: Vector, centre: Vector, material: Material) -> Mesh:
    """Build a box of size (x, y, z) around a centre."""
    x, y, z = np.asarray(size) / 2
    top = [(-x, -y, z), (x, -y, z), (x, y, z), (-x, y, z)]
    low = [(px, py, -z) for px, py, _ in top]
    sides = [(low[k], low[(k + 1) % 4], top[(k + 1) % 4], top[k]) for k in range(4)]
    return quads(np.array([top, low[::-1], *sides]) + np.asarray(centre), material)


def surface(grid: ArrayLike, material: Material, uv_per_metre: float = 1.0) -> Mesh:
    """Build a smooth sheet through a grid of points (R, C, 3), seen where rows x columns point."""
    points = np.asarray(grid, np.float32)
    rows, columns = points.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.stack([np.stack([a, d, c], -1), np.stack([a, c, b], -1)], -2).reshape(-1, 3)
    steps = [np.linalg.norm(np.diff(points, axis=axis), axis=2).mean() for axis in (0, 1)]
    v, u = np.mgrid[:rows, :columns].astype(np.float32)
    uv = np.stack([u * steps[1], v * steps[0]], -1) * uv_per_metre
    return mesh(points, faces, material, uv.reshape(-1, 2))


def tube(
    path: ArrayLike, radii: ArrayLike, material: Material, sides: int = 8, closed: bool = True
) -> Mesh:
    """Build a tube around a path (P, 3) of radii (P,): limbs, poles, trunks, balls."""
    centres = np.asarray(path, np.float64)
    radii = np.broadcast_to(np.asarray(radii, np.float64), len(centres))
    along = np.gradient(centres, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    helper = np.where(np.abs(along[:, 2:]) < 0.9, [[0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0]])
    right = np.cross(along, helper)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    up = np.cross(right, along)
    angle = np.linspace(0, 2 * np.pi, sides + 1)[:, None, None]
    rings = centres + radii[:, None] * (np.cos(angle) * right + np.sin(angle) * up)
    grid = rings.transpose(1, 0, 2)
    parts = [surface(grid, material)]
    if closed:
        parts += [
            _disc(centres[0], -along[0], grid[0, :-1], material),
            _disc(centres[-1], along[-1], grid[-1, :-1][::-1], material),
        ]
    return joined(parts)


def ball(centre: Vector, radii: Vector, material: Material) -> Mesh:
    """Build an ellipsoid of radii (x, y, z)."""
    angle = np.linspace(-np.pi / 2, np.pi / 2, 7)
    path = np.stack([0 * angle, 0 * angle, np.sin(angle)], -1)
    unit = tube(path, np.maximum(np.cos(angle), 1e-3), material, sides=10, closed=False)
    pose = np.diag([*radii, 1.0])
    pose[:3, 3] = centre
    return unit.moved(pose)


def disc(centre: Vector, normal: Vector, radius: float, material: Material) -> Mesh:
    """Build a flat disc; its texture spans it once."""
    axis = np.asarray(normal, float) / np.linalg.norm(normal)
    helper = np.array([0.0, 0.0, 1.0]) if abs(axis[2]) < 0.9 else np.array([1.0, 0.0, 0.0])
    right = np.cross(helper, axis)
    right /= np.linalg.norm(right)
    up = np.cross(axis, right)
    angle = np.linspace(0, 2 * np.pi, 17)[:-1, None]
    rim = np.asarray(centre) + radius * (np.cos(angle) * right + np.sin(angle) * up)
    return _disc(np.asarray(centre, float), axis, rim, material)


def _disc(centre: Floats, normal: Floats, rim: Floats, material: Material) -> Mesh:
    count = len(rim)
    index = np.arange(count)
    faces = np.stack([np.full(count, count), index, (index + 1) % count], -1)
    angle = 2 * np.pi * index / count
    uv = np.vstack([0.5 + 0.5 * np.stack([np.cos(angle), -np.sin(angle)], -1), [[0.5, 0.5]]])
    points = np.vstack([rim, centre[None]])
    return mesh(points, faces, material, uv, np.tile(normal, (count + 1, 1)))


def cards(
    centres: Floats,
    normals: Floats,
    sizes: Floats,
    material: Material,
    turn: Floats,
    shade: Floats,
) -> Mesh:
    """Build square cards (N) that face along normals, turned by angles: leaves, grass.

    Light falls on them by their normals, so that many cards around a crown look like one body.
    """
    helper = np.stack([np.cos(turn), np.sin(turn), 0.3 * np.sin(3 * turn)], -1)
    right = np.cross(normals, helper)
    right /= np.maximum(np.linalg.norm(right, axis=1, keepdims=True), 1e-6)
    up = np.cross(right, normals)
    half = sizes[:, None] / 2
    corners = np.stack(
        [centres + half * (x * right + y * up) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))],
        1,
    )
    sheet = quads(corners, material)
    sheet.vertices['normal'] = np.repeat(normals, 4, axis=0)
    tint = np.asarray(material.tint) * np.repeat(shade, 4)[:, None]
    sheet.vertices['tint'][:, :3] = np.clip(255 * tint, 0, 255)
    return sheet


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
