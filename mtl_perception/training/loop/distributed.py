"""Several processes that train one network, as torchrun starts them; or one alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
import os
from typing import TypeVar

import torch
from torch import distributed, Tensor

# the first rank validates while the others wait for its next step
PATIENCE = timedelta(hours=2)

_Value = TypeVar('_Value')


@contextmanager
def process_group(device: str) -> Iterator[torch.device]:
    """Join the processes that torchrun started, if it did; give this one's device.

    On `cuda` each takes the GPU of its local rank and they talk by NCCL; on `cpu` by gloo.
    """
    if int(os.environ.get('WORLD_SIZE', '1')) == 1:
        yield torch.device(device)
        return
    own = torch.device(device)
    if own.type == 'cuda':
        own = torch.device('cuda', int(os.environ['LOCAL_RANK']))
        torch.cuda.set_device(own)
    distributed.init_process_group('nccl' if own.type == 'cuda' else 'gloo', timeout=PATIENCE)
    try:
        yield own
        # the first one may validate yet, and who leaves before it may take torchrun's store along
        distributed.barrier()
    finally:
        distributed.destroy_process_group()


def rank() -> int:
    """Give this process' number, 0 if it is alone."""
    return distributed.get_rank() if distributed.is_initialized() else 0


def ranks() -> int:
    """Count the processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


def sum_over_ranks(x: Tensor) -> Tensor:
    """Add up what every process has; no gradient flows through it."""
    return _reduced(x, distributed.ReduceOp.SUM)


def max_over_ranks(x: Tensor) -> Tensor:
    """Give the largest of what the processes have; no gradient flows through it."""
    return _reduced(x, distributed.ReduceOp.MAX)


def mean_over_ranks(x: Tensor) -> Tensor:
    """Average what the processes have; no gradient flows through it."""
    return sum_over_ranks(x) / ranks()


def from_first_rank(make: Callable[[], _Value]) -> _Value:
    """Give every process what the first one makes: only its machine needs to have the files."""
    if ranks() == 1:
        return make()
    values = [make() if rank() == 0 else None]
    distributed.broadcast_object_list(values)
    [value] = values
    return value  # type: ignore[return-value]


def _reduced(x: Tensor, operation: distributed.ReduceOp.RedOpType) -> Tensor:
    if ranks() == 1:
        return x
    reduced = x.detach().clone()
    distributed.all_reduce(reduced, operation)
    return reduced
