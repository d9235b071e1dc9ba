"""An engine that outlives a full GPU."""

from collections.abc import Callable, Collection, Sequence
import gc
import logging
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
import torch

from mtl_perception.backends.compiled import Progress
from mtl_perception.engine import Engine, Prediction

log = logging.getLogger(__name__)
Answer = TypeVar('Answer')
# as other runtimes than torch put it
_OUT_OF_MEMORY = ('out of memory', 'alloc_failed', 'failed to allocate memory')


class RecoveringEngine:
    """Where memory does not suffice: caches are emptied, batches halved, then the CPU serves.

    What has once been too large is not tried again. `card`, `device` and `backend` are those of
    the engine in use, or the last while another is made; `fallback` says why the CPU serves, '' if
    it was asked for or nothing happened.
    """

    def __init__(self, create: Callable[[str], Engine], device: str) -> None:
        """Create the engine for a device. Raises what create does, but not for lack of memory."""
        self.fallback = ''
        self._create = create
        self._largest_batch: int | None = None
        self._engine: Engine | None = None
        try:
            self._take(create(device))
            if device.startswith('cuda') and self.device == 'cpu':
                self.fallback = f"there is no device '{device}' here"
        except Exception as error:
            if device == 'cpu' or not is_out_of_memory(error):
                raise
            self._fall_back(error)

    @property
    def progress(self) -> Progress:
        """What is compiled by now; nothing while another engine is made."""
        engine = self._engine
        return Progress() if engine is None else engine.progress

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """Compile for so many pictures of a size at once, or for what memory allows."""
        self._ask(lambda engine, most: engine.warm_up(height, width, most), batch)

    def predict_batch(
        self, pictures: Sequence[NDArray[np.uint8]], wanted: Collection[str] | None = None
    ) -> list[Prediction]:
        """Predict for pictures of one size, in as few passes as memory allows.

        Raises ValueError as Engine does, and what the CPU's lack of memory raises.
        """
        predictions: list[Prediction] = []

        def ask(engine: Engine, most: int) -> list[Prediction]:
            return engine.predict_batch(pictures[len(predictions) :][:most], wanted)

        while len(predictions) < len(pictures):
            predictions += self._ask(ask, len(pictures) - len(predictions))
        return predictions

    def _ask(self, ask: Callable[[Engine, int], Answer], count: int) -> Answer:
        """Ask the engine for so many pictures at once, or for fewer where memory is short."""
        emptied = False
        while True:
            most = min(count, self._largest_batch or count)
            try:
                return ask(self._in_use(), most)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                # the traceback would keep the tensors of the attempt alive
                failure = error.with_traceback(None)
            if emptied:
                self._ask_less(most, failure)
            empty_caches()
            emptied = not emptied

    def _take(self, engine: Engine) -> None:
        self._engine = engine
        # others report them while the engine is replaced
        self.card, self.device, self.backend = engine.card, engine.device, engine.backend

    def _in_use(self) -> Engine:
        if self._engine is None:
            raise RuntimeError('there is no engine: the CPU could not take over from the GPU')
        return self._engine

    def _ask_less(self, batch: int, error: Exception) -> None:
        if batch > 1:
            self._largest_batch = batch // 2
            log.warning(
                'out of memory with %d pictures at once: at most %d now', batch, batch // 2
            )
        elif self.device == 'cpu':
            raise error
        else:
            self._fall_back(error)

    def _fall_back(self, error: Exception) -> None:
        """Go on on the CPU."""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        self.fallback = f'the GPU has too little memory: {reason}'
        log.warning('%s; the CPU takes over, which is slower', self.fallback)
        self._engine = None
        empty_caches()
        self._take(self._create('cpu'))


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether a runtime failed for lack of memory."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    said = str(error).lower()
    # ONNX Runtime's are no RuntimeError
    ours = isinstance(error, ValueError | OSError)
    return not ours and any(words in said for words in _OUT_OF_MEMORY)


def empty_caches() -> None:
    """Hand unused memory back to the GPU."""
    gc.collect()
    torch.cuda.empty_cache()
