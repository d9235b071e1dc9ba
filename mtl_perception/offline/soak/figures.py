"""What a soak shows: the slope of memory, pictures dropped, the drift of latency."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# before it, caches and pools still fill
_WARM_UP = 0.2
# the first and the last five minutes of thirty
PART = 1 / 6
# what a line can be fitted through, with an error
_LEAST_SAMPLES = 5


@dataclass(frozen=True)
class Second:
    """One line of the probe: counts so far, and the latencies of the second's answers.

    The last two are what the node's diagnostics said of a second, None before they came.
    """

    t_s: float
    sent: int
    answered: int
    waiting: int
    latencies_ms: tuple[float, ...]
    network_ms: float | None = None
    longest_wait_ms: float | None = None

    @property
    def dropped(self) -> int:
        """How many were neither answered nor are still on their way."""
        return self.sent - self.answered - self.waiting


@dataclass(frozen=True)
class Memory:
    """The node's resident memory at a time since the first sample."""

    t_s: float
    rss_mb: float


def summarise(seconds: Sequence[Second], memory: Sequence[Memory]) -> dict[str, Any]:
    """Give the figures by name; a figure is None where there are too few samples for it.

    The slope is a line through resident memory after the first fifth of the time, with its
    standard error; latencies are those of the first and the last sixth. Raises ValueError if
    nothing was answered.
    """
    if not any(one.latencies_ms for one in seconds):
        raise ValueError('nothing was answered; see the log of the node')
    last = seconds[-1]
    slope, error = _slope_mb_per_h(memory)
    first_part, last_part = _parts(seconds)
    return {
        'minutes': round(last.t_s / 60, 2),
        'sent': last.sent,
        'answered': last.answered,
        'dropped': last.dropped,
        'rss_first_mb': memory[0].rss_mb if memory else None,
        'rss_last_mb': memory[-1].rss_mb if memory else None,
        'rss_slope_mb_per_h': slope,
        'rss_slope_error_mb_per_h': error,
        'p95_first_ms': _percentile(first_part),
        'p95_last_ms': _percentile(last_part),
    }


def describe(figures: dict[str, Any]) -> list[str]:
    """Write the figures in lines."""
    part_min = figures['minutes'] * PART
    return [
        f'{figures["minutes"]:g} minutes: {figures["sent"]} sent, {figures["answered"]} answered, '
        f'{figures["dropped"]} dropped',
        f'memory of the node: {_show(figures["rss_first_mb"], " MB")} to '
        f'{_show(figures["rss_last_mb"], " MB")}, slope '
        f'{_show(figures["rss_slope_mb_per_h"])} +- '
        f'{_show(figures["rss_slope_error_mb_per_h"], " MB/h")}',
        f'latency p95: {_show(figures["p95_first_ms"], " ms")} in the first {part_min:.1f} '
        f'minutes, {_show(figures["p95_last_ms"], " ms")} in the last',
    ]


def _slope_mb_per_h(memory: Sequence[Memory]) -> tuple[float | None, float | None]:
    """Fit a line by least squares; give its slope and the standard error of that."""
    if not memory:
        return None, None
    begin_s = memory[0].t_s + _WARM_UP * (memory[-1].t_s - memory[0].t_s)
    kept = np.array([(one.t_s / 3600, one.rss_mb) for one in memory if one.t_s >= begin_s])
    if len(kept) < _LEAST_SAMPLES:
        return None, None
    (slope, _), covariance = np.polyfit(kept[:, 0], kept[:, 1], 1, cov=True)
    return round(float(slope), 2), round(float(np.sqrt(covariance[0, 0])), 2)


def _parts(seconds: Sequence[Second]) -> tuple[list[float], list[float]]:
    # from the first second that has answers to the last
    served = [one for one in seconds if one.latencies_ms]
    begin_s, end_s = served[0].t_s, served[-1].t_s
    length_s = (end_s - begin_s) * PART
    first = [x for one in served if one.t_s <= begin_s + length_s for x in one.latencies_ms]
    last = [x for one in served if one.t_s >= end_s - length_s for x in one.latencies_ms]
    return first, last


def _percentile(values: Sequence[float]) -> float:
    return round(float(np.percentile(values, 95)), 1)


def _show(value: float | None, unit: str = '') -> str:
    return 'unknown' if value is None else f'{value:g}{unit}'
