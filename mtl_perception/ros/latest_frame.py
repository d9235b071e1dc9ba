"""A worker thread that always serves the newest frame, and what becomes of the others."""

from collections.abc import Callable
from dataclasses import dataclass
import threading
from typing import Generic, TypeVar

Frame = TypeVar('Frame')


@dataclass
class Counters:
    """What became of the frames received since activation; the others add up to `received`.

    `skipped` were replaced by newer ones before their turn, `unwanted` found no subscriber or a
    paused node, `bad` could not be decoded, `failed` ended in an error of the node's own.
    """

    received: int = 0
    answered: int = 0
    skipped: int = 0
    unwanted: int = 0
    bad: int = 0
    failed: int = 0

    def __str__(self) -> str:
        """Write them in one line."""
        return ', '.join(f'{count} {name}' for name, count in vars(self).items())


class LatestFrameWorker(Generic[Frame]):
    """One thread and a slot for one frame: a newer frame replaces the one that still waits.

    Whoever puts a frame never waits for the one in work.
    """

    def __init__(
        self, serve: Callable[[Frame], None], report: Callable[[Exception], None]
    ) -> None:
        """Start the thread. It calls serve for each frame, report with what serve raises."""
        self._serve = serve
        self._report = report
        self._changed = threading.Condition()
        self._waiting: Frame | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._run, name='latest-frame', daemon=True)
        self._thread.start()

    def put(self, frame: Frame) -> bool:
        """Hand over a frame; True if a frame was skipped for it, or it came after close."""
        with self._changed:
            skipped = self._closed or self._waiting is not None
            if not self._closed:
                self._waiting = frame
                self._changed.notify()
        return skipped

    def close(self) -> bool:
        """Let the frame in work finish and end the thread; True if a waiting one was skipped."""
        with self._changed:
            skipped = self._waiting is not None
            self._waiting = None
            self._closed = True
            self._changed.notify()
        self._thread.join()
        return skipped

    def _run(self) -> None:
        while (frame := self._take()) is not None:
            try:
                self._serve(frame)
            except Exception as error:
                self._report(error)

    def _take(self) -> Frame | None:
        """Wait for a frame; None once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting is not None)
            frame, self._waiting = self._waiting, None
        return frame
