"""What is wrong with a camera, in words; one function for each thing that can be."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from mtl_perception.ros.calibration.scale import Scale
from mtl_perception.ros.health.measurements import Interval
from mtl_perception.ros.parameters import Parameters

# a stamp that is newer than now, or older than this, is of another clock
_SAME_CLOCK_S = (-0.5, 60.0)
# so many times max_error from one, what is applied rather says that a place is given wrongly
_IMPLAUSIBLE = 5


class Level(IntEnum):
    """The levels of diagnostic_msgs/DiagnosticStatus."""

    OK = 0
    WARN = 1
    ERROR = 2
    STALE = 3


@dataclass(frozen=True)
class Cause:
    """Something wrong, and how much."""

    level: Level
    sentence: str


@dataclass(frozen=True)
class CameraState:
    """A camera at the time of a report.

    `silence` says who publishes on the topic of images, `info_lack` what is missing in
    camera_info, '' if nothing is or nobody needs it. `lidar_scale` is what a lidar found,
    `ground_scale` what the camera's height did, each after the other where that is applied.
    """

    image_topic: str
    info_topic: str
    interval: Interval
    parameters: Parameters
    silence: str
    info_lack: str
    lidar_scale: Scale | None = None
    ground_scale: Scale | None = None
    lidar_fault: str = ''


def is_same_clock(stamp_age_s: float) -> bool:
    """Tell whether a stamp so old can be of the node's clock."""
    return _SAME_CLOCK_S[0] <= stamp_age_s <= _SAME_CLOCK_S[1]


def info_is_missing(topic: str, lack: str) -> str:
    """Say what waits for a camera_info."""
    return f'points, and what corrects or checks depth, wait for a camera_info on {topic}: {lack}'


def causes_of(state: CameraState) -> list[Cause]:
    """List what is wrong with a camera, the worst first."""
    found = [cause for look in _LOOKS for cause in look(state)]
    return sorted(found, key=lambda cause: -cause.level)


def _no_image(state: CameraState) -> Iterator[Cause]:
    interval = state.interval
    waited_s = interval.active_s if interval.since_image_s is None else interval.since_image_s
    if waited_s > state.parameters.diagnostics_no_image_s:
        ever = 'since activation' if interval.since_image_s is None else 'any more'
        yield Cause(
            Level.ERROR,
            f'no image on {state.image_topic} {ever}, for {waited_s:.1f} s: {state.silence}',
        )


def _bad_images(state: CameraState) -> Iterator[Cause]:
    counters = state.interval.counters
    if counters.bad:
        yield Cause(
            Level.WARN,
            f'{counters.bad} of {counters.received} images could not be read, the last for: '
            f'{state.interval.last_fault}',
        )


def _failures(state: CameraState) -> Iterator[Cause]:
    if state.interval.counters.failed:
        yield Cause(
            Level.ERROR,
            f'{state.interval.counters.failed} images could not be answered, the last for: '
            f'{state.interval.last_failure}',
        )


def _no_camera_info(state: CameraState) -> Iterator[Cause]:
    if state.info_lack:
        yield Cause(Level.WARN, info_is_missing(state.info_topic, state.info_lack))


def _late(state: CameraState) -> Iterator[Cause]:
    limit_ms = state.parameters.diagnostics_max_latency_ms
    times = state.interval.times
    if times is not None and times.end_to_end_p95_ms > limit_ms:
        yield Cause(
            Level.WARN,
            f'latency is {times.end_to_end_p95_ms:.0f} ms (p95), above '
            f'diagnostics.max_latency_ms {limit_ms:g}; use a faster device or smaller images',
        )


def _skipped(state: CameraState) -> Iterator[Cause]:
    counters, most = state.interval.counters, state.parameters.diagnostics_max_skipped
    if counters.skipped > most * max(counters.received, 1):
        yield Cause(
            Level.WARN,
            f'{counters.skipped} of {counters.received} images were dropped for newer ones, more '
            f'than diagnostics.max_skipped {most:g}; the camera is faster than the network (lower '
            'its rate, or the parameter scale), or what it publishes best effort is lost on the '
            'way (give its process config/fastdds_images.xml, too)',
        )


def _other_clock(state: CameraState) -> Iterator[Cause]:
    age_s = state.interval.stamp_age_s
    if age_s is not None and not is_same_clock(age_s):
        past = f'{age_s:.1f} s old' if age_s > 0 else f'{-age_s:.1f} s in the future'
        yield Cause(
            Level.WARN,
            f'stamps are of another clock, {past} when answered; for a bag set use_sim_time and '
            'play it with --clock, else synchronise the clocks of the machines',
        )


def _resized(state: CameraState) -> Iterator[Cause]:
    size, former = state.interval.size, state.interval.former_size
    if size is not None and former is not None:
        yield Cause(
            Level.WARN,
            f'the camera changed from {former[0]}x{former[1]} to {size[0]}x{size[1]}; the status '
            'of the model says whether it is compiled for that',
        )


class _Source(NamedTuple):
    """Who tells the scale of depth: what it finds, what else may be wrong, what it lacks."""

    name: str
    finding: str
    suspect: str
    lacking: str


_MOUNTING = 'lidar.translation_m and lidar.rotation_xyzw'
_LIDAR = _Source(
    'lidar',
    'the lidar measures',
    _MOUNTING,
    f'hardly any points of the lidar lie on what the camera sees; correct {_MOUNTING}',
)
_GROUND = _Source(
    'ground',
    'the height of the camera makes it',
    'camera_height_m',
    'no level ground was seen; show the camera some',
)


def _wrong_scale(state: CameraState) -> Iterator[Cause]:
    parameters = state.parameters
    if state.lidar_fault:
        yield Cause(Level.WARN, state.lidar_fault)
    if parameters.ground_check and parameters.camera_height_m == 0:
        yield Cause(
            Level.WARN,
            'ground.check is true, but camera_height_m is 0, not known; set it to the height of '
            'the camera above the ground in metres',
        )
    lidar, ground = (_LIDAR, state.lidar_scale), (_GROUND, state.ground_scale)
    for (source, scale), (other, _) in ((lidar, ground), (ground, lidar)):
        if scale is None:
            yield from _nothing_applied(state, source)
        elif getattr(parameters, f'{other.name}_apply'):
            yield from _contradiction(parameters, source, other, scale)
        else:
            yield from _wrong_ratio(parameters, source, scale)


def _nothing_applied(state: CameraState, source: _Source) -> Iterator[Cause]:
    """Say that a scale that is to be applied is not known, unless what is missing says so."""
    parameters, interval = state.parameters, state.interval
    applied = getattr(parameters, f'{source.name}_apply') and interval.counters.answered
    explained = bool(state.lidar_fault or state.info_lack)
    explained = explained or (source is _GROUND and parameters.camera_height_m == 0)
    if applied and not explained and interval.active_s > parameters.diagnostics_no_image_s:
        yield Cause(
            Level.WARN,
            f'{source.name}.apply multiplies depth by nothing yet: {source.lacking}',
        )


def _contradiction(
    parameters: Parameters, source: _Source, applied: _Source, scale: Scale
) -> Iterator[Cause]:
    max_error: float = getattr(parameters, f'{source.name}_max_error')
    if abs(scale.ratio - 1) > max_error:
        yield Cause(
            Level.WARN,
            f'{source.finding} {scale.ratio:.3f} times the depth that {applied.name}.apply gives; '
            f'correct {applied.suspect}, or {source.suspect}',
        )


def _wrong_ratio(parameters: Parameters, source: _Source, scale: Scale) -> Iterator[Cause]:
    name, ratio = source.name, f'{scale.ratio:.3f}'
    right = f'{parameters.depth_scale * scale.ratio:.3f}'
    max_error: float = getattr(parameters, f'{name}_max_error')
    limit = 1 + _IMPLAUSIBLE * max_error
    applied = getattr(parameters, f'{name}_apply')
    if applied and not 1 / limit <= scale.ratio <= limit:
        yield Cause(
            Level.WARN,
            f'{name}.apply multiplies depth by {ratio}, beyond {_IMPLAUSIBLE} times '
            f'{name}.max_error; correct {source.suspect}, or set depth_scale to {right}',
        )
    elif not applied and abs(scale.ratio - 1) > max_error:
        yield Cause(
            Level.WARN,
            f'{source.finding} {ratio} times the depth; set depth_scale to {right}, or '
            f'{name}.apply',
        )


_LOOKS: tuple[Callable[[CameraState], Iterator[Cause]], ...] = (
    _no_image,
    _failures,
    _bad_images,
    _no_camera_info,
    _other_clock,
    _late,
    _skipped,
    _resized,
    _wrong_scale,
)
