import os
from pathlib import Path
import subprocess
import sys
from typing import Any

from made_recipe import make_data, make_recipe, one_thread
import pytest
import torch

from mtl_perception.training.loop import distributed, run
from mtl_perception.training.loop.run import Run
from mtl_perception.training.recipe import read_recipe
from mtl_perception.training.train import main

__all__ = ['one_thread']

# statistics of batch norm over half a batch are others, and half precision rounds them apart
EXACT = {'batch_norm': 'frozen', 'precision': 'fp32', 'optimiser': 'sgd', 'momentum': 0.9}
# a rank has no depth in its share of the first; inverse Huber needs the largest error of all
TOGETHER = {'depth_activation': 'exp', 'task_weights': 'uncertainty'}
BY_GROUP = {
    'depth_activation': 'abs',
    'passes': 'by_group',
    'groups': [{'sources': ['labelled'], 'per_batch': 2}, {'sources': ['ranged'], 'per_batch': 3}],
}


def torchrun(*arguments: str | Path) -> None:
    """Run a program as two processes on the CPU, as on two machines."""
    ended = subprocess.run(
        [
            *(sys.executable, '-m', 'torch.distributed.run', '--standalone'),
            *('--nproc-per-node', '2', *map(str, arguments)),
        ],
        env={**os.environ, 'OMP_NUM_THREADS': '1', 'PYTHONPATH': os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize('changes', [TOGETHER, BY_GROUP], ids=['together', 'by_group'])
def test_two_processes_train_what_one_trains(tmp_path: Path, changes: dict[str, Any]) -> None:
    data = make_data(tmp_path / 'data')
    rates = {'encoder_rate': 0.01, 'decoder_rate': 0.01, 'warmup_steps': 0, 'steps': 2}
    recipe = make_recipe(tmp_path, **EXACT, **rates, **changes)
    options = (recipe, '--data', data, '--device', 'cpu', '--workers', '0', '--output')
    main([*map(str, options), str(tmp_path / 'one')])
    torchrun('-m', 'mtl_perception.training.train', *options, tmp_path / 'two')
    one, two = (
        torch.load(tmp_path / each / 'checkpoint.pt', weights_only=True) for each in ('one', 'two')
    )
    assert one['step'] == two['step'] == 2
    assert one.keys() == two.keys()
    torch.manual_seed(1)
    for part in one.keys() & {'network', 'average', 'weighting'}:
        for name, value in one[part].items():
            torch.testing.assert_close(two[part][name], value, rtol=1e-4, atol=1e-5, msg=name)
    # and they have moved by more than that
    momentum = [state['momentum_buffer'] for state in one['optimiser']['state'].values()]
    assert max(float(buffer.abs().max()) for buffer in momentum) > 1e-2


LEAVING = """
import sys, time
from pathlib import Path
from mtl_perception.training.loop.distributed import process_group, rank

with process_group('cpu'):
    if rank() == 0:
        time.sleep(3)
        Path(sys.argv[1], 'done').touch()
assert Path(sys.argv[1], 'done').exists()
"""


def test_nobody_leaves_while_the_first_one_still_works(tmp_path: Path) -> None:
    program = tmp_path / 'leaving.py'
    program.write_text(LEAVING)
    torchrun(program, tmp_path)


def test_a_checkpoint_on_another_machine_is_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, recipe = make_data(tmp_path / 'data'), read_recipe(make_recipe(tmp_path))
    path = tmp_path / 'checkpoint.pt'
    begun = Run(recipe, data, torch.device('cpu'))
    begun.save(path)
    # what comes of the first process, which sees no file
    monkeypatch.setattr(run, 'from_first_rank', lambda _: None)
    with pytest.raises(ValueError, match=r'is on another machine than that of the first process'):
        begun.restore(path)
    path.unlink()
    begun.restore(path)
    assert begun.step == 0


def test_a_process_alone_is_the_first_and_its_own_sum() -> None:
    x = torch.tensor([1.0, 2.0])
    assert (distributed.rank(), distributed.ranks()) == (0, 1)
    assert torch.equal(distributed.sum_over_ranks(x), x)
    assert torch.equal(distributed.max_over_ranks(x), x)
    assert torch.equal(distributed.mean_over_ranks(x), x)
    assert distributed.from_first_rank(lambda: 3) == 3


def test_without_torchrun_there_is_no_group(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('WORLD_SIZE', raising=False)
    with distributed.process_group('cpu') as device:
        assert device == torch.device('cpu')
        assert not torch.distributed.is_initialized()
