import argparse
from importlib import import_module
import json
import os
from pathlib import Path
import subprocess
import sys

from conftest import ROOT
import numpy as np
import pytest

from mtl_perception.offline.processes import (
    fresh_folder,
    ros_environment,
    running,
    wait_for_text,
)
from mtl_perception.offline.soak.figures import describe, Memory, Second, summarise
from mtl_perception.offline.soak.run import read_probe


def seconds(latency_ms: list[float], lost: int = 0) -> list[Second]:
    """Ten answers a second of the second's latency; some pictures got lost at the end."""
    count = len(latency_ms)
    return [
        Second(
            t_s=float(1 + i),
            sent=10 * (1 + i) + (lost if i == count - 1 else 0) + 2,
            answered=10 * (1 + i),
            waiting=2,
            latencies_ms=(latency_ms[i],) * 10,
        )
        for i in range(count)
    ]


def test_figures_are_those_of_the_lines() -> None:
    hour = np.arange(0, 3600, 10)
    # 100 MB of warm-up, then 12 MB an hour
    memory = [Memory(t, 500 + min(t, 600) / 6 + 12 * t / 3600) for t in hour]
    figures = summarise(seconds([20.0] * 20 + [30.0] * 80 + [80.0] * 20, lost=7), memory)
    assert figures['rss_slope_mb_per_h'] == pytest.approx(12, abs=0.01)
    assert figures['rss_slope_error_mb_per_h'] < 0.01
    assert (figures['sent'], figures['answered'], figures['dropped']) == (1209, 1200, 7)
    assert (figures['p95_first_ms'], figures['p95_last_ms']) == (20.0, 80.0)
    text = '\n'.join(describe(figures))
    assert '2 minutes: 1209 sent, 1200 answered, 7 dropped' in text
    assert 'slope 12 +- ' in text
    assert '20 ms in the first 0.3 minutes, 80 ms in the last' in text


def test_the_error_of_a_noisy_slope_is_large() -> None:
    noise = np.random.default_rng(0).normal(0, 5, 60)
    memory = [Memory(float(t), 500 + float(noise[t])) for t in range(60)]
    figures = summarise(seconds([20.0] * 60), memory)
    assert abs(figures['rss_slope_mb_per_h']) < 3 * figures['rss_slope_error_mb_per_h']
    assert figures['rss_slope_error_mb_per_h'] > 50


def test_too_short_a_soak_has_no_slope() -> None:
    figures = summarise(seconds([20.0]), [Memory(0.0, 500.0)])
    assert figures['rss_slope_mb_per_h'] is None
    assert 'slope unknown +- unknown' in '\n'.join(describe(figures))


def test_no_answer_is_an_error() -> None:
    for nothing in ([], [Second(1.0, 10, 0, 10, ())]):
        with pytest.raises(ValueError, match='nothing was answered'):
            summarise(nothing, [])


def test_lines_of_the_probe_are_read_and_others_left_out(tmp_path: Path) -> None:
    log = tmp_path / 'probe.jsonl'
    line = {'t_s': 1.0, 'sent': 10, 'answered': 9, 'waiting': 1, 'latencies_ms': [5.0]}
    log.write_text(f'[WARN] something of rclpy\n{json.dumps(line)}\n')
    assert read_probe(log) == [Second(1.0, 10, 9, 1, (5.0,))]


def soak(output: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, '-m', 'mtl_perception.offline', 'soak', '--output', str(output)),
            *('--backend', 'torch', '--width', '96', '--height', '64', *words),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_only_what_a_verb_writes_is_removed(tmp_path: Path) -> None:
    (tmp_path / 'recording').mkdir()
    for name in ('mine.txt', 'node.log', 'recording/data.mcap'):
        (tmp_path / name).touch()
    (tmp_path / 'drive').symlink_to(tmp_path / 'mine.txt')
    fresh_folder(tmp_path, ('node.log', 'recording', 'drive', 'absent'))
    assert [path.name for path in tmp_path.iterdir()] == ['mine.txt']
    fresh_folder(tmp_path / 'new' / 'one', ())
    assert (tmp_path / 'new' / 'one').is_dir()


def test_a_file_is_no_output(tmp_path: Path) -> None:
    file = tmp_path / 'file'
    file.touch()
    refused = soak(file)
    assert refused.returncode == 1
    assert refused.stderr.endswith(f'{file} is no folder; give another --output\n')
    assert file.is_file()


@pytest.mark.parametrize('robots', ['0', '250'])
def test_a_verb_stays_out_of_the_domain_of_a_robot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, robots: str
) -> None:
    monkeypatch.setenv('ROS_DOMAIN_ID', robots)
    chosen = {int(ros_environment(tmp_path)['ROS_DOMAIN_ID']) for _ in range(300)}
    assert len(chosen) > 1
    assert chosen <= set(range(1, 102))


def test_the_node_is_soaked_between_processes(tmp_path: Path, tiny_weights: Path) -> None:
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    output = tmp_path / 'soak'
    run = soak(output, '--minutes', '0.15', '--weights', str(tiny_weights))
    assert run.returncode == 0, run.stdout + run.stderr
    figures = json.loads((output / 'figures.json').read_text())
    assert figures['answered'] > 0
    lines = read_probe(output / 'probe.jsonl')
    assert figures['answered'] == sum(len(line.latencies_ms) for line in lines)
    assert 0 <= figures['dropped'] <= figures['sent'] - figures['answered']
    assert 100 < figures['rss_first_mb'] < 10_000
    assert figures['rss_last_mb'] > 100
    assert figures['p95_first_ms'] > 0
    assert describe(figures) == run.stdout.splitlines()


def test_a_node_that_does_not_start_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from mtl_perception.offline import processes

    monkeypatch.setattr(processes, '_START_TIMEOUT_S', 0.0)
    log = tmp_path / 'log'
    log.write_text('cannot configure: weights x do not exist')
    with pytest.raises(TimeoutError, match=r'does not say .loaded .* weights x do not exist'):
        processes.wait_for_text(log, 'loaded ')


@pytest.mark.parametrize(
    ('program', 'sentence'),
    [
        (
            "import time; print('cannot configure: weights x do not exist'); time.sleep(600)",
            r'fake does not start: cannot configure: weights x do not exist',
        ),
        ("raise SystemExit('out of memory')", r'fake ended with status 1: out of memory'),
    ],
)
def test_a_process_that_fails_is_not_waited_for(
    tmp_path: Path, program: str, sentence: str
) -> None:
    (tmp_path / 'fake.py').write_text(program)
    (tmp_path / 'other.log').touch()
    environment = os.environ | {'PYTHONPATH': str(tmp_path), 'PYTHONUNBUFFERED': '1'}
    with (
        running(['fake'], environment, tmp_path / 'log') as process,
        pytest.raises(ValueError, match=sentence),
    ):
        wait_for_text(tmp_path / 'other.log', 'found', process)


def test_a_soak_that_the_probe_cuts_short_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = {'t_s': 1.0, 'sent': 10, 'answered': 9, 'waiting': 1, 'latencies_ms': [5.0]}
    (tmp_path / 'fake_node.py').write_text("import time; print('loaded '); time.sleep(600)")
    (tmp_path / 'fake_probe.py').write_text(f"print('{json.dumps(line)}'); raise SystemExit(3)")
    monkeypatch.setenv('PYTHONPATH', str(tmp_path))
    # the package has a function of this name
    soak_run = import_module('mtl_perception.offline.soak.run')
    monkeypatch.setattr(soak_run, '_PROBE', 'fake_probe')
    monkeypatch.setattr(soak_run, 'node_command', lambda *_, **__: ['fake_node'])
    parser = argparse.ArgumentParser()
    soak_run.add_arguments(parser)
    assert soak_run.run(parser.parse_args(['--output', str(tmp_path / 'out')])) == 1
    assert 'fake_probe ended with status 3' in capsys.readouterr().out
