"""One camera to labelled, metric 3-D: a joint network for ROS 2 robots."""

from importlib import import_module
from typing import Any, TYPE_CHECKING

if TYPE_CHECKING:
    from .engine import Engine, Prediction
    from .model_card import ModelCard

__all__ = ['Engine', 'ModelCard', 'Prediction']
__version__ = '0.1.0'

_ROOMS = {'Engine': 'engine', 'Prediction': 'engine', 'ModelCard': 'model_card'}


def __getattr__(name: str) -> Any:
    """Import the engine, and torch with it, only when it is asked for."""
    if name in _ROOMS:
        return getattr(import_module(f'{__name__}.{_ROOMS[name]}'), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
