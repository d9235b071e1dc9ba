"""The joint network with everything around it that a runtime should compile."""

from collections.abc import Mapping
from typing import NamedTuple

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
    """What DeployedNetwork returns; a task that the network lacks is None.

    | field      | shape and type        | content                            |
    |------------|-----------------------|------------------------------------|
    | labels     | (B, H, W) uint8       | class ids                          |
    | confidence | (B, H, W) uint8       | softmax maximum x 255              |
    | depth      | (B, H, W) float32     | metres, within the range           |
    | normals    | (B, H, W, 3) float32  | unit vectors, optical frame        |
    """

    labels: Tensor | None
    confidence: Tensor | None
    depth: Tensor | None
    normals: Tensor | None


class DeployedNetwork(nn.Module):
    """uint8 pictures in; labels, confidence, metric depth and normals out, at full size."""

    def __init__(
        self,
        network: nn.Module,
        normalisation: str,
        depth_activation: str,
        depth_range_m: tuple[float, float],
        classes: tuple[int, int] | None = None,
    ) -> None:
        """Wrap a network; classes is the slice of logits to use, all if None."""
        super().__init__()
        self.network = network
        self.normalise = Normalise(normalisation)
        self.depth_activation = DEPTH_ACTIVATIONS[depth_activation]
        self.depth_range_m = depth_range_m
        self.classes = slice(*classes) if classes else slice(None)

    def forward(self, pictures: Tensor) -> DeployedOutputs:
        """Map (B, H, W, 3) uint8 RGB to the outputs at H x W."""
        size = pictures.shape[1:3]
        maps = self.network(self.normalise(pictures.permute(0, 3, 1, 2)))
        return DeployedOutputs(
            *self._segmentation(maps, size), self._depth(maps, size), self._normals(maps, size)
        )

    def _segmentation(
        self, maps: Mapping[str, Tensor], size: torch.Size
    ) -> tuple[Tensor | None, Tensor | None]:
        if 'segmentation' not in maps:
            return None, None
        logits = _upsample(maps['segmentation'][:, self.classes], size)
        best, labels = logits.max(1)
        confidence = 255 / (logits - best.unsqueeze(1)).exp().sum(1)
        return labels.to(torch.uint8), confidence.round().to(torch.uint8)

    def _depth(self, maps: Mapping[str, Tensor], size: torch.Size) -> Tensor | None:
        if 'depth' not in maps:
            return None
        depth_m = self.depth_activation(_upsample(maps['depth'], size)).squeeze(1)
        return depth_m.clamp(*self.depth_range_m)

    def _normals(self, maps: Mapping[str, Tensor], size: torch.Size) -> Tensor | None:
        if 'normals' not in maps:
            return None
        return functional.normalize(_upsample(maps['normals'], size), dim=1).permute(0, 2, 3, 1)


def _upsample(x: Tensor, size: torch.Size) -> Tensor:
    return functional.interpolate(x.float(), size, mode='bilinear', align_corners=False)
