"""A slot for the newest frame of each camera."""

from collections.abc import Callable
import threading
import time
from typing import Generic, TypeVar

Source = TypeVar('Source')
Frame = TypeVar('Frame')


class LatestFrames(Generic[Source, Frame]):
    """Frames that wait, at most one of each source: a newer one replaces the one that waits.

    Whoever puts a frame never waits. Whoever takes them gets those of all sources together.
    """

    def __init__(self, sources: int, window_s: Callable[[], float] = lambda: 0.0) -> None:
        """Make slots for so many sources.

        Once a frame has come, those of the other sources are waited for, as long as window_s.
        """
        self._sources = sources
        self._window_s = window_s
        self._changed = threading.Condition()
        self._waiting: dict[Source, Frame] = {}
        self._first_s = 0.0
        self._closed = False

    def put(self, source: Source, frame: Frame) -> bool:
        """Hand over a frame; True if a frame was skipped for it, or it came after close."""
        with self._changed:
            if self._closed:
                return True
            if not self._waiting:
                self._first_s = time.monotonic()
            skipped = source in self._waiting
            self._waiting[source] = frame
            self._changed.notify()
        return skipped

    def take(self) -> dict[Source, Frame]:
        """Wait for frames and take all that are there; none once closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or bool(self._waiting))
            left_s = self._first_s + self._window_s() - time.monotonic()
            self._changed.wait_for(
                lambda: self._closed or len(self._waiting) >= self._sources, max(left_s, 0.0)
            )
            taken, self._waiting = self._waiting, {}
        return taken

    def close(self) -> list[Source]:
        """Take no more frames; give the sources of those that waited and are skipped."""
        with self._changed:
            skipped = list(self._waiting)
            self._waiting = {}
            self._closed = True
            self._changed.notify()
        return skipped
