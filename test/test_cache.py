import logging
import os
from pathlib import Path
import tempfile

import pytest

from mtl_perception.backends import cache
from mtl_perception.backends.cache import (
    artefact_key,
    cache_folder,
    load_artefact,
    store_artefact,
)

CONTENT = b'compiled' * 100
KEY, SECOND, THIRD = map(artefact_key, ('first', 'second', 'third'))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / 'cache'
    monkeypatch.setenv('MTL_PERCEPTION_CACHE', str(folder))
    return folder


def test_it_is_where_the_user_s_caches_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('MTL_PERCEPTION_CACHE')
    monkeypatch.setenv('XDG_CACHE_HOME', '/caches')
    assert cache_folder() == Path('/caches/mtl_perception')
    monkeypatch.delenv('XDG_CACHE_HOME')
    assert cache_folder() == Path.home() / '.cache' / 'mtl_perception'


def test_who_has_no_home_has_a_temporary_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('MTL_PERCEPTION_CACHE', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr('os.path.expanduser', lambda path: path)
    assert cache_folder() == Path(tempfile.gettempdir()) / 'mtl_perception'


def test_what_is_stored_is_found_under_its_key_alone() -> None:
    store_artefact(artefact_key('a', (1, 2, 3)), CONTENT)
    assert load_artefact(artefact_key('a', (1, 2, 3))) == CONTENT
    assert load_artefact(artefact_key('a', (1, 2, 4))) is None
    # neither do neighbours run into each other
    assert artefact_key('ab', 'c') != artefact_key('a', 'bc')


def test_another_definition_of_the_network_has_another_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = artefact_key('a')
    monkeypatch.setattr(cache, '_code_digest', lambda: 'of other code')
    assert artefact_key('a') != before


@pytest.mark.parametrize(
    'damage', [lambda b: b[:-1], lambda b: b'', lambda b: b[:40] + b'x' + b[41:]]
)
def test_a_torn_artefact_is_not_taken(
    folder: Path, damage: object, caplog: pytest.LogCaptureFixture
) -> None:
    key = artefact_key('a')
    store_artefact(key, CONTENT)
    (folder / key).write_bytes(damage((folder / key).read_bytes()))
    assert load_artefact(key) is None
    assert f'{folder / key} is torn; compiling anew' in caplog.text
    store_artefact(key, CONTENT)
    assert load_artefact(key) == CONTENT


def test_nothing_but_whole_artefacts_is_left_behind(folder: Path) -> None:
    store_artefact(KEY, CONTENT)
    assert [path.name for path in folder.iterdir()] == [KEY]


def test_nothing_is_left_behind_where_writing_fails(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError('No space left on device')

    monkeypatch.setattr(os, 'replace', fail)
    store_artefact(KEY, CONTENT)
    assert 'the next start compiles again: No space left on device' in caplog.text
    assert list(folder.iterdir()) == []


def test_what_another_process_removed_meanwhile_is_no_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    last_use = cache._last_use

    def remove_first(path: Path) -> float:
        path.unlink()
        return last_use(path)

    monkeypatch.setattr(cache, '_last_use', remove_first)
    store_artefact(KEY, CONTENT)
    assert caplog.records == []


def test_those_unused_for_longest_make_way(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, 'KEPT_ARTEFACTS', 2)
    for age, key in ((30, KEY), (20, SECOND)):
        store_artefact(key, CONTENT)
        os.utime(folder / key, (1e9 - age, 1e9 - age))
    assert load_artefact(KEY) == CONTENT
    store_artefact(THIRD, CONTENT)
    assert {path.name for path in folder.iterdir()} == {KEY, THIRD}


def test_files_of_a_user_are_left_alone_but_not_what_a_killed_writer_left(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, 'KEPT_ARTEFACTS', 1)
    folder.mkdir()
    for name in ('notes.txt', 'cafe', f'.writing-{KEY[:32]}'):
        (folder / name).write_text('')
        os.utime(folder / name, (0, 0))
    store_artefact(KEY, CONTENT)
    os.utime(folder / KEY, (1, 1))
    store_artefact(SECOND, CONTENT)
    assert {path.name for path in folder.iterdir()} == {'notes.txt', 'cafe', SECOND}


def test_whom_the_umask_allows_may_read_an_artefact(folder: Path) -> None:
    before = os.umask(0o022)
    try:
        store_artefact(KEY, CONTENT)
    finally:
        os.umask(before)
    assert (folder / KEY).stat().st_mode & 0o777 == 0o644


def test_folders_in_it_are_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorRT keeps its engines in one."""
    monkeypatch.setattr(cache, 'KEPT_ARTEFACTS', 1)
    (folder / 'tensorrt').mkdir(parents=True)
    os.utime(folder / 'tensorrt', (0, 0))
    store_artefact(KEY, CONTENT)
    os.utime(folder / KEY, (1, 1))
    store_artefact(SECOND, CONTENT)
    assert {path.name for path in folder.iterdir()} == {SECOND, 'tensorrt'}


def test_a_folder_that_cannot_be_written_is_survived_with_a_warning(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # a file stands in the way; rights would not stop a root user
    folder.write_text('')
    store_artefact(KEY, CONTENT)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert 'cannot keep what was compiled' in record.getMessage()
    assert load_artefact(KEY) is None
