"""The joint network with everything around it that a runtime should compile."""

from collections.abc import Collection, Mapping, Sequence
import copy
import math
from typing import NamedTuple, Self

import torch
from torch import nn, Tensor
from torch.nn import functional

# mean and deviation of RGB in 0..255
NORMALISATIONS: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    'imagenet': ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)),
    'symmetric': ((127.5, 127.5, 127.5), (127.5, 127.5, 127.5)),
}
# how the raw value of the depth head becomes metres
DEPTH_ACTIVATIONS = {'abs': torch.abs, 'exp': torch.exp}


class Normalise(nn.Module):
    """RGB pictures 0..255 to what the encoder was trained on."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, normalisation: str) -> None:
        """Take mean and deviation of one of NORMALISATIONS."""
        super().__init__()
        mean, deviation = NORMALISATIONS[normalisation]
        self.register_buffer('mean', torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer('deviation', torch.tensor(deviation).view(3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map (B, 3, H, W) of any type to normalised float32."""
        return (pictures.float() - self.mean) / self.deviation


class DeployedOutputs(NamedTuple):
    """What DeployedNetwork returns; what the network lacks, or nobody wants, is None.

    | field      | shape and type        | content                                          |
    |------------|-----------------------|--------------------------------------------------|
    | labels     | (B, H, W) uint8       | class ids                                        |
    | confidence | (B, H, W) uint8       | softmax maximum x 255                            |
    | depth      | (B, H, W) float32     | metres; +Inf in the sky and from the range's end |
    | normals    | (B, H, W, 3) float32  | unit vectors, optical frame                      |
    """

    labels: Tensor | None
    confidence: Tensor | None
    depth: Tensor | None
    normals: Tensor | None


FIELDS = DeployedOutputs._fields
FIELDS_OF_TASK = {
    'segmentation': ('labels', 'confidence'),
    'depth': ('depth',),
    'normals': ('normals',),
}


class DeployedNetwork(nn.Module):
    """uint8 pictures in; labels, confidence, metric depth and normals out, at full size."""

    def __init__(
        self,
        network: nn.Module,
        normalisation: str,
        depth_activation: str,
        depth_range_m: tuple[float, float],
        classes: tuple[int, int] | None = None,
        sky: int | None = None,
        size_divisor: int = 1,
    ) -> None:
        """Wrap a network; classes is the slice of logits to use (None: all), sky a class id.

        Pictures are stretched to the nearest multiples of size_divisor before they are looked at:
        how coarse maps lie on finer ones hangs on it, and a network knows what it was trained on.
        """
        super().__init__()
        self.network = network
        self.normalise = Normalise(normalisation)
        self.depth_activation = DEPTH_ACTIVATIONS[depth_activation]
        self.depth_range_m = depth_range_m
        self.classes = slice(*classes) if classes else slice(None)
        self.sky = sky
        self.size_divisor = size_divisor
        self.fields: frozenset[str] = frozenset(FIELDS)

    def only(self, fields: Collection[str]) -> Self:
        """Give a copy, sharing the weights, that computes these fields and nothing for others.

        Depth needs the labels where the network knows the sky.
        """
        lean = copy.copy(self)
        lean._modules = dict(self._modules)
        lean.fields = frozenset(fields)
        tasks = {task for task, made in FIELDS_OF_TASK.items() if lean.fields.intersection(made)}
        if 'depth' in tasks and self.sky is not None:
            tasks.add('segmentation')
        heads = getattr(self.network, 'heads', None)
        if isinstance(heads, nn.ModuleDict):
            lean.network = copy.copy(self.network)
            lean.network._modules = dict(self.network._modules)
            lean.network.heads = nn.ModuleDict({t: h for t, h in heads.items() if t in tasks})
        return lean

    def forward(self, pictures: Tensor) -> DeployedOutputs:
        """Map (B, H, W, 3) uint8 RGB to the outputs at H x W."""
        size = pictures.shape[1:3]
        x = self.normalise(self._stretch(pictures.permute(0, 3, 1, 2)))
        maps = self.network(x.to(self._dtype()))
        labels, confidence = self._segmentation(maps, size)
        depth = self._depth(maps, size, labels)
        normals = self._normals(maps, size)
        made = {'labels': labels, 'confidence': confidence, 'depth': depth, 'normals': normals}
        return DeployedOutputs(**{n: v if n in self.fields else None for n, v in made.items()})

    def _stretch(self, x: Tensor) -> Tensor:
        """Bring (B, 3, H, W) to the size that is looked at."""
        size = nearest_multiples(x.shape[2:], self.size_divisor)
        return x if size == x.shape[2:] else self._upsample(x, size)

    def _dtype(self) -> torch.dtype:
        """Tell what the network computes in; all before and after it is float32."""
        return next((p.dtype for p in self.network.parameters()), torch.float32)

    def _segmentation(
        self, maps: Mapping[str, Tensor], size: torch.Size
    ) -> tuple[Tensor | None, Tensor | None]:
        if 'segmentation' not in maps:
            return None, None
        return self._choose(self._upsample(maps['segmentation'][:, self.classes], size))

    def _choose(self, logits: Tensor) -> tuple[Tensor, Tensor | None]:
        """Find the best class of (B, C, H, W) logits, and the confidence if it is wanted."""
        best, labels = logits.max(1)
        confidence = None
        if 'confidence' in self.fields:
            total = (logits - best.unsqueeze(1)).exp().sum(1)
            confidence = (255 / total).round().to(torch.uint8)
        return labels.to(torch.uint8), confidence

    def _depth(
        self, maps: Mapping[str, Tensor], size: torch.Size, labels: Tensor | None
    ) -> Tensor | None:
        if 'depth' not in maps:
            return None
        nearest, farthest = self.depth_range_m
        depth_m = self.depth_activation(self._upsample(maps['depth'], size)).squeeze(1)
        # a stretched picture is one of a longer focal length, and what it shows seems nearer
        looked_at = nearest_multiples(size, self.size_divisor)
        depth_m = depth_m * zoom_between(size, looked_at)
        beyond = depth_m >= farthest
        if labels is not None and self.sky is not None:
            beyond = beyond | (labels == self.sky)
        return torch.where(beyond, torch.inf, depth_m.clamp(min=nearest))

    def _normals(self, maps: Mapping[str, Tensor], size: torch.Size) -> Tensor | None:
        if 'normals' not in maps:
            return None
        normals = functional.normalize(self._upsample(maps['normals'], size), dim=1)
        return normals.permute(0, 2, 3, 1)

    def _upsample(self, x: Tensor, size: torch.Size) -> Tensor:
        return functional.interpolate(x.float(), size, mode='bilinear', align_corners=False)


def nearest_multiples(size: Sequence[int], divisor: int) -> torch.Size:
    """Give the multiples of a divisor that are nearest to a size, above 0 each."""
    return torch.Size(max(round(length / divisor), 1) * divisor for length in size)


def zoom_between(size: Sequence[int], stretched: Sequence[int]) -> float:
    """Give by how much a stretched picture is enlarged: the geometric mean of its sides."""
    return math.sqrt(math.prod(stretched) / math.prod(size))
