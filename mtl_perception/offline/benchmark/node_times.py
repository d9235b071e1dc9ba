"""How long the node takes from message to messages, measured by another process."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import math
from pathlib import Path
import re
import statistics
import time

import numpy as np

from mtl_perception.offline.engine_arguments import node_command
from mtl_perception.offline.processes import (
    cpu_s,
    log_end,
    LoggedProcess,
    resident_mb,
    ros_environment,
    running,
    wait_for_text,
)
from mtl_perception.offline.soak.figures import Second
from mtl_perception.offline.soak.run import read_probe

_LOADED = re.compile(r'into (\S+ \S+) on ')
_ACTIVE = 'compiled for'
_WARM_UP_FRAMES = 5
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class NodeTime:
    """One row; rate_hz is None flat out, where the next frame is sent upon each answer."""

    backend: str
    rate_hz: float | None
    answered_hz: float
    dropped: int
    p50_ms: float
    p95_ms: float
    cpu_percent: float
    rss_mb: float


@dataclass(frozen=True)
class Load:
    """What is sent: frames of a size (width, height) at a rate, and the topics awaited."""

    size: tuple[int, int]
    rate_hz: float | None
    seconds: float
    topics: Sequence[str]


@dataclass(frozen=True)
class Measurement:
    """A row, the greatest age of an answered frame, and the growth of memory in kB a frame.

    By the node's own diagnostics, how long a frame waited for the network at most, and how long
    it was in it, as a median; NaN where they said nothing.
    """

    row: NodeTime
    oldest_ms: float
    growth_kb: float
    longest_wait_ms: float
    network_ms: float


class BenchmarkedNode:
    """The real node in a process of its own, driven by a client in another."""

    def __init__(self, folder: Path, options: argparse.Namespace) -> None:
        """Remember what to start, see add_engine_arguments; logs go into the folder."""
        self._folder = folder
        self._environment = ros_environment(folder)
        self._options = options

    def measure(self, load: Load) -> Measurement:
        """Start the node, load it, and stop it.

        Raises ValueError if it does not start, TimeoutError if it does not answer.
        """
        width, height = load.size
        node = node_command(self._options, warm_up_width=width, warm_up_height=height)
        log = self._folder / 'node.log'
        with running(node, self._environment, log) as process:
            wait_for_text(log, _ACTIVE, process)
            loaded = _LOADED.search(log.read_text())
            return self._load(process, load, loaded[1] if loaded else 'unknown')

    def _load(self, node: LoggedProcess, load: Load, backend: str) -> Measurement:
        width, height = load.size
        probe = ['mtl_perception.ros.clients.probe', '--rate', str(load.rate_hz or 0)]
        probe += ['--width', str(width), '--height', str(height), '--outputs', *load.topics]
        log = self._folder / 'probe.jsonl'
        with running(probe, self._environment, log) as client:
            pair = node, client
            begin = _wait(pair, lambda last: last.answered >= _WARM_UP_FRAMES, _PATIENCE_S)
            used_s, memory_mb = cpu_s(node.pid), resident_mb(node.pid)
            end = _wait(
                pair, lambda last: last.t_s >= begin.t_s + load.seconds, load.seconds + _PATIENCE_S
            )
            used_s, grown_mb = cpu_s(node.pid) - used_s, resident_mb(node.pid) - memory_mb
        served = [one for one in read_probe(log) if begin.t_s < one.t_s <= end.t_s]
        latencies_ms = [ms for second in served for ms in second.latencies_ms]
        if not latencies_ms:
            raise TimeoutError(
                f'the node did not answer for {load.seconds:g} s: {log_end(node.log)}'
            )
        p50, p95, oldest = np.percentile(latencies_ms, (50, 95, 100))
        seconds = end.t_s - begin.t_s
        row = NodeTime(
            backend=backend,
            rate_hz=load.rate_hz,
            answered_hz=len(latencies_ms) / seconds,
            dropped=end.dropped - begin.dropped,
            p50_ms=float(p50),
            p95_ms=float(p95),
            cpu_percent=100 * used_s / seconds,
            rss_mb=memory_mb + grown_mb,
        )
        waits = [one.longest_wait_ms for one in served if one.longest_wait_ms is not None]
        network = [one.network_ms for one in served if one.network_ms is not None]
        return Measurement(
            row=row,
            oldest_ms=float(oldest),
            growth_kb=1024 * grown_mb / len(latencies_ms),
            longest_wait_ms=max(waits, default=math.nan),
            network_ms=statistics.median(network) if network else math.nan,
        )


def _wait(
    pair: tuple[LoggedProcess, LoggedProcess], done: Callable[[Second], bool], patience_s: float
) -> Second:
    """Give the first second of the probe, from now on, of which done is true.

    Raises ValueError if the node or the probe ends, TimeoutError if it does not come.
    """
    node, probe = pair
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s:
        seconds = read_probe(probe.log)
        if seconds and done(seconds[-1]):
            return seconds[-1]
        for process in pair:
            process.check()
        time.sleep(0.1)
    raise TimeoutError(f'no answers of the node within {patience_s:g} s: {log_end(node.log)}')
