import argparse
from dataclasses import asdict
import importlib
import json
import os
from pathlib import Path
import re

from made_weights import make_weights
import pytest

from mtl_perception.offline.__main__ import main
from mtl_perception.offline.benchmark import network_times
from mtl_perception.offline.benchmark.network_times import BASELINE, NetworkTime
from mtl_perception.offline.benchmark.node_times import _wait
from mtl_perception.offline.benchmark.run import parse_size
from mtl_perception.offline.processes import running, wait_for_text

NETWORK_KEYS = {'backend', 'precision', 'size', 'batch', 'p50_ms', 'p95_ms', 'ratio'}
NODE_KEYS = {
    *('backend', 'rate_hz', 'answered_hz', 'dropped'),
    *('p50_ms', 'p95_ms', 'cpu_percent', 'rss_mb'),
}


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('weights') / 'w.safetensors'
    return make_weights(path, {'segmentation': 8, 'depth': 1})


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MTL_PERCEPTION_CACHE', str(tmp_path_factory.mktemp('cache')))


def test_sizes_are_read() -> None:
    assert parse_size('1242x375') == (1242, 375)
    for wrong in ('1242', '0x375', '12x', 'ax3', '12X375', '-1x3'):
        with pytest.raises(argparse.ArgumentTypeError, match=f"'{wrong}' is no size; give WIDTHx"):
            parse_size(wrong)


def test_the_network_is_measured_against_the_baseline(
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # other runtimes take long to compile, and are measured no differently
    monkeypatch.setattr(network_times, 'LIBRARIES', ('torch',))
    monkeypatch.setattr(network_times, '_SECONDS', 0.05)
    report = tmp_path / 'report.json'
    words = ['benchmark', '--weights', str(weights), '--device', 'cpu', '--only', 'network']
    words += ['--size', '96x64', '--batch', '1', '2', '--json', str(report)]
    assert main(words) == 0
    content = json.loads(report.read_text())
    assert content['node'] == []
    rows = content['network']
    assert all(set(row) == NETWORK_KEYS for row in rows)
    assert {(row['size'], row['batch']) for row in rows} == {('96x64', 1), ('96x64', 2)}
    measured = {(row['backend'], row['precision']) for row in rows}
    assert {(BASELINE, 'fp32'), ('torch', 'fp32')} <= measured
    for row in rows:
        (usual,) = (
            each['p50_ms']
            for each in rows
            if (each['backend'], each['batch']) == (BASELINE, row['batch'])
        )
        assert row['ratio'] == pytest.approx(usual / row['p50_ms'])
        assert 0 < row['p50_ms'] <= row['p95_ms']
    printed = capsys.readouterr().out
    assert len(re.findall(r'^\| .*\| 96x64 \|', printed, re.MULTILINE)) == len(rows)


def test_what_cannot_be_measured_is_told(
    weights: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    words = ['benchmark', '--weights', str(weights), '--device', 'gpu', '--only', 'network']
    assert main(words) == 1
    assert "device is 'gpu'; expected auto, cpu or cuda:N" in capsys.readouterr().err
    assert "without torch fp32: device is 'gpu'" in caplog.text


def test_the_node_is_measured_between_processes(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip('rclpy')
    report = tmp_path / 'report.json'
    words = ['benchmark', '--weights', str(weights), '--device', 'cpu', '--backend', 'torch']
    words += ['--only', 'node', '--size', '96x64', '--seconds', '2', '--json', str(report)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    content = json.loads(report.read_text())
    assert content['network'] == []
    assert [row['rate_hz'] for row in content['node']] == [10.0, 30.0, None]
    for row in content['node']:
        assert set(row) == NODE_KEYS
        assert row['backend'].split()[0] == 'torch'
        assert 0 < row['p50_ms'] <= row['p95_ms']
        assert row['answered_hz'] > 0
        assert row['dropped'] >= 0
        assert row['cpu_percent'] > 0
        assert row['rss_mb'] > 50
    # flat out each frame waits for the answer to the one before
    assert content['node'][2]['dropped'] == 0
    # of diagnostics, which come once a second
    asides = re.findall(r'waited (\d+) ms at most .* took ([\d.]+) ms; memory grew by', printed)
    assert len(asides) == 3
    assert all(float(network_ms) > 0 for _, network_ms in asides)


def test_a_node_that_does_not_start_is_an_error_at_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip('rclpy')
    assert main(['benchmark', '--only', 'node', '--weights', 'absent']) == 1
    assert 'does not start: ' in (said := capsys.readouterr().err)
    assert "cannot configure: weights 'absent'" in said


def test_what_was_measured_is_kept_when_the_node_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = NetworkTime('torch', 'fp32', '640x480', 1, 10.0, 12.0, 1.0)
    # the package has the function of this name
    run = importlib.import_module('mtl_perception.offline.benchmark.run')
    monkeypatch.setattr(run, 'network_times', lambda *_: [row])

    def fails(*_: object) -> None:
        raise ValueError('the node does not start')

    monkeypatch.setattr(run, '_measure_node', fails)
    assert main(['benchmark', '--json', str(tmp_path / 'figures.json')]) == 1
    kept = json.loads((tmp_path / 'figures.json').read_text())
    assert kept == {'network': [asdict(row)], 'node': []}


def test_a_node_that_does_not_answer_says_why(tmp_path: Path) -> None:
    (tmp_path / 'fake.py').write_text("import time; print('out of luck'); time.sleep(600)")
    environment = os.environ | {'PYTHONPATH': str(tmp_path), 'PYTHONUNBUFFERED': '1'}
    logs = tmp_path / 'node.log', tmp_path / 'probe.jsonl'
    with (
        running(['fake'], environment, logs[0]) as node,
        running(['fake'], environment, logs[1]) as probe,
    ):
        wait_for_text(logs[0], 'luck\n', node)
        with pytest.raises(TimeoutError, match=r'no answers .* within 0 s: out of luck'):
            _wait((node, probe), lambda _: True, 0.0)
