from pathlib import Path
import shutil
import subprocess

from conftest import ROOT
import pytest

pytestmark = pytest.mark.skipif(shutil.which('make') is None, reason='make is not installed')


def first_command(path: Path, *arguments: str) -> str:
    """Give what `make setup` would run first, with only the programs of a folder at hand.

    Without the environment: within `make test`, make would speak of its directories.
    """
    make = shutil.which('make')
    assert make is not None
    run = subprocess.run(
        [make, '-n', 'setup', 'VENV=absent', *arguments],
        cwd=ROOT,
        env={'PATH': str(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return run.stdout.splitlines()[0]


def add_program(folder: Path, name: str) -> Path:
    program = folder / name
    program.write_text('#!/bin/sh\n')
    program.chmod(0o755)
    return program


def test_any_python_that_is_there_is_found(tmp_path: Path) -> None:
    """On Ubuntu 24.04 python3.11, the first that is looked for, is absent, and sh is dash."""
    python = add_program(tmp_path, 'python3.12')
    add_program(tmp_path, 'python3')
    assert first_command(tmp_path).startswith(f'{python} -m venv')


def test_the_python_that_is_named_is_taken(tmp_path: Path) -> None:
    add_program(tmp_path, 'python3.11')
    named = add_program(tmp_path, 'mine')
    assert first_command(tmp_path, f'PYTHON={named}').startswith(f'{named} -m venv')
