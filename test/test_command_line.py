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


def test_every_verb_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(['--help'])
    said = capsys.readouterr().out
    assert all(verb in said for verb in VERBS)
