"""Messages into the rerun viewer: each at the place of its topic, at the time of its stamp."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
import rerun as rr
import rerun.blueprint as rrb

from mtl_perception.label_space import LabelSpace
from mtl_perception.messages import decode_message, nanoseconds
from mtl_perception.products import LABELS, ProductSettings
from mtl_perception.visualization import colour_normals

from .clouds import read_cloud

CLOUD = 'sensor_msgs/msg/PointCloud2'
IMAGE, COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
SHOWN_TYPES = (IMAGE, COMPRESSED, CLOUD)
TIMELINE = 'stamp'
_UNITS_PER_METRE = {'32FC1': 1.0, '16UC1': 1000.0}
_TYPES = {'32FC1': np.float32, '16UC1': np.uint16, '32FC3': np.float32, 'mono8': np.uint8}
_COLUMNS = 3
# behind and above the camera: x right, y down, z ahead
_EYE = rrb.EyeControls3D(position=(0.0, -5.0, -9.0), look_target=(0.0, 1.0, 15.0))


class Scene:
    """A recording for the viewer, with one view a topic.

    `topics` gives the type of each topic as `sensor_msgs/msg/Image`; types that are none of
    SHOWN_TYPES have no view. Labels bear the names and colours of a label space. A still scene
    has no time: of each topic it shows the last message.
    """

    def __init__(self, topics: Mapping[str, str], space: LabelSpace, still: bool = False) -> None:
        """Lay out the views; nothing is sent until the scene is saved or connected."""
        self._types = {name: kind for name, kind in topics.items() if kind in SHOWN_TYPES}
        self._space = space
        self._still = still
        self._stream = rr.RecordingStream('mtl_perception')

    def save(self, path: Path) -> None:
        """Write all that is shown from now on into an .rrd file. Raises OSError if it cannot."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._stream.save(path, default_blueprint=_layout(self._types))
        except RuntimeError as error:
            raise OSError(f'{path} cannot be written: {error}') from error
        self._begin()

    def connect(self, url: str) -> None:
        """Send all that is shown from now on to a viewer that listens there."""
        self._stream.connect_grpc(url, default_blueprint=_layout(self._types))
        self._begin()

    def show(self, topic: str, message: Any) -> None:
        """Show a message, of rclpy or of a bag alike.

        Raises ValueError if it is no picture or cloud that can be read, KeyError for a topic
        without a view.
        """
        kind = self._types[topic]
        shown = _cloud(message) if kind == CLOUD else _picture(topic, message)
        stamp_ns = nanoseconds(message.header.stamp)
        self._stream.set_time(TIMELINE, timestamp=np.datetime64(stamp_ns, 'ns'))
        self._stream.log(_place(topic), shown, static=self._still)

    def finish(self) -> None:
        """Hand over all that was shown."""
        self._stream.flush()
        self._stream.disconnect()

    def _begin(self) -> None:
        named = zip(self._space.names, self._space.colours, strict=True)
        classes = [(class_id, *one) for class_id, one in enumerate(named)]
        self._stream.log('/', rr.AnnotationContext(classes), static=True)
        self._stream.log('/', rr.ViewCoordinates.RDF, static=True)


def _layout(types: Mapping[str, str]) -> rrb.Blueprint:
    clouds = [name for name, kind in types.items() if kind == CLOUD]
    pictures = [
        rrb.Spatial2DView(origin=_place(name), contents=[_place(name)], name=name)
        for name in types
        if name not in clouds
    ]
    spaces = [
        rrb.Spatial3DView(contents=[_place(name)], name=name, eye_controls=_EYE) for name in clouds
    ]
    parts = [rrb.Grid(*views, grid_columns=_COLUMNS) for views in (pictures, spaces) if views]
    time_panel = rrb.TimePanel(state='collapsed', timeline=TIMELINE)
    return rrb.Blueprint(rrb.Vertical(*parts), time_panel, collapse_panels=True)


def _place(topic: str) -> str:
    return '/' + topic.strip('/')


def _picture(topic: str, message: Any) -> rr.AsComponents:
    encoding = getattr(message, 'encoding', None)
    if encoding in _UNITS_PER_METRE:
        depth = _values(message)
        # the viewer takes 0 for unknown
        known = np.where(np.isfinite(depth), depth, 0).astype(depth.dtype.newbyteorder('='))
        metre = _UNITS_PER_METRE[encoding]
        span = [metre * end for end in ProductSettings.depth_colour_range_m]
        return rr.DepthImage(known, meter=metre, colormap='turbo', depth_range=span)
    if encoding == '32FC3':
        return rr.Image(colour_normals(_values(message)))
    if encoding == 'mono8' and topic.endswith(LABELS):
        return rr.SegmentationImage(_values(message))
    return rr.Image(decode_message(message))


def _cloud(message: Any) -> rr.AsComponents:
    points, colours = read_cloud(message)
    return rr.Points3D(points, colors=colours, radii=rr.Radius.ui_points(1.5))


def _values(message: Any) -> NDArray[Any]:
    """View an image of one of our own encodings as (H, W) or (H, W, 3)."""
    dtype = np.dtype(_TYPES[message.encoding]).newbyteorder('>' if message.is_bigendian else '<')
    height, width, step = message.height, message.width, message.step
    channels = 3 if message.encoding == '32FC3' else 1
    try:
        rows = np.frombuffer(message.data, np.uint8).reshape(height, step)
        used = np.ascontiguousarray(rows[:, : width * channels * dtype.itemsize])
        shape = (height, width, channels) if channels > 1 else (height, width)
        return used.view(dtype).reshape(shape)
    except ValueError as error:
        raise ValueError(
            f"image of encoding '{message.encoding}', {width}x{height}, step {step}: {error}"
        ) from error
