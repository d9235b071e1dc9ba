"""The state of a camera with which all is well, but for what a test changes."""

from dataclasses import replace
from typing import Any

from mtl_perception.ros.calibration.scale import Scale
from mtl_perception.ros.health.causes import CameraState
from mtl_perception.ros.health.measurements import Counters, Interval, Summary
from mtl_perception.ros.parameters import Parameters

FINE = Interval(
    seconds=1.0,
    counters=Counters(received=10, answered=8, skipped=2),
    since_image_s=0.1,
    active_s=60.0,
    times=Summary(5.0, 30.0, 40.0, 60.0),
    stamp_age_s=0.05,
    size=(640, 480),
    former_size=None,
    last_fault='',
    last_failure='',
)
SCALE = Scale(ratio=1.25, deviation=0.01, frames=20, points=3000)


def state(parameters: dict[str, Any] | None = None, **changes: Any) -> CameraState:
    own = {name: changes.pop(name) for name in [*changes] if name in CameraState.__annotations__}
    made = CameraState(
        image_topic='/image',
        info_topic='/camera_info',
        interval=replace(FINE, **changes),
        parameters=Parameters(lidar_check=True, **(parameters or {})),
        silence='nobody publishes there; start the camera, or correct the remapping',
        info_lack='',
    )
    return replace(made, **own)
