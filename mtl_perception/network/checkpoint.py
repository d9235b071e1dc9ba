"""Read and write weights; translate the authors' names; say what does not fit."""

from collections.abc import Mapping
from pathlib import Path
import re

from safetensors import SafetensorError
from safetensors.torch import load_file, save
import torch
from torch import nn, Tensor

# names in the checkpoints published with arXiv 1809.04766 -> names in JointNetwork
_AUTHORS_NAMES = (
    (r'layer1\.(\d)\.', r'encoder.stem.\1.'),
    (r'layer(\d)\.(\d)\.output\.([01])\.', r'encoder.groups.<\1-2>.\2.conv.\3.'),
    (r'layer(\d)\.(\d)\.output\.2\.', r'encoder.groups.<\1-2>.\2.conv.2.'),
    (r'conv8\.', 'decoder.stages.3.reductions.1.0.'),
    (r'conv7\.', 'decoder.stages.3.reductions.0.0.'),
    (r'conv6\.', 'decoder.stages.2.reductions.1.0.'),
    (r'conv5\.', 'decoder.stages.2.reductions.0.0.'),
    (r'conv4\.', 'decoder.stages.1.reductions.0.0.'),
    (r'conv3\.', 'decoder.stages.0.reductions.0.0.'),
    (r'crp(\d)\.0\.(\d)_outvar_dimred\.', r'decoder.stages.<\1-1>.pooling.convs.<\2-1>.'),
    (r'conv_adapt(\d)\.', r'decoder.adaptations.<\1-2>.'),
    (r'pre_segm\.', 'heads.segmentation.0.'),
    (r'segm\.', 'heads.segmentation.2.'),
    (r'pre_depth\.', 'heads.depth.0.'),
    (r'depth\.', 'heads.depth.2.'),
    (r'pre_normal\.', 'heads.normals.0.'),
    (r'normal\.', 'heads.normals.2.'),
)


def read_authors_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read a checkpoint of the authors ({'state_dict': …}) as float32 in JointNetwork's names.

    Raises FileNotFoundError if path is absent, ValueError if it is no such checkpoint.
    """
    if not path.is_file():
        raise FileNotFoundError(f'checkpoint {path} does not exist; give the path of a .ckpt file')
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(f'checkpoint {path} cannot be read as a PyTorch file: {error}') from error
    state = content.get('state_dict', content) if isinstance(content, Mapping) else None
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(
            f'checkpoint {path} holds {type(content).__name__}; '
            "expected {'state_dict': {name: tensor}}"
        )
    return {
        translate_name(name.removeprefix('module.'), path): as_float(value)
        for name, value in state.items()
    }


def translate_name(name: str, path: Path) -> str:
    """Translate one of the authors' parameter names; ValueError names a foreign one."""
    for pattern, ours in _AUTHORS_NAMES:
        match = re.match(pattern, name)
        if match:
            prefix = re.sub(
                r'<(\d)-(\d)>', lambda m: str(int(m[1]) - int(m[2])), match.expand(ours)
            )
            return prefix + name[match.end() :]
    raise ValueError(
        f"checkpoint {path} has a parameter '{name}' that the networks of arXiv 1809.04766 do not "
        'have; give a MobileNet-v2 checkpoint in the naming of that publication'
    )


def as_float(value: Tensor) -> Tensor:
    """Take floating values to float32, leaving counters as they are."""
    return value.float() if value.is_floating_point() else value


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a .safetensors file as float32; ValueError if it is torn or of another format."""
    try:
        state = load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f'weights {path} are not a whole safetensors file ({error}); copy the file again'
        ) from error
    return {name: as_float(value) for name, value in state.items()}


def write_weights(network: nn.Module, path: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write all parameters and statistics of a network, floating values as dtype."""
    state = {
        name: (value.to(dtype) if value.is_floating_point() else value).contiguous().cpu()
        for name, value in network.state_dict().items()
    }
    # save_file lets only its owner read what it writes
    path.write_bytes(save(state))


def load_state(network: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load state into network, exactly.

    Raises ValueError, naming path, if parameters are missing, foreign or of another shape.
    """
    expected = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in state.items()}
    problems = [f'{name} is missing' for name in expected.keys() - found.keys()]
    problems += [f'{name} is foreign' for name in found.keys() - expected.keys()]
    problems += [
        f'{name} has shape {found[name]}, expected {expected[name]}'
        for name in expected.keys() & found.keys()
        if expected[name] != found[name]
    ]
    if problems:
        more = f' and {len(problems) - 1} more' if len(problems) > 1 else ''
        raise ValueError(
            f'weights {path} do not fit the network of their model card: {sorted(problems)[0]}'
            f'{more}; correct encoder and tasks in the card, or take the matching weights'
        )
    network.load_state_dict(dict(state))
