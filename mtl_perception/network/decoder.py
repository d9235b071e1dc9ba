"""Light-Weight RefineNet (arXiv 1810.03272): features to one shared map at 1/4."""

from collections.abc import Sequence

from torch import nn, Tensor
from torch.nn import functional


class ChainedResidualPooling(nn.Module):
    """Four stages of 5x5 max-pool and 1x1 convolution, each added to the sum so far."""

    STAGES = 4

    def __init__(self, channels: int, groups: int = 1) -> None:
        """Build the stages; groups equal to channels makes the convolutions depthwise."""
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(channels, channels, 1, groups=groups, bias=False) for _ in range(self.STAGES)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, h, w)."""
        top = x
        for conv in self.convs:
            top = conv(functional.max_pool2d(top, 5, stride=1, padding=2))
            x = x + top
        return x


class ResidualUnit(nn.Module):
    """The 1x1 residual convolution unit of arXiv 1810.03272, section 3.1."""

    def __init__(self, channels: int) -> None:
        """Build two 1x1 convolutions without bias."""
        super().__init__()
        self.convs = nn.Sequential(
            nn.ReLU6(),
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.ReLU6(),
            nn.Conv2d(channels, channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (B, C, h, w)."""
        residual: Tensor = self.convs(x)
        return x + residual


class RefineStage(nn.Module):
    """Fuse the features of one stride with the coarser map, then pool them in a chain."""

    def __init__(
        self, in_channels: Sequence[int], channels: int, pool_groups: int, residual_units: bool
    ) -> None:
        """Build the stage for features of in_channels at one stride."""
        super().__init__()
        self.reductions = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(feature, channels, 1, bias=False),
                *(ResidualUnit(channels) for _ in range(2 if residual_units else 0)),
            )
            for feature in in_channels
        )
        self.pooling = ChainedResidualPooling(channels, pool_groups)
        self.refinement = ResidualUnit(channels) if residual_units else nn.Identity()

    def forward(self, features: list[Tensor], coarser: Tensor | None) -> Tensor:
        """Fuse features of one size (B, c, h, w) with a coarser map, giving (B, C, h, w)."""
        maps = [reduce(x) for reduce, x in zip(self.reductions, features, strict=True)]
        if coarser is not None:
            size = maps[0].shape[-2:]
            maps.append(functional.interpolate(coarser, size, mode='bilinear'))
        fused = sum(maps[1:], maps[0])
        refined: Tensor = self.refinement(self.pooling(functional.relu6(fused)))
        return refined


class LightWeightRefineNet(nn.Module):
    """Decoder from the coarsest features to the finest; all maps have `channels` channels."""

    def __init__(
        self,
        feature_channels: Sequence[Sequence[int]],
        channels: int = 256,
        residual_units: bool = False,
    ) -> None:
        """Build from the channels that an encoder declares, finest first.

        residual_units adds the 1x1 units that the joint network (arXiv 1809.04766) leaves out.
        """
        super().__init__()
        self.channels = channels
        self.stages = nn.ModuleList(
            RefineStage(features, channels, channels if level == 0 else 1, residual_units)
            for level, features in enumerate(feature_channels)
        )
        self.adaptations = nn.ModuleList(
            nn.Conv2d(channels, channels, 1, bias=False) for _ in feature_channels[1:]
        )

    def forward(self, features: list[list[Tensor]]) -> Tensor:
        """Map features grouped by stride, finest first, to (B, channels, H / 4, W / 4)."""
        x: Tensor | None = None
        for level in reversed(range(len(self.stages))):
            x = self.stages[level](features[level], x)
            if level > 0:
                x = self.adaptations[level - 1](x)
        assert x is not None
        return x
