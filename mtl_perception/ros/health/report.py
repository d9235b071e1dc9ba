"""Diagnostics of the cameras and of the model, as messages."""

from collections.abc import Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue
import torch

from mtl_perception.backends import Shape
from mtl_perception.ros.health.causes import CameraState, Cause, causes_of, is_same_clock, Level
from mtl_perception.ros.pipeline.recovering_engine import RecoveringEngine

# keys of a camera's status
WAITED_MS = 'longest wait for the network (ms)'
NETWORK_MS = 'network (ms)'


def camera_status(
    name: str, hardware_id: str, state: CameraState, paused: bool
) -> DiagnosticStatus:
    """Report on a camera."""
    quiet = 'paused by ~/enable' if paused else 'serving'
    if not paused and state.interval.counters.unwanted:
        quiet = 'waiting: nobody subscribes to its outputs'
    return status(name, hardware_id, causes_of(state), quiet, _values(state))


def model_status(
    name: str, engine: RecoveringEngine, shortages: Sequence[Cause]
) -> DiagnosticStatus:
    """Report on the model and where it runs."""
    card, causes, progress = engine.card, [*shortages], engine.progress
    if engine.fallback:
        causes.append(
            Cause(
                Level.WARN,
                f'the CPU serves, as {engine.fallback}; free memory or give another device, then '
                'deactivate, clean up and configure',
            )
        )
    causes += [
        Cause(
            Level.WARN,
            f'plain PyTorch answers for {_words(shape)}, as {engine.backend} could not be '
            f'compiled: {why}; choose another backend, or deactivate, clean up and configure',
        )
        for shape, why in progress.failed.items()
    ]
    compiling = progress.compiling and _words(progress.compiling)
    values = {
        'model': card.name,
        'tasks': ', '.join(card.tasks),
        'label space': card.label_space,
        'sha256': card.sha256,
        'licence': card.licence,
        'training focal length (px)': str(card.training_f_px),
        'backend': engine.backend,
        'device': engine.device,
        'compiled': ', '.join(map(_words, progress.ready)) or 'nothing',
        'being compiled': compiling or 'nothing',
        'not compiled': ', '.join(map(_words, progress.failed)) or 'nothing',
        **_gpu_memory(engine.device),
    }
    quiet = f'{engine.backend} on {engine.device}'
    if compiling:
        quiet += f', being compiled for {compiling}: what is there answers, or plain PyTorch'
    return status(name, card.name, causes, quiet, values)


def status(
    name: str, hardware_id: str, causes: Sequence[Cause], quiet: str, values: Mapping[str, str]
) -> DiagnosticStatus:
    """Make a status; quiet is its message where nothing is wrong."""
    level = max((cause.level for cause in causes), default=Level.OK)
    return DiagnosticStatus(
        level=bytes([level]),
        name=name,
        message='; '.join(cause.sentence for cause in causes) or quiet,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in values.items()],
    )


def _words(shape: Shape) -> str:
    batch, height, width = shape
    return f'{width}x{height}' if batch == 1 else f'{batch} of {width}x{height}'


def _values(state: CameraState) -> dict[str, str]:
    interval = state.interval
    counters, seconds = interval.counters, max(interval.seconds, 1e-3)
    values = {
        'image topic': state.image_topic,
        'images per second': f'{counters.received / seconds:.1f}',
        'answers per second': f'{counters.answered / seconds:.1f}',
        'dropped for newer ones': str(counters.skipped),
        'not wanted': str(counters.unwanted),
        'bad': str(counters.bad),
        'failed': str(counters.failed),
    }
    if interval.size is not None:
        values['size'] = f'{interval.size[0]}x{interval.size[1]}'
    if interval.times is not None:
        times = interval.times
        values[WAITED_MS] = f'{times.longest_wait_ms:.1f}'
        values[NETWORK_MS] = f'{times.network_ms:.1f}'
        values['end to end (ms)'] = f'{times.end_to_end_ms:.1f}'
        values['end to end, p95 (ms)'] = f'{times.end_to_end_p95_ms:.1f}'
    if interval.stamp_age_s is not None and is_same_clock(interval.stamp_age_s):
        values['now - stamp (ms)'] = f'{interval.stamp_age_s * 1e3:.1f}'
    parameters = state.parameters
    for source, scale, applied in (
        ('lidar', state.lidar_scale, parameters.lidar_apply),
        ('ground', state.ground_scale, parameters.ground_apply),
    ):
        if scale is not None:
            values[f'{source} / depth'] = f'{scale.ratio:.4f}'
            values[f'{source}: deviation'] = f'{scale.deviation:.4f} over {scale.frames} frames'
            values[f'{source}: points compared'] = str(scale.points)
            values[f'{source}: applied'] = str(applied)
    return values


def _gpu_memory(device: str) -> dict[str, str]:
    if not device.startswith('cuda'):
        return {}
    try:
        free, total = torch.cuda.mem_get_info(device)
    except (AssertionError, RuntimeError):  # whatever ails the GPU, the report must come
        return {'GPU memory': 'the GPU does not say'}
    return {
        'GPU memory in use (MB)': f'{(total - free) / 1e6:.0f} of {total / 1e6:.0f}',
        'GPU memory of this node (MB)': f'{torch.cuda.memory_reserved(device) / 1e6:.0f}',
    }
