"""What may vary from scene to scene: every random choice is drawn within these ranges."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mtl_perception.geometry import Intrinsics

Range = tuple[float, float]

KITTI_CAMERA = Intrinsics(721.5377, 721.5377, 609.5593, 172.854, 1242, 375)


@dataclass(frozen=True)
class Ranges:
    """Domain randomisation; metres, degrees, and shares between 0 and 1 unless named else."""

    # kinds of street and how often each comes
    streets: Mapping[str, float] = field(
        default_factory=lambda: {
            **{'residential': 0.34, 'city': 0.26, 'suburb': 0.14, 'rural': 0.16, 'highway': 0.10}
        }
    )
    # how often it is instead a narrow one between walls, hedges and fronts
    alleys: float = 0.0
    alley_half_width: Range = (2.2, 3.2)
    turn_radius: Range = (60.0, 400.0)
    straight: float = 0.45
    slope_percent: Range = (-5.0, 5.0)
    lane_width: Range = (2.6, 3.6)
    kerb_height: Range = (0.04, 0.15)
    sidewalk_width: Range = (1.2, 4.0)
    verge_width: Range = (0.6, 3.5)
    crossing_spacing: Range = (45.0, 110.0)
    # how often it is instead a wide one in a town, with traffic islands
    islands: float = 0.0
    island_half_width: Range = (0.5, 1.6)
    island_corner: Range = (3.0, 8.0)

    # the camera
    camera_height: Range = (1.60, 1.70)
    camera_pitch: Range = (-1.2, 1.2)
    camera_roll: Range = (-1.0, 1.0)
    camera_yaw: Range = (-4.0, 4.0)
    speed_mps: Range = (0.0, 15.0)

    # how full the scene is
    parked: Range = (0.0, 0.85)
    traffic_spacing: Range = (9.0, 70.0)
    # how often traffic has come to a standstill, and how then: close, and with many lorries
    queues: float = 0.0
    queue_spacing: Range = (1.5, 7.0)
    queue_speed_mps: Range = (0.0, 3.0)
    queue_lorries: float = 0.4
    people_per_100_m: Range = (0.0, 9.0)
    trees_per_100_m: Range = (0.0, 14.0)

    # light and air
    sun_elevation: Range = (14.0, 60.0)
    overcast: float = 0.25
    open_sky: Range = (0.35, 0.9)
    exposure: Range = (0.75, 1.6)
    haze_per_km: Range = (0.1, 1.5)

    # the sensor
    contrast: Range = (1.05, 1.5)
    brightness: Range = (88.0, 112.0)
    saturation: Range = (0.45, 0.95)
    shutter_s: Range = (0.0, 0.006)
    noise: Range = (0.5, 3.0)
    softness_px: Range = (0.0, 0.7)
    jpeg_quality: Range = (80, 96)
