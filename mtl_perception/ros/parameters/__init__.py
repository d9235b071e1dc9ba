"""The node's parameters: declared, described, and validated as a whole."""

from mtl_perception.ros.parameters.declared import DeclaredParameters
from mtl_perception.ros.parameters.values import FIELDS, Parameters

__all__ = ['FIELDS', 'DeclaredParameters', 'Parameters']
