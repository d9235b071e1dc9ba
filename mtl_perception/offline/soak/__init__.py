"""The verb soak: the node over DDS for minutes, and what becomes of memory, drops and latency."""

from .run import add_arguments, run

__all__ = ['add_arguments', 'run']
