"""Arrays of points to the fields of sensor_msgs/PointCloud2."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

# little endian on any machine, and said so in the message; the bytes of 0x00RRGGBB are what
# RViz and PCL read as a colour under the type float32
_POINT = (('x', '<f4'), ('y', '<f4'), ('z', '<f4'), ('rgb', '<u4'))
_LABEL, _CONFIDENCE = ('label', 'u1'), ('confidence', 'u1')
_FLOAT32, _UINT8 = 7, 2  # sensor_msgs/PointField
_COLOUR_BITS = np.uint32(0x00FFFFFF)


@dataclass(frozen=True)
class PointFieldSpec:
    """The fields of a sensor_msgs/PointField."""

    name: str
    offset: int
    datatype: int
    count: int


@dataclass(frozen=True)
class CloudFields:
    """The fields of a sensor_msgs/PointCloud2 but its header; `data` is one-dimensional."""

    height: int
    width: int
    fields: tuple[PointFieldSpec, ...]
    is_bigendian: bool
    point_step: int
    row_step: int
    is_dense: bool
    data: NDArray[np.uint8]


def encode_cloud(
    points: NDArray[np.float32],
    picture: NDArray[np.uint8],
    labels: NDArray[np.uint8] | None,
    confidence: NDArray[np.uint8] | None,
) -> CloudFields:
    """Lay out points (h, w, 3), optical frame, metres, as an organised PointCloud2.

    NaN points are invalid (`is_dense` is false). Fields: x, y, z float32; rgb, 0x00RRGGBB under
    float32, of picture (h, w, 3) RGB; label and confidence uint8 of arrays (h, w), absent where
    these are None. A list of n points is given as (1, n, 3), and may be empty. Raises ValueError
    if a dtype or a shape does not fit.
    """
    _check('points', points, np.float32, (*points.shape[:2], 3))
    height, width, _ = points.shape
    _check('picture', picture, np.uint8, (height, width, 3))
    record = _record(labels is not None, confidence is not None)
    cloud = np.zeros((height, width), record)
    for channel, name in enumerate('xyz'):
        cloud[name] = points[..., channel]
    if cloud.size:
        bgra = cv2.cvtColor(picture, cv2.COLOR_RGB2BGRA).view('<u4')[..., 0]
        # alpha must go: 0xFF on top of it would make a NaN, whose bits need not survive
        np.bitwise_and(bgra, _COLOUR_BITS, out=cloud['rgb'])
    for name, values in (('label', labels), ('confidence', confidence)):
        if values is not None:
            _check(name, values, np.uint8, (height, width))
            cloud[name] = values
    return CloudFields(
        height=height,
        width=width,
        fields=_point_fields(record),
        is_bigendian=False,
        point_step=record.itemsize,
        row_step=record.itemsize * width,
        is_dense=False,
        data=cloud.reshape(-1).view(np.uint8),
    )


def _record(with_label: bool, with_confidence: bool) -> np.dtype[np.void]:
    """Give the layout of a point: 16 bytes, or 20 with any of the uint8 fields, in words of 4."""
    fields = [*_POINT, *[_LABEL] * with_label, *[_CONFIDENCE] * with_confidence]
    names, formats = zip(*fields, strict=True)
    offsets = np.cumsum([0, *(np.dtype(format).itemsize for format in formats)]).tolist()
    return np.dtype(
        {
            'names': names,
            'formats': formats,
            'offsets': offsets[:-1],
            'itemsize': 20 if offsets[-1] > 16 else 16,
        }
    )


def _point_fields(record: np.dtype[np.void]) -> tuple[PointFieldSpec, ...]:
    return tuple(
        PointFieldSpec(name, field[1], _UINT8 if field[0].itemsize == 1 else _FLOAT32, 1)
        for name, field in (record.fields or {}).items()
    )


def _check(
    name: str,
    values: NDArray[np.float32] | NDArray[np.uint8],
    dtype: type[np.generic],
    shape: tuple[int, ...],
) -> None:
    if values.dtype != dtype or values.shape != shape:
        raise ValueError(
            f'{name} of a cloud must be {np.dtype(dtype)} of shape {shape}; '
            f'got {values.dtype} of shape {values.shape}'
        )
