"""Random views of an annotated picture: picture and all targets move together."""

from collections.abc import Sequence
import math

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from .recipe import Framing

Targets = dict[str, Tensor]


class RandomView:
    """Zoom, crop, flip, blur and recolour.

    An enlarged picture is one of a longer focal length. Depth is therefore divided by the zoom,
    so that a network always answers for the focal length of its model card. Normals stay those of
    the real surfaces, and turn with a flip.

    Where the principal row is known, a view keeps to the rows that a longer lens would show, give
    or take a little tilt: the horizon stays where the camera has it, and with it what a row says
    of the distance of the ground. A view of more than half of the width keeps to such columns
    as well: far from the middle what stands beside the camera is near.
    """

    # of the crop's height, up and down, and of its width
    TILT = 0.05

    def __init__(self) -> None:
        """Prepare the change of colours."""
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
        framing: Framing,
        principal_row: float | None = None,
    ) -> tuple[Tensor, Targets]:
        """Draw a view of picture (3, H, W) uint8 and targets (…, H, W) from torch's generator."""
        size = height, width = picture.shape[-2:]
        zoom = _draw_zoom(size, framing)
        window = tuple(min(round(c / zoom), s) for c, s in zip(framing.crop, size))
        # the middle column stands for the principal one
        wide = principal_row is not None and window[1] > width / 2
        top = _draw(*self._begins(height, window[0], zoom, principal_row))
        left = _draw(*self._begins(width, window[1], zoom, width / 2 if wide else None))
        flip = bool(torch.rand(()) < 0.5)

        def move(x: Tensor, way: InterpolationMode) -> Tensor:
            x = functional.resized_crop(x[None], top, left, *window, list(framing.crop), way)[0]
            return functional.horizontal_flip(x) if flip else x

        # torchvision takes integers through float32, which does not hold the bits of many classes;
        # plain NEAREST lies half a pixel off what BILINEAR makes of the picture
        moved = {
            task: move(target.double(), InterpolationMode.NEAREST_EXACT).to(target.dtype)
            for task, target in targets.items()
        }
        if 'depth' in moved:
            moved['depth'] = moved['depth'] / zoom
        if flip and 'normals' in moved:
            moved['normals'][0].neg_()
        shown = move(picture, InterpolationMode.BILINEAR)
        if framing.blur_px > 0:
            shown = _blur(shown, framing.blur_px * float(torch.rand(())))
        return self.recolour(shown), moved

    def _begins(
        self, length: int, window: int, zoom: float, principal: float | None
    ) -> tuple[int, int]:
        """Give the first and the last of the rows, or columns, at which a window may begin."""
        if principal is None:
            return 0, length - window
        tilt = self.TILT * window
        shown = principal * (1 - 1 / zoom), principal + (length - principal) / zoom
        first, last = shown[0] - tilt, shown[1] - window + tilt
        first, last = (min(max(round(line), 0), length - window) for line in (first, last))
        return first, max(first, last)


def _draw_zoom(size: Sequence[int], framing: Framing) -> float:
    """Draw log-uniformly; a picture smaller than the crop is enlarged at least to it."""
    low, high = framing.zoom
    fitting = max(c / s for c, s in zip(framing.crop, size, strict=True))
    if fitting > high:
        low, high = fitting, 1.4 * fitting
    low = max(low, fitting)
    return low * math.exp(float(torch.rand(())) * math.log(high / low))


def _blur(picture: Tensor, deviation_px: float) -> Tensor:
    # three deviations to each side; what is far below a pixel changes nothing
    kernel = 2 * math.ceil(3 * deviation_px) + 1
    blurred: Tensor = functional.gaussian_blur(
        picture, [kernel, kernel], [max(deviation_px, 1e-3)]
    )
    return blurred


def _draw(first: int, last: int) -> int:
    return int(torch.randint(first, last + 1, ()))
