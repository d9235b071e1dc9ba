"""int8: ranges are observed, kept beside the weights and checked; the graph stays near float."""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from made_index import make_index
from made_weights import lively, make_picture, weights
import numpy as np
import pytest
import torch

from mtl_perception.backends.quantisation import (
    observe,
    quantisable,
    quantise,
    Quantised,
    ranges_path,
    read_ranges,
    write_ranges,
)
from mtl_perception.engine import Engine
from mtl_perception.model_card import read_card
from mtl_perception.network.deployed import DeployedNetwork
from mtl_perception.network.savings import save_work
from mtl_perception.offline import quantise as verb
from mtl_perception.offline.__main__ import main

__all__ = ['lively', 'weights']

SIZE = (93, 157)


@pytest.fixture(scope='module')
def ranges(lively: DeployedNetwork) -> dict[str, tuple[float, float]]:
    return observe(lively, [torch.from_numpy(make_picture(*SIZE, seed)) for seed in (1, 2, 3)])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MTL_PERCEPTION_CACHE', str(tmp_path / 'cache'))


class TestRanges:
    def test_they_are_of_the_dense_convolutions_of_the_decoder(
        self, lively: DeployedNetwork, ranges: dict[str, tuple[float, float]]
    ) -> None:
        assert len(ranges) == 6 + 12 + 3
        assert all(name.startswith('network.decoder.') for name in ranges)
        assert ranges.keys() == quantisable(save_work(lively)).keys()

    def test_their_ends_are_means_over_pictures(self, lively: DeployedNetwork) -> None:
        pictures = [torch.from_numpy(make_picture(*SIZE, seed)) for seed in (1, 2)]
        single = [observe(lively, [picture]) for picture in pictures]
        for name, (low, high) in observe(lively, pictures).items():
            assert low == pytest.approx(np.mean([ends[name][0] for ends in single]), rel=1e-4)
            assert high == pytest.approx(np.mean([ends[name][1] for ends in single]), rel=1e-4)
            assert low <= 0 < high

    def test_no_picture_is_refused(self, lively: DeployedNetwork) -> None:
        with pytest.raises(ValueError, match='no picture to observe'):
            observe(lively, [])

    def test_they_are_read_as_they_were_written(
        self, tmp_path: Path, ranges: dict[str, tuple[float, float]]
    ) -> None:
        write_ranges(tmp_path / 'w.safetensors', 'abc', ranges)
        found = read_ranges(tmp_path / 'w.safetensors', 'abc')
        assert found.keys() == ranges.keys()
        for name, ends in ranges.items():
            assert found[name] == pytest.approx(ends, rel=1e-5)

    @pytest.mark.parametrize(
        ('text', 'message'),
        [
            ('sha256: other\nranges: {a: [0, 1]}', 'is of weights other, not abc'),
            ('sha256: abc', 'does not hold sha256 and ranges'),
            ('[', 'does not hold sha256 and ranges'),
            ('sha256: abc\nranges: {a: 3}', 'does not hold sha256 and ranges'),
            ('sha256: abc\nranges: {a: [1, 2]}', r'says \[1.0, 2.0\] of a; a range holds 0'),
            ('sha256: abc\nranges: {a: [0, .nan]}', 'a range holds 0'),
        ],
    )
    def test_others_are_refused(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / 'w.int8.yaml').write_text(text)
        with pytest.raises(ValueError, match=f'{message}.*; make it by `mtl_perception quantise`'):
            read_ranges(tmp_path / 'w.safetensors', 'abc')

    def test_missing_ones_are_said_with_the_remedy(self, weights: Path, tmp_path: Path) -> None:
        message = r'int8 needs .*nothing\.int8\.yaml, which is missing; make it by `mtl_perception'
        with pytest.raises(FileNotFoundError, match=message):
            read_ranges(tmp_path / 'nothing.safetensors', 'abc')
        pytest.importorskip('openvino')
        if 'int8' in offered():
            with pytest.raises(FileNotFoundError, match='int8 needs'):
                Engine(weights, 'cpu', 'openvino', 'int8')


@torch.inference_mode()
def test_a_convolution_is_wrong_by_the_rounding_of_both_factors() -> None:
    torch.manual_seed(0)
    plain = torch.nn.Conv2d(24, 16, 1, bias=False)
    rounded = Quantised(plain, -2.0, 3.0)
    x = torch.rand(1, 24, 9, 11) * 5 - 2
    weight = plain.weight.flatten(1)
    half_step, weight_half_step = 5 / 255 / 2, weight.abs().amax(1) / 127 / 2
    # the zero is on a step, which moves the ends by up to half of one
    bound = weight.abs().sum(1) * 2 * half_step + 24 * weight_half_step * (3 + half_step)
    error = (rounded(x) - plain(x)).abs()
    assert (error <= bound.view(1, -1, 1, 1)).all()
    assert error.max() > 0.1 * half_step
    assert rounded(torch.zeros(1, 24, 1, 1)).abs().max() == 0


def test_ranges_of_another_network_are_refused(lively: DeployedNetwork) -> None:
    with pytest.raises(ValueError, match=r'int8 ranges are of 1 conv.* the decoder has 21'):
        quantise(save_work(lively), {'network.decoder.adaptations.0': (0.0, 1.0)})


def offered() -> tuple[str, ...]:
    import openvino

    abilities = openvino.Core().get_property('CPU', 'OPTIMIZATION_CAPABILITIES')
    return ('bf16', 'fp32', 'int8') if 'BF16' in abilities else ('fp32',)


def refuse(*_: object) -> None:
    raise RuntimeError('compiles anew')


class TestOpenVino:
    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip('openvino')

    def test_the_engine_multiplies_integers_and_stays_near(
        self,
        weights: Path,
        ranges: dict[str, tuple[float, float]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        if 'int8' not in offered():
            pytest.skip('the CPU does not multiply bfloat16')
        path = ranges_path(weights)
        picture = make_picture(*SIZE, 5)
        half = Engine(weights, 'cpu', 'openvino', 'bf16').predict(picture)
        write_ranges(weights, read_card(weights).sha256, ranges)
        found = Engine(weights, 'cpu', 'openvino', 'int8').predict(picture)
        assert found.labels is not None
        assert (found.labels == half.labels).mean() > 0.9
        assert not np.array_equal(found.labels, half.labels)
        # other ranges are another artefact
        write_ranges(weights, read_card(weights).sha256, {n: (-1, 1) for n in ranges})
        monkeypatch.setattr('mtl_perception.backends.openvino_backend.convert', refuse)
        with pytest.raises(RuntimeError, match='compiles anew'):
            Engine(weights, 'cpu', 'openvino', 'int8').predict(picture)
        path.unlink()

    def test_its_convolutions_become_integers(
        self, lively: DeployedNetwork, ranges: dict[str, tuple[float, float]]
    ) -> None:
        """All of them, in float32 around them."""
        import openvino

        if 'int8' not in offered():
            pytest.skip('the CPU may add products of integers in 16 bits, where they saturate')

        from mtl_perception.backends.openvino_backend import convert

        model = convert(lively, (1, *SIZE), True, ranges)
        compiled = openvino.compile_model(model, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
        kinds = [
            node.get_rt_info()['primitiveType'].astype(str)
            for node in compiled.get_runtime_model().get_ops()
            if node.get_rt_info()['layerType'].astype(str) == 'Convolution'
        ]
        # I8 and, where what enters is signed, i8
        assert sum(kind.upper().endswith('I8') for kind in kinds) == len(ranges)
        lean = save_work(lively)
        quantise(lean, ranges)
        picture = make_picture(*SIZE, 5)[None]
        with torch.inference_mode():
            expected = lean(torch.from_numpy(picture)).labels.numpy()
        assert (compiled(picture)['labels'] == expected).mean() > 0.95


def test_networks_are_converted_one_at_a_time(lively: DeployedNetwork) -> None:
    """torch.export patches modules of the whole process: two at once break each other."""
    pytest.importorskip('openvino', reason='openvino is not installed')
    from mtl_perception.backends.openvino_backend import convert

    shapes = [(1, 32 * side, 64) for side in (1, 2, 3, 4)]
    with ThreadPoolExecutor(4) as pool:
        models = list(pool.map(lambda shape: convert(lively, shape, False), shapes))
    assert [tuple(model.inputs[0].shape)[:3] for model in models] == shapes


class TestVerb:
    def test_what_nobody_can_score_is_not_kept(
        self, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(verb, 'observe', lambda *_: {'network.decoder': (0.0, 1.0)})
        monkeypatch.setattr(verb, 'Engine', lambda path, *_: Engine(path, 'cpu', 'torch', 'fp32'))
        truth = {'labels': np.zeros(SIZE, np.uint8), 'label_source': 'teacher'}
        rows = [{'picture': make_picture(*SIZE, 5), 'split': s, **truth} for s in ('train', 'val')]
        data = make_index(tmp_path, rows).parent
        arguments = ['quantise', str(weights), '--data', str(data)]
        assert main(arguments) == 1
        assert not ranges_path(weights).exists()
        assert main([*arguments, '--keep-anyway']) == 0
        ranges_path(weights).unlink()

    def report(self, miou: float, abs_rel: float) -> dict[str, Any]:
        figures = {'segmentation': {'miou': miou}, 'depth': {'abs_rel': abs_rel}}
        return {'sources': {'street': figures}}

    @pytest.mark.parametrize(
        ('miou', 'abs_rel', 'lost'),
        [
            (0.75, 0.2, [False, False]),
            (0.741, 0.2039, [False, False]),
            (0.739, 0.2, [True, False]),
            (0.8, 0.2041, [False, True]),
        ],
    )
    def test_what_is_lost_is_compared(self, miou: float, abs_rel: float, lost: list[bool]) -> None:
        compared = list(verb.compare(self.report(0.75, 0.2), self.report(miou, abs_rel)))
        assert [too_much for _, too_much in compared] == lost
        assert compared[0][0] == f'street miou 0.7500 in fp32, {miou:.4f} in int8'

    @pytest.mark.parametrize('existing', [None, b'of before'])
    @pytest.mark.parametrize('anyway', [True, False])
    def test_ranges_that_lose_too_much_are_taken_back(
        self, weights: Path, monkeypatch: pytest.MonkeyPatch, existing: bytes | None, anyway: bool
    ) -> None:
        pytest.importorskip('openvino')
        if 'int8' not in offered():
            pytest.skip('the CPU does not multiply bfloat16')
        path = ranges_path(weights)
        if existing:
            path.write_bytes(existing)

        class Row:
            def read_picture(self) -> np.ndarray:
                return make_picture(*SIZE)

        reports = iter([self.report(0.75, 0.2), self.report(0.6, 0.2)])

        def evaluate(data: str, engine: Engine, split: str) -> dict[str, Any]:
            # who looks meanwhile sees what was there
            assert (path.read_bytes() if path.exists() else None) == existing
            return next(reports)

        monkeypatch.setattr(verb, 'read_annotated', lambda data, split: [Row()] * 5)
        monkeypatch.setattr(verb, 'evaluate', evaluate)
        parser = argparse.ArgumentParser()
        verb.add_arguments(parser)
        flags = ['--keep-anyway'] if anyway else []
        options = parser.parse_args([str(weights), '--data', 'd', '--pictures', '2', *flags])
        if anyway:
            assert verb.run(options) == 0
            assert len(read_ranges(weights, read_card(weights).sha256)) == 21
        else:
            message = r'int8 loses too much: street miou 0\.7500 in fp32, 0\.6000 in int8; at most'
            with pytest.raises(ValueError, match=message):
                verb.run(options)
            assert (path.read_bytes() if path.exists() else None) == existing
        assert not list(path.parent.glob('.checking-*'))
        path.unlink(missing_ok=True)
