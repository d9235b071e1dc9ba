"""The scale of a camera's depth, as something else that knows distances has it."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
import math
import threading
import time

import numpy as np

from mtl_perception.ros.parameters import Parameters

# frames are compared no more often than this
_EVERY_S = 0.5
_FRAMES = 20
_FEWEST_FRAMES = 3


@dataclass(frozen=True)
class Scale:
    """How many times farther things are than depth says.

    The median of the ratios of `frames` frames, and the median of their deviations from it;
    `points` are those that the last frame was compared at.
    """

    ratio: float
    deviation: float
    frames: int
    points: int

    def after(self, factor: float) -> 'Scale':
        """Give what is left of it once depth was multiplied by a factor."""
        return replace(self, ratio=self.ratio / factor, deviation=self.deviation / factor)


class ScaleCheck:
    """The ratios of the last frames; found by the threads that serve, read by the executor."""

    # the parameter by which depth is multiplied by what is found
    APPLY: str

    def __init__(self, parameters: Callable[[], Parameters]) -> None:
        """Begin without a frame."""
        self._parameters = parameters
        # to depth after the focal correction, so that they outlive a change of depth_scale or size
        self._ratios: deque[float] = deque(maxlen=_FRAMES)
        self._points = 0
        self._conditions: tuple[float, ...] = ()
        self._compared_s = -math.inf
        self._changed = threading.Lock()

    @property
    def scale(self) -> Scale | None:
        """What was found so far; None before three frames agreed or not."""
        return self._scale(self._parameters())

    def factor(self, parameters: Parameters) -> float:
        """Give what depth of these parameters is to be multiplied by.

        It is the scale, once known and if it is to be applied.
        """
        scale = self._scale(parameters) if getattr(parameters, self.APPLY) else None
        return 1.0 if scale is None else scale.ratio

    def _scale(self, parameters: Parameters) -> Scale | None:
        with self._changed:
            ratios = np.array(self._ratios) * self._unit(parameters) / parameters.depth_scale
            points = self._points
        if len(ratios) < _FEWEST_FRAMES or not ratios.any():
            return None
        ratio = float(np.median(ratios))
        return Scale(ratio, float(np.median(np.abs(ratios - ratio))), len(ratios), points)

    def _unit(self, parameters: Parameters) -> float:
        """Give what a ratio of one stands for; 0 if that is not known."""
        return 1.0

    def _is_due(self) -> bool:
        """Tell whether the last frame was compared more than a moment ago."""
        return time.monotonic() - self._compared_s >= _EVERY_S

    def _put(self, ratio: float, points: int, *conditions: float) -> None:
        """Count a frame: its ratio to depth after the focal correction, before depth_scale.

        Under other conditions than the last one's, all before it is forgotten.
        """
        with self._changed:
            if len(conditions) != len(self._conditions) or not all(
                map(math.isclose, conditions, self._conditions)
            ):
                self._ratios.clear()
            self._ratios.append(ratio)
            self._points = points
            self._conditions = conditions
