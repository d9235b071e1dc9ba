"""Numbers of a command line: types for argparse that say what they expect."""

import argparse
from collections.abc import Callable
import math
from typing import TypeVar

Number = TypeVar('Number', int, float)


def _number(
    kind: Callable[[str], Number], expected: str, will_do: Callable[[Number], bool]
) -> Callable[[str], Number]:
    def read(text: str) -> Number:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not will_do(number):
            raise argparse.ArgumentTypeError(f"'{text}' is not {expected}")
        return number

    return read


count = _number(int, 'a whole number above 0', lambda n: n > 0)
natural = _number(int, 'a whole number, 0 or more', lambda n: n >= 0)
positive = _number(float, 'a number above 0', lambda x: 0 < x < math.inf)
share = _number(float, 'a share from 0 to 1', lambda x: 0 <= x <= 1)
