"""Pictures with missing annotations, as tensors; batches that hold each group by its quota."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from mtl_perception.label_space import label_space, ROAD8
from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture, TEACHER

from .augmentation import RandomView, Targets
from .recipe import Framing, Group, Recipe

# nearer than this to anything that is not road, a teacher's "road" may as well be sidewalk
TEACHER_MARGIN_PX = 48
# where a row has the annotation for a task
_ANNOTATIONS = {'segmentation': 'labels', 'depth': 'depth', 'normals': 'normals'}


def _learns(row: AnnotatedPicture, task: str) -> bool:
    """Say whether a picture has what a task learns from: depth needs the focal length as well."""
    return getattr(row, _ANNOTATIONS[task]) is not None and (task != 'depth' or bool(row.f_px))


def teaches(row: AnnotatedPicture, tasks: Collection[str]) -> bool:
    """Say whether a picture has anything that one of the tasks learns from."""
    return any(_learns(row, task) for task in tasks)


def scorable(row: AnnotatedPicture, tasks: Collection[str], space: str) -> bool:
    """Say whether labels that a picture is scored by, if any, have a meaning in a label space."""
    return 'segmentation' not in tasks or row.without_teachers().labels_fit(space)


def has_truth(row: AnnotatedPicture, tasks: Collection[str]) -> bool:
    """Say whether a picture has anything that one of the tasks is scored by."""
    known = row.without_teachers()
    return any(getattr(known, _ANNOTATIONS[task]) is not None for task in tasks)


def check_files(rows: Sequence[AnnotatedPicture]) -> None:
    """Raise FileNotFoundError if a picture or an annotation of it is not there."""
    named = (
        a.path for row in rows for a in (row.picture, row.labels, row.depth, row.normals) if a
    )
    missing = [path for path in named if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f'{len(missing)} files of the data are not there, the first is {missing[0]}; restore '
            'them, or leave out their rows'
        )


def check_labels(rows: Sequence[AnnotatedPicture], recipe: Recipe) -> None:
    """Raise ValueError if labels that are to be learnt from mean nothing in the recipe's space."""
    foreign = [row for row in rows if not row.labels_fit(recipe.label_space)]
    if foreign and 'segmentation' in recipe.tasks:
        first = foreign[0]
        raise ValueError(
            f"the labels of {len(foreign)} pictures of split train are of '{first.label_space}', "
            f"which means nothing in '{recipe.label_space}'; the first is {first.picture.name} of "
            f'{first.source}; correct label_space, or leave out their sources'
        )


def check_tasks(rows: Sequence[AnnotatedPicture], tasks: Collection[str]) -> None:
    """Raise ValueError if there is a task that none of the pictures teaches anything."""
    untaught = [task for task in tasks if not any(_learns(row, task) for row in rows)]
    if untaught:
        depth = ', with a focal length' if 'depth' in untaught else ''
        raise ValueError(
            f'no picture of split train has anything for {", ".join(untaught)}, which the recipe '
            f'has among its tasks; annotate some{depth}, or take that out of tasks'
        )


class Draw(NamedTuple):
    """A picture's number, the seed of the view of it, and what the view shows."""

    picture: int
    seed: int
    framing: Framing


class AsymmetricDataset(Dataset[tuple[Tensor, Targets]]):
    """Each item has every target; a missing annotation is a target without valid pixels."""

    def __init__(
        self,
        pictures: Sequence[AnnotatedPicture],
        space: str,
        f_px: float,
        tasks: Sequence[str] = ('segmentation', 'depth'),
    ) -> None:
        """Take rows of an index, the label space, focal length and tasks to train for."""
        self.pictures = pictures
        self.space = space
        self.f_px = f_px
        self.view = RandomView()
        self.tasks = tasks

    def __len__(self) -> int:
        """Count the pictures."""
        return len(self.pictures)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Targets]:
        """Give the view of a picture that its seed draws."""
        row = self.pictures[draw.picture]
        picture = row.read_picture()
        size = picture.shape[:2]
        targets = {task: torch.from_numpy(self._target(task, row, size)) for task in self.tasks}
        for target in targets.values():
            row.check_size(size, tuple(target.shape[-2:]))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(draw.seed)
            tensor = torch.from_numpy(picture).permute(2, 0, 1)
            return self.view(tensor, targets, draw.framing, row.principal_row)

    def _target(self, task: str, row: AnnotatedPicture, size: tuple[int, int]) -> NDArray[Any]:
        if task == 'segmentation':
            return allowed_classes(row, self.space, size)
        if task == 'depth':
            return canonical_depth(row, self.f_px, size)
        normals = row.read_normals()
        if normals is None:
            return np.full((3, *size), np.nan, np.float32)
        return np.ascontiguousarray(normals.transpose(2, 0, 1))


def allowed_classes(row: AnnotatedPicture, space: str, size: tuple[int, int]) -> NDArray[np.int64]:
    """Give the bit set of classes that each pixel may be, (H, W) int64, 0 unlabelled."""
    labels = row.read_labels()
    if labels is None:
        return np.zeros(size, np.int64)
    source = label_space(row.label_space)
    allowed = source.allowed_classes(space)[labels]
    if row.label_source == TEACHER and source.maps_to(ROAD8.name):
        # "one of both" would teach that it is the more frequent of them
        allowed[_doubtful_road(source.allowed_classes(ROAD8.name)[labels])] = 0
    return allowed


def _doubtful_road(allowed: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Find road that is near to what stands still beside a road, by bit sets of road8."""
    passing = sum(1 << ROAD8.names.index(name) for name in ('road', 'vehicle', 'person'))
    elsewhere = (allowed & ~passing == 0).astype(np.uint8)
    distance: NDArray[np.float32] = cv2.distanceTransform(elsewhere, cv2.DIST_L2, 3)
    near: NDArray[np.bool_] = distance < TEACHER_MARGIN_PX
    near &= allowed == 1 << ROAD8.names.index('road')
    return near


def canonical_depth(
    row: AnnotatedPicture, f_px: float, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Give the depth that a camera of focal length f_px would need to see the same picture."""
    depth_m = row.read_depth()
    if depth_m is None or row.f_px is None:
        return np.full(size, np.nan, np.float32)
    return depth_m * np.float32(f_px / row.f_px)


class QuotaSampler(Sampler[list[Draw]]):
    """Batches, each with `per_batch` pictures of every group; or a batch for each group in turn.

    Views of one size make a batch; where the groups have several, a step has a batch of each.
    Every group is shuffled anew each time it is used up. A batch depends on seed and step only,
    so that a run resumed at a step goes on exactly as it would have. Processes that train
    together have every n-th picture of each batch: among them, the very same batches.
    """

    def __init__(
        self,
        pictures: Sequence[AnnotatedPicture],
        groups: Sequence[Group],
        framings: Sequence[Framing],
        steps: range,
        seed: int,
        by_group: bool = False,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        """Sort the pictures into groups, of which each has its framing.

        `share` is the number of this process and how many there are. Raises ValueError if a group
        stays empty, or a batch has fewer pictures than there are processes.
        """
        self.members = [
            [
                index
                for index, row in enumerate(pictures)
                if row.source in group.sources and all(_learns(row, task) for task in group.needs)
            ]
            for group in groups
        ]
        self.quotas = [group.per_batch for group in groups]
        self.framings = framings
        self.steps = steps
        self.seed = seed
        kinds = range(len(groups)) if by_group else [framing.crop for framing in framings]
        self.passes = [
            [group for group, one in enumerate(kinds) if one == kind]
            for kind in dict.fromkeys(kinds)
        ]
        self.share = share
        smallest = min(sum(self.quotas[group] for group in groups) for groups in self.passes)
        if smallest < share[1]:
            raise ValueError(
                f'a batch of {smallest} pictures is too small for {share[1]} processes; start '
                'fewer, or raise per_batch'
            )
        for group, members in zip(groups, self.members, strict=True):
            if not members:
                needed = f' with what {", ".join(group.needs)} needs' if group.needs else ''
                raise ValueError(
                    f'there is no picture of {", ".join(group.sources)}{needed} to train with; '
                    'take the group out of the recipe, or its sources out of without_sources'
                )

    def __len__(self) -> int:
        """Count the batches."""
        return len(self.steps) * len(self.passes)

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yield the batches of each step."""
        first, processes = self.share
        for step in self.steps:
            for groups in self.passes:
                batch = [draw for group in groups for draw in self._draws(group, step)]
                # in turn, so that none sees the same groups at every step
                yield batch[(first + step) % processes :: processes]

    def _draws(self, group: int, step: int) -> Iterator[Draw]:
        members, quota = self.members[group], self.quotas[group]
        for position in range(step * quota, (step + 1) * quota):
            turn, place = divmod(position, len(members))
            order = np.random.default_rng((self.seed, group, turn)).permutation(len(members))
            seed = np.random.default_rng((self.seed, group, position)).integers(2**31)
            yield Draw(members[order[place]], int(seed), self.framings[group])
