import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from mtl_perception.engine import Engine
from mtl_perception.model_card import read_card
from mtl_perception.network.checkpoint import (
    read_authors_checkpoint,
    translate_name,
    write_weights,
)
from mtl_perception.network.joint_network import JointNetwork
from mtl_perception.offline.import_checkpoint import import_checkpoint


@pytest.mark.parametrize(
    ('keys', 'tasks'),
    [
        ('kitti_two_task_keys.csv', {'segmentation': 6, 'depth': 1}),
        ('nyud_three_task_keys.csv', {'segmentation': 40, 'depth': 1, 'normals': 3}),
    ],
)
def test_every_name_of_the_authors_has_its_place(
    reference_folder: Path, keys: str, tasks: dict[str, int]
) -> None:
    with (reference_folder / keys).open() as file:
        theirs = {row['key']: row['shape'] for row in csv.DictReader(file)}
    translated = {translate_name(key, Path(keys)): shape for key, shape in theirs.items()}
    state = JointNetwork('mobilenet_v2', tasks).state_dict()
    assert translated == {
        name: 'x'.join(map(str, value.shape)) or 'scalar' for name, value in state.items()
    }


# each published network: logits, whether it has normals, the domain to name, the classes it gives
PUBLISHED = [
    (6, False, None, 'kitti6', (0, 6)),
    (40, False, None, 'nyud40', (0, 40)),
    (40, True, None, 'nyud40', (0, 40)),
    (46, False, 'nyud40', 'nyud40', (0, 40)),
    (46, False, 'kitti6', 'kitti6', (40, 46)),
]


def authors_checkpoint(path: Path, logits: int, normals: bool) -> None:
    """Write a checkpoint of random weights in the authors' naming, as the published ones are."""
    tasks = {'segmentation': logits, 'depth': 1, **({'normals': 3} if normals else {})}
    torch.manual_seed(logits)
    ours = JointNetwork('mobilenet_v2', tasks).state_dict()
    names = {translate_name(name, path): name for name in authors_names(normals)}
    assert names.keys() == ours.keys()
    torch.save({'state_dict': {names[name]: value for name, value in ours.items()}}, path)


def authors_names(normals: bool) -> list[str]:
    """List the authors' names; the first group of each layer is counted from 0."""
    norm = ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked']
    names = ['layer1.0.weight', *(f'layer1.1.{n}' for n in norm)]
    for layer, blocks in enumerate((1, 2, 3, 4, 3, 3, 1), start=2):
        for block in range(blocks):
            for unit in range(3):
                prefix = f'layer{layer}.{block}.output.{unit}'
                names += [f'{prefix}.0.weight', *(f'{prefix}.1.{n}' for n in norm)]
    names += [f'conv{k}.weight' for k in range(3, 9)]
    names += [f'crp{k}.0.{s}_outvar_dimred.weight' for k in range(1, 5) for s in range(1, 5)]
    names += [f'conv_adapt{k}.weight' for k in (2, 3, 4)]
    for head in ('segm', 'depth', *(['normal'] if normals else [])):
        names += [f'pre_{head}.weight', f'{head}.weight', f'{head}.bias']
    return names


@pytest.mark.parametrize(('logits', 'normals', 'domain', 'space', 'classes'), PUBLISHED)
def test_published_networks_become_weights_with_a_card(
    tmp_path: Path,
    logits: int,
    normals: bool,
    domain: str | None,
    space: str,
    classes: tuple[int, int],
) -> None:
    checkpoint = tmp_path / 'theirs.ckpt'
    authors_checkpoint(checkpoint, logits, normals)
    weights = import_checkpoint(checkpoint, tmp_path / 'weights', 'ours', domain)
    card = read_card(weights)
    assert (card.label_space, card.classes) == (space, classes)
    assert (card.normalisation, card.depth_activation) == ('imagenet', 'abs')
    network = card.build()
    state = read_authors_checkpoint(checkpoint)
    assert state.keys() == network.state_dict().keys()
    engine = Engine(weights, device='cpu', backend='torch')
    picture = torch.randint(0, 256, (45, 70, 3), dtype=torch.uint8).numpy()
    prediction = engine.predict(picture)
    assert prediction.labels is not None
    assert prediction.labels.max() < classes[1] - classes[0]
    assert (prediction.normals is not None) == normals


def test_the_joint_network_of_46_classes_needs_a_domain(tmp_path: Path) -> None:
    checkpoint = tmp_path / 'joint.ckpt'
    authors_checkpoint(checkpoint, 46, normals=False)
    with pytest.raises(
        ValueError, match=r'46 classes, which 2 of the domains .* name one by --dom'
    ):
        import_checkpoint(checkpoint, tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'absent\.ckpt does not exist; give the path'):
        import_checkpoint(tmp_path / 'absent.ckpt', tmp_path)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    text = tmp_path / 'readme.ckpt'
    text.write_text('not a checkpoint')
    with pytest.raises(ValueError, match=r'readme\.ckpt cannot be read as a PyTorch file'):
        import_checkpoint(text, tmp_path)


def test_foreign_names_are_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / 'foreign.ckpt'
    torch.save({'state_dict': {'backbone.conv1.weight': torch.zeros(1)}}, checkpoint)
    with pytest.raises(ValueError, match=r"'backbone\.conv1\.weight' that the networks of arXiv"):
        import_checkpoint(checkpoint, tmp_path)


def test_a_checkpoint_is_never_unpickled_freely(tmp_path: Path) -> None:
    checkpoint = tmp_path / 'evil.ckpt'
    torch.save({'state_dict': {'a': torch.zeros(1)}, 'hook': print}, checkpoint)
    with pytest.raises(ValueError, match=r'evil\.ckpt cannot be read'):
        import_checkpoint(checkpoint, tmp_path)


def test_weights_may_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    path, other = tmp_path / 'w.safetensors', tmp_path / 'other'
    write_weights(nn.Linear(2, 2), path)
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


def test_a_wrong_shape_is_named(tmp_path: Path) -> None:
    checkpoint = tmp_path / 'shape.ckpt'
    authors_checkpoint(checkpoint, 6, normals=False)
    content = torch.load(checkpoint, weights_only=True)
    content['state_dict']['conv3.weight'] = torch.zeros(256, 25, 1, 1)
    torch.save(content, checkpoint)
    with pytest.raises(
        ValueError,
        match=r'stages\.0\.reductions\.0\.0\.weight has shape \(256, 25, 1, 1\), expected '
        r'\(256, 24, 1, 1\); correct',
    ):
        import_checkpoint(checkpoint, tmp_path)
