"""Messages of a camera to pictures, with the help of cv_bridge where it can help."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_perception.messages import decode_message, ENCODINGS, MAX_SIDE_PX


def picture_of(message: Any) -> NDArray[np.uint8]:
    """Decode sensor_msgs/Image or CompressedImage to a picture (H, W, 3), RGB.

    Encodings that decode_image does not know are left to cv_bridge, where it is installed and
    works. Raises ValueError, with encoding and sizes, if neither can read the message.
    """
    try:
        return decode_message(message)
    except ValueError as error:
        encoding = getattr(message, 'encoding', '')
        if encoding in ('', *ENCODINGS) or max(message.height, message.width) > MAX_SIDE_PX:
            raise
        picture = _by_cv_bridge(message)
        if picture is None:
            raise
        if picture.shape != (message.height, message.width, 3) or picture.dtype != np.uint8:
            raise ValueError(f'{error}; cv_bridge makes {picture.shape} of it') from error
        return picture


def _by_cv_bridge(message: Any) -> NDArray[np.uint8] | None:
    """Convert by cv_bridge; None if it cannot, for whatever reason."""
    try:
        # from PyPI it fails with NumPy 2, and from apt as soon as pip has brought NumPy 2
        from cv_bridge import CvBridge

        return np.ascontiguousarray(CvBridge().imgmsg_to_cv2(message, 'rgb8'))
    except Exception:
        return None
