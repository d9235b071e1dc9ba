"""Exact savings: the same function as the network's, with less work."""

from collections.abc import Mapping
import copy
import ctypes

import torch
from torch import nn, Tensor
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .decoder import ChainedResidualPooling
from .deployed import DeployedNetwork
from .joint_network import Head

# a runtime computes channels in vectors of 16 floats: a head of fewer wastes the rest of each
_VECTOR = 16
# of glibc's <malloc.h>
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> None:
    """Let this process keep what it frees, for the next step; of glibc, elsewhere without effect.

    Else each large tensor is mapped and zeroed anew by the kernel, page by page.
    """
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, -1)


def save_work(network: DeployedNetwork) -> DeployedNetwork:
    """Give a copy that computes the same with less work.

    Batch norms are folded into their convolutions, 5x5 pools taken as rows and columns, and the
    3x3 convolutions of heads with few channels as 1x1 ones and a sum of shifted maps.
    """
    lean = copy.deepcopy(network).eval()
    for module in list(lean.modules()):
        fold_batch_norms(module)
        for name, child in module.named_children():
            if isinstance(child, ChainedResidualPooling):
                setattr(module, name, LinePooling(child))
            elif isinstance(child, Head):
                child[-1] = _lean(child[-1])
    return lean


def _lean(last: nn.Module) -> nn.Module:
    if isinstance(last, nn.Conv2d) and last.out_channels < _VECTOR:
        return TapConvolution(last)
    return last


def fold_batch_norms(module: nn.Module) -> None:
    """Fold the batch norms among a module's children into the convolutions before them.

    They stand after each other in a Sequential, and are called convN and bnN in torchvision's
    ResNet.
    """
    children = dict(module.named_children())
    in_turn = dict(zip(list(children)[1:], children, strict=False))
    for name, norm in children.items():
        if isinstance(norm, nn.BatchNorm2d):
            before = in_turn[name] if isinstance(module, nn.Sequential) else f'conv{name[2:]}'
            convolution = children[before]
            assert isinstance(convolution, nn.Conv2d)
            setattr(module, before, fuse_conv_bn_eval(convolution, norm))
            setattr(module, name, nn.Identity())


def pool_by_lines(x: Tensor) -> Tensor:
    """Take the maximum of 5x5 neighbours: of five columns, then of five rows."""
    columns = functional.max_pool2d(x, (1, 5), stride=1, padding=(0, 2))
    return functional.max_pool2d(columns, (5, 1), stride=1, padding=(2, 0))


class LinePooling(nn.Module):
    """ChainedResidualPooling with each pool taken by lines: 10 comparisons instead of 25."""

    def __init__(self, pooling: ChainedResidualPooling) -> None:
        """Take over the convolutions."""
        super().__init__()
        self.convs = pooling.convs

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, h, w)."""
        top = x
        for conv in self.convs:
            top = conv(pool_by_lines(top))
            x = x + top
        return x


class TapConvolution(nn.Module):
    """A 3x3 convolution as nine 1x1 ones, the maps of its taps, and the sum of their shifts.

    As one convolution of 9 C channels they fill the vectors that C channels leave empty.
    """

    bias: Tensor

    def __init__(self, convolution: nn.Conv2d) -> None:
        """Rearrange the weights of a convolution with bias and a padding of 1."""
        super().__init__()
        self.channels = convolution.out_channels
        # tap by tap, row by row; of each all channels
        weight = convolution.weight.detach().permute(2, 3, 0, 1).flatten(0, 2)[..., None, None]
        self.taps = nn.Conv2d(convolution.in_channels, len(weight), 1, bias=False)
        self.taps.weight = nn.Parameter(weight.contiguous(), requires_grad=False)
        assert convolution.bias is not None
        self.register_buffer('bias', convolution.bias.detach().view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, c, h, w) to (B, C, h, w)."""
        height, width = x.shape[-2:]
        padded = functional.pad(self.taps(x), (1, 1, 1, 1))
        total = self.bias
        for tap in range(9):
            row, column = divmod(tap, 3)
            channels = slice(tap * self.channels, (tap + 1) * self.channels)
            total = total + padded[:, channels, row : row + height, column : column + width]
        return total


class FusedNetwork(DeployedNetwork):
    """DeployedNetwork whose last steps a graph compiler can fuse, in float32 throughout.

    Upsampling is two weighted sums, of columns and then of rows. The best class is found class
    by class, so the logits of all classes are never at full size in one tensor, and nothing is
    reduced over channels. Equal to the plain network but for the rounding of the sums.
    """

    @classmethod
    def of(cls, network: DeployedNetwork) -> 'FusedNetwork':
        """Give a copy, sharing the weights, that ends this way."""
        fused = cls.__new__(cls)
        fused.__dict__.update(network.__dict__)
        return fused

    def _segmentation(
        self, maps: Mapping[str, Tensor], size: torch.Size
    ) -> tuple[Tensor | None, Tensor | None]:
        if 'segmentation' not in maps:
            return None, None
        logits = stretch(maps['segmentation'][:, self.classes].float(), 3, size[1])
        planes = [stretch(plane, 1, size[0]) for plane in logits.unbind(1)]
        best, labels = planes[0], torch.zeros_like(planes[0])
        for label, plane in enumerate(planes[1:], 1):
            labels = torch.where(plane > best, torch.tensor(float(label)), labels)
            best = torch.maximum(best, plane)
        confidence = None
        if 'confidence' in self.fields:
            total = torch.zeros_like(best)
            for plane in planes:
                total = total + (plane - best).exp()
            confidence = (255 / total).round().to(torch.uint8)
        return labels.to(torch.uint8), confidence

    def _upsample(self, x: Tensor, size: torch.Size) -> Tensor:
        return stretch(stretch(x, 3, size[1]), 2, size[0])


def stretch(x: Tensor, axis: int, count: int) -> Tensor:
    """Interpolate linearly along an axis to count floats, as align_corners=False does."""
    length = x.shape[axis]
    position = (torch.arange(count, device=x.device) + 0.5) * length / count - 0.5
    position = position.clamp(0, length - 1)
    lower = position.floor().long()
    near = x.index_select(axis, lower).float()
    far = x.index_select(axis, (lower + 1).clamp(max=length - 1)).float()
    weight = (position - lower).view([-1 if a == axis else 1 for a in range(x.dim())])
    return near + (far - near) * weight
