"""What a recording of the node shows: figures, faults, a film and a contact sheet."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mtl_perception.messages import decode_message
from mtl_perception.products import DEPTH, DEPTH_COLOURS, LABELS, OBSTACLES, OVERLAY, POINTS
from mtl_perception.recordings.bags import BagReader
from mtl_perception.viewing.clouds import read_cloud
from mtl_perception.visualization import render_cloud

Picture = NDArray[np.uint8]
PANEL = (621, 188)
# behind and above the camera, which stands at the origin: x right, y down, z ahead, in metres
EYE_M, TARGET_M, SHOWN_M = (0.0, -6.0, -7.0), (0.0, 0.0, 16.0), 60.0
FRAMES_PER_SECOND = 10.0
SHEET_FRAMES = 6


@dataclass(frozen=True)
class Recording:
    """A bag of input pictures and of outputs, each stored under the time of its arrival."""

    path: Path
    image: str
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """An input picture with its outputs by topic, as messages, and when each arrived, in ns."""

    picture: Any
    outputs: Mapping[str, Any]
    sent_ns: int
    arrived_ns: Mapping[str, int]


class Findings(NamedTuple):
    """Lines of figures, a line for each output that does not fit its input, answers in all."""

    figures: list[str]
    faults: list[str]
    answered: int


def measure(recording: Recording, sent: int, counters: Mapping[str, int]) -> Findings:
    """Count and time the answers in a recording, and check them.

    counters are the node's own: of the frames received, how many were answered and skipped.
    """
    latencies: dict[str, list[float]] = {'labels and depth': [], 'all outputs': []}
    ends: list[int] = []
    faults: list[str] = []
    for answer in answers(recording):
        arrived = answer.arrived_ns
        ends.append(max(arrived.values()))
        latencies['all outputs'].append((ends[-1] - answer.sent_ns) / 1e6)
        both = max(arrived[LABELS], arrived[DEPTH])
        latencies['labels and depth'].append((both - answer.sent_ns) / 1e6)
        faults += _faults(answer)
    if not ends:
        nothing = [f'{recording.path} has no answer']
        return Findings([f'frames: {sent} sent, 0 answered'], nothing, 0)
    if len(ends) != counters['answered']:
        faults.append(f'the node counts {dict(counters)}, the recording has {len(ends)} answers')
    rate = (len(ends) - 1) / max((ends[-1] - ends[0]) / 1e9, 1e-9)
    figures = [
        f'frames: {sent} sent, {len(ends)} answered, {counters["skipped"]} skipped for newer '
        f'ones, {sent - counters["received"]} lost on the way',
        f'rate: {rate:.1f} answered frames/s',
        *(
            f'latency to {what}: p50 {np.median(ms):.0f} ms, p95 {np.percentile(ms, 95):.0f} ms'
            for what, ms in latencies.items()
        ),
    ]
    return Findings(figures, faults, len(ends))


def answers(recording: Recording) -> Iterator[Answer]:
    """Pair each recorded picture with its outputs by stamp; yield those that are complete."""
    topics = {recording.image, *(f'/{topic}' for topic in recording.outputs)}
    waiting: dict[tuple[int, int], dict[str, tuple[int, Any]]] = {}
    with BagReader(recording.path) as bag:
        for raw in bag.messages(topics):
            message = bag.parse(raw)
            stamp = (message.header.stamp.sec, message.header.stamp.nanosec)
            parts = waiting.setdefault(stamp, {})
            parts[raw.topic] = (raw.stamp_ns, message)
            if len(parts) == len(topics):
                sent_ns, picture = waiting.pop(stamp).pop(recording.image)
                named = {topic.removeprefix('/'): part for topic, part in parts.items()}
                yield Answer(
                    picture,
                    {topic: part[1] for topic, part in named.items()},
                    sent_ns,
                    {topic: part[0] for topic, part in named.items()},
                )


def _faults(answer: Answer) -> Iterator[str]:
    # decoded, for a compressed one does not say its size
    picture = decode_message(answer.picture)
    expected = (answer.picture.header.frame_id, *picture.shape[:2])
    for topic, message in answer.outputs.items():
        # the obstacle cloud has as many points as there are obstacles
        size = expected[1:] if topic == OBSTACLES else (message.height, message.width)
        found = (message.header.frame_id, *size)
        if found != expected:
            yield f'{topic} has frame, height, width {found}, its input {expected}'


def draw(recording: Recording, answered: int, film: Path, sheet: Path) -> None:
    """Write a film of all answers and a sheet of some, each as picture, overlay, depth, cloud.

    `answered` is how many there are. Raises OSError if one of the two cannot be written.
    """
    size = (2 * PANEL[0], 2 * PANEL[1])
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*'mp4v'), FRAMES_PER_SECOND, size)
    if not writer.isOpened():
        raise OSError(f'OpenCV cannot write {film}; is its folder writable, or full?')
    chosen = np.linspace(0, answered - 1, min(SHEET_FRAMES, answered)).round()
    rows = []
    for index, answer in enumerate(answers(recording)):
        panels = _panels(answer)
        writer.write(np.vstack((np.hstack(panels[:2]), np.hstack(panels[2:])))[..., ::-1])
        if index in chosen:
            rows.append(np.hstack(panels))
    writer.release()
    if not cv2.imwrite(str(sheet), np.vstack(rows)[..., ::-1]):
        raise OSError(f'OpenCV cannot write {sheet}; is its folder writable, or full?')


def _panels(answer: Answer) -> list[Picture]:
    outputs = answer.outputs
    pictures = [
        decode_message(m) for m in (answer.picture, outputs[OVERLAY], outputs[DEPTH_COLOURS])
    ]
    resized = [cv2.resize(p, PANEL, interpolation=cv2.INTER_AREA) for p in pictures]
    points, colours = read_cloud(outputs[POINTS])
    assert colours is not None
    near = points[:, 2] < SHOWN_M
    view = render_cloud(points[near], colours[near], PANEL, EYE_M, TARGET_M, 70.0, point_px=2)
    return [*resized, view]
