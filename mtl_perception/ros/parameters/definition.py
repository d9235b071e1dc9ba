"""What a parameter is: a field of a dataclass, with what ROS is told of it."""

from collections.abc import Iterable
from dataclasses import Field, field
from typing import Any

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor

Value = bool | int | float | str | tuple[str, ...] | tuple[float, ...]


def parameter(
    default: Value,
    description: str,
    *,
    name: str | None = None,
    choices: tuple[str, ...] = (),
    limits: tuple[float, float] | None = None,
    length: int | None = None,
    fixed: bool = False,
    per_camera: bool = False,
) -> Any:
    """Define a field with what ROS is told of it.

    name is that of the field if None; fixed parameters cannot change while the node is
    configured; limits are inclusive, and hold for each element of an array; per_camera ones may
    be given for one camera as well, as `front.depth_scale`.
    """
    about = {'description': description, 'choices': choices, 'limits': limits, 'length': length}
    about |= {'name': name, 'fixed': fixed, 'per_camera': per_camera}
    return field(default=default, metadata=about)


def name_of(one: Field[Any]) -> str:
    """Give the ROS name of a field."""
    return str(one.metadata['name'] or one.name)


def descriptor(one: Field[Any], camera: str = '') -> ParameterDescriptor:
    """Describe a field to ROS, for all cameras or for one."""
    about = one.metadata
    described = ParameterDescriptor(
        description=f'{camera}: {about["description"]}' if camera else about['description']
    )
    constraints = [f'one of {", ".join(about["choices"])}'] if about['choices'] else []
    if about['length']:
        constraints.append(f'{about["length"]} values')
    if about['limits']:
        low, high = about['limits']
        if isinstance(one.default, tuple):
            constraints.append(f'each {low:g} to {high:g}')
        elif isinstance(one.default, int):
            described.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        elif isinstance(one.default, float):
            described.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    if about['fixed']:
        constraints.append('fixed while the node is configured')
    described.additional_constraints = ', '.join(constraints)
    return described


def check(one: Field[Any], value: Any) -> None:
    """Check a value by itself. Raises ValueError with what is allowed."""
    about, name = one.metadata, name_of(one)
    if about['choices'] and value not in about['choices']:
        raise ValueError(f"{name} is '{value}'; choose of {', '.join(about['choices'])}")
    if about['length'] not in (None, _length(value)):
        raise ValueError(f'{name} is {value}; expected {about["length"]} values')
    if about['limits']:
        low, high = about['limits']
        # NaN compares false
        if not all(low <= element <= high for element in _elements(value)):
            raise ValueError(f'{name} is {value}; expected {low} to {high}')


def plain(value: Any) -> Any:
    """Make a tuple of an array, so that a set of parameters is hashable and comparable."""
    return value if isinstance(value, str) or not isinstance(value, Iterable) else tuple(value)


def _elements(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def _length(value: Any) -> int:
    return len(_elements(value))
