"""What stands still in a scene, collected in pieces along the street."""

from collections import defaultdict

import numpy as np

from mtl_perception.rendering.opengl.mesh import Floats, joined, Mesh
from mtl_perception.rendering.opengl.views import Part
from mtl_perception.rendering.scene.street import Street

CHUNK_M = 20.0


class Chunks:
    """Collects what stands still, in pieces along the street that can be left out of a picture."""

    def __init__(self, street: Street) -> None:
        """Start with nothing."""
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
        """Give the pieces, whose meshes are in the world's frame."""
        return tuple(Part(joined(meshes)) for meshes in self._meshes.values())
