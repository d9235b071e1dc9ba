"""Training recipes: one YAML file, read into frozen dataclasses."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from mtl_perception.label_space import label_space
from mtl_perception.network.joint_network import FIXED_CHANNELS


@dataclass(frozen=True)
class Group:
    """Sources that share a quota of every batch; `zoom` is instead of the recipe's."""

    sources: tuple[str, ...]
    per_batch: int
    needs_depth: bool = False
    zoom: tuple[float, float] | None = None


@dataclass(frozen=True)
class Recipe:
    """All that decides a training run, except where the data lie and how much memory there is.

    Lengths are in pixels, rates per step; `zoom` is the range by which pictures are enlarged.
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
    licence: str = ''

    def channels(self) -> dict[str, int]:
        """Give the channels of each task's head. Raises ValueError for an unknown label space."""
        known = {'segmentation': len(label_space(self.label_space).names), **FIXED_CHANNELS}
        return {task: known[task] for task in self.tasks}


def read_recipe(path: Path, **changes: Any) -> Recipe:
    """Read a recipe; changes replace its values.

    Raises FileNotFoundError if path is absent, ValueError if a key is unknown or missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f'recipe {path} does not exist; see config/training/')
    values = yaml.safe_load(path.read_text())
    if not isinstance(values, dict):
        raise ValueError(f'recipe {path} holds {type(values).__name__}; expected keys')
    values |= changes
    _check_keys(values, Recipe, path)
    for group in values['groups']:
        _check_keys(group, Group, path)
    values['groups'] = tuple(
        Group(**{key: _frozen(value) for key, value in group.items()})
        for group in values['groups']
    )
    return Recipe(**{key: _frozen(value) for key, value in values.items()})


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


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
