"""Clouds with known points, laid out in several ways."""

from array import array
from types import SimpleNamespace
from typing import Any

import numpy as np

FLOAT32, FLOAT64 = 7, 8


def make_cloud(
    points: np.ndarray,
    *,
    kind: str = '<f4',
    before: int = 0,
    after: int = 4,
    row_padding: int = 0,
    height: int = 1,
) -> Any:
    """Lay out points (N, 3) as the fields of PointCloud2, with bytes before and after x, y, z."""
    size = np.dtype(kind).itemsize
    width, step = len(points) // height, before + 3 * size + after
    record = np.dtype(
        {
            'names': ['x', 'y', 'z'],
            'formats': [kind] * 3,
            'offsets': [before + size * index for index in range(3)],
            'itemsize': step,
        }
    )
    cloud = np.zeros(len(points), record)
    for channel, name in enumerate('xyz'):
        cloud[name] = points[:, channel]
    rows = np.zeros((height, width * step + row_padding), np.uint8)
    rows[:, : width * step] = cloud.view(np.uint8).reshape(height, -1)
    datatype = FLOAT64 if size == 8 else FLOAT32
    return SimpleNamespace(
        height=height,
        width=width,
        fields=[
            SimpleNamespace(name=name, offset=before + size * i, datatype=datatype, count=1)
            for i, name in enumerate('xyz')
        ],
        is_bigendian=kind.startswith('>'),
        point_step=step,
        row_step=rows.shape[1],
        data=array('B', rows.tobytes()),
    )
