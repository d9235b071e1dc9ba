"""A training run: what a checkpoint holds, and one step of it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
import logging
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from mtl_perception.engine import Prediction
from mtl_perception.label_space import label_space, Part
from mtl_perception.model_card import find_weights, ModelCard, read_card
from mtl_perception.network.checkpoint import load_state, read_weights
from mtl_perception.network.deployed import DeployedNetwork
from mtl_perception.network.joint_network import JointNetwork

from ..pretrained import load_pretrained
from ..recipe import Recipe
from .distributed import from_first_rank, max_over_ranks, rank, ranks
from .objective import Objective
from .optimisation import autocast, build_optimiser, gradient_scaler, rate_factor

log = logging.getLogger(__name__)

Batch = tuple[Tensor, dict[str, Tensor]]
# keys of a recipe that may change while it is run
_FREE = {'name', 'licence', 'training_size', 'steps', 'validate_every'}
# those that may not: what is learnt would not fit, or mean something else
_KEPT = {
    *('encoder', 'tasks', 'label_space', 'normalisation', 'depth_activation'),
    *('training_f_px', 'optimiser'),
}


class Run:
    """Network, optimiser, schedule, moving average and step: what a checkpoint holds."""

    def __init__(self, recipe: Recipe, data: Path, device: torch.device) -> None:
        """Start a run at step 0; in a process group, with the others of it.

        Raises ValueError if the recipe wants of several processes what their devices cannot do.
        """
        torch.manual_seed(recipe.seed)
        self.recipe = recipe
        self.device = device
        self.network = build_network(recipe, data).to(device)
        if recipe.batch_norm == 'synchronised' and ranks() > 1:
            _synchronise(self.network, device)
        self.network.to(memory_format=torch.channels_last)
        for part in self._fixed():
            part.requires_grad_(False)
        self.average = AveragedModel(
            self.network,
            multi_avg_fn=get_ema_multi_avg_fn(recipe.ema_decay),  # type: ignore[no-untyped-call]
            use_buffers=True,
        )
        objective = Objective(recipe, self.network).to(device)
        self.weighting = objective.loss
        self.objective = DistributedDataParallel(objective) if ranks() > 1 else objective
        self.optimiser = build_optimiser(recipe, self.network, self.weighting)
        self.step = 0
        self._schedule()
        self.scaler = gradient_scaler(device, recipe.precision)
        self.started_from: str | None = None
        # what ruled before the recipe was changed: the recipe, and the step that it went to
        self.earlier: list[dict[str, Any]] = []

    def _schedule(self) -> None:
        """Let the rates of the recipe follow its schedule from the present step on."""
        self.schedule = LambdaLR(
            self.optimiser, lambda step: rate_factor(self.recipe, step), self.step - 1
        )

    def start_from(self, name: str) -> None:
        """Take over released weights, of the same encoder and heads; see find_weights.

        Depth is taken to the recipe's focal length. Raises ValueError if the weights answer in
        other terms than the recipe's.
        """
        path = find_weights(name)
        card = read_card(path)
        self._check_terms(card, path)
        load_state(self.network, read_weights(path), path)
        if 'depth' in card.tasks and card.training_f_px:
            factor = self.recipe.training_f_px / card.training_f_px
            scale_depth(self.network.heads['depth'], factor, card.depth_activation)
        self.average.module.load_state_dict(self.network.state_dict())
        self.started_from = path.stem

    def _check_terms(self, card: ModelCard, path: Path) -> None:
        """Raise ValueError if pictures, labels or depth mean something else in weights."""
        keys = ['normalisation', *(['depth_activation'] if 'depth' in card.tasks else [])]
        differing = [key for key in keys if getattr(card, key) != getattr(self.recipe, key)]
        logits = card.tasks.get('segmentation')
        if logits is not None:
            parts = label_space(self.recipe.label_space).parts()
            named = {(part.space, (part.start, part.stop)) for part in parts}
            if (card.label_space, card.classes or (0, logits)) not in named:
                differing.append('label_space')
        if differing:
            was = ', '.join(f'{key} {getattr(card, key)}' for key in differing)
            raise ValueError(
                f'weights {path} are of {was}, which the recipe has otherwise; give it the same'
            )

    def advance(self, batches: Sequence[Batch]) -> dict[str, Tensor]:
        """Take one step on the sum of the batches' gradients, and give the loss of each task.

        In a process group each process gives its pictures of every batch; their losses average
        to those of the whole batch.
        """
        self._train()
        losses = []
        for number, batch in enumerate(batches, 1):
            with self._exchange(number == len(batches)):
                losses.append(self._add_gradients(*batch))
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.gradient_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.optimiser.zero_grad()
        self.schedule.step()
        self.average.update_parameters(self.network)
        self.step += 1
        return {task: torch.stack([each[task] for each in losses]).sum() for task in losses[0]}

    def _train(self) -> None:
        self.network.train()
        for part in self._fixed():
            part.eval()
        if self.recipe.batch_norm == 'frozen':
            for module in self.network.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()

    def _fixed(self) -> list[nn.Module]:
        """Give the parts of the network that learn nothing, not even statistics."""
        return [self.network.get_submodule(name) for name in self.recipe.fixed]

    def _exchange(self, now: bool) -> AbstractContextManager[None]:
        """Let the processes exchange gradients in the next pass, or keep their own till later."""
        if isinstance(self.objective, DistributedDataParallel) and not now:
            kept: AbstractContextManager[None] = self.objective.no_sync()
            return kept
        return nullcontext()

    def _add_gradients(self, pictures: Tensor, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        targets = {task: target.to(self.device) for task, target in targets.items()}
        loss: Tensor
        each: dict[str, Tensor]
        loss, each = self.objective(pictures.to(self.device), targets)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        return each

    def rates(self) -> dict[str, float]:
        """Give the present rates of encoder and decoder."""
        return dict(zip(('encoder', 'decoder'), map(float, self.schedule.get_last_lr())))

    def deployed(self, part: Part | None = None) -> DeployedNetwork:
        """Wrap the moving average for evaluation, for one part of the label space or all of it."""
        return self.recipe.card(part).deploy(self.average.module).to(self.device)

    def predict(self, network: DeployedNetwork, picture: NDArray[np.uint8]) -> Prediction:
        """Answer a picture (H, W, 3) in the precision of the training."""
        return predict(network, picture, self.device, self.recipe.precision)

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        state = {name: part.state_dict() for name, part in self._parts().items()}
        state |= {'step': self.step, 'recipe': self.recipe.values()}
        state |= {'start_from': self.started_from, 'earlier': self.earlier}
        torch.save(state, path.with_suffix('.part'))
        os.replace(path.with_suffix('.part'), path)

    def restore(self, path: Path) -> None:
        """Go on from the first rank's checkpoint, if it has one.

        From there on this recipe holds, rates and all; warns of what is other in it. Raises
        ValueError if the checkpoint's learnt, scaled or optimised what this one does not, or if
        it lies where another process runs, and not where the first one does.
        """
        state = from_first_rank(lambda: read_checkpoint(path) if path.is_file() else None)
        if state is None:
            # each looks on its own machine; all must come to the same
            if max_over_ranks(torch.tensor(float(path.is_file()), device=self.device)) > 0:
                raise ValueError(
                    f'checkpoint {path} is on another machine than that of the first process; '
                    'copy it there, or give an --output that all of them share'
                )
            return
        self.step = state.pop('step')
        self.started_from = state.pop('start_from', self.started_from)
        before = state.pop('recipe', {})
        changed = self._changed(before)
        self.earlier = state.pop('earlier', [])
        if fixed := _KEPT.intersection(changed):
            was = ', '.join(f'{key} {before[key]}' for key in sorted(fixed))
            raise ValueError(
                f'checkpoint {path} is of a run with {was}, which the recipe has otherwise; give '
                'it the same, or begin another --output, by --start-from with released weights'
            )
        if changed:
            self.earlier = [*self.earlier, {'recipe': before, 'step': self.step}]
            if rank() == 0:
                words = 'the recipe of %s differs from this one in %s; from here on this one holds'
                log.warning(words, path, ', '.join(changed))
        # older ones hold the schedule, which follows from recipe and step
        state.pop('schedule', None)
        parts = self._parts()
        foreign = state.keys() - parts.keys()
        if foreign:
            raise ValueError(
                f'checkpoint {path} also holds {", ".join(sorted(foreign))}, which the recipe has '
                'no use for; go on with the task_weights and precision that it was begun with'
            )
        state['optimiser']['param_groups'] = self.optimiser.state_dict()['param_groups']
        for name, value in state.items():
            parts[name].load_state_dict(value)
        self._schedule()
        log.info('resumed %s at step %d', path, self.step)

    def _changed(self, before: Mapping[str, Any]) -> list[str]:
        """Name the keys of a recipe by which it would learn something else than this one."""
        now = self.recipe.values()
        common = now.keys() & before.keys() - _FREE
        return sorted(key for key in common if now[key] != before[key])

    def _parts(self) -> dict[str, Any]:
        """Name what has a state; the last two only where the recipe gives them one."""
        parts: dict[str, Any] = {
            'network': self.network,
            'average': self.average,
            'optimiser': self.optimiser,
        }
        more: dict[str, Any] = {'weighting': self.weighting, 'scaler': self.scaler}
        return parts | {name: part for name, part in more.items() if part.state_dict()}


@torch.inference_mode()
def predict(
    network: DeployedNetwork, picture: NDArray[np.uint8], device: torch.device, precision: str
) -> Prediction:
    """Answer a picture (H, W, 3)."""
    with autocast(device, precision):
        outputs = network(torch.from_numpy(picture)[None].to(device))
    return Prediction(*(None if x is None else x[0].cpu().numpy() for x in outputs))


def _synchronise(network: nn.Module, device: torch.device) -> None:
    """Let batch norm take its statistics over all processes."""
    if device.type != 'cuda':
        raise ValueError(
            f"batch_norm is 'synchronised', which torch has on cuda only, not on {device.type}; "
            "choose 'each' or 'frozen'"
        )
    nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]


def build_network(recipe: Recipe, data: Path) -> JointNetwork:
    """Build the recipe's network, with pretrained encoder weights where it names them."""
    network = JointNetwork(recipe.encoder, recipe.channels())
    if recipe.pretrained:
        load_pretrained(network.encoder, recipe.encoder, recipe.pretrained, data)
    if 'depth' in recipe.tasks and recipe.depth_activation == 'exp':
        nn.init.constant_(network.get_parameter('heads.depth.2.bias'), math.log(10.0))
    return network


@torch.no_grad()
def scale_depth(head: nn.Module, factor: float, activation: str) -> None:
    """Let a depth head answer so many times as far, in place."""
    weight, bias = (head.get_parameter(f'2.{name}') for name in ('weight', 'bias'))
    if activation == 'exp':
        bias.add_(math.log(factor))
    else:
        weight.mul_(factor)
        bias.mul_(factor)


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read what Run.save wrote.

    Raises FileNotFoundError if path is absent, ValueError if it is torn, or no checkpoint.
    """
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist; give that of a training run')
    try:
        state: Any = torch.load(path, map_location='cpu', weights_only=True)
    # what a torn file raises depends on where it is torn
    except Exception as error:
        raise ValueError(
            f'checkpoint {path} cannot be read: {error}; take it away to begin anew'
        ) from error
    if not (isinstance(state, dict) and state.keys() >= {'network', 'average', 'step'}):
        raise ValueError(f'{path} holds no training run; give the checkpoint.pt of one')
    return state
