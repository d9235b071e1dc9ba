"""What is measured of one camera between two reports."""

from dataclasses import dataclass, field, fields, replace
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
class Interval:
    """What happened since the last report; None where nothing was measured."""

    seconds: float
    counters: Counters
    since_image_s: float | None
    active_s: float
    end_to_end_ms: tuple[float, float] | None  # median, 95th percentile
    network_ms: float | None
    stamp_age_s: float | None
    size: tuple[int, int] | None
    former_size: tuple[int, int] | None
    last_fault: str
    last_failure: str


@dataclass
class _Answers:
    end_to_end_ms: list[float] = field(default_factory=list)
    network_ms: list[float] = field(default_factory=list)


class Measurements:
    """Counters and times of one camera, written by several threads, taken by the reporter."""

    def __init__(self) -> None:
        """Begin now."""
        self.counters = Counters()
        self._changed = threading.Lock()
        self._began_s = self._taken_s = time.monotonic()
        self._reported = Counters()
        self._answers = _Answers()
        self._image_s: float | None = None
        self._stamp_age_s: float | None = None
        self._size: tuple[int, int] | None = None
        self._former_size: tuple[int, int] | None = None
        self._resized_s = 0.0
        self._last_fault = self._last_failure = ''

    def count(self, name: str, fault: str = '') -> None:
        """Count a frame; fault is what was wrong with a `bad` or `failed` one."""
        with self._changed:
            setattr(self.counters, name, getattr(self.counters, name) + 1)
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

    def answered(self, end_to_end_ms: float, network_ms: float, stamp_age_s: float) -> None:
        """Note how long an answer took, and how old its stamp was then."""
        with self._changed:
            self.counters.answered += 1
            self._answers.end_to_end_ms.append(end_to_end_ms)
            self._answers.network_ms.append(network_ms)
            self._stamp_age_s = stamp_age_s

    def take(self) -> Interval:
        """Give what happened since this was last asked."""
        now_s = time.monotonic()
        with self._changed:
            answers, self._answers = self._answers, _Answers()
            latencies = answers.end_to_end_ms
            recent = now_s - self._resized_s < _RECENT_S
            interval = Interval(
                seconds=now_s - self._taken_s,
                counters=self.counters.since(self._reported),
                since_image_s=None if self._image_s is None else now_s - self._image_s,
                active_s=now_s - self._began_s,
                end_to_end_ms=_median_and_p95(latencies) if latencies else None,
                network_ms=float(np.median(answers.network_ms)) if latencies else None,
                stamp_age_s=self._stamp_age_s if latencies else None,
                size=self._size,
                former_size=self._former_size if recent else None,
                last_fault=self._last_fault,
                last_failure=self._last_failure,
            )
            self._taken_s, self._reported = now_s, replace(self.counters)
        return interval


def _median_and_p95(values: list[float]) -> tuple[float, float]:
    median, p95 = np.percentile(values, (50, 95))
    return float(median), float(p95)
