"""Measure as asked, print tables, and write the same figures as JSON.

The network is measured on every runtime in every precision, the node on those that are named.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, fields
import json
from pathlib import Path
import re
import tempfile
from typing import Any

from tqdm import tqdm

from mtl_perception.argument_types import count, positive
from mtl_perception.offline.engine_arguments import add_engine_arguments
from mtl_perception.products import DEPTH, LABELS, POINTS

from .network_times import network_times, NetworkTime
from .node_times import BenchmarkedNode, Load, Measurement, NodeTime

SIZES = ('640x480', '1242x375', '1280x720')
BATCHES = (1, 2, 4, 8)
RATES_HZ = (10.0, 30.0, None)
OUTPUTS: dict[str, tuple[str, ...]] = {
    'labels and depth': (LABELS, DEPTH),
    'cloud too': (LABELS, DEPTH, POINTS),
}
_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument(
        '--size', nargs='+', type=parse_size, metavar='WxH', help=f'default: {" ".join(SIZES)}'
    )
    parser.add_argument('--batch', nargs='+', type=count, default=BATCHES)
    add_engine_arguments(parser)
    parser.add_argument(
        '--seconds', type=positive, default=_SECONDS, help='of the node at each rate'
    )
    parser.add_argument(
        '--outputs', choices=OUTPUTS, default='labels and depth', help='awaited from the node'
    )
    parser.add_argument('--only', choices=('network', 'node'), help='leave the other half out')
    parser.add_argument('--json', type=Path, help='write the figures to this file as well')


def parse_size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT. Raises argparse.ArgumentTypeError for anything else."""
    match = re.fullmatch(r'([1-9]\d*)x([1-9]\d*)', text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no size; give WIDTHxHEIGHT, as 640x480")
    return int(match[1]), int(match[2])


def run(options: argparse.Namespace) -> int:
    """Measure the network, then the node at the first size."""
    sizes = options.size or [parse_size(size) for size in SIZES]
    network: list[NetworkTime] = []
    measured: list[Measurement] = []
    if options.only != 'node':
        times = network_times(options.weights, options.device, sizes, options.batch)
        network = list(tqdm(times, 'network', unit='row'))
        print(table(network))
    try:
        if options.only != 'network':
            measured = _measure_node(options, sizes[0])
            print(table([one.row for one in measured]))
            print(*map(_aside, measured), sep='\n')
    finally:
        # the network's figures took minutes: kept, whatever becomes of the node
        if options.json:
            report: dict[str, list[Any]] = {
                'network': network,
                'node': [one.row for one in measured],
            }
            plain = {part: [asdict(row) for row in rows] for part, rows in report.items()}
            options.json.write_text(json.dumps(plain, indent=2) + '\n')
    return 0


def _measure_node(options: argparse.Namespace, size: tuple[int, int]) -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        node = BenchmarkedNode(Path(folder), options)
        topics = OUTPUTS[options.outputs]
        return [
            node.measure(Load(size, rate_hz, options.seconds, topics))
            for rate_hz in tqdm(RATES_HZ, 'node', unit='rate')
        ]


def table(rows: Sequence[NetworkTime] | Sequence[NodeTime]) -> str:
    """Write rows as a table in Markdown."""
    if not rows:
        return ''
    names = [field.name for field in fields(rows[0])]
    lines = [names, ['---'] * len(names)]
    lines += [[_cell(value) for value in asdict(row).values()] for row in rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return 'flat out'
    return f'{value:.1f}' if isinstance(value, float) else str(value)


def _aside(one: Measurement) -> str:
    rate = 'flat out' if one.row.rate_hz is None else f'at {one.row.rate_hz:g} Hz'
    return (
        f'{rate}: the oldest answered frame was {one.oldest_ms:.0f} ms old; frames waited '
        f'{one.longest_wait_ms:.0f} ms at most for the network, which took '
        f'{one.network_ms:.1f} ms; memory grew by {one.growth_kb:.1f} kB a frame'
    )
