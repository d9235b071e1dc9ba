"""The verb demo: a drive played to the node over DDS, recorded, checked and drawn."""

from .run import add_arguments, run

__all__ = ['add_arguments', 'run']
