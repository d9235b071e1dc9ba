"""Encoders: picture tensor to features of declared channels and strides."""

from collections.abc import Callable

from torch import nn, Tensor
from torchvision.models import resnet
from torchvision.ops.misc import Conv2dNormActivation

STRIDES = (4, 8, 16, 32)


class InvertedResidual(nn.Module):
    """Expansion, depthwise 3x3 and linear projection of MobileNet-v2 (arXiv 1801.04381, 3.3).

    Unlike torchvision's, the expansion convolution stays when the expansion is 1, as in the
    checkpoints published with arXiv 1809.04766.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, expansion: int) -> None:
        """Build a block; the input is added where neither size nor channels change."""
        super().__init__()
        hidden = in_channels * expansion
        self.conv = nn.Sequential(
            Conv2dNormActivation(in_channels, hidden, 1, activation_layer=nn.ReLU6),
            Conv2dNormActivation(
                hidden, hidden, 3, stride, groups=hidden, activation_layer=nn.ReLU6
            ),
            Conv2dNormActivation(hidden, out_channels, 1, activation_layer=None),
        )
        self.residual = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, h, w) to (B, out, h / stride, w / stride)."""
        projected: Tensor = self.conv(x)
        return x + projected if self.residual else projected


class MobileNetV2(nn.Module):
    """MobileNet-v2, width 1.0, without its classifier; two features each at 1/16 and 1/32."""

    feature_channels: tuple[tuple[int, ...], ...] = ((24,), (32,), (64, 96), (160, 320))
    # expansion, channels, blocks, stride: table 2 of arXiv 1801.04381
    _GROUPS = (
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    )

    def __init__(self) -> None:
        """Build the stem and the seven groups of blocks, randomly initialised."""
        super().__init__()
        self.stem = Conv2dNormActivation(3, 32, 3, 2, activation_layer=nn.ReLU6)
        self.groups = nn.ModuleList()
        in_channels = 32
        for expansion, channels, blocks, stride in self._GROUPS:
            group = []
            for index in range(blocks):
                group.append(
                    InvertedResidual(in_channels, channels, stride if index == 0 else 1, expansion)
                )
                in_channels = channels
            self.groups.append(nn.Sequential(*group))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Map (B, 3, H, W) to the features at 1/4, 1/8, 1/16 and 1/32, finest first."""
        x = self.groups[0](self.stem(x))
        outputs = []
        for group in self.groups[1:]:
            x = group(x)
            outputs.append(x)
        quarter, eighth, *coarse = outputs
        return [[quarter], [eighth], coarse[:2], coarse[2:]]


class ResNet(nn.Module):
    """Torchvision's ResNet (He et al., arXiv 1512.03385) without its classifier."""

    def __init__(self, build: Callable[[], resnet.ResNet]) -> None:
        """Take stem and stages of the network that build() returns."""
        super().__init__()
        whole = build()
        self.stem = nn.Sequential(whole.conv1, whole.bn1, whole.relu, whole.maxpool)
        self.stages = nn.ModuleList([whole.layer1, whole.layer2, whole.layer3, whole.layer4])
        quarter = whole.fc.in_features // 8
        self.feature_channels = tuple((quarter * factor,) for factor in (1, 2, 4, 8))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Map (B, 3, H, W) to the features at 1/4, 1/8, 1/16 and 1/32, finest first."""
        x = self.stem(x)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append([x])
        return features


Encoder = MobileNetV2 | ResNet
ENCODERS: dict[str, Callable[[], Encoder]] = {
    'mobilenet_v2': MobileNetV2,
    'resnet18': lambda: ResNet(resnet.resnet18),
    'resnet34': lambda: ResNet(resnet.resnet34),
    'resnet50': lambda: ResNet(resnet.resnet50),
    'resnet101': lambda: ResNet(resnet.resnet101),
    'resnet152': lambda: ResNet(resnet.resnet152),
}


def build_encoder(name: str) -> Encoder:
    """Build the encoder of that name, randomly initialised.

    Its `feature_channels` declares the channels of each feature, grouped by STRIDES. Raises
    ValueError if the name is not one of ENCODERS.
    """
    if name not in ENCODERS:
        raise ValueError(f"encoder '{name}' is unknown; choose one of {', '.join(ENCODERS)}")
    return ENCODERS[name]()
