import logging
from pathlib import Path
import threading

from made_weights import make_picture, make_weights
import numpy as np
import pytest

from mtl_perception.backends import Arrays, compiled, CompiledNetwork, Shape, Source
from mtl_perception.backends.compiled import CompiledNetworks, Progress
from mtl_perception.engine import Engine

LABELS, BOTH = frozenset({'labels'}), frozenset({'labels', 'depth'})
TIMEOUT_S = 180.0


class SlowBackend:
    """Compiles when it is let, and says what it compiled; its networks answer with their job."""

    name, device, precision = 'slow', 'cpu', 'fp32'

    def __init__(self) -> None:
        self.compiled: list[tuple[Shape, frozenset[str]]] = []
        self.let = threading.Event()
        self.let.set()
        self.failure: Exception | None = None

    def compile(self, source: Source, shape: Shape) -> CompiledNetwork:
        assert self.let.wait(TIMEOUT_S)
        if self.failure:
            raise self.failure
        job = shape, source.network.fields
        self.compiled.append(job)
        return lambda pictures: job


@pytest.fixture(scope='module')
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    path = tmp_path_factory.mktemp('weights') / 'w.safetensors'
    make_weights(path, {'segmentation': 8, 'depth': 1})
    return Engine(path, 'cpu', 'torch').source


@pytest.fixture
def backend() -> SlowBackend:
    return SlowBackend()


def wait_for_thread(networks: CompiledNetworks) -> None:
    networks._compiling.join(TIMEOUT_S)
    assert not networks._compiling.is_alive()


def run(network: CompiledNetwork, shape: Shape) -> Arrays:
    return network(np.stack([make_picture(*shape[1:])] * shape[0]))


def test_compiled_networks_do_not_pile_up(
    backend: SlowBackend, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, 'KEPT', 2)
    networks = CompiledNetworks(backend, source)
    for height in (8, 9, 8, 10, 8, 9):
        networks.ready((1, height, 12), LABELS)
    # 9 made way for 10, since 8 was used after it
    assert [shape[1] for shape, _ in backend.compiled] == [8, 9, 10, 9]


def test_without_background_what_is_asked_for_is_compiled(
    backend: SlowBackend, source: Source
) -> None:
    networks = CompiledNetworks(backend, source)
    for job in (((1, 8, 9), LABELS), ((1, 8, 9), BOTH), ((2, 8, 9), BOTH)):
        assert networks.ready(*job)(None) == job


class TestInBackground:
    SHAPE, OTHER = (1, 32, 48), (1, 40, 24)

    @pytest.fixture
    def networks(self, backend: SlowBackend, source: Source) -> CompiledNetworks:
        networks = CompiledNetworks(backend, source, in_background=True)
        networks.compile(self.SHAPE, BOTH)
        return networks

    def test_the_first_is_waited_for(self, backend: SlowBackend, source: Source) -> None:
        networks = CompiledNetworks(backend, source, in_background=True)
        assert networks.ready(self.SHAPE, BOTH)(None) == (self.SHAPE, BOTH)

    def test_another_shape_is_answered_at_once_and_compiled_meanwhile(
        self, networks: CompiledNetworks, backend: SlowBackend
    ) -> None:
        backend.let.clear()
        for _ in range(3):
            answer = run(networks.ready(self.OTHER, BOTH), self.OTHER)
            assert answer['labels'].shape == self.OTHER
        assert networks.ready(self.SHAPE, BOTH)(None) == (self.SHAPE, BOTH)
        assert networks.progress == Progress((self.SHAPE,), self.OTHER)
        backend.let.set()
        wait_for_thread(networks)
        assert networks.progress == Progress((self.SHAPE, self.OTHER))
        assert networks.ready(self.OTHER, BOTH)(None) == (self.OTHER, BOTH)
        assert backend.compiled == [(self.SHAPE, BOTH), (self.OTHER, BOTH)]

    def test_the_process_waits_for_what_a_daemon_had_compiled(
        self, networks: CompiledNetworks, backend: SlowBackend
    ) -> None:
        """As the node's threads are; killed amid a compilation, the process would abort."""
        backend.let.clear()
        daemon = threading.Thread(target=networks.ready, args=(self.SHAPE, LABELS), daemon=True)
        daemon.start()
        daemon.join(TIMEOUT_S)
        assert networks._compiling.is_alive()
        assert not networks._compiling.daemon
        backend.let.set()
        wait_for_thread(networks)

    def test_fewer_fields_are_answered_by_what_computes_more(
        self, networks: CompiledNetworks, backend: SlowBackend
    ) -> None:
        backend.let.clear()
        assert networks.ready(self.SHAPE, LABELS)(None) == (self.SHAPE, BOTH)
        backend.let.set()
        wait_for_thread(networks)
        assert networks.ready(self.SHAPE, LABELS)(None) == (self.SHAPE, LABELS)

    def test_more_jobs_than_are_kept_do_not_compile_for_ever(
        self, networks: CompiledNetworks, backend: SlowBackend, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two sizes, two places, and outputs of which no picture wants all."""
        monkeypatch.setattr(compiled, 'KEPT', 2)
        jobs = [
            (shape, frozenset({field}))
            for shape in (self.SHAPE, self.OTHER)
            for field in ('labels', 'depth')
        ]
        rounds = []
        for _ in range(4):
            before = len(backend.compiled)
            for job in jobs:
                networks.ready(*job)
                if networks._compiling:
                    wait_for_thread(networks)
            rounds.append(len(backend.compiled) - before)
        assert rounds[2:] == [0, 0]
        for shape, fields in jobs:
            answered_shape, answered_fields = networks.ready(shape, fields)(None)
            assert answered_shape == shape
            assert answered_fields >= fields

    def test_one_that_cannot_be_compiled_is_tried_once_and_served_by_torch(
        self,
        networks: CompiledNetworks,
        backend: SlowBackend,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        backend.failure = RuntimeError('no memory\nat all')
        for _ in range(3):
            assert 'depth' in run(networks.ready(self.OTHER, BOTH), self.OTHER)
            wait_for_thread(networks)
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert 'batches of (1, 40, 24), PyTorch serves: no memory' in record.getMessage()
        # what computes more serves those that want less of the other
        networks.ready(self.SHAPE, LABELS)
        wait_for_thread(networks)
        assert networks.progress == Progress((self.SHAPE,), failed={self.OTHER: 'no memory'})


def test_an_engine_answers_while_it_compiles_for_another_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('openvino')
    monkeypatch.setenv('MTL_PERCEPTION_CACHE', str(tmp_path / 'cache'))
    path = make_weights(tmp_path / 'w.safetensors', {'segmentation': 8, 'depth': 1})
    engine = Engine(path, 'cpu', 'openvino', 'fp32', in_background=True)
    engine.warm_up(32, 48)
    picture = make_picture(40, 24)
    meanwhile = engine.predict(picture)
    wait_for_thread(engine._compiled)
    assert ((1, 40, 24), frozenset({'labels', 'confidence', 'depth'})) in engine._compiled._ready
    # PyTorch answered in the same precision
    assert (engine.predict(picture).labels == meanwhile.labels).mean() > 0.995
