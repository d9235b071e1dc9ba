"""The decoder's dense convolutions in 8 bits: what enters each, and the network that rounds so."""

from collections.abc import Iterable, Mapping
import math
from pathlib import Path
from typing import Any

import torch
from torch import nn, Tensor
from torch.nn import functional
import yaml

from mtl_perception.network.deployed import DeployedNetwork

# lowest and highest value that enters a convolution, by the convolution's name
Ranges = Mapping[str, tuple[float, float]]


def quantisable(network: DeployedNetwork) -> dict[str, nn.Conv2d]:
    """Find the dense convolutions of the decoder by name.

    The encoder's wide ranges and the heads' small differences lose too much in 8 bits
    (docs/performance.md).
    """
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv2d) and module.groups == 1 and '.decoder.' in f'.{name}'
    }


@torch.inference_mode()
def observe(
    network: DeployedNetwork, pictures: Iterable[Tensor]
) -> dict[str, tuple[float, float]]:
    """Give the range of what enters each quantisable convolution for pictures (H, W, 3) uint8.

    Its ends are means over the pictures of the smallest and the largest value of each: one odd
    picture shall not make all steps coarse. Raises ValueError if there is no picture.
    """
    convolutions = quantisable(network)
    seen: dict[str, list[Tensor]] = {name: [] for name in convolutions}

    def watch(name: str) -> Any:
        return lambda _, inputs: seen[name].append(torch.stack(inputs[0].aminmax()))

    hooks = [conv.register_forward_pre_hook(watch(name)) for name, conv in convolutions.items()]
    try:
        for picture in pictures:
            network(picture[None])
    finally:
        for hook in hooks:
            hook.remove()
    if not all(seen.values()):
        raise ValueError('there is no picture to observe the network on; give some')
    return {name: _mean(ends) for name, ends in seen.items()}


def _mean(ends: list[Tensor]) -> tuple[float, float]:
    low, high = torch.stack(ends).mean(0).tolist()
    return min(low, 0.0), max(high, 0.0)


def quantise(network: DeployedNetwork, ranges: Ranges) -> None:
    """Replace the quantisable convolutions by ones that round, in place.

    Raises ValueError unless there is a range for each and for nothing else.
    """
    convolutions = quantisable(network)
    if convolutions.keys() != ranges.keys():
        odd = ', '.join(sorted(convolutions.keys() ^ ranges.keys())[:3])
        raise ValueError(
            f'int8 ranges are of {len(ranges)} convolutions, the decoder has {len(convolutions)}, '
            f'not in both are {odd}; make them anew by `mtl_perception quantise`'
        )
    for name, convolution in convolutions.items():
        parent, _, child = name.rpartition('.')
        setattr(network.get_submodule(parent), child, Quantised(convolution, *ranges[name]))


class Quantised(nn.Module):
    """A dense convolution without bias whose input and weights take one of 256 values.

    PyTorch computes it in float32; OpenVINO finds the rounding and multiplies integers.
    """

    weight_steps: Tensor
    zeros: Tensor

    def __init__(self, convolution: nn.Conv2d, low: float, high: float) -> None:
        """Take over a convolution for values of low <= 0 to high >= 0."""
        super().__init__()
        self.convolution = convolution
        self.step = max(high - low, 1e-6) / 255
        self.zero = round(-low / self.step)
        steps = convolution.weight.detach().abs().amax((1, 2, 3)).clamp(min=1e-9) / 127
        self.register_buffer('weight_steps', steps)
        self.register_buffer('zeros', torch.zeros_like(steps, dtype=torch.int32))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, c, h, w) to (B, C, h, w)."""
        x = torch.fake_quantize_per_tensor_affine(x, self.step, self.zero, 0, 255)
        weight = torch.fake_quantize_per_channel_affine(
            self.convolution.weight, self.weight_steps, self.zeros, 0, -127, 127
        )
        conv = self.convolution
        return functional.conv2d(x, weight, conv.bias, conv.stride, conv.padding, conv.dilation)


def ranges_path(weights: Path) -> Path:
    """Tell where the ranges of a weights file lie: beside it."""
    return weights.with_suffix('.int8.yaml')


def write_ranges(weights: Path, sha256: str, ranges: Ranges) -> None:
    """Write ranges beside the weights, which have this checksum."""
    rounded = {name: [float(f'{end:.6g}') for end in ends] for name, ends in ranges.items()}
    text = yaml.safe_dump({'sha256': sha256, 'ranges': rounded}, sort_keys=False)
    ranges_path(weights).write_text(text)


def read_ranges(weights: Path, sha256: str) -> dict[str, tuple[float, float]]:
    """Read the ranges of weights that have this checksum.

    Raises FileNotFoundError if there are none, ValueError if they are torn or of other weights.
    """
    path = ranges_path(weights)
    remedy = 'make it by `mtl_perception quantise`, or choose another precision'
    if not path.is_file():
        raise FileNotFoundError(f'precision int8 needs {path}, which is missing; {remedy}')
    try:
        content = yaml.safe_load(path.read_text())
        found = content['sha256']
        ranges = {
            str(n): (float(low), float(high)) for n, (low, high) in content['ranges'].items()
        }
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise ValueError(f'{path} does not hold sha256 and ranges; {remedy}') from None
    if found != sha256:
        raise ValueError(f'{path} is of weights {found}, not {sha256}; {remedy}')
    for name, (low, high) in ranges.items():
        if not -math.inf < low <= 0 <= high < math.inf:
            raise ValueError(f'{path} says [{low}, {high}] of {name}; a range holds 0; {remedy}')
    return ranges
