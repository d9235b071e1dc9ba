from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mtl_perception.network.encoders import build_encoder, InvertedResidual
from mtl_perception.training.pretrained import load_keras_mobilenet_v2

NORMS = ('weight', 'bias', 'running_mean', 'running_var')


def keras_arrays(encoder: nn.Module) -> dict[str, np.ndarray]:
    """Make arrays as the published file has them: no expansion in the first block."""
    random = np.random.default_rng(0)
    blocks = [m for m in encoder.modules() if isinstance(m, InvertedResidual)]
    units = [('stem.conv', 'stem.bn', encoder.stem)]
    for index, block in enumerate(blocks):
        for name, unit in zip(('expand', 'dw', 'project'), block.conv, strict=True):
            if index > 0 or name != 'expand':
                units.append((f'blocks.{index}.{name}', f'blocks.{index}.{name}_bn', unit))
    arrays = {}
    for conv, norm, unit in units:
        arrays[f'{conv}.weight'] = random.normal(0, 0.2, tuple(unit[0].weight.shape))
        for name in NORMS:
            positive = name in ('weight', 'running_var')
            arrays[f'{norm}.{name}'] = random.normal(size=unit[1].num_features) ** (
                2 if positive else 1
            )
    return {name: array.astype(np.float32) for name, array in arrays.items()}


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    return keras_arrays(build_encoder('mobilenet_v2'))


@pytest.fixture
def file(arrays: dict[str, np.ndarray], tmp_path: Path) -> Path:
    # 5 for stem and each unit of 17 blocks, less the expansion of the first
    assert len(arrays) == 5 * (1 + 3 * 17 - 1) == 255
    np.savez(tmp_path / 'keras.npz', **arrays)
    return tmp_path / 'keras.npz'


def test_units_answer_as_keras_would(file: Path, arrays: dict[str, np.ndarray]) -> None:
    """Keras adds 1e-3 to the variances, which matters where they are small."""
    encoder = build_encoder('mobilenet_v2').eval()
    load_keras_mobilenet_v2(encoder, file)
    x = torch.randn(2, 3, 32, 48)
    conv = functional.conv2d(x, torch.from_numpy(arrays['stem.conv.weight']), stride=2, padding=1)
    weight, bias, mean, variance = (
        torch.from_numpy(arrays[f'stem.bn.{name}']).view(-1, 1, 1) for name in NORMS
    )
    expected = (weight * (conv - mean) / (variance + 1e-3).sqrt() + bias).clamp(0, 6)
    torch.testing.assert_close(encoder.stem(x), expected, rtol=1e-4, atol=1e-4)


def test_every_array_finds_its_place(file: Path, arrays: dict[str, np.ndarray]) -> None:
    encoder = build_encoder('mobilenet_v2')
    load_keras_mobilenet_v2(encoder, file)
    blocks = [m for m in encoder.modules() if isinstance(m, InvertedResidual)]
    for index in (1, 8, 16):
        for name, unit in zip(('expand', 'dw', 'project'), blocks[index].conv, strict=True):
            prefix = f'blocks.{index}.{name}'
            np.testing.assert_array_equal(unit[0].weight.detach(), arrays[f'{prefix}.weight'])
            np.testing.assert_array_equal(
                unit[1].running_mean, arrays[f'{prefix}_bn.running_mean']
            )


def test_the_first_block_starts_as_the_identity(file: Path) -> None:
    encoder = build_encoder('mobilenet_v2').eval()
    load_keras_mobilenet_v2(encoder, file)
    expansion = encoder.groups[0][0].conv[0]
    # what the relu6 before it lets through
    x = torch.rand(2, 32, 9, 9) * 6
    torch.testing.assert_close(expansion(x), x, rtol=1e-3, atol=1e-3)


def test_the_identity_holds_in_training_too(file: Path) -> None:
    """With the statistics that the batch norm before it gives, as the real file has them."""
    encoder = build_encoder('mobilenet_v2')
    load_keras_mobilenet_v2(encoder, file)
    weight, bias = encoder.stem[1].weight, encoder.stem[1].bias
    x = (torch.randn(8, 32, 40, 40) * weight.view(-1, 1, 1) + bias.view(-1, 1, 1)).clamp(0, 6)
    found = encoder.groups[0][0].conv[0].train()(x.detach())
    assert float((found - x).detach().abs().mean()) < 0.05


def test_the_real_file_gives_an_identity_first_block(data_folder: Path) -> None:
    encoder = build_encoder('mobilenet_v2').eval()
    load_keras_mobilenet_v2(encoder, data_folder / 'weights' / 'mobilenetv2_1.00_keras.npz')
    x = encoder.stem(torch.randn(1, 3, 64, 64))
    torch.testing.assert_close(encoder.groups[0][0].conv[0](x), x, rtol=1e-3, atol=1e-3)


def test_wrong_files_and_encoders_are_refused(file: Path, arrays: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r'keras\.npz is for mobilenet_v2, the encoder is ResNet'):
        load_keras_mobilenet_v2(build_encoder('resnet18'), file)
    with pytest.raises(FileNotFoundError, match=r'no\.npz do not exist; see `pretrained`'):
        load_keras_mobilenet_v2(build_encoder('mobilenet_v2'), file.with_name('no.npz'))
    del arrays['blocks.3.dw.weight']
    np.savez(file, **arrays)
    with pytest.raises(ValueError, match=r"keras\.npz has no array 'blocks\.3\.dw\.weight'; exp"):
        load_keras_mobilenet_v2(build_encoder('mobilenet_v2'), file)
