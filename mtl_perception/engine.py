"""The engine: pictures in, Predictions out, on the best runtime that the machine has."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
import torch

from .backends import CPU_ONLY, create_backend, Source
from .backends.compiled import CompiledNetworks, Progress
from .backends.quantisation import read_ranges
from .model_card import find_weights, load_network
from .network.deployed import FIELDS_OF_TASK

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prediction:
    """What the network says of one picture; what it lacks, or nobody wanted, is None.

    H and W are the picture's, reduced by the engine's scale.

    | field      | shape and type    | content                                |
    |------------|-------------------|----------------------------------------|
    | labels     | (H, W) uint8      | class ids, 255 unlabelled              |
    | confidence | (H, W) uint8      | softmax maximum x 255                  |
    | depth      | (H, W) float32    | metres along the optical axis (REP 117 |
    |            |                   | and 118: NaN unknown, +Inf sky or      |
    |            |                   | beyond range)                          |
    | normals    | (H, W, 3) float32 | unit vectors in the optical frame      |
    """

    labels: NDArray[np.uint8] | None
    confidence: NDArray[np.uint8] | None
    depth: NDArray[np.float32] | None
    normals: NDArray[np.float32] | None


class Engine:
    """A joint network, ready to run."""

    def __init__(
        self,
        weights: str | Path = 'road8',
        device: str = 'auto',
        backend: str = 'auto',
        precision: str = 'auto',
        scale: float = 1.0,
        in_background: bool = False,
    ) -> None:
        """Load weights: a name in the weights folder, or the path of a .safetensors file.

        device is auto, cpu or cuda:N; backend auto, or one of backends.LIBRARIES; precision auto,
        or one of backends.PRECISIONS. Scale, above 0 and at most 1, reduces pictures before they
        are looked at, and Predictions with them; depth stays metric. With in_background what was
        not warmed up is compiled beside the running engine. Raises FileNotFoundError or
        ValueError if the weights, their card or int8's ranges are missing, torn or do not fit,
        ValueError if one of the rest is unknown or they do not go together, ModuleNotFoundError
        if the backend's library is not installed.
        """
        if not 0 < scale <= 1:
            raise ValueError(f'scale is {scale}; expected above 0 and at most 1')
        path = find_weights(weights)
        self.card, network = load_network(path)
        self.scale = scale
        if device == 'auto' and backend in CPU_ONLY:
            device = 'cpu'
        self._backend = create_backend(backend, choose_device(device), precision)
        deployed = self.card.deploy(network)
        ranges = read_ranges(path, self.card.sha256) if precision == 'int8' else None
        self.source = Source(deployed, f'{self.card}, sky {deployed.sky}', ranges)
        self._compiled = CompiledNetworks(self._backend, self.source, in_background)

    @property
    def device(self) -> str:
        """The device in use: cpu or cuda:N."""
        return self._backend.device

    @property
    def backend(self) -> str:
        """The runtime in use, with its precision."""
        return f'{self._backend.name} {self._backend.precision}'

    @property
    def progress(self) -> Progress:
        """What the runtime has compiled by now, and what it could not."""
        return self._compiled.progress

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a Prediction that this model fills."""
        return tuple(
            f for task, made in FIELDS_OF_TASK.items() if task in self.card.tasks for f in made
        )

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Give height and width of the Prediction for a picture of a size."""
        return output_size(height, width, self.scale)

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """Compile for pictures of a size and run once, so that the first frame is not late."""
        shape = (batch, *self.output_size(height, width))
        self._compiled.compile(shape, self._fields(None))(np.zeros((*shape, 3), np.uint8))

    def predict(
        self, picture: NDArray[np.uint8], wanted: Collection[str] | None = None
    ) -> Prediction:
        """Predict for one picture (H, W, 3) uint8 RGB; wanted are fields, None for all.

        Raises ValueError for anything else.
        """
        return self.predict_batch([picture], wanted)[0]

    def predict_batch(
        self, pictures: Sequence[NDArray[np.uint8]], wanted: Collection[str] | None = None
    ) -> list[Prediction]:
        """Predict for pictures of one size in one pass. Raises ValueError if sizes differ."""
        for picture in pictures:
            _check_picture(picture)
        if len({picture.shape for picture in pictures}) != 1:
            shapes = ', '.join(str(picture.shape) for picture in pictures) or 'none'
            raise ValueError(f'a batch needs pictures of one size, found {shapes}')
        fields = self._fields(wanted)
        if not fields:
            return [Prediction(None, None, None, None) for _ in pictures]
        height, width = self.output_size(*pictures[0].shape[:2])
        reduced = [reduce_picture(picture, height, width) for picture in pictures]
        batch = reduced[0][None] if len(reduced) == 1 else np.stack(reduced)
        run = self._compiled.ready((len(reduced), height, width), fields)
        arrays = run(np.ascontiguousarray(batch))
        # the focal length of a reduced picture is shorter, and things in it seem farther
        nearer = np.float32(width / pictures[0].shape[1])
        return [_prediction(arrays, index, fields, nearer) for index in range(len(reduced))]

    def _fields(self, wanted: Collection[str] | None) -> frozenset[str]:
        """Resolve None to all fields. Raises ValueError if one is unknown."""
        known = Prediction.__dataclass_fields__
        if wanted is not None and (unknown := set(wanted) - set(known)):
            raise ValueError(
                f'a Prediction has no {", ".join(sorted(unknown))}; choose of {", ".join(known)}'
            )
        return frozenset(self.fields if wanted is None else set(wanted).intersection(self.fields))


def output_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """Give height and width of a picture reduced by a scale: at least 1."""
    return max(1, round(height * scale)), max(1, round(width * scale))


def _prediction(
    arrays: Mapping[str, NDArray[np.generic]],
    index: int,
    fields: Collection[str],
    nearer: np.float32,
) -> Prediction:
    """Copy one picture's maps out of the backend's buffers."""
    one: dict[str, Any] = {name: np.array(arrays[name][index]) for name in fields}
    if nearer != 1 and 'depth' in one:
        one['depth'] *= nearer
    return Prediction(*(one.get(name) for name in Prediction.__dataclass_fields__))


def reduce_picture(picture: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Give a picture (H, W, 3) of a smaller size (height, width, 3), by area."""
    if picture.shape[:2] == (height, width):
        return picture
    reduced: NDArray[np.uint8] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return reduced


def choose_device(device: str) -> str:
    """Resolve `auto` and check that a GPU asked for exists, else warn and fall back to the CPU.

    Raises ValueError if device is none of auto, cpu, cuda, cuda:N.
    """
    count = torch.cuda.device_count()
    if device == 'cpu' or (device == 'auto' and count == 0):
        return 'cpu'
    kind, _, number = ('cuda:0' if device in ('auto', 'cuda') else device).partition(':')
    if kind != 'cuda' or not number.isdecimal():
        raise ValueError(f"device is '{device}'; expected auto, cpu or cuda:N")
    if int(number) < count:
        return f'cuda:{int(number)}'
    log.warning("device '%s' is not one of the %d GPUs here; using the CPU", device, count)
    return 'cpu'


def _check_picture(picture: NDArray[np.uint8]) -> None:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise ValueError(
            f'a picture is {picture.shape} {picture.dtype}; expected (height, width, 3) uint8, RGB'
        )
