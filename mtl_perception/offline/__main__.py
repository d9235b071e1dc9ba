"""The command line: `mtl_perception VERB`, or `python -m mtl_perception.offline VERB`."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
import logging
import signal
import sys
from typing import NamedTuple, NoReturn

_ROOM = 'mtl_perception.offline'


class Verb(NamedTuple):
    """A verb: what it does, the module whose `add_arguments` and `run` serve it, its extra."""

    summary: str
    module: str
    extra: str = ''


VERBS = {
    'benchmark': Verb('measure the network and the node', f'{_ROOM}.benchmark'),
    'demo': Verb('play a drive to the node, record and draw what it says', f'{_ROOM}.demo'),
    'evaluate': Verb('score weights on annotated pictures', f'{_ROOM}.evaluate'),
    'import-checkpoint': Verb(
        'turn a checkpoint of arXiv 1809.04766 into weights', f'{_ROOM}.import_checkpoint'
    ),
    'predict': Verb(
        'labels, depth and overlays of pictures, folders, videos and bags',
        f'{_ROOM}.predict',
    ),
    'quantise': Verb(
        'find what weights need to run in int8, and check what it loses',
        f'{_ROOM}.quantise',
        'openvino',
    ),
    'render': Verb(
        'render street scenes with exact labels, depth and normals',
        'mtl_perception.rendering.dataset',
        'rendering',
    ),
    'render-drive': Verb(
        "render a drive in the layout of KITTI's raw drives",
        'mtl_perception.rendering.recording',
        'rendering',
    ),
    'kitti-to-bag': Verb(
        'turn a KITTI raw drive into a rosbag2', 'mtl_perception.recordings.kitti_to_bag'
    ),
    'soak': Verb('run the node for minutes; report memory, drops and latency', f'{_ROOM}.soak'),
    'viewer': Verb(
        'show a bag in rerun, or write a screenshot', 'mtl_perception.viewing.bag', 'viewer'
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb; give the exit status: 0, or 1 after one sentence on what is wrong."""
    arguments = sys.argv[1:] if arguments is None else arguments
    logging.basicConfig(format='%(levelname)s: %(message)s')
    parser = argparse.ArgumentParser(prog='mtl_perception', description=__doc__)
    verbs = parser.add_subparsers(dest='verb', required=True, metavar='VERB')
    for name, verb in VERBS.items():
        chosen = verbs.add_parser(name, help=verb.summary, description=verb.summary)
        # only the verb asked for is imported: torch alone takes seconds
        if name in arguments[:1]:
            try:
                module = import_module(verb.module)
            except ModuleNotFoundError as error:
                print(f'mtl_perception {name}: {error}; {_remedy(verb)}', file=sys.stderr)
                return 1
            module.add_arguments(chosen)
            chosen.set_defaults(run=module.run)
    parsed = parser.parse_args(arguments)
    try:
        with _signals_end_in_order():
            return int(parsed.run(parsed))
    except (ModuleNotFoundError, OSError, ValueError) as error:
        print(f'mtl_perception {parsed.verb}: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


@contextmanager
def _signals_end_in_order() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP of a closed terminal, end what a verb has begun, as Ctrl-C does.

    Whoever started it with one of them ignored, as nohup does, is left his way.
    """

    def leave(number: int, _: object) -> NoReturn:
        raise SystemExit(128 + number)

    ours = [
        number
        for number in (signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is signal.SIG_DFL
    ]
    for number in ours:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _remedy(verb: Verb) -> str:
    extra = f"pip install -e '.[{verb.extra}]'" if verb.extra else 'pip install -e .'
    return (
        f'{extra}, for the interpreter {sys.executable}; where ros2 run takes another one, '
        'docs/troubleshooting.md helps'
    )


if __name__ == '__main__':
    sys.exit(main())
