"""The verb predict: pictures, folders, videos and bags in; labels, depth and overlays out."""

import argparse
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
import logging
import math
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mtl_perception.geometry import focal_factor
from mtl_perception.label_space import label_space
from mtl_perception.messages import ImageFields, MAX_SIDE_PX
from mtl_perception.products import (
    CONFIDENCE,
    DEPTH,
    DEPTH_COLOURS,
    LABEL_COLOURS,
    LABELS,
    NORMALS,
    OVERLAY,
    products,
    ProductSettings,
    topics_of,
)
from mtl_perception.recordings.annotations.picture_files import encode_depth, write_image
from mtl_perception.recordings.bags import is_bag
from mtl_perception.recordings.pictures import check_video_name, open_sources, Source

from .engine_arguments import add_engine_arguments, chosen_engine
from .predict_bag import (
    add_bag_arguments,
    predict_bag,
    Predictor,
    read_bag_options,
    refuse_bag_options,
    Tally,
)

log = logging.getLogger(__name__)


class Output(NamedTuple):
    """A kind of file: the product that it is made of, its suffix, what its array is turned to."""

    topic: str
    suffix: str
    convert: Callable[[NDArray[Any]], NDArray[Any]] = np.asarray


OUTPUTS = {
    'labels': Output(LABELS, '.png'),
    'confidence': Output(CONFIDENCE, '.png'),
    'color': Output(LABEL_COLOURS, '.png'),
    'overlay': Output(OVERLAY, '.png'),
    'depth': Output(DEPTH, '.png', encode_depth),
    'depth_npy': Output(DEPTH, '.npy'),
    'depth_color': Output(DEPTH_COLOURS, '.png'),
    'normals_npy': Output(NORMALS, '.npy'),
}
# of the frames that a video announces: with fewer it is said to be cut off
_LEAST_SHARE = 0.9
_USUAL_OUTPUTS = ('labels', 'depth', 'overlay')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        'inputs', type=Path, nargs='+', metavar='INPUT', help='picture, folder, video or bag'
    )
    parser.add_argument(
        '--out', type=Path, required=True, help='folder to write into; for a bag, the new bag'
    )
    add_engine_arguments(parser)
    parser.add_argument('--depth-scale', type=float, default=1.0, help='multiply depth by this')
    parser.add_argument(
        '--f-px',
        type=float,
        help='focal length of the camera in pixels, to correct depth by; of a bag, where no '
        'CameraInfo tells it',
    )
    files = parser.add_argument_group('pictures, folders and videos')
    files.add_argument(
        '--outputs',
        nargs='+',
        choices=OUTPUTS,
        metavar='OUTPUT',
        help=f'of {", ".join(OUTPUTS)}; default: {" ".join(_USUAL_OUTPUTS)}, as far as the model '
        'has them; depth is 16-bit PNG, metres x 256, 0 where unknown or sky; depth_npy is '
        'metres, NaN unknown, Inf sky',
    )
    add_bag_arguments(parser.add_argument_group('bags'))


def run(arguments: argparse.Namespace) -> int:
    """Predict and say how many frames were answered; the status is 1 if not all were."""
    bags = [path for path in arguments.inputs if is_bag(path)]
    if bags and len(arguments.inputs) > 1:
        raise ValueError(f'{bags[0]} is a bag; give it alone, with its own --out')
    _check(arguments, bool(bags))
    sources = [] if bags else _open_files(arguments)
    engine = chosen_engine(arguments)
    if bags:
        tally = predict_bag(engine, bags[0], arguments.out, read_bag_options(arguments))
    else:
        factor = arguments.depth_scale * focal_factor(arguments.f_px, engine.card.training_f_px)
        tally = predict_files(engine, sources, arguments.out, arguments.outputs, factor)
    print(f'{arguments.out}: {tally.answered} of {tally.frames} frames answered')
    return int(tally.answered < tally.frames)


def _check(arguments: argparse.Namespace, of_bag: bool) -> None:
    for option, value in (('--depth-scale', arguments.depth_scale), ('--f-px', arguments.f_px)):
        if value is not None and not 0 < value < math.inf:
            raise ValueError(f'{option} is {value}; expected a positive number')
    if of_bag and arguments.outputs:
        raise ValueError('--outputs: only for files, and the input is a bag; give --topics')
    if not of_bag:
        refuse_bag_options(arguments)


def _open_files(arguments: argparse.Namespace) -> list[Source]:
    # what an earlier run wrote into a folder is no input of the next
    return open_sources(arguments.inputs, [arguments.out / output for output in OUTPUTS])


def predict_files(
    engine: Predictor,
    sources: Sequence[Source],
    out: Path,
    outputs: Collection[str] | None = None,
    depth_factor: float = 1.0,
) -> Tally:
    """Write <out>/<output>/<name>.png or .npy for each picture; the overlay of a video as .mp4.

    outputs are of OUTPUTS (None: labels, depth and overlay, as far as the model has them).
    Unreadable pictures are logged and counted. Raises ValueError if the model cannot make one of
    the outputs, OSError if a file cannot be written.
    """
    available = topics_of(engine.card.tasks)
    if outputs is None:
        outputs = [name for name in _USUAL_OUTPUTS if OUTPUTS[name].topic in available]
    impossible = [name for name in outputs if OUTPUTS[name].topic not in available]
    if impossible:
        raise ValueError(
            f'model {engine.card.name} has the tasks {", ".join(engine.card.tasks)}, which do not '
            f'give {", ".join(impossible)}; leave these outputs out'
        )
    topics = {OUTPUTS[name].topic for name in outputs}
    settings = ProductSettings(label_space(engine.card.label_space), depth_factor=depth_factor)
    frames = answered = 0
    for source in sources:
        before = frames
        with _Files(out, outputs, source.rate_hz) as files:
            for name, picture in tqdm(source.read(), source.name, source.count, unit='frame'):
                frames += 1
                if picture is None:
                    log.error('%s of %s is no picture that OpenCV reads', name, source.name)
                    continue
                height, width = picture.shape[:2]
                if max(height, width) > MAX_SIDE_PX:
                    log.error(
                        '%s of %s has %dx%d pixels; a side must be within 1..%d',
                        *(name, source.name, width, height, MAX_SIDE_PX),
                    )
                    continue
                made = products(picture, engine.predict(picture), topics, None, settings)
                files.write(name, {t: _array(f) for t, f in made.items()})
                answered += 1
        _warn_of_missing(source, frames - before)
    return Tally(frames, answered)


def _warn_of_missing(source: Source, frames: int) -> None:
    # a header but estimates the count
    if source.count and frames < _LEAST_SHARE * source.count - 1:
        log.warning(
            '%s gave %d frames, its header announces %d; if it is cut off, copy it again',
            *(source.name, frames, source.count),
        )


class _Files(ExitStack):
    """The files of one source; of a video (with a rate) the overlay becomes a video as well."""

    def __init__(self, out: Path, outputs: Collection[str], rate_hz: float | None) -> None:
        super().__init__()
        self._out, self._outputs, self._rate_hz = out, outputs, rate_hz
        self._video: cv2.VideoWriter | None = None

    def write(self, name: Path, arrays: dict[str, NDArray[Any]]) -> None:
        for output in self._outputs:
            topic, suffix, convert = OUTPUTS[output]
            array = convert(arrays[topic])
            path = self._out / output / name.with_name(name.name + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            if output == 'overlay' and self._rate_hz is not None:
                self._add_to_video(path.parent.with_name(path.parent.name + '.mp4'), array)
            elif suffix == '.npy':
                np.save(path, array)
            else:
                image = array[..., ::-1] if array.ndim == 3 else array
                write_image(path.parent, path.name, image)

    def _add_to_video(self, path: Path, frame: NDArray[np.uint8]) -> None:
        if self._video is None:
            check_video_name(path)
            size = frame.shape[1], frame.shape[0]
            codec = cv2.VideoWriter.fourcc(*'mp4v')
            self._video = cv2.VideoWriter(str(path), codec, self._rate_hz or 0.0, size)
            self.callback(self._video.release)
            if not self._video.isOpened():
                raise OSError(f'{path} cannot be written; check the space and rights there')
        self._video.write(np.ascontiguousarray(frame[..., ::-1]))


def _array(fields: object) -> NDArray[Any]:
    """View the fields of an image as an array (H, W) or (H, W, 3)."""
    assert isinstance(fields, ImageFields)
    dtype = np.float32 if fields.encoding.startswith('32F') else np.uint8
    shape = (fields.height, fields.width, -1)
    array = fields.data.view(dtype).reshape(shape)
    return array[..., 0] if array.shape[2] == 1 else array
