"""The parameters of a node: declared, and valid as a whole whenever they are used."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import Field
from typing import Any

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from rclpy.parameter import Parameter

from mtl_perception.ros.parameters.definition import check, descriptor, plain
from mtl_perception.ros.parameters.values import FIELDS, Parameters

# declared by rclpy itself, from the overrides that it is given
_BUILT_IN = ('use_sim_time', 'start_type_description_service')
_QOS_OVERRIDES = 'qos_overrides.'
# stands for what holds for every camera that has no value of its own
_ALL = ''


class DeclaredParameters:
    """The parameters of a node, valid as a whole whenever they are used.

    What cannot be (an override of a wrong type, a value that is not allowed) is refused with the
    reason. A refused override leaves the default, and the reason to `read`. A parameter that may
    differ between cameras is declared for one of them where an override names it, as
    `front.depth_scale`.
    """

    def __init__(self, node: Node) -> None:
        """Declare them on a node."""
        self.configured = False
        self._node = node
        self._refused: dict[str, str] = {}
        self._names: dict[str, tuple[str, Field[Any]]] = {}
        for name, one in FIELDS.items():
            self._declare(name, _ALL, one)
        for camera in node.get_parameter('cameras').value:
            for name, one in FIELDS.items():
                if one.metadata['per_camera'] and f'{camera}.{name}' in self._overrides:
                    self._declare(f'{camera}.{name}', camera, one)
        self._warn_of_unknown()
        self._current = {_ALL: Parameters()}
        node.add_on_set_parameters_callback(self._check_change)
        node.add_post_set_parameters_callback(self._take_change)

    @property
    def current(self) -> Parameters:
        """The set that was last read or changed to."""
        return self._current[_ALL]

    def of(self, camera: str) -> Parameters:
        """Give that set with the values of one camera in it."""
        return self._current.get(camera, self._current[_ALL])

    def read(self) -> Parameters:
        """Read the whole set. Raises ValueError with the reason if it cannot be used."""
        if self._refused:
            raise ValueError('; '.join(self._refused.values()))
        self._current = self._with({})
        return self.current

    def warn_of_unread_qos(self) -> None:
        """Say which QoS overrides no publisher or subscription has read, once all are there."""
        given = (name for name in self._overrides if name.startswith(_QOS_OVERRIDES))
        if unread := sorted(name for name in given if not self._node.has_parameter(name)):
            self._node.get_logger().warning(
                f'{", ".join(unread)} are ignored; write '
                f'{_QOS_OVERRIDES}/FULL/TOPIC.publisher|subscription.POLICY, with a topic that '
                'the node has, and history, depth, reliability or durability'
            )

    @property
    def _overrides(self) -> Mapping[str, Parameter]:
        # rclpy tells of them only by declaring all, which fails on an empty list
        overrides: Mapping[str, Parameter] = self._node._parameter_overrides
        return overrides

    def _with(self, changes: Mapping[str, Any]) -> dict[str, Parameters]:
        """Make the set of all cameras, and that of each camera with values of its own."""
        values: dict[str, dict[str, Any]] = {_ALL: {}}
        for name, (camera, one) in self._names.items():
            value = changes.get(name, self._node.get_parameter(name).value)
            values.setdefault(camera, {})[one.name] = plain(value)
        return {camera: Parameters(**{**values[_ALL], **own}) for camera, own in values.items()}

    def _warn_of_unknown(self) -> None:
        """Say which overrides nobody will read."""
        given = self._overrides.keys() - set(_BUILT_IN) - self._names.keys()
        unknown = sorted(name for name in given if not name.startswith(_QOS_OVERRIDES))
        if unknown:
            self._node.get_logger().warning(
                f'unknown parameters {", ".join(unknown)} are ignored; '
                f'known are {", ".join(self._names)}'
            )

    def _declare(self, name: str, camera: str, one: Field[Any]) -> None:
        default, described = plain(one.default), descriptor(one, camera)
        self._names[name] = camera, one
        override = self._overrides.get(name)
        # neither YAML nor rclpy knows of what type an empty list is
        emptied = isinstance(default, tuple) and override is not None and not override.value
        try:
            self._node.declare_parameter(name, default, described, ignore_override=emptied)
            if emptied:
                kind = Parameter.Type.from_parameter_value(default)
                self._node.set_parameters([Parameter(name, kind, [])])
            check(one, plain(self._node.get_parameter(name).value))
        except (InvalidParameterTypeException, InvalidParameterValueException, ValueError) as e:
            self._refused[name] = f'{e}; correct {name}, by default {default!r}'
            if self._node.has_parameter(name):
                self._node.undeclare_parameter(name)
            self._node.declare_parameter(name, default, described, ignore_override=True)

    def _check_change(self, changes: list[Parameter]) -> SetParametersResult:
        ours = {change.name: change.value for change in changes if change.name in self._names}
        try:
            if self.configured:
                self._check_not_fixed(ours)
            if ours:
                self._check_fit(ours)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _check_fit(self, changes: Mapping[str, Any]) -> None:
        try:
            self._with(changes)
        except ValueError:
            if self._fits():
                raise
            # what did not fit before may be mended one by one: read() sees to it in the end
            for name, value in changes.items():
                check(self._names[name][1], plain(value))

    def _fits(self) -> bool:
        """Tell whether the parameters as they are go together."""
        try:
            self._with({})
        except ValueError:
            return False
        return True

    def _check_not_fixed(self, changes: Mapping[str, Any]) -> None:
        fixed = [
            name
            for name, value in changes.items()
            if self._names[name][1].metadata['fixed']
            and plain(value) != plain(self._node.get_parameter(name).value)
        ]
        if fixed:
            raise ValueError(
                f'{", ".join(fixed)} cannot change while the node is configured; deactivate and '
                'clean up first'
            )

    def _take_change(self, changes: list[Parameter]) -> None:
        ours = {change.name for change in changes if change.name in self._names}
        for name in ours:
            self._refused.pop(name, None)
        if ours:
            # unless it does not fit yet
            with suppress(ValueError):
                self._current = self._with({})
