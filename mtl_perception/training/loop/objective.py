"""What a step makes smaller."""

import torch
from torch import nn, Tensor

from mtl_perception.label_space import label_space
from mtl_perception.network.deployed import Normalise
from mtl_perception.network.joint_network import JointNetwork

from ..losses import JointLoss
from ..recipe import Recipe
from .optimisation import autocast


class Objective(nn.Module):
    """Pictures and targets to the loss: the whole of what processes must agree on."""

    def __init__(self, recipe: Recipe, network: JointNetwork) -> None:
        """Wrap a network in the recipe's normalisation, precision and losses."""
        super().__init__()
        self.precision = recipe.precision
        self.normalise = Normalise(recipe.normalisation)
        self.network = network
        parts = label_space(recipe.label_space).parts()
        self.loss = JointLoss(
            {task: recipe.loss_weights[task] for task in recipe.tasks},
            recipe.depth_activation,
            learnt=recipe.task_weights == 'uncertainty',
            parts=[(part.start, part.stop) for part in parts],
            mean=recipe.loss_mean,
        )

    def forward(
        self, pictures: Tensor, targets: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the joint loss of pictures (B, 3, H, W) uint8, and each task's."""
        x = self.normalise(pictures).to(memory_format=torch.channels_last)
        with autocast(pictures.device, self.precision):
            outputs = self.network(x)
        total, each = self.loss(outputs, targets)
        return total, each
