"""Points and colours out of a PointCloud2."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# sensor_msgs/PointField: INT8 = 1 up to FLOAT64 = 8
_TYPES = ('i1', 'u1', 'i2', 'u2', 'i4', 'u4', 'f4', 'f8')


def read_cloud(message: Any) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    """Read points (N, 3), in the message's frame, and their colours (N, 3) RGB, None without.

    Takes whatever has the fields of sensor_msgs/PointCloud2; points that are not finite are
    left out. Raises ValueError if the layout does not fit its data, or lacks x, y or z.
    """
    fields = {field.name: field for field in message.fields}
    missing = [axis for axis in 'xyz' if axis not in fields]
    if missing:
        raise ValueError(
            f'a cloud of {", ".join(fields) or "no fields"} has no {", ".join(missing)}'
        )
    taken = [fields[name] for name in (*'xyz', *(('rgb',) if 'rgb' in fields else ()))]
    cloud = _records(message, taken)
    points = np.stack([cloud[axis] for axis in 'xyz'], -1).astype(np.float32)
    finite = np.isfinite(points).all(-1)
    if 'rgb' not in fields or cloud['rgb'].itemsize != 4:
        return points[finite], None
    packed = np.ascontiguousarray(cloud['rgb'][finite]).view(np.uint32)
    colours = np.stack([packed >> shift & 255 for shift in (16, 8, 0)], -1)
    return points[finite], colours.astype(np.uint8)


def _records(message: Any, fields: list[Any]) -> NDArray[np.void]:
    """View the points as records with these fields, rows without their padding."""
    order = '>' if message.is_bigendian else '<'
    height, width, row_step = message.height, message.width, message.row_step
    content = np.frombuffer(message.data, np.uint8)
    try:
        if width * message.point_step > row_step:
            raise ValueError('a row is longer than row_step')
        layout: Any = {
            'names': [field.name for field in fields],
            'formats': [order + _TYPES[field.datatype - 1] for field in fields],
            'offsets': [field.offset for field in fields],
            'itemsize': message.point_step,
        }
        rows = content[: height * row_step].reshape(height, row_step)
        used = np.ascontiguousarray(rows[:, : width * message.point_step])
        return used.reshape(-1).view(np.dtype(layout))
    except (IndexError, ValueError) as error:
        raise ValueError(
            f'a cloud of {width}x{height} points, point_step {message.point_step}, row_step '
            f'{row_step}, {content.size} bytes has no such layout: {error}'
        ) from error
