"""Labels in files: ids, painted colours, or polygons."""

from dataclasses import dataclass
from functools import cache
import json
from pathlib import Path
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mtl_perception.label_space import label_space, UNLABELLED

from .picture_files import PictureFile, read_channel


@dataclass(frozen=True)
class LabelFile:
    """Class ids in an 8-bit picture of one channel; `void` is an id that means unlabelled."""

    path: Path
    void: int = UNLABELLED

    def read(self) -> NDArray[np.uint8]:
        """Read the ids (H, W). Raises ValueError if the file is of another kind."""
        labels = read_channel(self.path, np.uint8)
        labels[labels == self.void] = UNLABELLED
        return labels


@dataclass(frozen=True)
class ColourLabelFile:
    """Classes painted in the colours of a label space; other colours are unlabelled."""

    path: Path
    label_space: str

    def read(self) -> NDArray[np.uint8]:
        """Read the ids (H, W). Raises ValueError if OpenCV cannot read the file."""
        red, green, blue = np.moveaxis(PictureFile(self.path).read().astype(np.int32), -1, 0)
        labels: NDArray[np.uint8] = _ids_by_colour(self.label_space)[red << 16 | green << 8 | blue]
        return labels


@cache
def _ids_by_colour(space: str) -> NDArray[np.uint8]:
    """Tabulate the id of each 24-bit colour; of those that share one, the first has it."""
    table = np.full(1 << 24, UNLABELLED, np.uint8)
    chosen = label_space(space)
    for index, (red, green, blue) in reversed(list(enumerate(chosen.colours))):
        table[red << 16 | green << 8 | blue] = index
    return table


@dataclass(frozen=True)
class PolygonLabelFile:
    """Polygons by class name in JSON, as Cityscapes and IDD have them; later ones lie on top.

    As their tools do it, `cargroup` counts as `car`, and deleted polygons and those of an
    unknown class are passed over.
    """

    path: Path
    label_space: str

    def read(self) -> NDArray[np.uint8]:
        """Draw the ids (H, W). Raises ValueError if the file is missing or of another kind."""
        try:
            annotation = json.loads(self.path.read_text())
            size = int(annotation['imgHeight']), int(annotation['imgWidth'])
            labels = np.full(size, UNLABELLED, np.uint8)
            for item in annotation['objects']:
                self._draw(labels, item)
        except (OSError, ValueError, KeyError, TypeError, cv2.error) as error:
            raise ValueError(
                f'{self.path} is missing or no JSON of polygons ({error}); restore the file'
            ) from error
        return labels

    def _draw(self, labels: NDArray[np.uint8], item: dict[str, Any]) -> None:
        space = label_space(self.label_space)
        name = re.sub('[ -]', '_', str(item['label']))
        index = space.id_of(name)
        if index is None:
            index = space.id_of(name.removesuffix('group'))
        corners = np.rint(np.array(item['polygon'], np.float64)).astype(np.int32)
        if index is not None and not item.get('deleted') and len(corners) >= 3:
            cv2.fillPoly(labels, [corners], index)
