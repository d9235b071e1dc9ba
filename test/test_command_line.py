import os
from pathlib import Path
import signal
import subprocess
import sys

import pytest

from mtl_perception.offline.__main__ import main, VERBS


@pytest.mark.parametrize('verb', ['render', 'render-drive'])
def test_a_verb_without_its_library_says_what_to_install(
    verb: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [n for n in sys.modules if n.startswith('mtl_perception.rendering')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'moderngl', None)
    assert main([verb, 'somewhere']) == 1
    said = capsys.readouterr().err
    assert said.startswith(f'mtl_perception {verb}: ')
    assert 'moderngl' in said
    assert "pip install -e '.[rendering]'" in said


def test_a_verb_without_a_base_library_says_so_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As under `ros2 run`, which may take an interpreter without them."""
    for name in [n for n in sys.modules if n.startswith('mtl_perception.offline.predict')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'cv2', None)
    assert main(['predict', 'somewhere']) == 1
    said = capsys.readouterr().err
    assert said.startswith('mtl_perception predict: ')
    assert 'cv2' in said
    assert f'for the interpreter {sys.executable}; ' in said
    assert 'docs/troubleshooting.md' in said


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        ('benchmark --batch 0', "--batch: '0' is not a whole number above 0"),
        ('render r --frames 0', "--frames: '0' is not a whole number above 0"),
        ('render r --seed=-1', "--seed: '-1' is not a whole number, 0 or more"),
        ('render r --queues 2', "--queues: '2' is not a share from 0 to 1"),
        ('render r --samples x', "--samples: 'x' is not a whole number above 0"),
        ('render-drive r --frames 0', "--frames: '0' is not a whole number above 0"),
        ('soak --rate 0', "--rate: '0' is not a number above 0"),
        ('predict b --out o --stride 0', "--stride: '0' is not a whole number above 0"),
        ('predict b --out o --namespace front-camera', "'front-camera' is no namespace"),
    ],
)
def test_numbers_and_names_that_cannot_be_are_refused(
    words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(words.split())
    assert said in capsys.readouterr().err


# a verb that starts a process of its own, and waits
VERB = """
import os
from pathlib import Path
import time
from mtl_perception.offline.processes import running

def add_arguments(parser):
    pass

def run(options):
    with running(['http.server', '0'], dict(os.environ), Path('child.log')) as child:
        print(child.pid, flush=True)
        time.sleep(600)
"""
PROGRAM = """
import signal
import sys
# whatever this run was started with
signal.signal(signal.SIGINT, signal.default_int_handler)
for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.SIG_DFL)
from mtl_perception.offline.__main__ import main, Verb, VERBS
VERBS['wait'] = Verb('waits', 'waiting')
sys.exit(main(['wait']))
"""


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_what_a_verb_has_started_ends_with_it(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / 'waiting.py').write_text(VERB)
    command = subprocess.Popen(
        [sys.executable, '-c', PROGRAM],
        cwd=tmp_path,
        env=os.environ | {'PYTHONPATH': str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    try:
        child = Path('/proc', command.stdout.readline().strip())
        assert child.is_dir()
        command.send_signal(number)
        assert command.wait(180) == 128 + number
        assert not child.exists()
    finally:
        command.kill()


def test_every_verb_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['--help'])
    said = capsys.readouterr().out
    assert all(verb in said for verb in VERBS)
