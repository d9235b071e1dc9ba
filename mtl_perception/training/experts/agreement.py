"""How good experts are, where a person or a sensor knows better."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mtl_perception.engine import Prediction
from mtl_perception.geometry import focal_factor
from mtl_perception.offline.evaluate import Scale, score
from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture

from .completion import Experts

KINDS = ('ground', 'standing')


def networks_agreement(experts: Experts, rows: Sequence[AnnotatedPicture]) -> dict[str, Any]:
    """Score the networks, see offline.evaluate.score."""
    ensemble = experts.ensemble

    def predict(picture: NDArray[np.uint8]) -> Prediction:
        opinion = ensemble.ask(picture)
        return Prediction(opinion.labels, None, opinion.depth, None)

    scale = Scale(ensemble.label_space, ensemble.training_f_px)
    return score(predict, tqdm(rows, unit='picture', desc='networks'), scale)


def ground_agreement(
    experts: Experts, rows: Sequence[AnnotatedPicture]
) -> dict[str, dict[str, float]]:
    """Score the depth that the ground implies, fitted to the networks' depth, against sensors.

    For the ground and for what stands on it: AbsRel, that of the networks on the same pixels, and
    the share that these pixels are of those of known depth.
    """
    errors: dict[str, list[NDArray[np.float32]]] = {kind: [] for kind in KINDS}
    known = 0
    for row in tqdm(rows, unit='picture', desc='ground'):
        labels, truth, camera = experts.known_labels(row), row.read_depth(), experts.camera_of(row)
        found = experts.ensemble.ask(row.read_picture()).depth
        if labels is None or truth is None or camera is None or found is None:
            continue
        found *= np.float32(focal_factor(camera.f_px, experts.ensemble.training_f_px))
        implied, ground = experts.ground_depth(labels, found, camera), experts.is_ground(labels)
        known += int((truth > 0).sum())
        for kind, pixels in zip(KINDS, (ground, ~ground), strict=True):
            pixels = pixels & (truth > 0) & (implied > 0)
            both = np.stack([implied[pixels], found[pixels]])
            errors[kind].append(np.abs(both / truth[pixels] - 1))
    joined = {kind: np.concatenate(each, 1) for kind, each in errors.items() if each}
    return {kind: _summary(each, known) for kind, each in joined.items() if each.size}


def _summary(errors: NDArray[np.float32], known: int) -> dict[str, float]:
    implied, found = errors.mean(1).tolist()
    return {
        'abs_rel': implied,
        'abs_rel_of_networks': found,
        'coverage': errors.shape[1] / known,
    }
