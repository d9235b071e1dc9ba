"""What the values of a recipe may be, and how they are read."""

from collections.abc import Callable
import math
from typing import Any, NamedTuple

from mtl_perception.network.deployed import DEPTH_ACTIVATIONS, NORMALISATIONS
from mtl_perception.network.joint_network import TASKS
from mtl_perception.network.rounding import DTYPES

from .losses import MEANS

# what a key of a recipe may say, the default first if there is one
CHOICES = {
    'normalisation': tuple(NORMALISATIONS),
    'depth_activation': tuple(DEPTH_ACTIVATIONS),
    'loss_mean': tuple(MEANS),
    'task_weights': ('fixed', 'uncertainty'),
    'passes': ('together', 'by_group'),
    'optimiser': ('adamw', 'sgd'),
    'schedule': ('cosine', 'poly', 'constant'),
    'precision': tuple(DTYPES),
    'batch_norm': ('each', 'synchronised', 'frozen'),
}


class _Kind(NamedTuple):
    """What is expected of a value, how it is read, and whether what was read will do."""

    expected: str
    read: Callable[[Any], Any]
    will_do: Callable[[Any], bool]


def _whole(value: Any) -> int:
    if not float(value).is_integer():
        raise ValueError
    return int(float(value))


def _several(read: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read_all(values: Any) -> tuple[Any, ...]:
        if not isinstance(values, list | tuple):
            raise TypeError
        return tuple(map(read, values))

    return read_all


def _by_task(weights: Any) -> dict[str, float]:
    return {task: float(weight) for task, weight in dict(weights).items()}


# `float` reads text as well: to YAML, 1e-4 is that
_COUNT = _Kind('a whole number above 0', _whole, lambda n: n > 0)
_NATURAL = _Kind('a whole number, 0 or more', _whole, lambda n: n >= 0)
_POSITIVE = _Kind('a number above 0', float, lambda x: 0 < x < math.inf)
_AMOUNT = _Kind('a number, 0 or more', float, lambda x: 0 <= x < math.inf)
_SHARE = _Kind('a number from 0 to below 1', float, lambda x: 0 <= x < 1)
_SIZE = _Kind('two whole numbers above 0', _several(_whole), lambda x: len(x) == 2 and min(x) > 0)
_RANGE = _Kind(
    'two numbers above 0, the lower first',
    _several(float),
    lambda x: len(x) == 2 and 0 < x[0] <= x[1] < math.inf,
)
_TASKS = _Kind(f'a list of {", ".join(TASKS)}', _several(str), lambda x: {*x} <= {*TASKS})
_NAMES = _Kind('a list of names', _several(str), lambda x: True)
_KINDS = {
    'tasks': _TASKS,
    'depth_range_m': _RANGE,
    'training_f_px': _POSITIVE,
    'training_size': _SIZE,
    'groups': _Kind('a list of groups, one or more', _several(dict), bool),
    'sources': _NAMES,
    'per_batch': _COUNT,
    'needs': _TASKS,
    'loss_weights': _Kind('numbers by task', _by_task, bool),
    'crop': _SIZE,
    'zoom': _RANGE,
    'blur_px': _AMOUNT,
    'steps': _COUNT,
    'warmup_steps': _NATURAL,
    'encoder_rate': _AMOUNT,
    'decoder_rate': _AMOUNT,
    'weight_decay': _AMOUNT,
    'gradient_norm': _POSITIVE,
    'ema_decay': _SHARE,
    'validate_every': _COUNT,
    'seed': _NATURAL,
    'without_sources': _NAMES,
    'fixed': _NAMES,
    'momentum': _SHARE,
}


def read_value(key: str, value: Any) -> Any:
    """Read what a key says: numbers as such, lists as tuples.

    Raises ValueError with what is expected of it.
    """
    if key not in _KINDS:
        return value
    expected, read, will_do = _KINDS[key]
    try:
        found = read(value)
        if will_do(found):
            return found
    except (TypeError, ValueError):
        pass
    raise ValueError(f'{key} is {value!r}; expected {expected}')
