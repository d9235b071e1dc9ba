"""How long the node takes from message to messages, measured by another process."""

from collections.abc import Sequence
from dataclasses import dataclass
import json
from pathlib import Path
import re
import subprocess
import sys
from typing import Any

import psutil

from mtl_perception.offline.processes import ros_environment, running, wait_for_text

_LOADED = re.compile(r'into (\S+ \S+) on ')
_ACTIVE = 'compiled for'


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
    frames: int
    topics: Sequence[str]


@dataclass(frozen=True)
class Measurement:
    """A row, the greatest age of an answered frame, and the growth of memory in B a frame."""

    row: NodeTime
    oldest_ms: float
    growth: float


class BenchmarkedNode:
    """The real node in a process of its own, driven by a client in another."""

    def __init__(self, folder: Path, weights: str, device: str, backend: str) -> None:
        """Remember what to start; logs go into the folder."""
        self._folder = folder
        self._environment = ros_environment(folder)
        self._parameters = {'weights': weights, 'device': device, 'backend': backend}

    def measure(self, load: Load) -> Measurement:
        """Start the node, load it, and stop it."""
        width, height = load.size
        parameters = {**self._parameters, 'warm_up_width': width, 'warm_up_height': height}
        given = [word for k, v in parameters.items() for word in ('-p', f'{k}:={v}')]
        log = self._folder / 'node.log'
        with running(
            ['mtl_perception.ros.node', '--ros-args', *given], self._environment, log
        ) as node:
            wait_for_text(log, _ACTIVE)
            loaded = _LOADED.search(log.read_text())
            return self._load(psutil.Process(node.pid), load, loaded[1] if loaded else 'unknown')

    def _load(self, node: psutil.Process, load: Load, backend: str) -> Measurement:
        width, height = load.size
        words = [sys.executable, '-m', 'mtl_perception.ros.probe', f'{width}x{height}']
        words += ['--rate', str(load.rate_hz or 0), '--frames', str(load.frames)]
        with subprocess.Popen(
            [*words, '--topics', *load.topics],
            env=self._environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdout is not None
            # its first line says that counting begins
            if not client.stdout.readline():
                raise OSError(f'the client of the node failed; see {self._folder}')
            before, memory = _cpu_s(node), node.memory_info().rss
            answer: dict[str, Any] = json.loads(client.stdout.readline())
            used, grown = _cpu_s(node) - before, node.memory_info().rss - memory
        row = NodeTime(
            backend=backend,
            rate_hz=load.rate_hz,
            answered_hz=answer['answered'] / answer['seconds'],
            dropped=answer['sent'] - answer['answered'],
            p50_ms=answer['p50_ms'],
            p95_ms=answer['p95_ms'],
            cpu_percent=100 * used / answer['seconds'],
            rss_mb=(memory + grown) / 1e6,
        )
        return Measurement(row, answer['max_ms'], grown / max(1, answer['answered']))


def _cpu_s(process_: psutil.Process) -> float:
    times = process_.cpu_times()
    return float(times.user + times.system)
