"""Feed the node from another process for minutes, and watch its memory from a third."""

import argparse
import json
from pathlib import Path
import time

from mtl_perception.argument_types import count, positive
from mtl_perception.offline.engine_arguments import add_engine_arguments, node_command
from mtl_perception.offline.processes import (
    fresh_folder,
    LoggedProcess,
    resident_mb,
    ros_environment,
    running,
    wait_for_text,
)

from .figures import describe, Memory, Second, summarise

_PROBE = 'mtl_perception.ros.clients.probe'
_WRITTEN = ('node.log', 'probe.jsonl', 'figures.json')
_SAMPLE_EVERY_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument('--minutes', type=positive, default=30.0)
    parser.add_argument('--rate', type=positive, default=10.0, help='pictures a second')
    parser.add_argument('--width', type=count, default=640)
    parser.add_argument('--height', type=count, default=480)
    parser.add_argument('--output', type=Path, default=Path('soak_output'))
    add_engine_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Soak; write figures.json; give 1 if the node or the probe did not last.

    Raises ValueError if nothing was answered or one of them does not start.
    """
    folder: Path = options.output
    node_log, probe_log, report = (folder / name for name in _WRITTEN)
    fresh_folder(folder, _WRITTEN)
    environment = ros_environment(folder)
    size = ('--width', str(options.width), '--height', str(options.height))
    probe = [_PROBE, *size, '--rate', str(options.rate)]
    node = node_command(options, warm_up_width=options.width, warm_up_height=options.height)
    with running(node, environment, node_log) as process:
        wait_for_text(node_log, 'loaded ', process)
        with running(probe, environment, probe_log) as camera:
            # the node has been discovered, and pictures flow
            wait_for_text(probe_log, '"t_s"', process, camera)
            memory = _watch(process, camera, options.minutes * 60)
            ended = [one for one in (process, camera) if one.poll() is not None]
    for one in ended:
        print(f'{one.module} ended with status {one.returncode}; see {one.log}')
    figures = summarise(read_probe(probe_log), memory)
    report.write_text(json.dumps(figures, indent=2) + '\n')
    print('\n'.join(describe(figures)))
    return 1 if ended else 0


def read_probe(log: Path) -> list[Second]:
    """Read the lines of the probe; what else is in its log is left out."""
    lines = [json.loads(x) for x in log.read_text().splitlines() if x.startswith('{')]
    return [Second(**line | {'latencies_ms': tuple(line['latencies_ms'])}) for line in lines]


def _watch(node: LoggedProcess, camera: LoggedProcess, duration_s: float) -> list[Memory]:
    """Sample the node's memory until the time is over or one of the two ends."""
    began_s = time.monotonic()
    memory: list[Memory] = []
    while (t_s := time.monotonic() - began_s) < duration_s:
        if node.poll() is not None or camera.poll() is not None:
            break
        memory.append(Memory(t_s, resident_mb(node.pid)))
        time.sleep(min(_SAMPLE_EVERY_S, duration_s - t_s))
    return memory
