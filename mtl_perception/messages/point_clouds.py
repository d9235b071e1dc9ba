"""Fields of sensor_msgs/PointCloud2 to arrays of points and colours."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# a message that claims more is taken for a broken one, before memory is taken for it
MAX_POINTS = 16_000_000
_FLOATS = {7: 'f4', 8: 'f8'}  # sensor_msgs/PointField


def decode_points(message: Any) -> NDArray[np.float32]:
    """Read x, y and z of what has the fields of sensor_msgs/PointCloud2: (N, 3), row by row.

    Points that are NaN stay. Raises ValueError, with the sizes, if x, y or z are missing or no
    floats, a field does not fit its point, there are more than MAX_POINTS, or data is not exactly
    height x row_step bytes.
    """
    points, layout = _points(message)
    return np.stack([_column(points, layout[name], message.is_bigendian) for name in 'xyz'], -1)


def decode_colours(message: Any) -> NDArray[np.uint8] | None:
    """Read the colours (N, 3) RGB of a cloud's packed field rgb; None where it has none.

    Raises ValueError as decode_points does.
    """
    points, layout = _points(message)
    field = layout.get('rgb')
    if field is None or field.offset + 4 > message.point_step:
        return None
    packed = np.ascontiguousarray(points[:, field.offset : field.offset + 4])
    order = '>u4' if message.is_bigendian else '<u4'
    values = packed.view(order)[:, 0]
    return np.stack([values >> shift & 255 for shift in (16, 8, 0)], -1).astype(np.uint8)


def _points(message: Any) -> tuple[NDArray[np.uint8], dict[str, Any]]:
    """Give the bytes of each point (N, point_step), and the fields by name."""
    content = np.frombuffer(message.data, np.uint8)
    count, row_bytes = message.height * message.width, message.width * message.point_step
    fault = ''
    if count > MAX_POINTS:
        fault = f'more than {MAX_POINTS} points'
    elif message.row_step < row_bytes or message.height * message.row_step != content.size:
        fault = 'row_step must hold a row, and data height x row_step bytes'
    layout = {field.name: field for field in message.fields}
    axes = [layout[name] for name in 'xyz' if name in layout]
    if not fault and (len(axes) < 3 or not _fits(axes, message.point_step)):
        fault = 'it needs fields x, y and z, float32 or float64, within point_step'
    if fault:
        raise ValueError(
            f'cloud of {message.width}x{message.height} points, point_step {message.point_step}, '
            f'row_step {message.row_step}, {content.size} bytes: {fault}'
        )
    rows = content.reshape(message.height, message.row_step)[:, :row_bytes]
    return np.ascontiguousarray(rows).reshape(count, message.point_step), layout


def _fits(fields: Any, point_step: int) -> bool:
    return all(
        field.datatype in _FLOATS
        and field.count in (0, 1)  # some drivers leave it at 0
        and field.offset + int(_FLOATS[field.datatype][1]) <= point_step
        for field in fields
    )


def _column(points: NDArray[np.uint8], field: Any, is_bigendian: bool) -> NDArray[np.float32]:
    kind = np.dtype(('>' if is_bigendian else '<') + _FLOATS[field.datatype])
    content = np.ascontiguousarray(points[:, field.offset : field.offset + kind.itemsize])
    with np.errstate(over='ignore'):
        return content.view(kind)[:, 0].astype(np.float32)
