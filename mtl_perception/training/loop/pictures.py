"""What a network makes of training pictures beside what it should, for people to look at."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import label_space, LabelSpace, only_class, Part
from mtl_perception.visualization import colour_depth, colour_labels, colour_normals

from .run import Batch, Run

Picture = NDArray[np.uint8]
# pictures beside each other
COUNT = 4


def panels(run: Run, batches: Sequence[Batch]) -> dict[str, Picture]:
    """Draw some pictures of the batches beside each other, one drawing (H, W, 3) of each kind.

    The kinds are the input, and for each task what it should be and what the moving average says.
    """
    places = [(batch, index) for batch in batches for index in range(len(batch[0]))]
    chosen = np.unique(np.linspace(0, len(places) - 1, COUNT).round().astype(int)).tolist()
    rows = defaultdict(list)
    for (pictures, targets), index in (places[number] for number in chosen):
        picture = pictures[index].permute(1, 2, 0).contiguous().numpy()
        truth = {task: target[index].cpu().numpy() for task, target in targets.items()}
        for kind, drawing in _drawings(run, picture, truth):
            rows[kind].append(drawing)
    return {kind: _beside(drawings) for kind, drawings in rows.items()}


def _beside(drawings: Sequence[Picture]) -> Picture:
    """Set drawings (H, W, 3) in a row, with black below those that are less high."""
    height = max(len(drawing) for drawing in drawings)
    padded = [np.pad(d, ((0, height - len(d)), (0, 0), (0, 0))) for d in drawings]
    return np.concatenate(padded, axis=1)


def _drawings(
    run: Run, picture: Picture, truth: dict[str, NDArray[Any]]
) -> Iterator[tuple[str, Picture]]:
    space = label_space(run.recipe.label_space)
    part = part_of(space, truth.get('segmentation'))
    prediction = run.predict(run.deployed(part), picture)
    yield 'input', picture
    if prediction.labels is not None:
        predicted = prediction.labels + np.uint8(part.start)
        yield 'labels', colour_labels(only_class(truth['segmentation']), space)
        yield 'labels predicted', colour_labels(predicted, space)
    if prediction.depth is not None:
        yield 'depth', colour_depth(truth['depth'], run.recipe.depth_range_m)
        yield 'depth predicted', colour_depth(prediction.depth, run.recipe.depth_range_m)
    if prediction.normals is not None:
        yield 'normals', colour_normals(truth['normals'].transpose(1, 2, 0))
        yield 'normals predicted', colour_normals(prediction.normals)


def part_of(space: LabelSpace, allowed: NDArray[np.int64] | None) -> Part:
    """Give the part of a space that a picture was labelled in; the first where it was in none."""
    parts = space.parts()
    seen = 0 if allowed is None else int(np.bitwise_or.reduce(allowed, axis=None))
    return next((p for p in parts if seen & ((1 << p.stop) - (1 << p.start))), parts[0])
