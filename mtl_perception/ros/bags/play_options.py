"""How a bag is to be played, and the arguments that say it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rclpy.utilities import remove_ros_args


@dataclass(frozen=True)
class PlayOptions:
    """How to play a bag: so many times as fast, from an offset on, over and over.

    With `clock_hz` above 0 the bag's time is published on /clock, that often and with each
    message. `wait_for` are topics of the bag that must have a subscriber before it starts; the
    delay after that lets others find the publishers too.
    Raises ValueError if a number is out of its range.
    """

    rate: float = 1.0
    loop: bool = False
    clock_hz: float = 0.0
    start_offset_s: float = 0.0
    topics: Sequence[str] | None = None
    wait_for: Sequence[str] = ()
    wait_timeout_s: float = 30.0
    delay_s: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value, least in (
            ('rate', self.rate, 0.001),
            ('clock', self.clock_hz, 0.0),
            ('start offset', self.start_offset_s, 0.0),
            ('delay', self.delay_s, 0.0),
        ):
            if not least <= value < float('inf'):
                raise ValueError(f'{name} is {value}; it must be finite and at least {least}')


def parse_arguments(arguments: Sequence[str]) -> tuple[Path, PlayOptions]:
    """Read the bag and how to play it off a command line, remappings apart.

    Raises ValueError if a number is out of its range.
    """
    parsed = vars(_parser().parse_args(remove_ros_args(arguments)))
    return parsed.pop('bag'), PlayOptions(**parsed)


def _parser() -> argparse.ArgumentParser:
    """Declare the arguments; their names are those of PlayOptions."""
    parser = argparse.ArgumentParser(
        'bag_player',
        description='A node that plays a rosbag2, for machines without `ros2 bag`.',
        epilog='Remappings stand behind --ros-args.',
    )
    parser.add_argument('bag', type=Path, help='folder of the bag, or its .mcap or .db3 file')
    parser.add_argument('--rate', type=float, help='speed; default: 1')
    parser.add_argument('--loop', action='store_true', help='start again at the end')
    parser.add_argument(
        '--clock',
        dest='clock_hz',
        type=float,
        nargs='?',
        const=40.0,
        metavar='HZ',
        help="publish the bag's time on /clock so often (default: 40), and with each message",
    )
    parser.add_argument('--start-offset', dest='start_offset_s', type=float, metavar='SECONDS')
    parser.add_argument('--topics', nargs='+', metavar='TOPIC', help='play only these')
    parser.add_argument(
        '--wait-for-subscribers',
        dest='wait_for',
        nargs='+',
        metavar='TOPIC',
        help='start when each of these topics of the bag has a subscriber',
    )
    parser.add_argument('--wait-timeout', dest='wait_timeout_s', type=float, metavar='SECONDS')
    parser.add_argument(
        '--delay', dest='delay_s', type=float, metavar='SECONDS', help='before the first message'
    )
    parser.set_defaults(**vars(PlayOptions()))
    return parser
