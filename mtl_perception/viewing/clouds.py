"""What can be shown of a PointCloud2."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_perception.messages import decode_colours, decode_points


def read_cloud(message: Any) -> tuple[NDArray[np.float32], NDArray[np.uint8] | None]:
    """Read points (N, 3), in the message's frame, and their colours (N, 3) RGB, None without.

    Points that are not finite are left out. Raises ValueError as decode_points does.
    """
    points, colours = decode_points(message), decode_colours(message)
    finite = np.isfinite(points).all(-1)
    return points[finite], None if colours is None else colours[finite]
