"""Two threads between the cameras and the network."""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
import threading
import time
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mtl_perception.engine import Prediction
from mtl_perception.ros.pipeline.latest_frames import LatestFrames


@dataclass(frozen=True, eq=False)
class Received:
    """A message, and when it came (monotonic)."""

    message: Any
    received_s: float


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture on its way, with what answers it: the topics that somebody wants.

    fields are those of a Prediction that these are made of; a frame without any goes past the
    network.
    """

    header: Any
    picture: NDArray[np.uint8]
    received_s: float
    wanted: frozenset[str]
    fields: frozenset[str]


@dataclass(frozen=True)
class Pass:
    """When a frame went into the network, and came out (monotonic)."""

    began_s: float
    ended_s: float


class Served(Protocol):
    """A camera, as the pipeline sees it; its methods are called in the pipeline's threads."""

    def decode(self, received: Received) -> Frame | None:
        """Make a picture of a message; None if it is not to be answered."""

    def answer(self, frame: Frame, prediction: Prediction | None, through: Pass) -> None:
        """Publish what is made of a frame; no prediction where it needs none."""

    def skip(self) -> None:
        """Count a frame that a newer one replaced, or the end."""

    def fail(self, error: Exception) -> None:
        """Report what went wrong with a frame."""


class Pipeline:
    """Takes the newest frames of cameras through the network and back to them.

    One thread decodes frame n+1 while the other has frame n in the network and publishes. Before
    each of them waits the newest frame of each camera, and no other. Frames of one size that are
    there together go through the network in one pass.
    """

    def __init__(
        self,
        predict_batch: Callable[[Sequence[NDArray[np.uint8]], Collection[str]], list[Prediction]],
        cameras: int,
        window_s: Callable[[], float],
    ) -> None:
        """Start the threads, for so many cameras; window_s is how long one waits for another."""
        self._predict_batch = predict_batch
        self._messages: LatestFrames[Served, Received] = LatestFrames(cameras)
        self._frames: LatestFrames[Served, Frame] = LatestFrames(cameras, window_s)
        self._threads = [
            threading.Thread(target=run, name=run.__name__.strip('_'), daemon=True)
            for run in (self._decode_all, self._answer_all)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, camera: Served, received: Received) -> None:
        """Hand over a message; never waits."""
        if self._messages.put(camera, received):
            camera.skip()

    def close(self) -> None:
        """Let what is in work finish, skip what waits, and end the threads."""
        decoder, answerer = self._threads
        for camera in self._messages.close():
            camera.skip()
        decoder.join()
        for camera in self._frames.close():
            camera.skip()
        answerer.join()

    def _decode_all(self) -> None:
        while received := self._messages.take():
            for camera, message in received.items():
                try:
                    frame = camera.decode(message)
                except Exception as error:
                    camera.fail(error)
                    continue
                if frame is not None and self._frames.put(camera, frame):
                    camera.skip()

    def _answer_all(self) -> None:
        while frames := self._frames.take():
            batches: dict[tuple[int, ...] | None, dict[Served, Frame]] = defaultdict(dict)
            for camera, frame in frames.items():
                key = frame.picture.shape if frame.fields else None
                batches[key][camera] = frame
            for key, batch in batches.items():
                self._answer(batch, key is not None)

    def _answer(self, frames: dict[Served, Frame], predict: bool) -> None:
        """Take frames of one size through the network, or past it, and answer each."""
        began_s = time.monotonic()
        predictions: Sequence[Prediction | None] = [None] * len(frames)
        if predict:
            try:
                fields = frozenset().union(*(frame.fields for frame in frames.values()))
                pictures = [frame.picture for frame in frames.values()]
                predictions = self._predict_batch(pictures, fields)
            except Exception as error:
                for camera in frames:
                    camera.fail(error)
                return
        through = Pass(began_s, time.monotonic())
        for (camera, frame), prediction in zip(frames.items(), predictions, strict=True):
            try:
                camera.answer(frame, prediction, through)
            except Exception as error:
                camera.fail(error)
