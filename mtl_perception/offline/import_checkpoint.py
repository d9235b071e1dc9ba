"""Turn a checkpoint published with arXiv 1809.04766 into weights with a model card."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mtl_perception.model_card import ModelCard, sha256_of, write_card
from mtl_perception.network.checkpoint import (
    load_state,
    read_authors_checkpoint,
    write_weights,
)
from mtl_perception.network.joint_network import TASKS


@dataclass(frozen=True)
class Domain:
    """The part of a published network that answers for one data set.

    Sizes are (width, height); the focal length is that of the data set's rectified pictures.
    """

    label_space: str
    classes_of: Mapping[int, tuple[int, int]]
    training_f_px: float
    training_size: tuple[int, int]
    depth_range_m: tuple[float, float]
    licence: str


# classes_of: number of logits -> the slice of them that this domain names
DOMAINS = {
    'nyud40': Domain(
        'nyud40',
        {40: (0, 40), 46: (0, 40)},
        518.8579,
        (640, 480),
        (0.1, 10.0),
        "non-commercial research (authors' weights; NYUDv2)",
    ),
    'kitti6': Domain(
        'kitti6',
        {6: (0, 6), 46: (40, 46)},
        721.5377,
        (1242, 375),
        (0.5, 80.0),
        "non-commercial research (authors' weights; KITTI, CC BY-NC-SA 3.0)",
    ),
}


def import_checkpoint(
    checkpoint: Path, folder: Path, name: str | None = None, domain: str | None = None
) -> Path:
    """Write <folder>/<name>.safetensors and its card; give the path of the weights.

    The tasks are read off the checkpoint; the domain (a key of DOMAINS) need only be named for
    the joint network of 46 logits. Raises FileNotFoundError or ValueError if the file is none of
    the published networks.
    """
    state = read_authors_checkpoint(checkpoint)
    tasks = _tasks_of(state, checkpoint)
    chosen = _choose_domain(tasks['segmentation'], domain, checkpoint)
    card = ModelCard(
        name=name or checkpoint.stem,
        encoder='mobilenet_v2',
        tasks=tasks,
        label_space=chosen.label_space,
        classes=chosen.classes_of[tasks['segmentation']],
        normalisation='imagenet',
        depth_activation='abs',
        depth_range_m=chosen.depth_range_m,
        training_f_px=chosen.training_f_px,
        training_size=chosen.training_size,
        licence=chosen.licence,
        data='arXiv 1809.04766',
        sha256='',
    )
    network = card.build()
    load_state(network, state, checkpoint)
    folder.mkdir(parents=True, exist_ok=True)
    weights = folder / f'{card.name}.safetensors'
    write_weights(network, weights, torch.float32)
    write_card(replace(card, sha256=sha256_of(weights)), weights)
    return weights


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument('checkpoint', type=Path, help="a .ckpt of the authors: {'state_dict': …}")
    parser.add_argument('--output', type=Path, default=Path('weights'), help='folder to write to')
    parser.add_argument('--name', help="of the weights; the checkpoint's if not given")
    parser.add_argument(
        '--domain', choices=DOMAINS, help='which classes of the joint network of 46 to use'
    )


def run(options: argparse.Namespace) -> int:
    """Import, and say where the weights are."""
    print(import_checkpoint(options.checkpoint, options.output, options.name, options.domain))
    return 0


def _tasks_of(state: Mapping[str, Tensor], checkpoint: Path) -> dict[str, int]:
    heads = {task: state.get(f'heads.{task}.2.weight') for task in TASKS}
    tasks = {task: len(weight) for task, weight in heads.items() if weight is not None}
    if 'segmentation' not in tasks:
        raise ValueError(
            f'checkpoint {checkpoint} has no segmentation head (segm.weight), only '
            f'{", ".join(tasks) or "none"}; the published networks all have one'
        )
    return tasks


def _choose_domain(logits: int, name: str | None, checkpoint: Path) -> Domain:
    fitting = [domain for domain in DOMAINS.values() if logits in domain.classes_of]
    if name is not None:
        fitting = [domain for domain in fitting if domain.label_space == name]
    if len(fitting) != 1:
        raise ValueError(
            f'checkpoint {checkpoint} has {logits} classes, which '
            f'{len(fitting)} of the domains {", ".join(DOMAINS)} fit; name one by --domain'
        )
    return fitting[0]
