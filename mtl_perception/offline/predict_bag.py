"""The verb predict for bags: a bag in, a bag of what the node would have published out."""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
import logging
from pathlib import Path
import re
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mtl_perception.argument_types import count
from mtl_perception.engine import Prediction
from mtl_perception.geometry import focal_factor, Intrinsics, RayTable
from mtl_perception.label_space import label_space
from mtl_perception.model_card import ModelCard
from mtl_perception.products import (
    CAMERA_INFOS,
    DEPTH_ENCODINGS,
    LABEL_INFO,
    LABELS,
    products,
    ProductSettings,
    TOPICS,
    topics_of,
)
from mtl_perception.recordings.bag_camera import BagCamera, intrinsics_of
from mtl_perception.recordings.bag_messages import field_message, label_info
from mtl_perception.recordings.bags import BagReader, BagWriter, LATCHED, STORAGES, TopicQos

log = logging.getLogger(__name__)

OUTPUT_TOPICS = (*TOPICS, *CAMERA_INFOS.values(), LABEL_INFO)


class Predictor(Protocol):
    """What is needed of an Engine."""

    @property
    def card(self) -> ModelCard:
        """The card of the model."""

    def predict(self, picture: NDArray[np.uint8]) -> Prediction:
        """Predict for a picture (H, W, 3) RGB."""


class Tally(NamedTuple):
    """How many frames there were, and how many of them were answered."""

    frames: int
    answered: int


@dataclass(frozen=True)
class BagOptions:
    """What to read and to write, with the defaults of the node; topics None: all of them.

    `image` and `camera_info` are topics of the bag, None to find them; `namespace` stands before
    the topics written; `keep_input` copies the messages of the bag as well; `f_px` is the focal
    length where no CameraInfo tells it.
    """

    image: str | None = None
    camera_info: str | None = None
    topics: tuple[str, ...] | None = None
    namespace: str = ''
    keep_input: bool = False
    storage: str = STORAGES[0]
    stride: int = 1
    depth_encoding: str = DEPTH_ENCODINGS[0]
    depth_scale: float = 1.0
    focal_correction: bool = True
    f_px: float | None = None


def add_bag_arguments(parser: argparse._ArgumentGroup) -> None:
    """Declare the arguments that only a bag has."""
    default = BagOptions()
    parser.add_argument('--image', help='topic of the pictures; default: the only one in the bag')
    parser.add_argument('--camera-info', help='its CameraInfo; default: camera_info beside it')
    parser.add_argument(
        '--topics',
        nargs='+',
        choices=TOPICS,
        metavar='TOPIC',
        help=f'to write, of {", ".join(TOPICS)}; default: all',
    )
    parser.add_argument(
        '--namespace', type=namespace, default=default.namespace, help='of the topics written'
    )
    parser.add_argument('--keep-input', action='store_true', help='copy the messages of the bag')
    parser.add_argument('--storage', choices=STORAGES, default=default.storage)
    parser.add_argument(
        '--stride', type=count, default=default.stride, help='a point for each stride-th pixel'
    )
    parser.add_argument(
        '--depth-encoding', choices=DEPTH_ENCODINGS, default=default.depth_encoding
    )
    parser.add_argument(
        '--no-focal-correction',
        dest='focal_correction',
        action='store_false',
        help='do not multiply depth by the focal length of the camera over that of the training',
    )


def namespace(text: str) -> str:
    """Read a ROS namespace. Raises argparse.ArgumentTypeError for anything else."""
    if not all(re.fullmatch(r'[A-Za-z_]\w*', part, re.ASCII) for part in text.split('/') if part):
        raise argparse.ArgumentTypeError(
            f"'{text}' is no namespace: give names of letters, digits and _, which begin with no "
            'digit, with / between'
        )
    return text


def refuse_bag_options(arguments: argparse.Namespace) -> None:
    """Raise ValueError if there are arguments that only a bag has."""
    given = read_bag_options(arguments)
    default = BagOptions(depth_scale=given.depth_scale, f_px=given.f_px)
    options = [
        '--no-focal-correction' if name == 'focal_correction' else f'--{name.replace("_", "-")}'
        for name, value in vars(given).items()
        if value != getattr(default, name)
    ]
    if options:
        raise ValueError(
            f'{", ".join(options)}: only for bags, and the input is none; leave that out'
        )


def read_bag_options(arguments: argparse.Namespace) -> BagOptions:
    """Take the options from the parsed arguments."""
    values = {name: getattr(arguments, name) for name in BagOptions.__dataclass_fields__}
    return BagOptions(**values | {'topics': arguments.topics and tuple(arguments.topics)})


def predict_bag(engine: Predictor, source: Path, out: Path, options: BagOptions) -> Tally:
    """Answer every picture of a bag; the outputs bear its header and are recorded when it was.

    Frames that cannot be decoded are logged and counted. Raises FileNotFoundError or ValueError
    if the bag cannot be read or has no such topics or pictures, FileExistsError if out exists.
    """
    with BagReader(source) as reader:
        camera = BagCamera(reader, options.image, options.camera_info)
        answerer = _Answerer(engine, camera, options)
        kept = set(reader.topics) if options.keep_input else set()
        clashing = kept & {answerer.name(topic) for topic in OUTPUT_TOPICS}
        if clashing:
            raise ValueError(
                f'bag {source} has {", ".join(sorted(clashing))} already; give a --namespace, '
                'or leave out --keep-input'
            )
        with BagWriter(out, options.storage) as writer:
            for topic in sorted(kept):
                try:
                    writer.copy_topic(topic, reader)
                except ValueError as error:
                    log.warning('%s; it is not kept', error)
                    kept.remove(topic)
            tally = _answer_all(reader, camera, answerer, writer, kept)
            if not tally.frames:
                raise ValueError(
                    f'bag {source} has no message on {camera.topic}; name another topic by '
                    '--image, or record it again'
                )
            return tally


def _answer_all(
    reader: BagReader, camera: BagCamera, answerer: '_Answerer', writer: BagWriter, kept: set[str]
) -> Tally:
    frames = answered = 0
    with tqdm(
        desc=reader.path.name, total=reader.topics[camera.topic].count, unit='frame'
    ) as progress:
        for message in reader.messages({camera.topic} | kept):
            if message.topic in kept:
                writer.write_raw(message)
            if message.topic != camera.topic:
                continue
            frames += 1
            progress.update()
            try:
                header, picture = camera.decode(message)
            except ValueError as error:
                log.error('%s, frame %d: %s', camera.topic, frames, error)
                continue
            for topic, answer, qos in answerer.answer(header, picture):
                writer.write(topic, message.stamp_ns, answer, qos)
            answered += 1
    return Tally(frames, answered)


class _Answerer:
    """Pictures with their headers to messages, as the node answers them."""

    def __init__(self, engine: Predictor, camera: BagCamera, options: BagOptions) -> None:
        self._engine, self._camera, self._options = engine, camera, options
        self._wanted = set(options.topics or TOPICS).intersection(topics_of(engine.card.tasks))
        self._space = label_space(engine.card.label_space)
        self._named_classes = False

    def name(self, topic: str) -> str:
        """Give the full name of a topic."""
        return '/'.join(['', *filter(None, self._options.namespace.split('/')), topic])

    def answer(
        self, header: Any, picture: NDArray[np.uint8]
    ) -> Iterator[tuple[str, Any, TopicQos]]:
        """Give topic, message and QoS of each answer to a picture; the classes once."""
        if LABELS in self._wanted and not self._named_classes:
            self._named_classes = True
            yield self.name(LABEL_INFO), label_info(self._space), LATCHED
        height, width = picture.shape[:2]
        info = self._camera.info(header, width, height)
        intrinsics = intrinsics_of(info)
        rays = None if intrinsics is None else RayTable(intrinsics, self._options.stride)
        prediction = self._engine.predict(picture)
        made = products(picture, prediction, self._wanted, rays, self._settings(intrinsics))
        for topic, fields in made.items():
            yield self.name(topic), field_message(header, fields), TopicQos()
        for topic, info_topic in CAMERA_INFOS.items():
            if info is not None and topic in made:
                yield self.name(info_topic), replace(info, header=header), TopicQos()

    def _settings(self, intrinsics: Intrinsics | None) -> ProductSettings:
        options = self._options
        factor = options.depth_scale
        if options.focal_correction:
            f_px = options.f_px if intrinsics is None else intrinsics.fx_px
            factor *= focal_factor(f_px, self._engine.card.training_f_px)
        return ProductSettings(
            self._space, depth_encoding=options.depth_encoding, depth_factor=factor
        )
