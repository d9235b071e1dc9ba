"""The sky over a scene, and its light."""

import numpy as np

from mtl_perception.rendering.opengl.views import Light
from mtl_perception.rendering.ranges import Ranges


def draw_light(rng: np.random.Generator, ranges: Ranges) -> Light:
    """Draw the sky: sunny with some clouds, or overcast."""
    overcast = rng.random() < ranges.overcast
    elevation = np.radians(rng.uniform(*ranges.sun_elevation))
    warm = float(np.clip(1.2 - 1.4 * elevation, 0.0, 0.6))
    strength = float(rng.uniform(2.2, 3.6))
    sun = (strength, strength * (0.95 - 0.15 * warm), strength * (0.87 - 0.4 * warm))
    if overcast:
        tone = float(rng.uniform(0.9, 1.4))
        zenith, horizon = (tone * 0.85, tone * 0.92, tone), (tone, tone * 1.02, tone * 1.05)
    else:
        blue = float(rng.uniform(0.6, 1.1))
        zenith = (0.22 * blue, 0.42 * blue, 0.95 * blue)
        horizon = (0.75, 0.88, 1.05)
    # drawn apart: the street that a seed makes stays as it was
    apart = rng.spawn(1)[0]
    return Light(
        sun_elevation=float(elevation),
        sun_azimuth=float(rng.uniform(0, 2 * np.pi)),
        sun_light=sun,
        zenith=zenith,
        horizon=horizon,
        open_sky=1.0 if overcast else float(apart.uniform(*ranges.open_sky)),
        cloudiness=float(rng.uniform(0.8, 1.0) if overcast else rng.uniform(0.0, 0.6)),
        wind=(float(rng.random()), float(rng.random())),
        haze_per_m=float(np.exp(rng.uniform(*np.log(ranges.haze_per_km)))) / 1000,
        exposure=0.62 * float(np.exp(rng.uniform(*np.log(ranges.exposure)))),
    )
