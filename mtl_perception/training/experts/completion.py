"""What experts add to a picture of which some annotations are missing."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_perception.geometry import focal_factor, Intrinsics
from mtl_perception.ground import GroundPlane, is_ground
from mtl_perception.label_space import label_space, LabelSpace, only_class, UNLABELLED
from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture, TEACHERS
from mtl_perception.training.datasets import allowed_classes

from .networks import Ensemble, Opinion
from .standing import standing_depth


@dataclass(frozen=True)
class Camera:
    """What depth needs of a camera, in pixels; without fy_px its pixels are square."""

    f_px: float
    principal_row: float
    fy_px: float | None = None


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

    @property
    def space(self) -> LabelSpace:
        """The label space of the networks."""
        return label_space(self.ensemble.label_space)

    def settings(self) -> dict[str, Any]:
        """Give all that decides their word, as JSON has it."""
        return {
            'weights': [card.sha256 for card, _ in self.ensemble.members],
            'scales': [*self.ensemble.scales],
            'caution': asdict(self.caution),
            'camera_height_m': self.camera_height_m,
            'camera': self.camera and asdict(self.camera),
        }

    def camera_of(self, row: AnnotatedPicture) -> Camera | None:
        """Give the camera of a picture; what is not known of it, by what stands in."""
        f_px, principal_row = row.f_px, row.principal_row
        if self.camera is not None:
            f_px = self.camera.f_px if f_px is None else f_px
            principal_row = self.camera.principal_row if principal_row is None else principal_row
        if f_px is None or principal_row is None:
            return None
        return Camera(f_px, principal_row, row.fy_px)

    def complete(self, row: AnnotatedPicture) -> Opinion:
        """Give labels and depth of a picture: 255 and NaN where the experts are in doubt.

        A teacher's labels stay where there is no doubt of them, unless the experts contradict;
        what a sensor measured stays, and is what the ground is fitted to. Raises ValueError if
        an annotation has another size than its picture.
        """
        picture, camera = row.read_picture(), self.camera_of(row)
        for known in (row.read_labels(), row.read_depth()):
            if known is not None:
                row.check_size(picture.shape[:2], known.shape)
        opinion = self.ensemble.ask(picture)
        labels, depth = self.settled_labels(row, opinion), None
        seen = self.seen_labels(row, labels)
        if camera and opinion.depth is not None and opinion.depth_confidence is not None:
            depth = self.metric(opinion.depth, camera)
            measured = row.without_teachers().read_depth()
            implied = self.ground_depth(seen, depth, camera, measured)
            unsure = opinion.depth_confidence < self.caution.depth
            if seen is not None:
                unsure |= seen == self.space.id_of('sky')
            depth[unsure] = np.nan
            for better in (implied, measured):
                if better is not None:
                    depth = np.where(np.isnan(better), depth, better)
        return Opinion(labels, opinion.labels_confidence, depth, opinion.depth_confidence)

    def seen_labels(
        self, row: AnnotatedPicture, settled: NDArray[np.uint8] | None
    ) -> NDArray[np.uint8] | None:
        """Give what geometry goes by: what people labelled, else settled_labels, else its own."""
        known = self.known_labels(row)
        own = known is not None and row.label_source not in TEACHERS
        return known if own or settled is None else settled

    def settled_labels(self, row: AnnotatedPicture, opinion: Opinion) -> NDArray[np.uint8] | None:
        """Give the experts' labels, 255 where they are in doubt or contradict a teacher."""
        if opinion.labels is None or opinion.labels_confidence is None:
            return None
        unsure = opinion.labels_confidence < self.caution.labels
        labels = np.where(unsure, np.uint8(UNLABELLED), opinion.labels)
        return self._settle(row, labels) if row.label_source in TEACHERS else labels

    def _settle(self, row: AnnotatedPicture, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Join what a teacher and the experts say, 255 where they contradict each other.

        Where the teacher is doubtful, the experts decide; what it left out stays left out.
        """
        own = row.read_labels()
        target = self.space.name
        if own is None or not row.labels_fit(target):
            return labels
        source = label_space(row.label_space)
        sure = allowed_classes(row, target, own.shape)
        settled = np.where(labels == UNLABELLED, only_class(sure), labels)
        clash = (sure > 0) & (sure >> np.minimum(settled, 62) & 1 == 0)
        settled[clash | (source.allowed_classes(target)[own] == 0)] = UNLABELLED
        return settled

    def metric(self, depth: NDArray[np.float32], camera: Camera) -> NDArray[np.float32]:
        """Give the networks' depth in metres for a camera."""
        return depth * np.float32(focal_factor(camera.f_px, self.ensemble.training_f_px))

    def known_labels(self, row: AnnotatedPicture) -> NDArray[np.uint8] | None:
        """Give the picture's own labels in the experts' space, 255 where not one class.

        None where it has none, or none that can be translated.
        """
        labels, own = row.read_labels(), row.label_space
        if labels is None or not label_space(own).maps_to(self.ensemble.label_space):
            return None
        return only_class(label_space(own).allowed_classes(self.ensemble.label_space)[labels])

    def ground_depth(
        self,
        labels: NDArray[np.uint8] | None,
        depth_m: NDArray[np.float32],
        camera: Camera,
        measured_m: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Give the depth that the ground implies, NaN where it says nothing.

        The ground is fitted to what a sensor measured; where that is too little, it lies as the
        networks' depth_m has it, but as far below the camera as it is known to be; else level.
        """
        if labels is None or self.camera_height_m is None:
            return np.full_like(depth_m, np.nan)
        height, width = labels.shape
        intrinsics = Intrinsics.centred(
            camera.f_px, camera.fy_px, camera.principal_row, (height, width)
        )
        ground = is_ground(labels, self.space)
        plane = None if measured_m is None else GroundPlane.fit(measured_m, ground)
        if plane is None:
            seen = GroundPlane.fit(depth_m, ground)
            plane = (
                GroundPlane.level(intrinsics, self.camera_height_m)
                if seen is None
                else seen.at_height(intrinsics, self.camera_height_m)
            )
        return standing_depth(labels, self.space, plane, depth_m)
