"""A small recipe, and small data for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from conftest import ROOT
from made_index import make_index
from made_weights import make_picture
import numpy as np
import pytest
import torch
from torch import Tensor
import yaml

SIZE = (72, 96)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Sum in one order; and threads that share busy cores wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_data(folder: Path) -> Path:
    """Write pictures with labels, with depth, with neither lacking; two to validate."""
    labels = np.repeat([np.arange(SIZE[1]) // 12], SIZE[0], axis=0).astype(np.uint8)
    depth_m = np.repeat([np.linspace(60, 4, SIZE[0])], SIZE[1], axis=0).T
    rows = [{'labels': labels, 'source': 'labelled'}] * 3
    rows += [{'depth': depth_m, 'fx_px': 700.0, 'source': 'ranged'}] * 3
    rows += [{'labels': labels, 'depth': depth_m, 'fx_px': 700.0, 'split': 'val'}] * 2
    pictures = [{'picture': make_picture(*SIZE, seed), **row} for seed, row in enumerate(rows)]
    return make_index(folder, pictures).parent


def make_recipe(folder: Path, **changes: Any) -> Path:
    """Make the recipe of the package small."""
    values: dict[str, Any] = yaml.safe_load((ROOT / 'config/training/road8.yaml').read_text())
    values |= {
        'pretrained': None,
        'without_sources': [],
        'groups': [
            {'sources': ['labelled'], 'per_batch': 2},
            {'sources': ['ranged'], 'per_batch': 1, 'needs': ['depth']},
        ],
        'crop': [64, 64],
        'steps': 3,
        'warmup_steps': 2,
        'encoder_rate': 1e-4,
        'decoder_rate': 5e-4,
        'validate_every': 2,
        'batch_norm': 'each',
        'training_f_px': 700.0,
    }
    path = folder / 'small.yaml'
    path.write_text(yaml.safe_dump(values | changes))
    return path


def made_batch(seed: int = 0) -> tuple[Tensor, dict[str, Tensor]]:
    """Give two pictures, one with labels only, one with depth only."""
    pictures = np.stack([make_picture(64, 64, seed), make_picture(64, 64, seed + 1)])
    allowed = torch.zeros(2, 64, 64, dtype=torch.int64)
    allowed[0] = 1 << (torch.arange(64) // 32)
    depth_m = torch.full((2, 64, 64), torch.nan)
    depth_m[1] = torch.linspace(60, 4, 64)[:, None]
    targets = {'segmentation': allowed, 'depth': depth_m}
    return torch.from_numpy(pictures).permute(0, 3, 1, 2), targets
