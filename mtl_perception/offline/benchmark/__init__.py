"""The verb benchmark: the network on every runtime, then the node between processes."""

from .run import add_arguments, run

__all__ = ['add_arguments', 'run']
