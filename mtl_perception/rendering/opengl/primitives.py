"""Simple forms as meshes: flat quads, boxes, sheets, tubes, balls, discs, cards of leaves."""

import numpy as np
from numpy.typing import ArrayLike

from .mesh import Floats, joined, Material, Mesh, mesh, Vector


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
