"""Side silhouettes of cars and vans, and where their windows are."""

from typing import NamedTuple


class Silhouette(NamedTuple):
    """A side silhouette: top line (x, z) from front to rear as shares of length and height.

    The parts of the line with the numbers windscreen and rear_window are of glass. cabin is where
    it begins and ends, belt the height of the window line, narrowing the width of the roof against
    the body; windows are the ends of the side windows, in pairs from front to rear.
    """

    size: tuple[float, float, float]
    top: tuple[tuple[float, float], ...]
    windscreen: int
    rear_window: int
    cabin: tuple[float, float]
    belt: float
    narrowing: float
    windows: tuple[float, ...]


SILHOUETTES = {
    'hatchback': Silhouette(
        (4.0, 1.74, 1.48),
        (
            (0.5, 0.36),
            (0.49, 0.5),
            (0.44, 0.58),
            (0.24, 0.66),
            (0.06, 0.98),
            (-0.1, 1.0),
            (-0.38, 0.96),
            (-0.46, 0.66),
            (-0.5, 0.6),
            (-0.5, 0.3),
        ),
        3,
        6,
        (0.2, -0.44),
        0.62,
        0.78,
        (0.17, 0.0, -0.02, -0.24, -0.27, -0.38),
    ),
    'sedan': Silhouette(
        (4.6, 1.8, 1.44),
        (
            (0.5, 0.36),
            (0.49, 0.5),
            (0.43, 0.6),
            (0.2, 0.67),
            (0.04, 0.97),
            (-0.08, 1.0),
            (-0.22, 0.97),
            (-0.37, 0.72),
            (-0.48, 0.68),
            (-0.5, 0.6),
            (-0.5, 0.3),
        ),
        3,
        6,
        (0.17, -0.36),
        0.64,
        0.76,
        (0.14, -0.01, -0.03, -0.19, -0.22, -0.28),
    ),
    'estate': Silhouette(
        (4.6, 1.8, 1.5),
        (
            (0.5, 0.36),
            (0.49, 0.5),
            (0.43, 0.59),
            (0.22, 0.66),
            (0.06, 0.97),
            (-0.1, 1.0),
            (-0.42, 0.97),
            (-0.48, 0.66),
            (-0.5, 0.6),
            (-0.5, 0.3),
        ),
        3,
        6,
        (0.18, -0.46),
        0.62,
        0.78,
        (0.15, 0.0, -0.02, -0.2, -0.23, -0.42),
    ),
    'suv': Silhouette(
        (4.5, 1.88, 1.72),
        (
            (0.5, 0.34),
            (0.49, 0.5),
            (0.45, 0.6),
            (0.24, 0.66),
            (0.1, 0.97),
            (-0.1, 1.0),
            (-0.42, 0.97),
            (-0.48, 0.64),
            (-0.5, 0.6),
            (-0.5, 0.28),
        ),
        3,
        6,
        (0.2, -0.46),
        0.62,
        0.82,
        (0.17, 0.02, 0.0, -0.2, -0.23, -0.42),
    ),
    'van': Silhouette(
        (5.0, 1.95, 2.05),
        (
            (0.5, 0.28),
            (0.49, 0.44),
            (0.44, 0.52),
            (0.34, 0.58),
            (0.2, 0.94),
            (0.1, 1.0),
            (-0.46, 0.99),
            (-0.49, 0.6),
            (-0.5, 0.5),
            (-0.5, 0.24),
        ),
        3,
        6,
        (0.32, -0.47),
        0.56,
        0.88,
        (0.3, 0.1, 0.07, -0.16, -0.19, -0.42),
    ),
    'transporter': Silhouette(
        (5.6, 2.0, 2.5),
        (
            (0.5, 0.22),
            (0.49, 0.38),
            (0.45, 0.44),
            (0.37, 0.48),
            (0.24, 0.88),
            (0.14, 1.0),
            (-0.49, 1.0),
            (-0.495, 0.6),
            (-0.5, 0.5),
            (-0.5, 0.2),
        ),
        3,
        12,
        (0.35, 0.12),
        0.48,
        0.92,
        (0.33, 0.14),
    ),
}
