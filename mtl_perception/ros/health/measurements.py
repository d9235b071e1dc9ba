"""What is measured of one camera between two reports."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
import threading
import time

import numpy as np

# so long a change of size stays in the report
_RECENT_S = 10.0


@dataclass
class Counters:
    """What became of the frames received since activation; the others add up to `received`.

    `skipped` were replaced by newer ones (or the end) before their turn, `unwanted` found no
    subscriber or a paused node, `bad` could not be decoded, `failed` met an error of our own.
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

    def since(self, earlier: 'Counters') -> 'Counters':
        """Give what was counted since an earlier state."""
        return Counters(
            **{
                one.name: getattr(self, one.name) - getattr(earlier, one.name)
                for one in fields(self)
            }
        )


@dataclass(frozen=True)
class Times:
    """Of one answer: from arrival to the network, in it, and from arrival to published."""

    waited_ms: float
    network_ms: float
    end_to_end_ms: float


@dataclass(frozen=True)
class Summary:
    """Of the answers of an interval: medians, the 95th percentile, and the longest wait."""

    longest_wait_ms: float
    network_ms: float
    end_to_end_ms: float
    end_to_end_p95_ms: float


@dataclass(frozen=True)
class Interval:
    """What happened since the last report; None where nothing was measured."""

    seconds: float
    counters: Counters
    since_image_s: float | None
    active_s: float
    times: Summary | None
    stamp_age_s: float | None
    size: tuple[int, int] | None
    former_size: tuple[int, int] | None
    last_fault: str
    last_failure: str


class Measurements:
    """Counters and times of one camera, written by several threads, taken by the reporter."""

    def __init__(self) -> None:
        """Begin now."""
        self.counters = Counters()
        self._changed = threading.Lock()
        self._began_s = self._taken_s = time.monotonic()
        self._reported = Counters()
        self._answers: list[Times] = []
        self._image_s: float | None = None
        self._stamp_age_s: float | None = None
        self._size: tuple[int, int] | None = None
        self._former_size: tuple[int, int] | None = None
        self._resized_s = 0.0
        self._last_fault = self._last_failure = ''

    def count(self, name: str, fault: str = '', times: int = 1) -> None:
        """Count a frame, or more; fault is what was wrong with a `bad` or `failed` one."""
        with self._changed:
            setattr(self.counters, name, getattr(self.counters, name) + times)
            if name == 'received':
                self._image_s = time.monotonic()
            elif name == 'bad':
                self._last_fault = fault
            elif name == 'failed':
                self._last_failure = fault

    def saw_size(self, size: tuple[int, int]) -> None:
        """Note the size, width and height, of a picture."""
        with self._changed:
            if self._size not in (None, size):
                self._former_size, self._resized_s = self._size, time.monotonic()
            self._size = size

    def answered(self, times: Times, stamp_age_s: float) -> None:
        """Note how long an answer took, and how old its stamp was then."""
        with self._changed:
            self.counters.answered += 1
            self._answers.append(times)
            self._stamp_age_s = stamp_age_s

    def take(self) -> Interval:
        """Give what happened since this was last asked."""
        now_s = time.monotonic()
        with self._changed:
            answers, self._answers = self._answers, []
            recent = now_s - self._resized_s < _RECENT_S
            interval = Interval(
                seconds=now_s - self._taken_s,
                counters=self.counters.since(self._reported),
                since_image_s=None if self._image_s is None else now_s - self._image_s,
                active_s=now_s - self._began_s,
                times=_summary(answers) if answers else None,
                stamp_age_s=self._stamp_age_s if answers else None,
                size=self._size,
                former_size=self._former_size if recent else None,
                last_fault=self._last_fault,
                last_failure=self._last_failure,
            )
            self._taken_s, self._reported = now_s, replace(self.counters)
        return interval


def _summary(answers: Sequence[Times]) -> Summary:
    median, p95 = np.percentile([one.end_to_end_ms for one in answers], (50, 95))
    return Summary(
        longest_wait_ms=max(one.waited_ms for one in answers),
        network_ms=float(np.median([one.network_ms for one in answers])),
        end_to_end_ms=float(median),
        end_to_end_p95_ms=float(p95),
    )
