"""Training recipes: one YAML file, read into frozen dataclasses."""

import argparse
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from mtl_perception.label_space import label_space, Part
from mtl_perception.model_card import ModelCard
from mtl_perception.network.encoders import STRIDES
from mtl_perception.network.joint_network import FIXED_CHANNELS

from .recipe_values import CHOICES, read_value


class Framing(NamedTuple):
    """What views show: height and width in pixels, the range by which they enlarge, and how soft.

    They are blurred by Gaussians of up to `blur_px` standard deviation.
    """

    crop: tuple[int, int]
    zoom: tuple[float, float]
    blur_px: float = 0.0


@dataclass(frozen=True)
class Group:
    """Sources that share a quota of every batch.

    Only pictures with annotations for all the tasks in `needs` count; `crop` and `zoom` are
    instead of the recipe's, `blur_px` is Framing's.
    """

    sources: tuple[str, ...]
    per_batch: int
    needs: tuple[str, ...] = ()
    crop: tuple[int, int] | None = None
    zoom: tuple[float, float] | None = None
    blur_px: float = 0.0


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run, except where the data lie and how much memory there is.

    Lengths are in pixels, rates per step; `zoom` is the range by which pictures are enlarged.
    Without `distillation` nothing is learnt from annotations that a teacher made.
    Parts of the network that are `fixed` stay as they were at the start.
    docs/training.md explains the keys that choose, see CHOICES. Raises ValueError where one says
    what is not among them, a task has no weight above 0, or nothing is left to learn.
    """

    name: str
    encoder: str
    label_space: str
    tasks: tuple[str, ...]
    normalisation: str
    depth_activation: str
    depth_range_m: tuple[float, float]
    training_f_px: float
    training_size: tuple[int, int]
    groups: tuple[Group, ...]
    loss_weights: Mapping[str, float]
    crop: tuple[int, int]
    zoom: tuple[float, float]
    steps: int
    warmup_steps: int
    encoder_rate: float
    decoder_rate: float
    weight_decay: float
    gradient_norm: float
    ema_decay: float
    validate_every: int
    seed: int = 0
    pretrained: str | None = None
    without_sources: tuple[str, ...] = ()
    distillation: bool = True
    licence: str = ''
    loss_mean: str = 'pixels'
    task_weights: str = 'fixed'
    passes: str = 'together'
    optimiser: str = 'adamw'
    momentum: float = 0.9
    schedule: str = 'cosine'
    precision: str = 'bf16'
    batch_norm: str = 'each'
    fixed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the keys that choose, and the weights."""
        for key, known in CHOICES.items():
            if getattr(self, key) not in known:
                raise ValueError(f"{key} is '{getattr(self, key)}'; choose of {', '.join(known)}")
        for task in self.tasks:
            if not self.loss_weights.get(task, 0) > 0:
                raise ValueError(
                    f'loss_weights gives {task} {self.loss_weights.get(task)}; expected a number '
                    'above 0 for each of the tasks'
                )
        for framing in self.framings():
            if 3 * framing.blur_px >= min(framing.crop):
                raise ValueError(
                    f'blur_px is {framing.blur_px} for views of {min(framing.crop)} pixels; '
                    'expected less than a third of their shorter side'
                )
        parts = ('encoder', 'decoder', *(f'heads.{task}' for task in self.tasks))
        if not {*self.fixed} < {*parts}:
            raise ValueError(
                f'fixed is {", ".join(self.fixed)}; name some, not all, of {", ".join(parts)}'
            )

    @property
    def size_divisor(self) -> int:
        """What all sides of the views divide by, up to the coarsest stride of an encoder."""
        sides = [side for framing in self.framings() for side in framing.crop]
        return math.gcd(STRIDES[-1], *sides)

    def framings(self) -> list[Framing]:
        """Give what the views of each group show."""
        return [
            Framing(group.crop or self.crop, group.zoom or self.zoom, group.blur_px)
            for group in self.groups
        ]

    def values(self) -> dict[str, Any]:
        """Give the keys and values as a file has them, for recipe_from."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return values

    def card(self, part: Part | None = None) -> ModelCard:
        """Give the model card of what is learnt, for one part of the label space or all of it."""
        joined = part is not None and part.space != self.label_space
        return ModelCard(
            name=f'{self.name}-{part.space}' if part and joined else self.name,
            encoder=self.encoder,
            tasks=self.channels(),
            label_space=part.space if part else self.label_space,
            classes=(part.start, part.stop) if part and joined else None,
            normalisation=self.normalisation,
            depth_activation=self.depth_activation,
            depth_range_m=self.depth_range_m,
            training_f_px=self.training_f_px,
            training_size=self.training_size,
            licence=self.licence,
            size_divisor=self.size_divisor,
            sha256='',
        )

    def channels(self) -> dict[str, int]:
        """Give the channels of each task's head. Raises ValueError for an unknown label space."""
        known = {'segmentation': len(label_space(self.label_space).names), **FIXED_CHANNELS}
        return {task: known[task] for task in self.tasks}


def read_recipe(path: Path, **changes: Any) -> Recipe:
    """Read a recipe; changes replace its values.

    Raises FileNotFoundError if path is absent, ValueError if a key is unknown or missing, or says
    what it cannot.
    """
    if not path.is_file():
        raise FileNotFoundError(f'recipe {path} does not exist; see config/training/')
    values = _yaml(path.read_text(), f'recipe {path}')
    if not isinstance(values, dict):
        raise ValueError(f'recipe {path} holds {type(values).__name__}; expected keys')
    return recipe_from(values | changes, path)


def recipe_from(values: Mapping[str, Any], path: Path) -> Recipe:
    """Make a recipe of the keys and values that path has. Raises ValueError as read_recipe."""
    read = _read(values, Recipe, path)
    groups = tuple(Group(**_read(group, Group, path)) for group in read.pop('groups'))
    return Recipe(**read, groups=groups)


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the recipe of a run, and changes to it."""
    parser.add_argument('recipe', type=Path, help='a YAML file of config/training/')
    parser.add_argument(
        '--set',
        nargs='+',
        default=[],
        metavar='KEY=VALUE',
        help='in YAML, instead of what the recipe says: steps=500 tasks=[depth]',
    )


def chosen_recipe(options: argparse.Namespace) -> Recipe:
    """Read the recipe that add_recipe_arguments declares.

    Raises what read_recipe does, and ValueError for a change that is not KEY=VALUE.
    """
    pairs = [change.partition('=') for change in options.set]
    for key, equals, value in pairs:
        if not (key and equals):
            raise ValueError(f"--set has '{key}{value}'; expected KEY=VALUE, as steps=500")
    changes = {key: _yaml(value, f'--set {key}={value}') for key, _, value in pairs}
    return read_recipe(options.recipe, **changes)


def _yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f'{where} is not YAML: {error}') from error


def _read(values: Mapping[str, Any], kind: type, path: Path) -> dict[str, Any]:
    """Read the values of a Recipe or a Group; what is None by default may be that."""
    _check_keys(values, kind, path)
    optional = {field.name for field in fields(kind) if field.default is None}
    return {
        key: None if value is None and key in optional else read_value(key, value)
        for key, value in values.items()
    }


def _check_keys(values: Mapping[str, Any], kind: type, path: Path) -> None:
    known = [field.name for field in fields(kind)]
    unknown = set(values) - set(known)
    if unknown:
        raise ValueError(
            f'recipe {path} has unknown keys {", ".join(sorted(unknown))}; '
            f'known are {", ".join(known)}'
        )
    missing = {f.name for f in fields(kind) if f.default is f.default_factory} - set(values)
    if missing:
        raise ValueError(f'recipe {path} lacks {", ".join(sorted(missing))}')
