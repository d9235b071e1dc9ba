"""Optimiser, rates and precision of a recipe."""

import math

import torch
from torch import nn
from torch.optim import AdamW, Optimizer, SGD

from mtl_perception.network.joint_network import JointNetwork
from mtl_perception.network.rounding import DTYPES

from ..recipe import Recipe

# of the polynomial schedule, as in DeepLab (arXiv 1606.00915) and RefineNet
POLY_POWER = 0.9


def build_optimiser(recipe: Recipe, network: JointNetwork, loss: nn.Module) -> Optimizer:
    """Build the recipe's optimiser: encoder, the rest of the network, learnt task weights."""
    others = [*network.decoder.parameters(), *network.heads.parameters()]
    groups = [
        {'params': list(network.encoder.parameters()), 'lr': recipe.encoder_rate},
        {'params': others, 'lr': recipe.decoder_rate},
    ]
    weights = list(loss.parameters())
    if weights:
        groups.append({'params': weights, 'lr': recipe.decoder_rate, 'weight_decay': 0.0})
    if recipe.optimiser == 'sgd':
        return SGD(groups, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    return AdamW(groups, weight_decay=recipe.weight_decay)


def rate_factor(recipe: Recipe, step: int) -> float:
    """Give the factor on the rates of a step: a linear warm-up times the recipe's schedule."""
    progress = min(step / recipe.steps, 1.0)
    warm = min((step + 1) / max(recipe.warmup_steps, 1), 1.0)
    if recipe.schedule == 'cosine':
        return warm * (1 + math.cos(math.pi * progress)) / 2
    if recipe.schedule == 'poly':
        return warm * math.pow(1 - progress, POLY_POWER)
    return warm


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Run what is fit for it in the recipe's precision; fp32 changes nothing."""
    return torch.autocast(device.type, DTYPES[precision], enabled=precision != 'fp32')


def gradient_scaler(device: torch.device, precision: str) -> torch.amp.GradScaler:
    """Scale the loss such that half precision does not lose small gradients; idle otherwise."""
    return torch.amp.GradScaler(device.type, enabled=precision == 'fp16')
