"""Cars and vans: an outline swept across the width, flanks, and what is mounted on them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from mtl_perception.rendering.opengl.mesh import Floats, joined, Material, Mesh
from mtl_perception.rendering.opengl.primitives import box, surface

from .bodywork import CHROME, DARK, GLASS, HEADLAMP, paint, PLATE, REAR_LAMP, wheels
from .silhouettes import Silhouette

CLEARANCE_M = 0.19
# share of the height at which front and rear end
LOWEST = 0.12
# how far what is mounted on the body lies before it, and the panes before their frames
LIFT_M, SEAM_M, PANE_M = 0.012, 0.004, 0.006
ACROSS = np.array([-1, -0.95, -0.82, -0.6, -0.3, 0, 0.3, 0.6, 0.82, 0.95, 1])


def car(rng: np.random.Generator, shape: Silhouette) -> Mesh:
    """Build a car or a van of a silhouette."""
    body = _Body.drawn(rng, shape)
    coat = paint(rng)
    parts = [*body.shell(coat), *body.windows(), *body.seams()]
    parts += _front(rng, body) + _rear(rng, body)
    length, half, height = body.length, body.half, body.height
    parts += wheels(
        length, half, radius=0.5 * (0.62 + 0.06 * rng.random()) * (height / 1.5) ** 0.4
    )
    for side in (1, -1):
        mirror = (length * shape.cabin[0] - 0.35, side * (half + 0.07), shape.belt * height + 0.06)
        parts.append(box((0.12, 0.18, 0.13), mirror, coat))
    parts.append(box((length * 0.9, 1.8 * half, 0.2), (0, 0, CLEARANCE_M + 0.08), DARK))
    return joined(parts)


def _front(rng: np.random.Generator, body: '_Body') -> list[Mesh]:
    """Build lamps, grille, intake, bumper and plate."""
    high = rng.uniform(0.05, 0.12)
    lamp = min(rng.uniform(0.38, 0.44), body.rise(1) - high)
    inner, back = rng.uniform(0.45, 0.7), rng.uniform(0.0, 0.35)
    parts = [
        body.wrapped(1, (side * inner, side), (lamp, lamp + high), HEADLAMP, back)
        for side in (1, -1)
    ]
    grille = rng.uniform(0.2, 0.95) * inner
    parts.append(body.wrapped(1, (-grille, grille), (lamp - 0.02, lamp + 0.8 * high), DARK))
    intake = rng.uniform(0.3, 0.85)
    parts.append(body.wrapped(1, (-intake, intake), (0.17, rng.uniform(0.2, 0.26)), DARK))
    return parts + _bumper(rng, body, 1, plate=rng.uniform(0.26, 0.31))


def _rear(rng: np.random.Generator, body: '_Body') -> list[Mesh]:
    """Build lamps, bumper and plate; the lamps lie, or stand beside the window."""
    standing = rng.random() < 0.4
    low = rng.uniform(0.44, 0.52)
    high = rng.uniform(0.12, 0.26) if standing else rng.uniform(0.06, 0.12)
    low = min(low, body.rise(-1) - high)
    inner = rng.uniform(0.82, 0.9) if standing else rng.uniform(0.5, 0.75)
    parts = [
        body.wrapped(-1, (side * inner, side), (low, low + high), REAR_LAMP, rng.uniform(0, 0.25))
        for side in (1, -1)
    ]
    if rng.random() < 0.4:
        parts.append(body.wrapped(-1, (-inner, inner), (low + 0.02, low + 0.045), CHROME))
    return parts + _bumper(rng, body, -1, plate=rng.choice([0.3, 0.43]))


def _bumper(rng: np.random.Generator, body: '_Body', end: int, plate: float) -> list[Mesh]:
    """Build a bumper, of which all or only the lower edge is black, its gap, and a plate."""
    top = float(rng.choice([0.17, 0.17, 0.22, 0.36]))
    share = 0.26 / body.half
    back = 0.1 * body.length
    return [
        body.wrapped(end, (-1, 1), (LOWEST, top), DARK, back),
        body.wrapped(end, (-1, 1), (0.365, 0.372), DARK, back),
        body.wrapped(end, (-share, share), (plate, plate + 0.11 / body.height), PLATE, lift=3),
    ]


@dataclass(frozen=True)
class _Body:
    """A body of a silhouette: metres, and by how much its ends and its outline are rounded."""

    shape: Silhouette
    length: float
    half: float
    height: float
    end_radius: float
    cut: float

    @classmethod
    def drawn(cls, rng: np.random.Generator, shape: Silhouette) -> '_Body':
        length, width, height = (
            float(v) for v in np.array(shape.size) * rng.uniform(0.94, 1.06, 3)
        )
        rounding = float(rng.uniform(0.12, 0.38)), float(rng.uniform(0.08, 0.24))
        return cls(shape, length, width / 2, height, *rounding)

    @property
    def _corners(self) -> Floats:
        """The outline's corners (x, z) in metres from the front's lower edge to the rear's."""
        line = np.array([(0.485, LOWEST), *self.shape.top, (-0.488, LOWEST)])
        return line * [self.length, self.height]

    @cached_property
    def _outline(self) -> Floats:
        """The outline with its corners cut (Chaikin's algorithm)."""
        line = self._corners
        for _ in range(2):
            a, b = line[:-1], line[1:]
            cuts = np.stack([a + self.cut * (b - a), b - self.cut * (b - a)], 1)
            line = np.concatenate([line[:1], cuts.reshape(-1, 2), line[-1:]])
        return line

    def _half_width(self, z: ArrayLike) -> Floats:
        """Give the half width at a height: bulged, with a shoulder, narrowing at the windows."""
        share = np.asarray(z) / self.height
        low = 1 - 0.06 * ((share - 0.38) / 0.4) ** 2
        shoulder = 0.014 * np.exp(-(((share - self.shape.belt + 0.09) / 0.035) ** 2))
        above = np.clip((share - self.shape.belt) / (1 - self.shape.belt), 0, 1)
        return np.asarray(self.half * (low + shoulder) * (1 - (1 - self.shape.narrowing) * above))

    def _across(self, x: ArrayLike, z: ArrayLike, v: ArrayLike) -> Floats:
        """Give the points (…, 3) at shares v of the half width: both ends are round."""
        x, z, v = np.broadcast_arrays(x, z, v)
        at_end = np.clip((2 * np.abs(x) / self.length - 0.7) / 0.3, 0, 1)
        rounded = x - np.sign(x) * self.end_radius * at_end * np.abs(v) ** 3
        above = np.clip(2 * z / self.height - 0.8, 0, 1)
        return np.stack([rounded, v * self._half_width(z), z - 0.05 * above * np.abs(v) ** 8], -1)

    def _flank(self, x: ArrayLike, z: ArrayLike, side: int, lift: float = 0.0) -> Floats:
        x, z = np.broadcast_arrays(x, z)
        return np.stack([x, side * (self._half_width(z) + lift), z], -1)

    def _end(self, end: int) -> Floats:
        """Give the part of the outline that rises at the front, 1, or the rear, -1."""
        line = self._outline[::end]
        along, up = np.abs(np.diff(line, axis=0).T)
        return line[: 1 + int(np.argmax(up < 0.3 * along))]

    def rise(self, end: int) -> float:
        """Give the share of the height up to which the front, 1, or the rear, -1, rises."""
        return float(self._end(end)[-1, 1]) / self.height

    @staticmethod
    def _top(x: Floats, line: Floats) -> Floats:
        """Give the height of an outline (N, 2) at x."""
        order = np.argsort(line[:, 0], kind='stable')
        return np.asarray(np.interp(x, line[order, 0], line[order, 1]))

    def shell(self, coat: Material) -> list[Mesh]:
        """Sweep the outline across, and close it with flanks."""
        x, z = self._outline.T[:, :, None]
        over = self._across(x, z, ACROSS)
        edge = over[:, -1, ::2]
        x = np.linspace(edge[:, 0].min() + 0.01, edge[:, 0].max() - 0.01, 28)
        z = CLEARANCE_M + np.outer(self._top(x, edge) - CLEARANCE_M, np.linspace(0, 1, 12))
        flanks = [self._flank(x[:, None], z, side)[::-side] for side in (1, -1)]
        return [surface(sheet, coat) for sheet in (over.swapaxes(0, 1), *flanks)]

    def windows(self) -> list[Mesh]:
        """Build all panes, each in a black frame."""
        parts = []
        corners = self._corners[1:-1]
        for k in (self.shape.windscreen, self.shape.rear_window):
            if k + 1 < len(corners):
                p, q = corners[k], corners[k + 1]
                out = np.array([q[1] - p[1], p[0] - q[0]]) / np.linalg.norm(q - p)
                for rim, lift, material in ((0.08, LIFT_M, DARK), (0.13, LIFT_M + PANE_M, GLASS)):
                    rows = p + np.outer([rim, 0.5, 1 - rim], q - p) + lift * out
                    x, z = rows.T[:, :, None]
                    sheet = self._across(x, z, ACROSS[2:-2] * (1.12 - rim))
                    parts.append(surface(sheet.swapaxes(0, 1), material))
        belt = self.shape.belt * self.height + 0.03
        ends = np.reshape(self.shape.windows, (-1, 2)) * self.length
        for front, rear in ends:
            for rim, lift, material in ((0.0, SEAM_M, DARK), (0.03, SEAM_M + PANE_M, GLASS)):
                x = np.linspace(rear + rim, front - rim, 7)
                low, high = belt + rim, self._top(x, self._outline) - 0.1 - rim
                z = low + np.outer(np.maximum(high - low, 0.02), [0, 0.5, 1])
                for side in (1, -1):
                    pane = self._flank(x[:, None], z, side, lift)[::-side]
                    parts.append(surface(pane, material))
        return parts

    def seams(self) -> list[Mesh]:
        """Build the gaps around the doors, which lie below the windows, handles and sills."""
        belt, sill = self.shape.belt * self.height, 0.2 * self.height
        # of one door or two, from front to rear: where its window begins and ends
        doors = [share * self.length for share in self.shape.windows[:4]]
        handle_y = float(self._half_width(0.9 * belt)) + 0.02
        parts = []
        for side in (1, -1):
            for x in (doors[0] - 0.02, *doors[2:3], doors[-1]):
                edges = x + np.array([[-0.008], [0.008]])
                gap = self._flank(edges, np.linspace(sill, belt, 6), side, SEAM_M)
                parts.append(surface(gap[::-side], DARK))
            for rear in doors[1::2]:
                place = (rear + 0.15, side * handle_y, 0.9 * belt)
                parts.append(box((0.18, 0.03, 0.03), place, DARK))
            ends = np.array([[-0.33], [0.33]]) * self.length
            heights = np.array([CLEARANCE_M, sill])
            band = self._flank(ends, heights, side, SEAM_M)[::-side]
            parts.append(surface(band, DARK))
        return parts

    def wrapped(
        self,
        end: int,
        across: tuple[float, float],
        heights: tuple[float, float],
        material: Material,
        back: float = 0.0,
        lift: int = 1,
    ) -> Mesh:
        """Lay a band around the front, 1, or the rear, -1.

        It lies between two shares of the half width and of the height. One that reaches the
        body's edge goes on along the flank, `back` metres.
        """
        v = np.linspace(min(across), max(across), 9)
        z = self.height * np.linspace(heights[0], heights[1], 3)[:, None]
        rising = self._end(end)
        sheet = self._across(np.interp(z, rising[:, 1], rising[:, 0]), z, v)
        for side, edge in ((-1, 0), (1, -1)):
            if back > 0 and v[edge] == side:
                x = sheet[:, edge, 0][:, None] - end * np.linspace(0.02, back, 3)[::side]
                joining = [sheet, self._flank(x, z, side)][::side]
                sheet = np.concatenate(joining, 1)
        sheet = sheet[:, ::-end]
        normal = surface(sheet, material).vertices['normal'].reshape(sheet.shape)
        return surface(sheet + lift * LIFT_M * normal, material)
