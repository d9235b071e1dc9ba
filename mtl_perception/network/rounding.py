"""Half precision: who computes in it, and weights rounded so that a filter keeps its sum."""

from pathlib import Path

import torch
from torch import nn, Tensor

# by the names that recipes and backends have for them
DTYPES = {'bf16': torch.bfloat16, 'fp16': torch.float16, 'fp32': torch.float32}

_CPU_INFO = Path('/proc/cpuinfo')
# of x86 (AVX-512, AMX) and Arm
_BF16_FLAGS = {'avx512_bf16', 'amx_bf16', 'bf16'}


def has_bf16() -> bool:
    """Tell whether the CPU computes in bfloat16; emulated, it is slower than float32.

    Read off the kernel, which has known it for longer than torch has told it.
    """
    return _CPU_INFO.is_file() and not _BF16_FLAGS.isdisjoint(_CPU_INFO.read_text().split())


def round_depthwise(network: nn.Module, dtype: torch.dtype) -> None:
    """Round the depthwise filters of a network to what dtype can hold, in place.

    Taps of such a filter nearly cancel where it looks for edges, and what rounding adds to their
    sum is then as large as its answer, all over the picture. So the error of each tap is handed
    to the next smaller one. The weights keep their type.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            rounded = round_keeping_sums(module.weight.detach().flatten(1), dtype)
            module.weight = nn.Parameter(rounded.view_as(module.weight), requires_grad=False)


def round_keeping_sums(rows: Tensor, dtype: torch.dtype) -> Tensor:
    """Round (N, taps) float32 to values of dtype, so that the sum of each row stays.

    It stays within half a step of dtype at the smallest tap of the row.
    """
    order = rows.abs().argsort(1, descending=True)
    rounded = torch.empty_like(rows)
    error = torch.zeros_like(rows[:, :1])
    for column in order.T.unsqueeze(2):
        wanted = rows.gather(1, column) + error
        nearest = wanted.to(dtype).float()
        rounded.scatter_(1, column, nearest)
        error = wanted - nearest
    return rounded
