"""How good experts are, where a person or a sensor knows better."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mtl_perception.engine import Prediction
from mtl_perception.ground import is_ground
from mtl_perception.offline.evaluate import Scale, Scoring
from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture

from .completion import Experts
from .networks import Opinion

KINDS = ('ground', 'standing')


def agreement(experts: Experts, rows: Sequence[AnnotatedPicture]) -> dict[str, Any]:
    """Score the experts on what people labelled and sensors measured.

    'networks' is a report of offline.evaluate. 'ground', where geometry is asked for, is of the
    depth that the ground implies, as the networks see it, by labels of people or else of
    the networks: for the ground and for what stands on it, AbsRel, that of the networks on the
    same pixels, and the share that these pixels are of those of known depth.
    """
    ensemble, ground = experts.ensemble, _GroundErrors(experts)
    scoring = Scoring(Scale(ensemble.label_space, ensemble.training_f_px))
    for row in tqdm([row.without_teachers() for row in rows], unit='picture', desc='scoring'):
        opinion = ensemble.ask(row.read_picture())
        scoring.add(row, Prediction(opinion.labels, None, opinion.depth, None))
        if experts.camera_height_m is not None:
            ground.add(row, opinion)
    figures: dict[str, Any] = {'networks': scoring.report()}
    return figures if experts.camera_height_m is None else {**figures, 'ground': ground.summary()}


class _GroundErrors:
    """Relative errors of the ground's depth and the networks', (2, N), by kind of pixel."""

    def __init__(self, experts: Experts) -> None:
        self._experts = experts
        self._errors: dict[str, list[NDArray[np.float32]]] = {kind: [] for kind in KINDS}
        self._known = 0

    def add(self, row: AnnotatedPicture, opinion: Opinion) -> None:
        """Count a picture, of which the networks have an opinion."""
        experts, truth = self._experts, row.read_depth()
        labels = experts.seen_labels(row, experts.settled_labels(row, opinion))
        camera = experts.camera_of(row)
        if labels is None or opinion.depth is None or truth is None or camera is None:
            return
        found = experts.metric(opinion.depth, camera)
        implied = experts.ground_depth(labels, found, camera)
        ground = is_ground(labels, experts.space)
        self._known += int((truth > 0).sum())
        for kind, pixels in zip(KINDS, (ground, ~ground), strict=True):
            pixels = pixels & (truth > 0) & (implied > 0)
            both = np.stack([implied[pixels], found[pixels]])
            self._errors[kind].append(np.abs(both / truth[pixels] - 1))

    def summary(self) -> dict[str, dict[str, float]]:
        """Give the figures of each kind that has pixels."""
        joined = {kind: np.concatenate(each, 1) for kind, each in self._errors.items() if each}
        return {kind: _summary(each, self._known) for kind, each in joined.items() if each.size}


def _summary(errors: NDArray[np.float32], known: int) -> dict[str, float]:
    implied, found = errors.mean(1).tolist()
    return {
        'abs_rel': implied,
        'abs_rel_of_networks': found,
        'coverage': errors.shape[1] / known,
    }
