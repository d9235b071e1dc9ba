from dataclasses import replace
from pathlib import Path
import re
import shutil
from typing import Any

import pytest
import torch
import yaml

from mtl_perception.engine import Engine
from mtl_perception.model_card import (
    find_weights,
    ModelCard,
    parse_card,
    read_card,
    sha256_of,
    write_card,
)

CARD = ModelCard(
    name='small',
    encoder='resnet18',
    tasks={'segmentation': 46, 'depth': 1, 'normals': 3},
    label_space='kitti6',
    normalisation='imagenet',
    depth_activation='abs',
    depth_range_m=(0.5, 80.0),
    training_f_px=721.5377,
    training_size=(1242, 375),
    licence='CC BY-NC-SA 3.0 (KITTI); “made” for a test',
    sha256='0' * 64,
    classes=(40, 46),
    residual_units=True,
    size_divisor=16,
    data='one: two',
    metrics={'camvid': {'miou': 0.8125, 'iou': {'sky': None}}},
)


@pytest.fixture
def weights(tiny_weights: Path, tmp_path: Path) -> Path:
    """A copy of weights and card, to be spoiled."""
    for file in (tiny_weights, tiny_weights.with_suffix('.yaml')):
        shutil.copy(file, tmp_path)
    return tmp_path / tiny_weights.name


def change_card(weights: Path, **changes: Any) -> None:
    """Replace values of the card; `...` removes the key."""
    path = weights.with_suffix('.yaml')
    values = yaml.safe_load(path.read_text()) | changes
    path.write_text(yaml.safe_dump({k: v for k, v in values.items() if v is not ...}))


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / 'small.safetensors'
    path.write_bytes(b'content')
    card = replace(CARD, sha256=sha256_of(path))
    write_card(card, path)
    assert read_card(path) == card


def test_what_a_card_may_leave_out(tmp_path: Path) -> None:
    path = tmp_path / 'small.safetensors'
    card = replace(CARD, tasks={'depth': 1}, classes=None, training_f_px=None, training_size=None)
    write_card(card, path)
    assert parse_card(path.with_suffix('.yaml')) == card


def test_the_card_builds_the_network_that_it_describes() -> None:
    network = CARD.build().eval()
    deployed = CARD.deploy(network)
    assert not deployed.training
    outputs = deployed(torch.zeros(1, 33, 47, 3, dtype=torch.uint8))
    assert outputs.labels.max() < 6
    assert {name for name, value in outputs._asdict().items() if value is not None} == {
        *('labels', 'confidence', 'depth', 'normals')
    }
    assert any('refinement.convs' in name for name in network.state_dict())


def test_weights_are_found_by_path_and_by_name(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_weights(weights) == find_weights(str(weights)) == weights
    share = weights.parent / 'share'
    shutil.copytree(weights.parent, share / 'weights')
    folders = [weights.parent / 'another', share]
    monkeypatch.setattr('mtl_perception.model_card.share_folders', lambda: folders)
    assert find_weights('random8') == share / 'weights' / weights.name


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'no\.safetensors do not exist; correct the path'):
        Engine(tmp_path / 'no.safetensors')


def test_an_unknown_name_is_answered_with_the_places_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('mtl_perception.model_card.share_folders', lambda: [tmp_path])
    with pytest.raises(
        FileNotFoundError,
        match=re.escape(f"weights 'road9' are in none of {tmp_path / 'weights'}; give one of the"),
    ):
        Engine('road9')


def test_a_missing_card_is_named(weights: Path) -> None:
    weights.with_suffix('.yaml').unlink()
    with pytest.raises(
        FileNotFoundError, match=r'card .*random8\.yaml is missing; put it beside the weights, or'
    ):
        Engine(weights)


def test_a_wrong_checksum_is_named_with_both_sums(weights: Path) -> None:
    expected = sha256_of(weights)
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    found = sha256_of(weights)
    with pytest.raises(
        ValueError,
        match=rf'random8\.safetensors have sha256 {found}, their card expects {expected}; copy b',
    ):
        Engine(weights)


@pytest.mark.parametrize('kept', [0, 5, 1000, -10], ids='{} bytes'.format)
def test_a_torn_file_is_refused(weights: Path, kept: int) -> None:
    weights.write_bytes(weights.read_bytes()[:kept])
    change_card(weights, sha256=sha256_of(weights))
    with pytest.raises(
        ValueError, match=r'random8\.safetensors are not a whole safetensors file \(.+\); copy th'
    ):
        Engine(weights)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (
            {'tasks': {'segmentation': 8}},
            'heads.depth.0.weight is foreign and 2 more; correct enc',
        ),
        (
            {'encoder': 'resnet18'},
            ' more; correct encoder and tasks in the card, or take the matc',
        ),
        (
            {'tasks': {'segmentation': 9, 'depth': 1}, 'classes': [0, 8]},
            'heads.segmentation.2.bias has shape (8,), expected (9,) and 1 more; correct',
        ),
    ],
)
def test_weights_of_another_network_are_refused(
    weights: Path, changes: dict[str, Any], words: str
) -> None:
    change_card(weights, **changes)
    with pytest.raises(ValueError, match=r'random8\.safetensors do not fit the network of their'):
        Engine(weights)
    with pytest.raises(ValueError, match=re.escape(words)):
        Engine(weights)


WRONG = [
    ({'colour': 'red'}, "unknown keys ['colour'] and lacks []; known are name, encoder, tasks,"),
    ({'encoder': ..., 'licence': ...}, "unknown keys [] and lacks ['encoder', 'licence']; known"),
    ({1: 2, 'b': 3}, "unknown keys ['1', 'b'] and lacks []"),
    ({'encoder': 'vgg16'}, "encoder is 'vgg16'; choose of mobilenet_v2, resnet18"),
    ({'normalisation': 'none'}, "normalisation is 'none'; choose of imagenet, symmetric"),
    ({'depth_activation': 'relu'}, "depth_activation is 'relu'; choose of abs, exp"),
    ({'label_space': 'ade20k'}, "label_space is 'ade20k'; choose of road8, kitti6"),
    ({'tasks': {'edges': 1}}, "task 'edges' is unknown; choose of segmentation, depth, normals"),
    ({'tasks': {'depth': 2}}, "task 'depth' has 2 channels; expected 1"),
    ({'tasks': {}}, 'at least one task of segmentation, depth, normals'),
    ({'tasks': ['depth']}, "tasks is ('depth',); expected channels by task: {depth: 1}"),
    ({'depth_range_m': [80, 0.5]}, 'depth_range_m is [80, 0.5]; expected 0 < nearest < farthest'),
    ({'depth_range_m': [0, 80]}, 'depth_range_m is [0, 80]; expected 0 < nearest'),
    ({'depth_range_m': 80}, 'is wrong: '),
    ({'size_divisor': 0}, 'size_divisor is 0; expected whole pixels, 1 or more'),
    ({'size_divisor': 1.5}, 'size_divisor is 1.5; expected whole pixels, 1 or more'),
    ({'training_f_px': -1.0}, 'training_f_px is -1.0; expected a number > 0, finite, or null'),
    ({'training_f_px': float('inf')}, 'training_f_px is inf; expected a number > 0, finite, or'),
    ({'training_f_px': 'long'}, "training_f_px is 'long'; expected a number > 0"),
    ({'training_size': [1242]}, 'training_size is [1242]; expected [width, height] in whole pix'),
    ({'training_size': [0, 375]}, 'training_size is [0, 375]; expected [width, height]'),
    ({'training_size': 375}, 'training_size is 375; expected [width, height]'),
    (
        {'label_space': 'kitti6'},
        'classes [0, 8) of 8 logits do not give the 6 classes of label sp',
    ),
    ({'label_space': 'kitti6', 'classes': [3, 9]}, 'classes [3, 9) of 8 logits do not give the 6'),
    ({'classes': [4, 2]}, 'classes [4, 2) of 8 logits do not give the 8 classes of label space'),
    ({'classes': [0]}, 'is wrong: '),
]


@pytest.mark.parametrize(('changes', 'words'), WRONG)
def test_a_wrong_card_is_refused_in_one_sentence(
    weights: Path, changes: dict[Any, Any], words: str
) -> None:
    path = weights.with_suffix('.yaml')
    values = yaml.safe_load(path.read_text()) | changes
    path.write_text(yaml.safe_dump({k: v for k, v in values.items() if v is not ...}))
    with pytest.raises(ValueError, match=re.escape(words)) as error:
        Engine(weights)
    assert str(error.value).startswith(f'model card {path} ')
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (b'tasks: [', 'is not YAML'),
        (b'\xff\xfe\xfa', 'is not YAML'),
        (b'- one\n', 'holds list; expected keys'),
        (b'', 'holds NoneType; expected keys'),
    ],
)
def test_a_card_that_is_no_card_is_refused(weights: Path, content: bytes, words: str) -> None:
    weights.with_suffix('.yaml').write_bytes(content)
    with pytest.raises(ValueError, match=rf'model card .*random8\.yaml {words}'):
        Engine(weights)
