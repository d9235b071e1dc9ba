"""Networks that are compiled already, and what answers while another one is being compiled."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
import logging
import threading

from . import Backend, CompiledNetwork, Shape, Source
from .torch_backend import TorchBackend

log = logging.getLogger(__name__)
# a folder of pictures may have many sizes, and each compiled network takes memory
KEPT = 8
# the shape of a batch, and the fields that are computed
Job = tuple[Shape, frozenset[str]]


@dataclass(frozen=True)
class Progress:
    """What batches (B, H, W) a network is compiled for, or being compiled for.

    `failed` says why there is none for others: PyTorch answers these, for good.
    """

    ready: tuple[Shape, ...] = ()
    compiling: Shape | None = None
    failed: Mapping[Shape, str] = field(default_factory=dict)


class CompiledNetworks:
    """One network, compiled for what was asked of it lately."""

    def __init__(self, backend: Backend, source: Source, in_background: bool = False) -> None:
        """Compile nothing yet.

        With in_background only the first job is waited for. A later one is compiled in a thread,
        and answered meanwhile by a network of that shape that computes more, or else by PyTorch.
        Once KEPT are there, one that computes more answers for good, and what is still compiled
        computes everything: as many shapes find their place, whatever is wanted of each.
        """
        self._backend = backend
        self._source = source
        self._in_background = in_background
        # the latest used stands last
        self._ready: dict[Job, CompiledNetwork] = {}
        self._failed: dict[Job, str] = {}
        self._lock = threading.Lock()
        self._compiling: threading.Thread | None = None
        self._started: Shape | None = None
        self._plain: CompiledNetwork | None = None

    @property
    def progress(self) -> Progress:
        """What is compiled by now."""
        with self._lock:
            ready, failed = list(self._ready), dict(self._failed)
        unserved = {job: why for job, why in failed.items() if not _larger(job, ready)}
        return Progress(
            tuple(sorted({shape for shape, _ in ready})),
            self._started if self._is_compiling() else None,
            {shape: why for (shape, _), why in unserved.items()},
        )

    def compile(self, shape: Shape, fields: frozenset[str]) -> CompiledNetwork:
        """Give the network compiled for batches of shape (B, H, W), and wait for it.

        Raises what the backend does, see Backend.compile.
        """
        return self._find((shape, fields)) or self._compile((shape, fields))

    def ready(self, shape: Shape, fields: frozenset[str]) -> CompiledNetwork:
        """Give what answers now: of at least these fields, in the background or as compile."""
        job = shape, fields
        found = self._find(job)
        if found or not (self._in_background and self._ready):
            return found or self._compile(job)
        larger = self._find_larger(job)
        if len(self._ready) < KEPT:
            self._start(job)
        elif larger is None:
            self._start((shape, self._source.network.fields))
        return larger or self._plain_network()

    def _find(self, job: Job) -> CompiledNetwork | None:
        with self._lock:
            found = self._ready.pop(job, None)
            if found:
                self._ready[job] = found
            return found

    def _find_larger(self, job: Job) -> CompiledNetwork | None:
        with self._lock:
            larger = _larger(job, self._ready)
        return self._find(larger[-1]) if larger else None

    def _compile(self, job: Job) -> CompiledNetwork:
        shape, fields = job
        source = replace(self._source, network=self._source.network.only(fields))
        compiled = self._backend.compile(source, shape)
        with self._lock:
            self._ready[job] = compiled
            while len(self._ready) > KEPT:
                del self._ready[next(iter(self._ready))]
        return compiled

    def _start(self, job: Job) -> None:
        """Compile in a thread, one job after the other; one that failed is not tried again."""
        if not self._is_compiling() and job not in self._failed:
            self._started = job[0]
            # the process ends after it: a runtime that is torn down while it compiles may crash;
            # said plainly, since a daemon's threads are daemons
            self._compiling = threading.Thread(
                target=self._try, args=(job,), name='compile', daemon=False
            )
            self._compiling.start()

    def _is_compiling(self) -> bool:
        return self._compiling is not None and self._compiling.is_alive()

    def _try(self, job: Job) -> None:
        try:
            self._compile(job)
        except Exception as error:
            with self._lock:
                self._failed[job] = str(error).partition('\n')[0] or type(error).__name__
            log.warning('cannot compile for batches of %s, PyTorch serves: %s', job[0], error)

    def _plain_network(self) -> CompiledNetwork:
        """Give what runs any shape at once, at its own pace."""
        if self._plain is None:
            precision = 'fp32' if self._backend.precision == 'fp32' else 'auto'
            plain = TorchBackend(self._backend.device, precision)
            self._plain = plain.run_eagerly(self._source)
        return self._plain


def _larger(job: Job, jobs: Iterable[Job]) -> list[Job]:
    """List the jobs of the same shape that compute at least as much."""
    return [one for one in jobs if one[0] == job[0] and one[1] >= job[1]]
