"""ImageNet weights of encoders, in the formats that they are published in."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor

from mtl_perception.network.encoders import MobileNetV2

KERAS_EPSILON = 1e-3
TORCH_EPSILON = 1e-5


def load_keras_mobilenet_v2(encoder: MobileNetV2, path: Path) -> None:
    """Load Keras Applications' MobileNet-v2 from an .npz of arrays in torch's layout.

    Keras' first block has no expansion; ours starts as the identity. Keras adds 1e-3 to the
    variances, torch 1e-5: the difference goes into the statistics.
    """
    if not path.is_file():
        raise FileNotFoundError(f'pretrained weights {path} do not exist; see `pretrained`')
    arrays: Mapping[str, NDArray[np.float32]] = np.load(path)
    _load_unit(encoder.stem, arrays, 'stem.conv', 'stem.bn')
    blocks = [block for group in encoder.groups for block in group]
    for index, block in enumerate(blocks):
        for unit, name in zip(block.conv, ('expand', 'dw', 'project'), strict=True):
            if index == 0 and name == 'expand':
                _start_as_identity(unit, encoder.stem[1])
            else:
                prefix = f'blocks.{index}.{name}'
                _load_unit(unit, arrays, prefix, f'{prefix}_bn')


def _load_unit(
    unit: nn.Module, arrays: Mapping[str, NDArray[np.float32]], conv: str, norm: str
) -> None:
    state: dict[str, Tensor] = {'0.weight': torch.from_numpy(arrays[f'{conv}.weight'])}
    for name in ('weight', 'bias', 'running_mean', 'running_var'):
        state[f'1.{name}'] = torch.from_numpy(arrays[f'{norm}.{name}'])
    state['1.running_var'] = state['1.running_var'] + (KERAS_EPSILON - TORCH_EPSILON)
    state['1.num_batches_tracked'] = torch.tensor(0)
    unit.load_state_dict(state)


@torch.no_grad()
def _start_as_identity(unit: nn.Module, previous_norm: nn.BatchNorm2d) -> None:
    """Make 1x1 convolution and batch norm undo each other on what relu6 after a norm lets through.

    The statistics are those of clipped Gaussian variables with the norm's mean and deviation.
    """
    generator = torch.Generator().manual_seed(0)
    sample = torch.randn(100_000, previous_norm.num_features, generator=generator)
    clipped = (sample * previous_norm.weight + previous_norm.bias).clamp(0, 6)
    conv, norm = unit[0], unit[1]
    nn.init.dirac_(conv.weight)
    norm.running_mean.copy_(clipped.mean(0))
    norm.running_var.copy_(clipped.var(0) + 1e-3)
    norm.weight.copy_((norm.running_var + norm.eps).sqrt())
    norm.bias.copy_(norm.running_mean)
