from collections.abc import Callable
import logging
from pathlib import Path
import re
import warnings

import cv2
from made_weights import assert_same, make_picture, make_weights
import numpy as np
import pytest
import torch

from mtl_perception.engine import choose_device, Engine
from mtl_perception.network.checkpoint import load_state, read_weights
from mtl_perception.network.deployed import DeployedNetwork

# neither side is divisible by 32, as KITTI's 375x1242
SIZE = (93, 157)
TASKS = {'segmentation': 8, 'depth': 1, 'normals': 3}


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_weights(tmp_path_factory.mktemp('weights') / 'lively.safetensors', TASKS)


@pytest.fixture(scope='module')
def engine(weights: Path) -> Engine:
    return Engine(weights, device='cpu', backend='torch', precision='fp32')


@pytest.mark.parametrize('size', [SIZE, (96, 160), (33, 31), (1, 1)], ids='{0[0]}x{0[1]}'.format)
def test_predictions_have_the_picture_s_size_and_their_types(
    engine: Engine, size: tuple[int, int]
) -> None:
    prediction = engine.predict(make_picture(*size))
    for name, dtype in (('labels', np.uint8), ('confidence', np.uint8), ('depth', np.float32)):
        array = getattr(prediction, name)
        assert (array.shape, array.dtype) == (size, dtype)
        assert array.flags.c_contiguous
        assert array.flags.writeable
    assert (prediction.normals.shape, prediction.normals.dtype) == ((*size, 3), np.float32)
    np.testing.assert_allclose(np.linalg.norm(prediction.normals, axis=2), 1, atol=1e-3)


def test_a_batch_gives_what_its_pictures_give_alone(engine: Engine) -> None:
    pictures = [make_picture(*SIZE, seed) for seed in (7, 8, 9)]
    batch = engine.predict_batch(pictures)
    assert not np.array_equal(batch[0].labels, batch[1].labels)
    for picture, together in zip(pictures, batch, strict=True):
        assert_same(engine.predict(picture), together)


def test_a_prediction_outlives_the_next_one(engine: Engine) -> None:
    first = engine.predict(make_picture(*SIZE, 7))
    kept = first.labels.copy(), first.depth.copy()
    engine.predict(make_picture(*SIZE, 8))
    np.testing.assert_array_equal(first.labels, kept[0])
    np.testing.assert_array_equal(first.depth, kept[1])


def test_sky_and_what_is_beyond_the_range_are_infinitely_far(
    engine: Engine, weights: Path
) -> None:
    picture = make_picture(*SIZE, 7)
    network = engine.card.build()
    load_state(network, read_weights(weights), weights)
    with torch.inference_mode():
        x = torch.from_numpy(picture)[None]
        labels = engine.card.deploy(network)(x).labels[0]
        raw = DeployedNetwork(network, 'symmetric', 'exp', (0.5, 1e9)).eval()(x).depth[0]
    sky, far = labels.numpy() == 0, raw.numpy() >= 20.0
    # each of the four cases is there to be seen
    assert min((a & b).sum() for a in (sky, ~sky) for b in (far, ~far)) > 20
    depth = engine.predict(picture).depth
    assert (np.isposinf(depth) == (sky | far)).mean() > 0.999
    near = np.isfinite(depth)
    assert depth[near].min() >= 0.5
    assert depth[near].max() < 20.0


def test_indoors_nothing_is_sky(tmp_path: Path) -> None:
    path = tmp_path / 'indoor.safetensors'
    tasks = {'segmentation': 40, 'depth': 1}
    make_weights(path, tasks, label_space='nyud40', depth_range_m=(0.1, 1e4))
    prediction = Engine(path, 'cpu', 'torch').predict(make_picture(*SIZE))
    assert (prediction.labels == 0).any()
    assert np.isfinite(prediction.depth).all()


def test_a_card_selects_its_classes_of_a_joint_network(tmp_path: Path) -> None:
    """The joint network of 46 logits: 40 of NYUDv2, then 6 of KITTI."""
    path = tmp_path / 'joint.safetensors'
    make_weights(path, {'segmentation': 46}, label_space='kitti6', classes=(40, 46))
    engine = Engine(path, 'cpu', 'torch')
    prediction = engine.predict(make_picture(*SIZE))
    assert set(np.unique(prediction.labels)) == set(range(6))
    assert prediction.depth is None
    assert prediction.normals is None


@pytest.mark.parametrize(
    'picture',
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
    ],
    ids=lambda picture: f'{picture.shape} {picture.dtype}',
)
def test_what_is_no_picture_is_refused(engine: Engine, picture: np.ndarray) -> None:
    found = re.escape(f'a picture is {picture.shape} {picture.dtype}; expected (height, width, 3)')
    with pytest.raises(ValueError, match=found):
        engine.predict(picture)


def test_a_batch_of_several_sizes_or_none_is_refused(engine: Engine) -> None:
    with pytest.raises(ValueError, match=r'one size, found .*\((8, 9|9, 8), 3\), .*\)'):
        engine.predict_batch([make_picture(8, 9), make_picture(9, 8)])
    with pytest.raises(ValueError, match='one size, found none'):
        engine.predict_batch([])


def test_pictures_that_are_views_or_read_only_are_taken_without_a_word(engine: Engine) -> None:
    picture = make_picture(*SIZE)
    frozen = np.frombuffer(picture.tobytes(), np.uint8).reshape(picture.shape)
    turned = np.ascontiguousarray(picture[..., ::-1])[..., ::-1]
    expected = engine.predict(picture)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for other in (frozen, turned):
            np.testing.assert_array_equal(engine.predict(other).labels, expected.labels)


def test_warming_up_compiles_for_the_size(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.warm_up(24, 40, batch=2)
    monkeypatch.setattr(engine._backend, 'compile', None)
    assert len(engine.predict_batch([make_picture(24, 40)] * 2)) == 2


def test_what_is_compiled_of_one_card_is_not_taken_for_another(tmp_path: Path) -> None:
    path = tmp_path / 'w.safetensors'
    identities = set()
    for changed in ({}, {'depth_range_m': (0.5, 30.0)}, {'depth_activation': 'abs'}):
        make_weights(path, {'depth': 1}, **changed)
        identities.add(Engine(path, 'cpu', 'torch').source.identity)
    assert len(identities) == 3


class TestWantedFields:
    @pytest.mark.parametrize(
        'wanted',
        [{'labels'}, {'depth'}, {'normals'}, {'labels', 'confidence'}, {'depth', 'labels'}],
    )
    def test_they_are_what_all_fields_are(self, engine: Engine, wanted: set[str]) -> None:
        whole, part = (
            engine.predict(make_picture(*SIZE)),
            engine.predict(make_picture(*SIZE), wanted),
        )
        for name, array in vars(part).items():
            if name in wanted:
                np.testing.assert_array_equal(array, getattr(whole, name))
            else:
                assert array is None

    def test_nothing_is_run_for_none(
        self, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(engine, '_compiled', None)
        assert set(vars(engine.predict(make_picture(*SIZE), ())).values()) == {None}

    def test_what_the_model_lacks_is_none(self, tiny_weights: Path) -> None:
        prediction = Engine(tiny_weights, 'cpu', 'torch').predict(make_picture(8, 9), {'normals'})
        assert set(vars(prediction).values()) == {None}

    def test_an_unknown_field_is_refused(self, engine: Engine) -> None:
        with pytest.raises(ValueError, match='has no colour; choose of labels, confidence, depth'):
            engine.predict(make_picture(*SIZE), {'colour'})


class TestScale:
    @pytest.mark.parametrize('scale', [0.0, -0.5, 1.01, float('nan')])
    def test_it_must_reduce(self, weights: Path, scale: float) -> None:
        with pytest.raises(ValueError, match=f'scale is {scale}; expected above 0 and at most 1'):
            Engine(weights, scale=scale)

    def test_a_reduced_prediction_is_that_of_the_reduced_picture_and_metric(
        self, engine: Engine, weights: Path
    ) -> None:
        half = Engine(weights, 'cpu', 'torch', 'fp32', scale=0.5)
        picture = make_picture(*SIZE)
        small = cv2.resize(picture, (78, 46), interpolation=cv2.INTER_AREA)
        found, expected = half.predict(picture), engine.predict(small)
        assert half.output_size(*SIZE) == found.labels.shape == (46, 78)
        np.testing.assert_array_equal(found.labels, expected.labels)
        np.testing.assert_allclose(found.depth, expected.depth * (78 / 157), rtol=1e-6)

    def test_no_picture_is_reduced_to_nothing(self, weights: Path) -> None:
        found = Engine(weights, 'cpu', 'torch', scale=0.1).predict(make_picture(1, 3))
        assert found.labels.shape == (1, 1)


class TestDevices:
    @pytest.fixture
    def gpus(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
        return lambda count: monkeypatch.setattr(torch.cuda, 'device_count', lambda: count)

    @pytest.mark.parametrize(
        ('count', 'device', 'chosen'),
        [
            (0, 'auto', 'cpu'),
            (0, 'cpu', 'cpu'),
            (2, 'auto', 'cuda:0'),
            (2, 'cpu', 'cpu'),
            (2, 'cuda', 'cuda:0'),
            (2, 'cuda:1', 'cuda:1'),
        ],
    )
    def test_what_is_asked_for_is_taken_without_a_warning(
        self,
        gpus: Callable[[int], None],
        caplog: pytest.LogCaptureFixture,
        count: int,
        device: str,
        chosen: str,
    ) -> None:
        gpus(count)
        assert choose_device(device) == chosen
        assert not caplog.records

    @pytest.mark.parametrize(('count', 'device'), [(0, 'cuda'), (0, 'cuda:7'), (2, 'cuda:2')])
    def test_a_gpu_that_is_not_there_falls_back_with_a_warning(
        self,
        gpus: Callable[[int], None],
        caplog: pytest.LogCaptureFixture,
        count: int,
        device: str,
    ) -> None:
        gpus(count)
        with caplog.at_level(logging.WARNING):
            assert choose_device(device) == 'cpu'
        words = f"device '{device}' is not one of the {count} GPUs here; using the CPU"
        assert words in caplog.text

    @pytest.mark.parametrize('device', ['', 'gpu', 'cuda:', 'cuda:-1', 'cuda:x', 'cpu:0', 'mps'])
    def test_an_unknown_device_is_refused(self, gpus: Callable[[int], None], device: str) -> None:
        gpus(0)
        with pytest.raises(ValueError, match=f"device is '{device}'; expected auto, cpu or cuda"):
            choose_device(device)

    def test_the_engine_falls_back(self, tiny_weights: Path) -> None:
        engine = Engine(tiny_weights, device='cuda:7', backend='torch')
        assert engine.device == 'cpu'
        assert engine.backend.split()[0] == 'torch'
