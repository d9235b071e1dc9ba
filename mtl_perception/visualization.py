"""Labels, depth, normals, errors and clouds as pictures for people, all RGB."""

import functools
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import LabelSpace

# neither is on the turbo scale
UNKNOWN_COLOUR = (0, 0, 0)
SKY_COLOUR = (176, 196, 222)
# the ends of the scale of errors, white in the middle
TOO_LOW_COLOUR = (33, 102, 172)
TOO_HIGH_COLOUR = (178, 24, 43)

Vector = tuple[float, float, float]


def colour_labels(labels: NDArray[np.uint8], space: LabelSpace) -> NDArray[np.uint8]:
    """Paint class ids (H, W) in the colours of their space: (H, W, 3); unlabelled is black."""
    # OpenCV calls it BGR, but gives the channels in the order of the palette
    painted: NDArray[np.uint8] = cv2.applyColorMap(labels, space.palette()[:, None])
    return painted


def overlay_labels(
    picture: NDArray[np.uint8],
    labels: NDArray[np.uint8],
    space: LabelSpace,
    opacity: float = 0.5,
) -> NDArray[np.uint8]:
    """Lay the colours of labels (H, W) over the picture (H, W, 3); unlabelled stays as it is.

    Raises ValueError if the sizes differ or opacity is not within 0..1.
    """
    if picture.shape != (*labels.shape, 3):
        raise ValueError(f'labels {labels.shape} must have the size of picture {picture.shape}')
    if not 0 <= opacity <= 1:
        raise ValueError(f'opacity {opacity} must be within 0..1')
    blend = cv2.addWeighted(colour_labels(labels, space), opacity, picture, 1 - opacity, 0)
    unlabelled = (labels >= len(space.names)).view(np.uint8)
    overlaid: NDArray[np.uint8] = cv2.copyTo(picture, unlabelled, blend)
    return overlaid


def colour_depth(depth_m: NDArray[np.float32], range_m: tuple[float, float]) -> NDArray[np.uint8]:
    """Paint depth (H, W) by the turbo scale over a fixed range: (H, W, 3), near is warm.

    Equal ratios of depth are equal steps of colour, so that what is near shows its shape too.
    Depth outside the range has the colour of its end. Unknown depth (NaN, not positive) is
    black; +Inf, the sky, is a light blue grey. Raises ValueError if range_m is not positive,
    finite and rising.
    """
    near, far = range_m
    if not 0 < near < far < math.inf:
        raise ValueError(f'depth range {range_m} must be positive, finite and rise')
    scale = _depth_scale()
    warmth = cv2.log(np.float32(far) / np.clip(depth_m, np.float32(near), np.float32(far)))
    # the scale begins with the colours of unknown and sky
    index = np.rint(warmth * np.float32((len(scale) - 3) / math.log(far / near))) + np.float32(2)
    index[~(depth_m > 0)] = 0
    index[depth_m == np.inf] = 1
    painted: NDArray[np.uint8] = cv2.applyColorMap(index.astype(np.uint8), scale)
    return painted


def colour_normals(normals: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Paint normals (H, W, 3) in the optical frame: (H, W, 3); unknown (NaN) is black.

    Red is right, green is down, blue is towards the camera, as arXiv 1809.04766 draws them.
    """
    painted = np.rint((normals * np.array([1, 1, -1], np.float32) + 1) * np.float32(127.5))
    filled: NDArray[np.float32] = np.nan_to_num(painted, nan=0.0)
    return filled.clip(0, 255).astype(np.uint8)


def colour_errors(errors: NDArray[np.float32], limit: float) -> NDArray[np.uint8]:
    """Paint signed errors (H, W): (H, W, 3), white is none; unknown (NaN) is black.

    Negative ones turn blue and positive ones red, fully at the limit, of the errors' unit.
    Raises ValueError if limit is not positive.
    """
    if not limit > 0:
        raise ValueError(f'limit {limit} of the error colours must be positive')
    share = np.clip(errors / np.float32(limit), -1, 1)[..., None]
    ends = np.where(share < 0, TOO_LOW_COLOUR, TOO_HIGH_COLOUR).astype(np.float32)
    painted = np.rint(255 + np.abs(share) * (ends - 255))
    return np.where(np.isnan(share), np.float32(0), painted).astype(np.uint8)


def render_cloud(
    points: NDArray[np.float32],
    colours: NDArray[np.uint8],
    size: tuple[int, int],
    eye_m: Vector = (-4.0, -5.0, -6.0),
    target_m: Vector = (0.0, 0.0, 20.0),
    field_of_view_deg: float = 60.0,
    point_px: int = 3,
    background: tuple[int, int, int] = (16, 16, 24),
) -> NDArray[np.uint8]:
    """Draw points (N, 3), optical frame, in colours (N, 3), as seen from outside the camera.

    The virtual camera stands at eye_m and looks at target_m, both in the points' frame (x right,
    y down, z ahead); size is width and height, the field of view is across the width. Each point
    covers a square of point_px; nearer ones hide farther ones. NaN points are left out. Raises
    ValueError if points and colours do not fit each other, or eye and target coincide or stand
    one above the other.
    """
    if points.ndim != 2 or points.shape[1] != 3 or colours.shape != points.shape:
        raise ValueError(
            f'points {points.shape} and colours {colours.shape} must both be of shape (N, 3)'
        )
    width, height = size
    rotation = _look_at(eye_m, target_m)
    f_px = width / 2 / math.tan(math.radians(field_of_view_deg) / 2)
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        seen = (points - np.array(eye_m, np.float32)) @ rotation.T
        columns = seen[:, 0] / seen[:, 2] * f_px + (width - 1) / 2
        rows = seen[:, 1] / seen[:, 2] * f_px + (height - 1) / 2
        # NaN compares false; within half a pixel of the border a point still rounds into it
        visible = (seen[:, 2] > 0.1) & (columns > -0.5) & (columns < width - 0.5)
        visible &= (rows > -0.5) & (rows < height - 0.5)
    pixels = np.rint(rows[visible]).astype(np.intp) * width
    pixels += np.rint(columns[visible]).astype(np.intp)
    return _splat(pixels, seen[visible, 2], colours[visible], size, point_px, background)


@functools.cache
def _depth_scale() -> NDArray[np.uint8]:
    """Tabulate the colours of depth (256, 1, 3): unknown, sky, then turbo from far to near."""
    steps = np.rint(np.linspace(0, 255, 254)).astype(np.uint8)[:, None]
    turbo = cv2.cvtColor(cv2.applyColorMap(steps, cv2.COLORMAP_TURBO), cv2.COLOR_BGR2RGB)
    special = np.array([[UNKNOWN_COLOUR], [SKY_COLOUR]], np.uint8)
    return np.concatenate((special, turbo))


def _look_at(eye_m: Vector, target_m: Vector) -> NDArray[np.float32]:
    """Give the rotation whose rows are right, down and ahead of a camera without roll."""
    ahead = np.subtract(target_m, eye_m)
    right = np.cross((0.0, 1.0, 0.0), ahead)
    if not np.linalg.norm(right) > 0:
        raise ValueError(f'eye {eye_m} and target {target_m} must not be one above the other')
    axes = (right, np.cross(ahead, right), ahead)
    return np.array([axis / np.linalg.norm(axis) for axis in axes], np.float32)


def _splat(
    pixels: NDArray[np.intp],
    depth_m: NDArray[np.float32],
    colours: NDArray[np.uint8],
    size: tuple[int, int],
    point_px: int,
    background: tuple[int, int, int],
) -> NDArray[np.uint8]:
    """Draw points of known pixel and depth; the nearest wins each pixel."""
    width, height = size
    far_to_near = np.argsort(-depth_m, kind='stable')
    # of several assignments to one element NumPy keeps the last: the nearest point
    nearest = np.full(height * width, np.inf, np.float32)
    nearest[pixels[far_to_near]] = depth_m[far_to_near]
    single = np.full((height * width, 3), background, np.uint8)
    single[pixels[far_to_near]] = colours[far_to_near]
    buffer, drawn = nearest.reshape(height, width), single.reshape(height, width, 3)
    # all points have one size, so shifted copies of the drawing, merged by depth, enlarge them
    depth, picture = buffer.copy(), drawn.copy()
    for down in range(min(point_px, height)):
        for right in range(min(point_px, width)):
            source = np.s_[: height - down, : width - right]
            nearer = buffer[source] < depth[down:, right:]
            depth[down:, right:][nearer] = buffer[source][nearer]
            picture[down:, right:][nearer] = drawn[source][nearer]
    return picture
