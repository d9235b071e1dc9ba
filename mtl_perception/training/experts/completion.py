"""What experts add to a picture of which some annotations are missing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mtl_perception.geometry import focal_factor
from mtl_perception.label_space import label_space, only_class, UNLABELLED
from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture

from .ground import GROUND, GroundPlane, standing_depth
from .networks import Ensemble, Opinion


@dataclass(frozen=True)
class Camera:
    """What depth needs of a camera: focal length and principal row in pixels."""

    f_px: float
    principal_row: float


@dataclass(frozen=True)
class Caution:
    """From which confidence on an expert's word is written down."""

    labels: float = 0.5
    depth: float = 0.85


@dataclass(frozen=True)
class Experts:
    """Networks, and the geometry of the ground that a camera drives on.

    `camera_height_m` is the camera's above that ground, None for no geometry; `camera` stands in
    for that of pictures of which it is not known, None for no depth there.
    """

    ensemble: Ensemble
    caution: Caution = Caution()
    camera_height_m: float | None = None
    camera: Camera | None = None

    def camera_of(self, row: AnnotatedPicture) -> Camera | None:
        """Give the camera of a picture, or what stands in for it."""
        if row.f_px is None or row.principal_row is None:
            return self.camera
        return Camera(row.f_px, row.principal_row)

    def complete(self, row: AnnotatedPicture) -> Opinion:
        """Give labels and depth of a picture: 255 and NaN where the experts are in doubt."""
        opinion, camera = self.ensemble.ask(row.read_picture()), self.camera_of(row)
        labels = opinion.labels
        if labels is not None and opinion.labels_confidence is not None:
            unsure = opinion.labels_confidence < self.caution.labels
            labels = np.where(unsure, np.uint8(UNLABELLED), labels)
        seen, depth = self.known_labels(row), None
        if seen is None:
            seen = labels
        if camera and opinion.depth is not None and opinion.depth_confidence is not None:
            depth = self.metric(opinion.depth, camera)
            implied = self.ground_depth(seen, depth, camera)
            unsure = (opinion.depth_confidence < self.caution.depth) | self._among(seen, ('sky',))
            depth[unsure] = np.nan
            depth = np.where(np.isnan(implied), depth, implied)
        return Opinion(labels, opinion.labels_confidence, depth, opinion.depth_confidence)

    def metric(self, depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
        """Give the networks' depth in metres for a camera."""
        return depth * np.float32(focal_factor(camera.f_px, self.ensemble.training_f_px))

    def known_labels(self, row: AnnotatedPicture) -> NDArray[np.uint8] | None:
        """Give the picture's own labels in the experts' space, 255 where not one class."""
        labels = row.read_labels()
        if labels is None:
            return None
        own = label_space(row.label_space)
        return only_class(own.allowed_classes(self.ensemble.label_space)[labels])

    def ground_depth(
        self, labels: NDArray[np.uint8] | None, depth_m: NDArray[np.float32], camera: Camera
    ) -> NDArray[np.float32]:
        """Give the depth that the ground implies, NaN where it says nothing.

        The ground is fitted to depth_m, else level below the camera.
        """
        if labels is None or self.camera_height_m is None:
            return np.full_like(depth_m, np.nan)
        plane = GroundPlane.fit(depth_m, self.is_ground(labels))
        if plane is None:
            plane = GroundPlane.level(camera.f_px, camera.principal_row, self.camera_height_m)
        return standing_depth(labels, label_space(self.ensemble.label_space).names, plane)

    def is_ground(self, labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Find the pixels of labels in the experts' space that are ground."""
        return self._among(labels, GROUND)

    def _among(
        self, labels: NDArray[np.uint8] | None, kinds: tuple[str, ...]
    ) -> NDArray[np.bool_]:
        space = label_space(self.ensemble.label_space)
        ids = [space.names.index(kind) for kind in kinds if kind in space.names]
        return np.isin(UNLABELLED if labels is None else labels, ids)
