"""Write docs/parameters.md: `python -m mtl_perception.ros.reference.parameters_page PAGE`."""

from collections.abc import Iterable
from dataclasses import Field
from pathlib import Path
import sys
from typing import Any

from mtl_perception.ros.parameters import FIELDS

_HEAD = """# Parameters

Written by `python -m mtl_perception.ros.reference.parameters_page docs/parameters.md` from the
declarations: change them there. [config/perception.yaml](../config/perception.yaml) has them all
with their defaults and more words.

A parameter that is **fixed** can be set while the node is unconfigured, all others at any time:
`ros2 param set /perception confidence_threshold 0.5`; one `CAMERA.name` only if the start gave it,
and `autostart` counts at the start alone. What is to last stands in a copy of that file:
`ros2 launch mtl_perception perception.launch.py params_file:=$PWD/mine.yaml`, or with `ros2 run`
`--ros-args --params-file mine.yaml`. A set that does not fit together is rejected
as a whole, with the reason: set what belongs together in one call of `set_parameters_atomically`.
Overrides that do not fit together fail `configure`, and can be corrected one by one before it. A
name that the node does not know is warned of and ignored: a file for `/**` serves other nodes too.
`ros2 param describe` says the same as this page. QoS of the topics of pictures, clouds and
calibrations: `qos_overrides./TOPIC.publisher|subscription.POLICY`, for the policies history,
depth, reliability and durability; one that nothing reads is warned of at activation.

| parameter | type | default | allowed | fixed | what it does |
|---|---|---|---|---|---|
"""
_TYPES = {bool: 'bool', int: 'integer', float: 'double', str: 'string'}


def parameters_page() -> str:
    """Write the page in Markdown: a row for each parameter, as they are declared."""
    return _HEAD + ''.join(f'{_row(name, one)}\n' for name, one in FIELDS.items())


def _row(name: str, one: Field[Any]) -> str:
    about = one.metadata
    described = str(about['description'])
    if about.get('per_camera'):
        described += f' (for one camera: `CAMERA.{name}`)'
    fixed = 'fixed' if about.get('fixed') else ''
    cells = (f'`{name}`', _type(one.default), _value(one.default), _allowed(about), fixed)
    return f'| {" | ".join((*cells, described.replace("|", chr(92) + "|")))} |'


def _type(default: Any) -> str:
    if isinstance(default, tuple):
        return f'{_TYPES[type(default[0])] if default else "string"}[]'
    return _TYPES[type(default)]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return f'`{str(value).lower()}`'
    if isinstance(value, str):
        return f"`'{value}'`" if not value else f'`{value}`'
    if isinstance(value, Iterable):
        return f'`[{", ".join(repr(one) if one == "" else str(one) for one in value)}]`'
    return f'`{value}`'


def _allowed(about: Any) -> str:
    if about.get('choices'):
        return ', '.join(f'`{choice}`' for choice in about['choices'])
    allowed = [f'{about["length"]} values'] if about.get('length') else []
    if about.get('limits'):
        low, high = about['limits']
        allowed.append(f'{low:g} to {high:g}')
    return ', '.join(allowed)


def main() -> None:
    """Write the page into the file that is named."""
    if len(sys.argv) != 2:
        raise SystemExit('usage: python -m mtl_perception.ros.reference.parameters_page PAGE')
    Path(sys.argv[1]).write_text(parameters_page())


if __name__ == '__main__':
    main()
