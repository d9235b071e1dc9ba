"""Fixtures that several tests share."""

from collections.abc import Iterator
import os
from pathlib import Path

from hypothesis import HealthCheck, settings
import pytest

ROOT = Path(__file__).resolve().parents[1]

# a busy machine may stall in any example
settings.register_profile(
    'suite', deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile('suite')


@pytest.fixture(scope='session', autouse=True)
def compiled_artefacts(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep compiled artefacts of this run, those of its processes too, out of the user's cache."""
    os.environ['MTL_PERCEPTION_CACHE'] = str(tmp_path_factory.mktemp('compiled'))


@pytest.fixture(scope='session')
def data_folder() -> Path:
    """The folder of real road scenes (index.csv); the test is skipped where it is absent."""
    return _folder('MTL_PERCEPTION_DATA', os.environ.get('MTL_PERCEPTION_DATA'))


@pytest.fixture(scope='session')
def reference_folder() -> Path:
    """The folder of exact outputs of the authors' network, by default beside the data."""
    data = os.environ.get('MTL_PERCEPTION_DATA')
    beside = Path(data).resolve().parent / 'reference' if data else None
    return _folder('MTL_PERCEPTION_REFERENCE', os.environ.get('MTL_PERCEPTION_REFERENCE', beside))


def _folder(variable: str, value: str | Path | None) -> Path:
    if not value:
        pytest.skip(f'{variable} is not set')
    # relative to where the tests are run from, as a shell would have it
    folder = Path(value).resolve()
    if not folder.is_dir():
        pytest.skip(f'{variable} names {folder}, which does not exist')
    return folder


@pytest.fixture(scope='session')
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random MobileNet-v2 weights of label space road8, with their card, as <name>.safetensors."""
    import torch

    from mtl_perception.model_card import ModelCard, sha256_of, write_card
    from mtl_perception.network.checkpoint import write_weights
    from mtl_perception.network.joint_network import JointNetwork

    path = tmp_path_factory.mktemp('weights') / 'random8.safetensors'
    torch.manual_seed(0)
    write_weights(JointNetwork('mobilenet_v2', {'segmentation': 8, 'depth': 1}), path)
    card = ModelCard(
        name='random8',
        encoder='mobilenet_v2',
        tasks={'segmentation': 8, 'depth': 1},
        label_space='road8',
        normalisation='symmetric',
        depth_activation='exp',
        depth_range_m=(0.5, 80.0),
        training_f_px=721.5377,
        training_size=(1242, 375),
        licence='Apache-2.0',
        sha256=sha256_of(path),
    )
    write_card(card, path)
    return path


@pytest.fixture(scope='module')
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for logs; this process is set up to talk to a node."""
    from ros_client import ros_environment

    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp('log')
        for name, value in ros_environment(folder).items():
            patch.setenv(name, value)
        yield folder
