"""What TensorBoard shows of a run."""

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Events:
    """Scalars and pictures by step; nothing is written where TensorBoard is not installed."""

    def __init__(self, folder: Path) -> None:
        """Write to a folder, which is made when there is something to write."""
        self._writer: Any = None
        if find_spec('tensorboard') is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(folder)  # type: ignore[no-untyped-call]

    def scalars(self, name: str, values: Mapping[str, Any], step: int) -> None:
        """Write the numbers of a mapping, and of those within it, as name/key/…; no others."""
        if self._writer is None:
            return
        for key, value in values.items():
            if isinstance(value, Mapping):
                self.scalars(f'{name}/{key}', value, step)
            elif isinstance(value, int | float):
                self._writer.add_scalar(f'{name}/{key}', value, step)

    def pictures(self, drawings: Mapping[str, NDArray[np.uint8]], step: int) -> None:
        """Write drawings (H, W, 3) by their names."""
        if self._writer is None:
            return
        for name, drawing in drawings.items():
            self._writer.add_image(name, drawing, step, dataformats='HWC')

    def close(self) -> None:
        """Write what is left."""
        if self._writer is not None:
            self._writer.close()
