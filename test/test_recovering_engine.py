from collections.abc import Collection, Sequence
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray
import pytest
import torch

pytest.importorskip('rclpy', reason='rclpy is not installed')

from mtl_perception.ros.pipeline import recovering_engine as module
from mtl_perception.ros.pipeline.recovering_engine import is_out_of_memory, RecoveringEngine


class FakeEngine:
    """Runs out of memory with more than `room` pictures at once, or for the first few times."""

    backend, card = 'fake float32', None

    def __init__(self, device: str, room: int = 100, transient: int = 0) -> None:
        self.device, self.room, self.transient = device, room, transient
        self.batches: list[int] = []

    def warm_up(self, height: int, width: int, batch: int) -> None:
        self.predict_batch([np.zeros((height, width, 3), np.uint8)] * batch)

    def predict_batch(
        self, pictures: Sequence[NDArray[np.uint8]], wanted: Collection[str] | None = None
    ) -> list[Any]:
        self.batches.append(len(pictures))
        if self.transient or len(pictures) > self.room:
            self.transient = max(self.transient - 1, 0)
            raise torch.OutOfMemoryError('CUDA out of memory. Tried to allocate 2 GiB')
        return [(self.device, int(picture[0, 0, 0])) for picture in pictures]


@pytest.fixture
def emptied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Notes each time that caches are emptied."""
    calls: list[str] = []
    monkeypatch.setattr(module, 'empty_caches', lambda: calls.append('emptied'))
    return calls


def make(**gpu: int) -> tuple[RecoveringEngine, dict[str, FakeEngine]]:
    made: dict[str, FakeEngine] = {}

    def create(device: str) -> FakeEngine:
        if made:
            # a report may be made meanwhile
            assert (engine.card, engine.device) == (None, 'cuda:0')
        made[device] = FakeEngine(device, **(gpu if device.startswith('cuda') else {}))
        return made[device]

    engine = RecoveringEngine(create, 'cuda:0')
    return engine, made


def pictures(count: int) -> list[NDArray[np.uint8]]:
    return [np.full((2, 3, 3), number, np.uint8) for number in range(count)]


def test_emptying_caches_is_enough_if_something_else_took_the_memory(emptied: list[str]) -> None:
    engine, made = make(transient=1)
    assert engine.predict_batch(pictures(4)) == [('cuda:0', number) for number in range(4)]
    assert (made['cuda:0'].batches, emptied) == ([4, 4], ['emptied'])
    assert engine.predict_batch(pictures(4))
    assert (made['cuda:0'].batches, emptied) == ([4, 4, 4], ['emptied'])
    assert engine.fallback == ''


def test_batches_are_halved_until_they_fit_and_stay_so(
    emptied: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    engine, made = make(room=1)
    with caplog.at_level(logging.WARNING):
        assert engine.predict_batch(pictures(4)) == [('cuda:0', number) for number in range(4)]
    assert made['cuda:0'].batches == [4, 4, 2, 2, 1, 1, 1, 1]
    assert 'out of memory with 4 pictures at once: at most 2 now' in caplog.text
    made['cuda:0'].batches.clear()
    assert len(engine.predict_batch(pictures(3))) == 3
    assert made['cuda:0'].batches == [1, 1, 1]
    assert (engine.device, engine.fallback) == ('cuda:0', '')


def test_the_cpu_takes_over_where_not_one_picture_fits(
    emptied: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    engine, made = make(room=0)
    with caplog.at_level(logging.WARNING):
        assert engine.predict_batch(pictures(2)) == [('cpu', 0), ('cpu', 1)]
    assert made['cuda:0'].batches == [2, 2, 1, 1]
    assert engine.device == 'cpu'
    assert engine.fallback == (
        'the GPU has too little memory: CUDA out of memory. Tried to allocate 2 GiB'
    )
    assert f'{engine.fallback}; the CPU takes over' in caplog.text
    engine.warm_up(2, 3, batch=3)
    # two at once were already too many
    assert made['cpu'].batches[-1] == 1


def test_a_gpu_that_cannot_hold_the_model_leaves_it_to_the_cpu(emptied: list[str]) -> None:
    def create(device: str) -> FakeEngine:
        if device != 'cpu':
            raise torch.OutOfMemoryError('CUDA out of memory')
        return FakeEngine(device)

    engine = RecoveringEngine(create, 'cuda:0')
    assert engine.device == 'cpu'
    assert 'too little memory' in engine.fallback


def test_a_gpu_that_is_not_there_is_told(emptied: list[str]) -> None:
    engine = RecoveringEngine(lambda device: FakeEngine('cpu'), 'cuda:0')
    assert engine.fallback == "there is no device 'cuda:0' here"
    assert RecoveringEngine(lambda device: FakeEngine('cpu'), 'auto').fallback == ''


def test_other_errors_and_a_full_cpu_are_not_hidden(emptied: list[str]) -> None:
    def fail(device: str) -> FakeEngine:
        raise ValueError(f'no weights for {device}')

    with pytest.raises(ValueError, match='no weights for cuda:0'):
        RecoveringEngine(fail, 'cuda:0')
    full = RecoveringEngine(lambda device: FakeEngine(device, room=0), 'cpu')
    with pytest.raises(torch.OutOfMemoryError):
        full.predict_batch(pictures(1))
    # which costs a frame, not the engine
    full._engine.room = 1
    assert full.predict_batch(pictures(1)) == [('cpu', 0)]


@pytest.mark.parametrize(
    ('error', 'expected'),
    [
        (torch.OutOfMemoryError('CUDA out of memory'), True),
        (MemoryError(), True),
        (RuntimeError('CUDA error: CUBLAS_STATUS_ALLOC_FAILED'), True),
        (RuntimeError('Failed to allocate memory for requested buffer of size 9'), True),
        (RuntimeError('CUDA error: an illegal memory access was encountered'), False),
        (ValueError('out of memory'), False),
        # what ONNX Runtime raises is no RuntimeError
        (type('RuntimeException', (Exception,), {})('Failed to allocate memory for 9'), True),
    ],
)
def test_lack_of_memory_is_recognised(error: Exception, expected: bool) -> None:
    assert is_out_of_memory(error) == expected


def test_where_the_cpu_cannot_take_over_every_frame_says_so(emptied: list[str]) -> None:
    def create(device: str) -> FakeEngine:
        if device == 'cpu':
            raise ValueError('no runtime for the CPU')
        return FakeEngine(device, room=0)

    engine = RecoveringEngine(create, 'cuda:0')
    with pytest.raises(ValueError, match='no runtime for the CPU'):
        engine.predict_batch(pictures(1))
    with pytest.raises(RuntimeError, match='the CPU could not take over'):
        engine.predict_batch(pictures(1))
    assert engine.device == 'cuda:0'
