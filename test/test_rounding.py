from pathlib import Path

import pytest
import torch
from torch import nn

from mtl_perception.network import rounding
from mtl_perception.network.rounding import has_bf16, round_depthwise, round_keeping_sums


@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16])
def test_sums_stay_although_each_value_can_be_held(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    rows = torch.randn(200, 9)
    # a filter that looks for edges: its taps cancel
    rows -= rows.mean(1, keepdim=True)
    rounded = round_keeping_sums(rows, dtype)
    assert torch.equal(rounded, rounded.to(dtype).float())
    shift = (rounded.double().sum(1) - rows.double().sum(1)).abs()
    smallest = rows.abs().amin(1).double()
    step = torch.finfo(dtype).eps
    # handed-on errors enlarge the smallest tap, by at most half a step of the next larger
    assert (
        shift.mean() < 0.1 * (rows.to(dtype).double().sum(1) - rows.double().sum(1)).abs().mean()
    )
    assert (shift <= step * (smallest + step * rows.abs().amax(1))).all()
    # none is further from its value than about one step
    assert ((rounded - rows).abs() <= 2 * step * rows.abs().amax(1, keepdim=True)).all()


def test_float32_stays_as_it_is() -> None:
    rows = torch.randn(5, 9)
    assert torch.equal(round_keeping_sums(rows, torch.float32), rows)


def test_only_depthwise_filters_are_rounded() -> None:
    depthwise, full = nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 4, 1)
    before = depthwise.weight.clone(), full.weight.clone()
    round_depthwise(nn.Sequential(depthwise, full), torch.bfloat16)
    assert not torch.equal(depthwise.weight, before[0])
    assert torch.equal(depthwise.weight, depthwise.weight.bfloat16().float())
    assert torch.equal(full.weight, before[1])


@pytest.mark.parametrize(
    ('words', 'native'),
    [
        ('flags : fma avx2 avx512f avx512bw', False),
        ('flags : avx2 avx512_bf16 sha_ni', True),
        ('flags : avx512f amx_bf16 amx_tile', True),
        ('Features : fp asimd bf16 i8mm', True),
        (None, False),
    ],
)
def test_bfloat16_is_native_where_any_unit_computes_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: str | None, native: bool
) -> None:
    path = tmp_path / 'cpuinfo'
    if words:
        path.write_text(f'processor : 0\n{words}\n')
    monkeypatch.setattr(rounding, '_CPU_INFO', path)
    assert has_bf16() is native
