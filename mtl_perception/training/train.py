"""Train a joint network by a recipe: `python -m mtl_perception.training.train RECIPE --data …`."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
import logging
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from tqdm import tqdm

from mtl_perception.engine import Prediction
from mtl_perception.model_card import find_weights
from mtl_perception.network.checkpoint import load_state, read_weights
from mtl_perception.network.deployed import DeployedNetwork, Normalise
from mtl_perception.network.joint_network import JointNetwork
from mtl_perception.offline.evaluate import Scale, score
from mtl_perception.recordings.dataset_index import AnnotatedPicture, read_indexes

from .augmentation import RandomView
from .datasets import AsymmetricDataset, QuotaSampler
from .losses import joint_loss
from .pretrained import load_keras_mobilenet_v2
from .recipe import read_recipe, Recipe

log = logging.getLogger(__name__)

LOG_EVERY = 50


def main(arguments: Sequence[str] | None = None) -> None:
    """Train to the recipe's last step, from the newest checkpoint where there is one."""
    options = _parse(arguments)
    logging.basicConfig(level=logging.INFO, format='%(asctime)s %(message)s')
    changes = {'steps': options.steps} if options.steps else {}
    recipe = read_recipe(options.recipe, **changes)
    device = torch.device(options.device)
    run = Run(recipe, options.data[0], device)
    if options.start_from:
        run.start_from(options.start_from)
    checkpoint = options.output / 'checkpoint.pt'
    if checkpoint.is_file():
        run.restore(checkpoint)
    rows, validation = (
        read_indexes(options.data, split, recipe.without_sources) for split in ('train', 'val')
    )
    options.output.mkdir(parents=True, exist_ok=True)
    write_scalar = _scalar_writer(options.output / 'events')
    for step, (pictures, targets) in enumerate(_batches(rows, recipe, run.step, options.workers)):
        losses = run.advance(pictures, targets)
        if run.step % LOG_EVERY == 0:
            # only now, since reading them waits for the device
            values = {task: round(float(loss), 4) for task, loss in losses.items()}
            log.info('step %d %s', run.step, values)
            for task, value in values.items():
                write_scalar(f'loss/{task}', value, run.step)
        done = run.step % recipe.validate_every == 0 or run.step == recipe.steps
        if done:
            log.info('step %d: %s', run.step, validate(run.deployed(), validation, recipe, device))
        if done or step % 100 == 99:
            run.save(checkpoint)


class Run:
    """Network, optimiser, schedule, moving average and step: what a checkpoint holds."""

    def __init__(self, recipe: Recipe, data: Path, device: torch.device) -> None:
        """Start a run at step 0."""
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = device
        self.network = build_network(recipe, data).to(device)
        self.network.to(memory_format=torch.channels_last)
        self.normalise = Normalise(recipe.normalisation).to(device)
        self.average = AveragedModel(
            self.network,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        encoder = list(self.network.encoder.parameters())
        others = [*self.network.decoder.parameters(), *self.network.heads.parameters()]
        self.optimiser = AdamW(
            [
                {'params': encoder, 'lr': recipe.encoder_rate},
                {'params': others, 'lr': recipe.decoder_rate},
            ],
            weight_decay=recipe.weight_decay,
        )
        self.schedule = LambdaLR(self.optimiser, self._rate)
        self.step = 0

    def start_from(self, name: str) -> None:
        """Take over released weights, of the same encoder and heads; see find_weights."""
        path = find_weights(name)
        load_state(self.network, read_weights(path), path)
        self.average.module.load_state_dict(self.network.state_dict())

    def _rate(self, step: int) -> float:
        """Give the factor on the rates: linear warm-up, then half a cosine to zero."""
        progress = min(step / self.recipe.steps, 1.0)
        warm = min((step + 1) / self.recipe.warmup_steps, 1.0)
        return warm * (1 + math.cos(math.pi * progress)) / 2

    def advance(self, pictures: Tensor, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Take one step on a batch, and give the loss of each task."""
        self.network.train()
        x = self.normalise(pictures.to(self.device)).to(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            outputs = self.network(x)
        targets = {task: target.to(self.device) for task, target in targets.items()}
        loss, each = joint_loss(
            outputs, targets, self.recipe.loss_weights, self.recipe.depth_activation
        )
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.gradient_norm)
        self.optimiser.step()
        self.optimiser.zero_grad()
        self.schedule.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return each

    def deployed(self) -> DeployedNetwork:
        """Wrap the moving average for evaluation."""
        recipe = self.recipe
        return DeployedNetwork(
            self.average.module,
            recipe.normalisation,
            recipe.depth_activation,
            recipe.depth_range_m,
        ).eval()

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        parts = ('network', 'average', 'optimiser', 'schedule')
        state = {part: getattr(self, part).state_dict() for part in parts}
        torch.save({**state, 'step': self.step}, path.with_suffix('.part'))
        os.replace(path.with_suffix('.part'), path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.step = state.pop('step')
        for part, value in state.items():
            getattr(self, part).load_state_dict(value)
        log.info('resumed %s at step %d', path, self.step)


def build_network(recipe: Recipe, data: Path) -> JointNetwork:
    """Build the recipe's network, with pretrained encoder weights where it names them."""
    network = JointNetwork(recipe.encoder, recipe.channels())
    if recipe.pretrained:
        load_keras_mobilenet_v2(network.encoder, data / recipe.pretrained)
    if 'depth' in recipe.tasks and recipe.depth_activation == 'exp':
        nn.init.constant_(network.get_parameter('heads.depth.2.bias'), math.log(10.0))
    return network


def validate(
    network: DeployedNetwork,
    rows: Sequence[AnnotatedPicture],
    recipe: Recipe,
    device: torch.device,
) -> dict[str, Any]:
    """Score the network on pictures at full size, see offline.evaluate.score."""

    @torch.inference_mode()
    def predict(picture: NDArray[np.uint8]) -> Prediction:
        with torch.autocast(device.type, torch.bfloat16):
            outputs = network(torch.from_numpy(picture)[None].to(device))
        return Prediction(*(None if x is None else x[0].cpu().numpy() for x in outputs))

    return score(predict, rows, Scale(recipe.label_space, recipe.training_f_px))


def _scalar_writer(folder: Path) -> Callable[[str, float, int], None]:
    """Give what writes a scalar of a step for TensorBoard; nothing where that is not installed."""
    if find_spec('tensorboard') is None:
        return lambda *_: None
    from torch.utils.tensorboard import SummaryWriter

    write: Callable[[str, float, int], None] = SummaryWriter(folder).add_scalar  # type: ignore[no-untyped-call]
    return write


def _batches(
    rows: Sequence[AnnotatedPicture], recipe: Recipe, first: int, workers: int
) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    view = RandomView(recipe.crop)
    dataset = AsymmetricDataset(rows, recipe.label_space, recipe.training_f_px, view, recipe.tasks)
    steps = range(first, recipe.steps)
    sampler = QuotaSampler(rows, recipe.groups, recipe.zoom, steps, recipe.seed)
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=workers)
    yield from tqdm(loader, initial=first, total=recipe.steps, unit='step', mininterval=10)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('recipe', type=Path, help='a YAML file of config/training/')
    parser.add_argument(
        '--data',
        type=Path,
        nargs='+',
        required=True,
        help='folders with an index.csv; the first holds the pretrained weights',
    )
    parser.add_argument('--output', type=Path, required=True, help='folder for checkpoints')
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--workers', type=int, default=1, help='processes that read pictures')
    parser.add_argument('--start-from', help='released weights to go on from (name or path)')
    parser.add_argument('--steps', type=int, help="instead of the recipe's")
    return parser.parse_args(arguments)


if __name__ == '__main__':
    main()
