"""Networks that are compiled already, and what answers while another one is being compiled."""

from dataclasses import replace
import logging
import threading

from . import Backend, CompiledNetwork, Shape, Source
from .torch_backend import TorchBackend

log = logging.getLogger(__name__)
# a folder of pictures may have many sizes, and each compiled network takes memory
KEPT = 8
# the shape of a batch, and the fields that are computed
Job = tuple[Shape, frozenset[str]]


class CompiledNetworks:
    """One network, compiled for what was asked of it lately."""

    def __init__(self, backend: Backend, source: Source, in_background: bool = False) -> None:
        """Compile nothing yet.

        With in_background only the first job is waited for. A later one is compiled in a thread,
        and answered meanwhile by a network of that shape that computes more, or else by PyTorch.
        """
        self._backend = backend
        self._source = source
        self._in_background = in_background
        # the latest used stands last
        self._ready: dict[Job, CompiledNetwork] = {}
        self._failed: set[Job] = set()
        self._lock = threading.Lock()
        self._compiling: threading.Thread | None = None
        self._plain: CompiledNetwork | None = None

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
        self._start(job)
        return self._find_larger(job) or self._plain_network()

    def _find(self, job: Job) -> CompiledNetwork | None:
        with self._lock:
            found = self._ready.pop(job, None)
            if found:
                self._ready[job] = found
            return found

    def _find_larger(self, job: Job) -> CompiledNetwork | None:
        shape, fields = job
        with self._lock:
            larger = [one for one in self._ready if one[0] == shape and one[1] >= fields]
            return self._ready[larger[-1]] if larger else None

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
        busy = self._compiling is not None and self._compiling.is_alive()
        if not busy and job not in self._failed:
            # the process ends after it: a runtime that is torn down while it compiles may crash;
            # said plainly, since a daemon's threads are daemons
            self._compiling = threading.Thread(
                target=self._try, args=(job,), name='compile', daemon=False
            )
            self._compiling.start()

    def _try(self, job: Job) -> None:
        try:
            self._compile(job)
        except Exception as error:
            self._failed.add(job)
            log.warning('cannot compile for batches of %s, PyTorch serves: %s', job[0], error)

    def _plain_network(self) -> CompiledNetwork:
        """Give what runs any shape at once, at its own pace."""
        if self._plain is None:
            precision = 'fp32' if self._backend.precision == 'fp32' else 'auto'
            plain = TorchBackend(self._backend.device, precision)
            self._plain = plain.run_eagerly(self._source)
        return self._plain
