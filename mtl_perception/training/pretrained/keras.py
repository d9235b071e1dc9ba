"""ImageNet weights of Keras Applications' MobileNet-v2."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor

from mtl_perception.network.encoders import InvertedResidual, MobileNetV2

KERAS_EPSILON = 1e-3
TORCH_EPSILON = 1e-5


def load_keras_mobilenet_v2(encoder: nn.Module, path: Path) -> None:
    """Load Keras Applications' MobileNet-v2 from an .npz of arrays in torch's layout.

    Keras' first block has no expansion; ours starts as the identity. Keras adds 1e-3 to the
    variances, torch 1e-5: the difference goes into the statistics. Raises FileNotFoundError if
    path is absent, ValueError if the encoder is another or an array is missing.
    """
    if not isinstance(encoder, MobileNetV2):
        raise ValueError(f'{path} is for mobilenet_v2, the encoder is {type(encoder).__name__}')
    if not path.is_file():
        raise FileNotFoundError(f'pretrained weights {path} do not exist; see `pretrained`')
    with np.load(path) as file:
        arrays: Mapping[str, NDArray[np.float32]] = dict(file)
    try:
        _load_arrays(encoder, arrays)
    except KeyError as error:
        raise ValueError(
            f'{path} has no array {error}; expected all of stem.conv.weight to '
            'blocks.16.project_bn.running_var: give a MobileNet-v2 of width 1'
        ) from error


def _load_arrays(encoder: MobileNetV2, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    _load_unit(encoder.stem, arrays, 'stem.conv', 'stem.bn')
    blocks = [m for m in encoder.modules() if isinstance(m, InvertedResidual)]
    for index, block in enumerate(blocks):
        for unit, name in zip(block.conv, ('expand', 'dw', 'project'), strict=True):
            if index == 0 and name == 'expand':
                start_as_identity(unit, encoder.stem)
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
def start_as_identity(unit: nn.Module, previous: nn.Module) -> None:
    """Make 1x1 convolution and batch norm undo each other on what the previous relu6 lets through.

    The statistics are those of clipped Gaussian variables with the mean and deviation that the
    previous batch norm gives.
    """
    scale, shift = previous.get_parameter('1.weight'), previous.get_parameter('1.bias')
    sample = torch.randn(100_000, len(scale), generator=torch.Generator().manual_seed(0))
    clipped = (sample * scale + shift).clamp(0, 6)
    variance = clipped.var(0) + KERAS_EPSILON
    nn.init.dirac_(unit.get_parameter('0.weight'))
    unit.get_buffer('1.running_mean').copy_(clipped.mean(0))
    unit.get_buffer('1.running_var').copy_(variance)
    unit.get_parameter('1.weight').copy_((variance + TORCH_EPSILON).sqrt())
    unit.get_parameter('1.bias').copy_(clipped.mean(0))
