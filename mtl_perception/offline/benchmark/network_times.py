"""How long a picture takes from array to arrays: the baseline, and every runtime in turn."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
import itertools
import logging
import time

import cv2
import numpy as np
from numpy.typing import NDArray
import torch

from mtl_perception.backends import LIBRARIES, PRECISIONS
from mtl_perception.engine import Engine
from mtl_perception.model_card import load_network, ModelCard
from mtl_perception.network.deployed import DEPTH_ACTIVATIONS, NORMALISATIONS
from mtl_perception.network.joint_network import JointNetwork

log = logging.getLogger(__name__)
Picture = NDArray[np.uint8]
Pass = Callable[[list[Picture]], object]
BASELINE = 'eager baseline'
_ROUNDS = 5
# of a fast pass in a round
_SECONDS = 0.5


@dataclass(frozen=True)
class NetworkTime:
    """One row; ratio is the baseline's time for as many pictures over the median."""

    backend: str
    precision: str
    size: str
    batch: int
    p50_ms: float
    p95_ms: float
    ratio: float


class Baseline:
    """What nodes around such a network usually do, and every ratio refers to.

    NumPy normalises, PyTorch runs the plain network eagerly in float32, OpenCV enlarges the
    outputs one picture at a time, NumPy takes the best class.
    """

    def __init__(self, card: ModelCard, network: JointNetwork, device: str) -> None:
        """Move the network to the device."""
        self._network = network.eval().to(device)
        self._device = device
        self._mean, self._deviation = (
            np.array(values, np.float32) for values in NORMALISATIONS[card.normalisation]
        )
        self._activation = DEPTH_ACTIVATIONS[card.depth_activation]

    @torch.inference_mode()
    def __call__(self, pictures: list[Picture]) -> None:
        """Run a batch of pictures (H, W, 3)."""
        height, width = pictures[0].shape[:2]
        x = (np.stack(pictures).astype(np.float32) - self._mean) / self._deviation
        maps = self._network(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).to(self._device))
        for task, raw in maps.items():
            for one in raw.cpu().numpy():
                large = cv2.resize(
                    one.transpose(1, 2, 0), (width, height), interpolation=cv2.INTER_CUBIC
                )
                if task == 'segmentation':
                    large.argmax(2).astype(np.uint8)
                elif task == 'depth':
                    self._activation(torch.from_numpy(large)).numpy()


def network_times(
    weights: str, device: str, sizes: Sequence[tuple[int, int]], batches: Sequence[int]
) -> Iterator[NetworkTime]:
    """Measure each runtime and precision that this machine has, for sizes (width, height).

    For each size and batch all are measured in turn, so that a busy minute hits them alike.
    """
    card, network = load_network(weights)
    engines = available_engines(weights, device)
    baseline = Baseline(card, network, engines[0].device)
    for (width, height), batch in itertools.product(sizes, batches):
        passes: dict[tuple[str, str], Pass] = {(BASELINE, 'fp32'): baseline}
        for engine in engines:
            engine.warm_up(height, width, batch)
            name, precision = engine.backend.split()
            passes[name, precision] = engine.predict_batch
        times = _in_turn(passes, _pictures(width, height, batch))
        usual = np.median(times[BASELINE, 'fp32'])
        for (name, precision), ms in times.items():
            p50, p95 = np.percentile(ms, (50, 95))
            yield NetworkTime(
                name, precision, f'{width}x{height}', batch, float(p50), float(p95), usual / p50
            )


def available_engines(weights: str, device: str) -> list[Engine]:
    """Load the weights into each backend and precision that works here, saying which do not.

    Raises what the last of them does if none works.
    """
    engines: list[Engine] = []
    refused: list[Exception] = []
    for backend, precision in itertools.product(LIBRARIES, PRECISIONS):
        try:
            engines.append(Engine(weights, device, backend, precision))
        except (ValueError, FileNotFoundError, ModuleNotFoundError) as error:
            log.warning('without %s %s: %s', backend, precision, error)
            refused.append(error)
    if not engines:
        raise refused[-1]
    return engines


def _in_turn(
    passes: dict[tuple[str, str], Pass], pictures: list[Picture]
) -> dict[tuple[str, str], list[float]]:
    """Time each pass in ms, over and over; a fast one several times a round."""
    times: dict[tuple[str, str], list[float]] = {name: [] for name in passes}
    # the first pass of each allocates
    repeats = {
        name: max(1, int(_SECONDS / _seconds(run, pictures))) for name, run in passes.items()
    }
    for _ in range(_ROUNDS):
        for name, run in passes.items():
            times[name] += [1e3 * _seconds(run, pictures) for _ in range(repeats[name])]
    return times


def _seconds(run: Pass, pictures: list[Picture]) -> float:
    start = time.perf_counter()
    run(pictures)
    return time.perf_counter() - start


def _pictures(width: int, height: int, batch: int) -> list[Picture]:
    """Draw blobs of colour: the time does not depend on what is seen."""
    blobs = np.random.default_rng(0).integers(0, 256, (batch, 12, 20, 3), dtype=np.uint8)
    return [cv2.resize(one, (width, height), interpolation=cv2.INTER_CUBIC) for one in blobs]
