"""The joint network of arXiv 1809.04766: encoder, decoder, one head for each task."""

from collections.abc import Mapping

from torch import nn, Tensor

from .decoder import LightWeightRefineNet
from .encoders import build_encoder

# outputs of a head; the channels of segmentation are the classes of the model's label space
FIXED_CHANNELS = {'depth': 1, 'normals': 3}
TASKS = ('segmentation', *FIXED_CHANNELS)


class Head(nn.Sequential):
    """Depthwise 1x1 convolution, relu6 and a 3x3 convolution with bias."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        """Build a head that keeps the resolution."""
        super().__init__(
            nn.Conv2d(in_channels, in_channels, 1, groups=in_channels, bias=False),
            nn.ReLU6(),
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
        )


class JointNetwork(nn.Module):
    """One pass for several dense tasks.

    | input                            | output                                             |
    |----------------------------------|----------------------------------------------------|
    | (B, 3, H, W) float32, normalised | {task: (B, C, H / 4, W / 4) float32}, sizes ceiled |
    """

    def __init__(
        self, encoder: str, tasks: Mapping[str, int], residual_units: bool = False
    ) -> None:
        """Build the network for tasks: {'segmentation': classes, 'depth': 1, 'normals': 3}.

        Raises ValueError if the encoder or a task is unknown, no task is asked for, or a task
        has a wrong number of channels.
        """
        super().__init__()
        check_tasks(tasks)
        self.encoder = build_encoder(encoder)
        self.decoder = LightWeightRefineNet(
            self.encoder.feature_channels, residual_units=residual_units
        )
        self.heads = nn.ModuleDict(
            {task: Head(self.decoder.channels, count) for task, count in tasks.items()}
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map (B, 3, H, W) to the raw output of each head at 1/4 of the input."""
        shared = self.decoder(self.encoder(x))
        return {task: head(shared) for task, head in self.heads.items()}


def check_tasks(tasks: Mapping[str, int]) -> None:
    """Raise ValueError unless these are tasks and channels that a joint network can have."""
    if not tasks:
        raise ValueError(f'a joint network needs at least one task of {", ".join(TASKS)}')
    for task, channels in tasks.items():
        if task not in TASKS:
            raise ValueError(f"task '{task}' is unknown; choose of {', '.join(TASKS)}")
        expected = FIXED_CHANNELS.get(task)
        if channels < 1 or expected not in (None, channels):
            raise ValueError(f'task {task!r} has {channels} channels; expected {expected or ">0"}')
