"""The verb viewer: a bag in the rerun viewer, without ROS, or a screenshot of it."""

import argparse
from collections.abc import Iterable, Iterator
import logging
from pathlib import Path
from tempfile import TemporaryDirectory

from mtl_perception.label_space import label_space, LABEL_SPACES
from mtl_perception.recordings.bags import BagReader, RawMessage

from .screen import find_viewer, open_window, take_screenshot

log = logging.getLogger(__name__)

SIZE = (1280, 720)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    parser.add_argument('bag', type=Path, help='folder of the bag, or its .mcap or .db3 file')
    add_viewing_arguments(parser)
    parser.add_argument(
        '--at',
        type=float,
        metavar='SECONDS',
        help='into the bag, for the screenshot; default: end',
    )


def add_viewing_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what holds for bags and for live topics."""
    parser.add_argument('--topics', nargs='+', metavar='TOPIC', help='to show; default: all')
    parser.add_argument(
        '--screenshot', type=Path, metavar='PNG', help='write a picture, without any screen'
    )
    parser.add_argument(
        '--size', type=_size, default=SIZE, metavar='WxH', help='of the screenshot'
    )
    parser.add_argument('--save', type=Path, metavar='RRD', help='write a recording for rerun')
    parser.add_argument(
        '--label-space', default='road8', choices=LABEL_SPACES, help='names and colours of labels'
    )


def run(options: argparse.Namespace) -> int:
    """Show the bag until the window is closed, or write what is asked for; give 0.

    Raises FileNotFoundError or ValueError if the bag cannot be read, or has nothing to show.
    """
    find_viewer()
    # not before it is known to be there
    from .scene import Scene, SHOWN_TYPES

    with BagReader(options.bag) as reader, TemporaryDirectory() as folder:
        types = {name: topic.type for name, topic in reader.topics.items()}
        shown = choose_topics(types, options.topics, SHOWN_TYPES, f'bag {options.bag}')
        recording = options.save or Path(folder) / 'bag.rrd'
        scene = Scene(shown, label_space(options.label_space), still=bool(options.screenshot))
        scene.save(recording)
        messages: Iterable[RawMessage] = reader.messages(set(shown))
        if options.screenshot:
            messages = _last_of_each(messages, reader.start_ns, options.at)
        for message in messages:
            try:
                scene.show(message.topic, reader.parse(message))
            except ValueError as error:
                log.error('%s: %s', message.topic, error)
        scene.finish()
        if options.screenshot:
            take_screenshot(recording, options.screenshot, options.size)
            print(f'wrote {options.screenshot}')
        elif options.save is None:
            open_window(recording)
        return 0


def choose_topics(
    types: dict[str, str], wanted: list[str] | None, shown: Iterable[str], where: str
) -> dict[str, str]:
    """Choose the topics to show, with their types, sorted by name.

    Raises ValueError if one that is wanted is not there, or nothing is left.
    """
    visible = {name: kind for name, kind in sorted(types.items()) if kind in set(shown)}
    unknown = set(wanted or ()) - visible.keys()
    if unknown or not visible:
        raise ValueError(
            f'{where} has no topic {", ".join(sorted(unknown)) or "of a picture or cloud"} to '
            f'show; it has {", ".join(visible) or ", ".join(sorted(types)) or "none"}'
        )
    return visible if wanted is None else {name: visible[name] for name in sorted(set(wanted))}


def _last_of_each(
    messages: Iterable[RawMessage], start_ns: int, at_s: float | None
) -> Iterator[RawMessage]:
    """Give the last message of each topic up to a time: all that a screenshot shows."""
    last: dict[str, RawMessage] = {}
    for message in messages:
        if at_s is not None and message.stamp_ns > start_ns + at_s * 1e9 and last:
            break
        last[message.topic] = message
    yield from last.values()


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.partition('x')
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"size is '{text}'; give it as 1280x720")
    return int(width), int(height)
