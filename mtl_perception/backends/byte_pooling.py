"""A depthwise pooling chain in bytes: half of the memory traffic, and less rounding than bf16."""

from collections.abc import Iterable

import torch
from torch import nn, Tensor

from mtl_perception.network.savings import LinePooling, pool_by_lines

# what enters a chain is a relu6
_LARGEST = 6.0
_STEP = _LARGEST / 255


def pool_in_bytes(network: nn.Module) -> None:
    """Replace the depthwise chains of a network that save_work made by BytePooling, in place."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if isinstance(child, LinePooling) and _is_depthwise(child.convs):
                setattr(module, name, BytePooling(child))


class BytePooling(nn.Module):
    """LinePooling with depthwise convolutions, for values of 0 to 6, rounded to bytes once.

    A depthwise 1x1 convolution only scales a channel, and a maximum of scaled values is a scaled
    maximum; of a minimum if the factor is negative. So nothing but maxima and reflections of
    bytes, which are exact, lies between the first rounding and the sum, which has all factors:

        x + a max(x) + b max(a max(x)) + ...
        max(-x) = -min(x), and of bytes min(x) = 255 - max(255 - x)
    """

    offset: Tensor

    def __init__(self, pooling: LinePooling) -> None:
        """Take over the factors of a chain of depthwise convolutions without bias."""
        super().__init__()
        factors = [conv.get_parameter('weight').detach().flatten() for conv in pooling.convs]
        product = torch.ones_like(factors[0])
        reflected = torch.zeros_like(product, dtype=torch.bool)
        offset = torch.zeros_like(product)
        for stage, factor in enumerate(factors):
            product = product * factor
            # of a reflected byte b the value is product x step x (255 - b)
            scale = torch.where(reflected, -product, product) * _STEP
            offset += torch.where(reflected, product, 0.0) * _LARGEST
            self._keep(f'scale{stage}', scale)
            self._keep(f'reflection{stage}', torch.where(factor < 0, 255, 0).to(torch.uint8))
            reflected = reflected ^ (factor < 0)
        self.stages = len(factors)
        self._keep('offset', offset)

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, h, w)."""
        steps = (x / _STEP).round()
        pooled = [pool_bytes(steps.to(torch.uint8))]
        for stage in range(self.stages - 1):
            # 255 - b is b with all bits turned over
            reflection: Tensor = getattr(self, f'reflection{stage}')
            pooled.append(pool_bytes(pooled[-1] ^ reflection))
        total = steps * _STEP + self.offset
        for stage in range(self.stages):
            total = total + pooled[stage].float() * getattr(self, f'scale{stage}')
        return total

    def _keep(self, name: str, channels: Tensor) -> None:
        self.register_buffer(name, channels.view(1, -1, 1, 1))


def pool_bytes(x: Tensor) -> Tensor:
    """Pool (B, C, h, w) uint8 by lines.

    PyTorch pools no large maps of bytes, so it does it in float32; a runtime that can do better
    drops both conversions.
    """
    return pool_by_lines(x.float()).to(torch.uint8)


def _is_depthwise(convolutions: Iterable[nn.Module]) -> bool:
    return all(
        isinstance(conv, nn.Conv2d) and conv.groups == conv.in_channels == conv.out_channels
        for conv in convolutions
    )
