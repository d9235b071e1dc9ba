"""The engine: pictures in, Predictions out, on the best runtime that the machine has."""

from collections.abc import Sequence
from dataclasses import dataclass
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import torch

from .backends import Backend, CompiledNetwork, CPU_ONLY, create_backend, Shape
from .label_space import label_space
from .model_card import find_weights, read_card
from .network.checkpoint import load_state, read_weights

log = logging.getLogger(__name__)
# compiled sizes that are kept: a folder of pictures may have one each, and each takes memory
KEPT_SHAPES = 8


@dataclass(frozen=True)
class Prediction:
    """What the network says of one picture, at the picture's size; a task it lacks is None.

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
        self, weights: str | Path = 'road8', device: str = 'auto', backend: str = 'auto'
    ) -> None:
        """Load weights: a name in the weights folder, or the path of a .safetensors file.

        device is auto, cpu or cuda:N; backend auto, or one of backends.LIBRARIES. Raises
        FileNotFoundError or ValueError if the weights or their card are missing, torn or do not
        fit each other, ValueError if device or backend are unknown or do not go together,
        ModuleNotFoundError if the backend's library is not installed.
        """
        path = find_weights(weights)
        self.card = read_card(path)
        network = self.card.build()
        load_state(network, read_weights(path), path)
        self._network = self.card.deploy(network)
        if device == 'auto' and backend in CPU_ONLY:
            device = 'cpu'
        self._backend: Backend = create_backend(backend, choose_device(device))
        self._compiled: dict[Shape, CompiledNetwork] = {}
        self._sky = label_space(self.card.label_space).id_of('sky')

    @property
    def device(self) -> str:
        """The device in use: cpu or cuda:N."""
        return self._backend.device

    @property
    def backend(self) -> str:
        """The runtime in use, with its precision."""
        return f'{self._backend.name} {self._backend.precision}'

    def warm_up(self, height: int, width: int, batch: int = 1) -> None:
        """Compile for pictures of a size and run once, so that the first frame is not late."""
        self._run(np.zeros((batch, height, width, 3), np.uint8))

    def predict(self, picture: NDArray[np.uint8]) -> Prediction:
        """Predict for one picture (H, W, 3) uint8 RGB. Raises ValueError for anything else."""
        return self.predict_batch([picture])[0]

    def predict_batch(self, pictures: Sequence[NDArray[np.uint8]]) -> list[Prediction]:
        """Predict for pictures of one size in one pass. Raises ValueError if sizes differ."""
        for picture in pictures:
            _check_picture(picture)
        if len({picture.shape for picture in pictures}) != 1:
            shapes = ', '.join(str(picture.shape) for picture in pictures) or 'none'
            raise ValueError(f'a batch needs pictures of one size, found {shapes}')
        batch = pictures[0][None] if len(pictures) == 1 else np.stack(pictures)
        return self._run(np.ascontiguousarray(batch))

    def _run(self, batch: NDArray[np.uint8]) -> list[Prediction]:
        shape = batch.shape[:3]
        run = self._compiled.pop(shape, None) or self._backend.compile(self._network, shape)
        # the latest used stands last
        self._compiled[shape] = run
        if len(self._compiled) > KEPT_SHAPES:
            del self._compiled[next(iter(self._compiled))]
        arrays = run(batch)
        return [self._prediction(arrays, index) for index in range(len(batch))]

    def _prediction(self, arrays: dict[str, NDArray[np.generic]], index: int) -> Prediction:
        """Copy one picture's maps out of the backend's buffers; sky and far become +Inf."""
        one = {name: np.array(array[index]) for name, array in arrays.items()}
        labels, depth = one.get('labels'), one.get('depth')
        if depth is not None:
            beyond = depth >= self.card.depth_range_m[1]
            if labels is not None and self._sky is not None:
                beyond |= labels == self._sky
            depth[beyond] = np.inf
        return Prediction(labels, one.get('confidence'), depth, one.get('normals'))


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
