"""Random views of an annotated picture: picture and all targets move together."""

import math

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

Targets = dict[str, Tensor]


class RandomView:
    """Zoom, crop, flip and recolour.

    An enlarged picture is one of a longer focal length. Depth is therefore divided by the zoom,
    so that a network always answers for the focal length of its model card. Normals stay those of
    the real surfaces, and turn with a flip.

    Where the principal row is known, a view keeps to the rows that a longer lens would show, give
    or take a little tilt: the horizon stays where the camera has it, and with it what a row says
    of the distance of the ground.
    """

    # of the crop's height, up and down
    TILT = 0.05

    def __init__(self, crop: tuple[int, int]) -> None:
        """Take the crop (height, width) in pixels."""
        self.crop = crop
        self.recolour = v2.Compose(
            [
                v2.ColorJitter(brightness=0.35, contrast=0.35, saturation=0.35, hue=0.04),
                v2.RandomGrayscale(0.1),
            ]
        )

    def __call__(
        self,
        picture: Tensor,
        targets: Targets,
        zooms: tuple[float, float],
        principal_row: float | None = None,
    ) -> tuple[Tensor, Targets]:
        """Draw a view of picture (3, H, W) uint8 and targets (…, H, W) from torch's generator.

        The zoom is drawn between the two of `zooms`.
        """
        height, width = picture.shape[-2:]
        zoom = self._draw_zoom(height, width, zooms)
        window = tuple(min(round(c / zoom), s) for c, s in zip(self.crop, (height, width)))
        top = _draw(*self._tops(height, window[0], zoom, principal_row))
        left = _draw(0, width - window[1])
        flip = bool(torch.rand(()) < 0.5)

        def move(x: Tensor) -> Tensor:
            x = functional.resized_crop(x, top, left, *window, list(self.crop), antialias=True)
            return functional.horizontal_flip(x) if flip else x

        # torchvision takes integers through float32, which does not hold the bits of many classes
        moved = {
            task: move(tv_tensors.Mask(target.double())).to(target.dtype)
            for task, target in targets.items()
        }
        if 'depth' in moved:
            moved['depth'] = moved['depth'] / zoom
        if flip and 'normals' in moved:
            moved['normals'][0].neg_()
        return self.recolour(move(tv_tensors.Image(picture))), moved

    def _draw_zoom(self, height: int, width: int, zooms: tuple[float, float]) -> float:
        """Draw log-uniformly; a picture smaller than the crop is enlarged at least to it."""
        fitting = max(self.crop[0] / height, self.crop[1] / width)
        low = max(zooms[0], fitting)
        high = max(zooms[1], 1.4 * fitting)
        return low * math.exp(float(torch.rand(())) * math.log(high / low))

    def _tops(
        self, height: int, window: int, zoom: float, principal_row: float | None
    ) -> tuple[int, int]:
        """Give the first and the last row at which a window may begin."""
        if principal_row is None:
            return 0, height - window
        tilt = self.TILT * window
        shown = principal_row * (1 - 1 / zoom), principal_row + (height - principal_row) / zoom
        first, last = shown[0] - tilt, shown[1] - window + tilt
        first, last = (min(max(round(row), 0), height - window) for row in (first, last))
        return first, max(first, last)


def _draw(first: int, last: int) -> int:
    return int(torch.randint(first, last + 1, ()))
