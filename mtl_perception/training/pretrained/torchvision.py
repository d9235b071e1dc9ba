"""ImageNet weights with torchvision's names: from a file, or as torchvision downloads them."""

from collections.abc import Mapping
from pathlib import Path
import re
from typing import Any
from urllib.error import URLError

import torch
from torch import nn, Tensor
from torchvision.models import get_model_weights

from mtl_perception.network.encoders import MobileNetV2

from .keras import start_as_identity

# what a recipe says instead of a path
DOWNLOAD = 'torchvision'
# the same training for every depth of ResNet, and what dense tasks are commonly started from
_VERSION = 'IMAGENET1K_V1'
_STEM = {'conv1': 'stem.0', 'bn1': 'stem.1'}
_FIRST_EXPANSION = 'groups.0.0.conv.0'
# group and place of MobileNet-v2's blocks, in order
_BLOCKS = [f'{k}.{n}' for k, blocks in enumerate((1, 2, 3, 4, 3, 3, 1)) for n in range(blocks)]


def download_torchvision(name: str) -> dict[str, Tensor]:
    """Give torchvision's weights for an encoder of that name, from its cache if they are there.

    Raises ConnectionError, with the remedies, if they can be had from neither.
    """
    weights = get_model_weights(name)[_VERSION]
    try:
        state: dict[str, Tensor] = weights.get_state_dict(check_hash=True, weights_only=True)
    except (URLError, OSError) as error:
        cache = Path(torch.hub.get_dir()) / 'checkpoints'
        raise ConnectionError(
            f'pretrained weights {weights.url} cannot be downloaded ({error}); put the file into '
            f"{cache}, or into the data folder and its path in the recipe's `pretrained`"
        ) from error
    return state


def read_torchvision(path: Path) -> dict[str, Tensor]:
    """Read a state dict. Raises FileNotFoundError if path is absent, ValueError if it is none."""
    if not path.is_file():
        raise FileNotFoundError(f'pretrained weights {path} do not exist; see `pretrained`')
    try:
        state: Any = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(f'{path} cannot be read as a PyTorch file: {error}') from error
    if not isinstance(state, Mapping) or not all(isinstance(x, Tensor) for x in state.values()):
        raise ValueError(
            f'{path} holds {type(state).__name__}; expected a state dict {{name: tensor}}, as '
            'torchvision publishes them'
        )
    return dict(state)


def load_torchvision(encoder: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Load a state dict with torchvision's names; what is of the classifier is left out.

    torchvision's MobileNet-v2 has no expansion in its first block; ours starts as the identity.
    Raises ValueError, naming source, if weights are missing or of another shape.
    """
    mobilenet = isinstance(encoder, MobileNetV2)
    translate = _mobilenet_name if mobilenet else _resnet_name
    own = encoder.state_dict() if mobilenet else {}
    values = {name: own[name] for name in own if name.startswith(_FIRST_EXPANSION)}
    for name, value in state.items():
        ours = translate(name)
        if ours is not None:
            values[ours] = value
    try:
        encoder.load_state_dict(values)
    except RuntimeError as error:
        _, _, first = str(error).partition('\n')
        raise ValueError(
            f"{source} does not fit the encoder {type(encoder).__name__}; give torchvision's "
            f'weights of the encoder that the recipe names. {first.strip()[:300]}'
        ) from error
    if mobilenet:
        start_as_identity(encoder.get_submodule(_FIRST_EXPANSION), encoder.get_submodule('stem'))


def _resnet_name(name: str) -> str | None:
    """Translate: layer1 to layer4 are the stages, what comes before them the stem."""
    first, _, rest = name.partition('.')
    stage = re.fullmatch(r'layer(\d)', first)
    if stage:
        return f'stages.{int(stage[1]) - 1}.{rest}'
    return f'{_STEM[first]}.{rest}' if first in _STEM else None


def _mobilenet_name(name: str) -> str | None:
    """Translate: torchvision counts the blocks through, and its projections lie flat."""
    stem = re.fullmatch(r'features\.0\.([01]\.\w+)', name)
    if stem:
        return f'stem.{stem[1]}'
    match = re.fullmatch(r'features\.(\d+)\.conv\.(\d)\.(?:([01])\.)?(\w+)', name)
    if not match:
        return None
    number, unit, layer = int(match[1]), int(match[2]), match[3]
    # the first block lacks the expansion
    unit += number == 1
    place = f'{unit}.{layer}' if layer else f'2.{unit - 2}'
    return f'groups.{_BLOCKS[number - 1]}.conv.{place}.{match[4]}'
