"""ImageNet weights of encoders, in the formats that they are published in."""

from pathlib import Path

from torch import nn

from .keras import load_keras_mobilenet_v2
from .torchvision import DOWNLOAD, download_torchvision, load_torchvision, read_torchvision

__all__ = ['load_keras_mobilenet_v2', 'load_pretrained', 'load_torchvision']


def load_pretrained(encoder: nn.Module, name: str, pretrained: str, folder: Path) -> None:
    """Load what a recipe calls `pretrained` into the encoder of that name.

    `torchvision` is what torchvision downloads; a .npz of the folder holds Keras' MobileNet-v2,
    any other file a state dict with torchvision's names. Raises FileNotFoundError if the file is
    absent, ConnectionError if there is no way to download, ValueError if the weights do not fit.
    """
    path = folder / pretrained
    if pretrained == DOWNLOAD:
        load_torchvision(encoder, download_torchvision(name), pretrained)
    elif path.suffix == '.npz':
        load_keras_mobilenet_v2(encoder, path)
    else:
        load_torchvision(encoder, read_torchvision(path), str(path))
