"""Weights of a random network whose answers vary over a picture, unlike a fresh network's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest
import torch
from torch import nn

from mtl_perception.engine import Prediction
from mtl_perception.model_card import load_network, ModelCard, sha256_of, write_card
from mtl_perception.network.checkpoint import write_weights
from mtl_perception.network.deployed import DeployedNetwork
from mtl_perception.network.joint_network import JointNetwork

# metres; half of the depths are beyond it on some pictures
MEDIAN_DEPTH_M = 12.0


def make_picture(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """Draw smooth blobs of colour."""
    shape = (height // 16 + 2, width // 16 + 2, 3)
    blobs = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    return cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)


def make_weights(path: Path, tasks: Mapping[str, int], **card: Any) -> Path:
    """Write weights and their card; keywords replace values of the card."""
    torch.manual_seed(0)
    values = {'label_space': 'road8', 'encoder': 'mobilenet_v2', 'depth_activation': 'exp', **card}
    network = JointNetwork(values['encoder'], tasks)
    _enliven(network)
    write_weights(network, path)
    write_card(
        ModelCard(
            **{
                'name': path.stem,
                'tasks': tasks,
                'normalisation': 'symmetric',
                'depth_range_m': (0.5, 20.0),
                'training_f_px': 700.0,
                'training_size': (157, 93),
                'licence': 'Apache-2.0',
                'sha256': sha256_of(path),
                **values,
            }
        ),
        path,
    )
    return path


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of labels and depth that the tests of a file share."""
    path = tmp_path_factory.mktemp('weights') / 'lively.safetensors'
    return make_weights(path, {'segmentation': 8, 'depth': 1})


@pytest.fixture(scope='module')
def lively(weights: Path) -> DeployedNetwork:
    """The network of these weights; tests change copies of it only."""
    card, network = load_network(weights)
    return card.deploy(network)


@torch.no_grad()
def _enliven(network: JointNetwork) -> None:
    """Take the statistics of some pictures, and give each output a deviation of one."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None
    pictures = np.stack([make_picture(96, 160, seed) for seed in range(1, 5)])
    x = torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1
    network.train()(x)
    for task, raw in network.eval()(x).items():
        last = network.heads[task][2]
        deviation, mean = torch.std_mean(raw, (0, 2, 3))
        last.weight /= deviation.view(-1, 1, 1, 1)
        last.bias.copy_((last.bias - mean) / deviation)
        if task == 'depth':
            last.bias += np.log(MEDIAN_DEPTH_M)


def assert_same(one: Prediction, other: Prediction) -> None:
    assert (one.labels == other.labels).mean() > 0.999
    assert (np.isinf(one.depth) == np.isinf(other.depth)).mean() > 0.999
    both = np.isfinite(one.depth) & np.isfinite(other.depth)
    np.testing.assert_allclose(one.depth[both], other.depth[both], rtol=1e-3)
    np.testing.assert_allclose(one.normals, other.normals, atol=1e-2)
