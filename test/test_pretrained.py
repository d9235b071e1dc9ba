from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torchvision import models

from mtl_perception.network.encoders import build_encoder, InvertedResidual
from mtl_perception.training.pretrained import (
    load_keras_mobilenet_v2,
    load_pretrained,
    load_torchvision,
)

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


class TestTorchvision:
    """Weights with torchvision's names, as its networks have them when they are made."""

    @pytest.fixture
    def resnet(self, tmp_path: Path) -> models.ResNet:
        torch.manual_seed(0)
        network = models.resnet18()
        torch.save(network.state_dict(), tmp_path / 'resnet18.pth')
        return network.eval()

    def test_a_resnet_answers_as_torchvision_s(self, tmp_path: Path, resnet: nn.Module) -> None:
        encoder = build_encoder('resnet18').eval()
        load_pretrained(encoder, 'resnet18', 'resnet18.pth', tmp_path)
        x = torch.randn(1, 3, 64, 64)
        [[coarsest]] = encoder(x)[-1:]
        pooled = resnet.fc(coarsest.mean((2, 3)))
        torch.testing.assert_close(pooled, resnet(x))

    def test_a_mobilenet_answers_as_torchvision_s(self) -> None:
        """But for the identity that stands in for the first expansion."""
        torch.manual_seed(0)
        theirs = models.mobilenet_v2().eval()
        for module in theirs.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias)
        encoder = build_encoder('mobilenet_v2').eval()
        load_torchvision(encoder, theirs.state_dict(), 'made')
        x = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(
            encoder(x)[-1][-1], theirs.features[:18](x), rtol=1e-2, atol=1e-2
        )

    def test_what_does_not_fit_is_refused(self, tmp_path: Path, resnet: nn.Module) -> None:
        words = r"resnet18\.pth does not fit the encoder ResNet; give torchvision's .*Missing key"
        with pytest.raises(ValueError, match=words):
            load_pretrained(build_encoder('resnet34'), 'resnet34', 'resnet18.pth', tmp_path)
        with pytest.raises(FileNotFoundError, match=r'no\.pth do not exist; see `pretrained`'):
            load_pretrained(build_encoder('resnet18'), 'resnet18', 'no.pth', tmp_path)
        torch.save([1], tmp_path / 'list.pth')
        with pytest.raises(ValueError, match=r'holds list; expected a state dict'):
            load_pretrained(build_encoder('resnet18'), 'resnet18', 'list.pth', tmp_path)
        (tmp_path / 'torn.pth').write_bytes(b'PK')
        with pytest.raises(ValueError, match=r'torn\.pth cannot be read as a PyTorch file'):
            load_pretrained(build_encoder('resnet18'), 'resnet18', 'torn.pth', tmp_path)

    def test_without_a_network_the_remedies_are_named(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def offline(*_: object, **__: object) -> None:
            raise URLError('no route to host')

        monkeypatch.setenv('TORCH_HOME', str(tmp_path))
        monkeypatch.setattr('torch.hub.download_url_to_file', offline)
        words = (
            r'resnet50-\w+\.pth cannot be downloaded .*no route.* put the file into .*checkpoints'
        )
        with pytest.raises(ConnectionError, match=words):
            load_pretrained(build_encoder('resnet50'), 'resnet50', 'torchvision', tmp_path)
