"""The node's parameters: declared, described, and validated as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, Field, field, fields
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from mtl_perception.products import DEPTH_ENCODINGS

# declared by rclpy itself, from the overrides that it is given
_BUILT_IN = ('use_sim_time', 'start_type_description_service')
_QOS_OVERRIDES = 'qos_overrides.'


def _parameter(
    default: bool | int | float | str,
    description: str,
    *,
    name: str | None = None,
    choices: tuple[str, ...] = (),
    limits: tuple[float, float] | None = None,
    fixed: bool = False,
) -> Any:
    """Define a field with what ROS is told of it.

    name is that of the field if None; fixed parameters cannot change while the node is
    configured; limits are inclusive.
    """
    about = {'description': description, 'choices': choices, 'limits': limits, 'fixed': fixed}
    return field(default=default, metadata={'name': name, **about})


@dataclass(frozen=True)
class Parameters:
    """One valid set of parameters. Raises ValueError if a value, or the set, does not fit."""

    autostart: bool = _parameter(
        True, 'configure and activate by itself; false under a lifecycle manager'
    )
    weights: str = _parameter(
        'road8', 'name of a model in the weights folder, or path of a .safetensors', fixed=True
    )
    device: str = _parameter('auto', 'auto, cpu or cuda:N', fixed=True)
    backend: str = _parameter('auto', 'runtime: auto, torch, openvino, ...', fixed=True)
    warm_up_width: int = _parameter(
        0,
        'width of the pictures to compile for at configure; 0: what the model was trained on',
        limits=(0, 16384),
        fixed=True,
    )
    warm_up_height: int = _parameter(
        0, 'height of those pictures; 0 with a width of 0', limits=(0, 16384), fixed=True
    )
    image_transport: str = _parameter(
        'raw',
        'raw subscribes to image, compressed to image/compressed',
        choices=('raw', 'compressed'),
        fixed=True,
    )
    reliability: str = _parameter(
        'auto',
        'reliability of the subscriptions; auto: reliable if all publishers offer it',
        choices=('auto', 'reliable', 'best_effort'),
        fixed=True,
    )
    confidence_threshold: float = _parameter(
        0.0, 'labels of less confidence become 255, unlabelled; 0: off', limits=(0.0, 1.0)
    )
    overlay_opacity: float = _parameter(
        0.5, 'of the label colours over the picture', limits=(0.0, 1.0)
    )
    depth_encoding: str = _parameter(
        '32FC1',
        '32FC1: metres, NaN unknown, +Inf beyond range; 16UC1: millimetres, 0 invalid',
        choices=DEPTH_ENCODINGS,
        fixed=True,
    )
    focal_correction: bool = _parameter(
        True, 'multiply depth by f_camera / f_training once camera_info is there'
    )
    depth_scale: float = _parameter(
        1.0, 'multiply depth by this, after the focal correction', limits=(0.001, 1000.0)
    )
    depth_color_near_m: float = _parameter(
        1.0, 'depth of the warmest colour', name='depth_color.near_m', limits=(0.01, 10000.0)
    )
    depth_color_far_m: float = _parameter(
        80.0, 'depth of the coldest colour', name='depth_color.far_m', limits=(0.0, 10000.0)
    )
    points_stride: int = _parameter(
        1, 'a point for each stride-th pixel and row', name='points.stride', limits=(1, 64)
    )

    def __post_init__(self) -> None:
        """Check each value, then whether they fit together."""
        for one in fields(self):
            _check(one, getattr(self, one.name))
        if self.depth_color_near_m >= self.depth_color_far_m:
            raise ValueError(
                f'depth_color.near_m {self.depth_color_near_m} is not below depth_color.far_m '
                f'{self.depth_color_far_m}; set both at once'
            )
        if (self.warm_up_width == 0) != (self.warm_up_height == 0):
            raise ValueError(
                f'the warm-up size is {self.warm_up_width}x{self.warm_up_height}; give both '
                'sides, or 0x0 for what the model was trained on'
            )


# ROS name → field
FIELDS: Mapping[str, Field[Any]] = {
    one.metadata['name'] or one.name: one for one in fields(Parameters)
}


class DeclaredParameters:
    """The parameters of a node, valid as a whole whenever they are used.

    What cannot be (an override of a wrong type, a value that is not allowed) is refused with the
    reason. A refused override leaves the default, and the reason to `read`.
    """

    def __init__(self, node: Node) -> None:
        """Declare them on a node made with automatically_declare_parameters_from_overrides."""
        self.configured = False
        self._node = node
        self._refused: dict[str, str] = {}
        self._warn_of_unknown()
        for name in FIELDS:
            self._declare(name)
        self._current = Parameters()
        node.add_on_set_parameters_callback(self._check_change)
        node.add_post_set_parameters_callback(self._take_change)

    @property
    def current(self) -> Parameters:
        """The set that was last read or changed to."""
        return self._current

    def read(self) -> Parameters:
        """Read the whole set. Raises ValueError with the reason if it cannot be used."""
        if self._refused:
            raise ValueError('; '.join(self._refused.values()))
        self._current = self._with({})
        return self._current

    def _with(self, changes: Mapping[str, Any]) -> Parameters:
        values = {name: self._node.get_parameter(name).value for name in FIELDS}
        return Parameters(**{FIELDS[k].name: v for k, v in {**values, **changes}.items()})

    def _warn_of_unknown(self) -> None:
        """Say which overrides nobody will read, and make room for proper declarations."""
        given = set(self._node.get_parameters_by_prefix('')) - set(_BUILT_IN)
        given = {name for name in given if not name.startswith(_QOS_OVERRIDES)}
        for name in given:
            self._node.undeclare_parameter(name)
        if unknown := sorted(given - FIELDS.keys()):
            self._node.get_logger().warning(
                f'unknown parameters {", ".join(unknown)} are ignored; '
                f'known are {", ".join(FIELDS)}'
            )

    def _declare(self, name: str) -> None:
        default, descriptor = FIELDS[name].default, _descriptor(FIELDS[name])
        try:
            value = self._node.declare_parameter(name, default, descriptor).value
            _check(FIELDS[name], value)
        except (InvalidParameterTypeException, InvalidParameterValueException, ValueError) as e:
            self._refused[name] = f'{e}; correct {name}, by default {default!r}'
            if self._node.has_parameter(name):
                self._node.undeclare_parameter(name)
            self._node.declare_parameter(name, default, descriptor, ignore_override=True)

    def _check_change(self, changes: list[Parameter]) -> SetParametersResult:
        ours = {change.name: change.value for change in changes if change.name in FIELDS}
        try:
            if self.configured:
                _check_not_fixed(ours)
            if ours:
                self._with(ours)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _take_change(self, changes: list[Parameter]) -> None:
        ours = {change.name for change in changes if change.name in FIELDS}
        for name in ours:
            self._refused.pop(name, None)
        if ours:
            self._current = self._with({})


def _descriptor(one: Field[Any]) -> ParameterDescriptor:
    about = one.metadata
    descriptor = ParameterDescriptor(description=about['description'])
    if about['choices']:
        descriptor.additional_constraints = f'one of {", ".join(about["choices"])}'
    if about['fixed']:
        descriptor.additional_constraints += ' (fixed while the node is configured)'
    if about['limits']:
        low, high = about['limits']
        if isinstance(one.default, int):
            descriptor.integer_range = [IntegerRange(from_value=low, to_value=high, step=1)]
        else:
            descriptor.floating_point_range = [FloatingPointRange(from_value=low, to_value=high)]
    return descriptor


def _check(one: Field[Any], value: Any) -> None:
    about = one.metadata
    name = about['name'] or one.name
    if about['choices'] and value not in about['choices']:
        raise ValueError(f"{name} is '{value}'; choose of {', '.join(about['choices'])}")
    if about['limits'] and not about['limits'][0] <= value <= about['limits'][1]:
        low, high = about['limits']
        raise ValueError(f'{name} is {value}; expected {low} to {high}')


def _check_not_fixed(changes: Mapping[str, Any]) -> None:
    fixed = [name for name in changes if FIELDS[name].metadata['fixed']]
    if fixed:
        raise ValueError(
            f'{", ".join(fixed)} cannot change while the node is configured; deactivate and '
            'clean up first'
        )
