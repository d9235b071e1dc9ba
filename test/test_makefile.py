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


def add_program(folder: Path, name: str, status: int = 0) -> Path:
    program = folder / name
    program.write_text(f'#!/bin/sh\nexit {status}\n')
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


@pytest.mark.parametrize(('has_ros', 'mark'), [(True, '.ready-ros'), (False, '.ready')])
def test_what_was_set_up_beside_ros_does_not_do_without(
    tmp_path: Path, has_ros: bool, mark: str
) -> None:
    python = add_program(tmp_path, 'python3', status=0 if has_ros else 1)
    venv = tmp_path / 'venv'
    venv.mkdir()
    for other in {'.ready', '.ready-ros'} - {mark}:
        (venv / other).touch()
    assert first_command(tmp_path, f'VENV={venv}').startswith(f'{python} -m venv')
    (venv / mark).touch()
    assert "Nothing to be done for 'setup'" in first_command(tmp_path, f'VENV={venv}')


def test_a_ros_of_another_python_is_not_looked_into(tmp_path: Path) -> None:
    makefile = tmp_path / 'shown.mk'
    makefile.write_text(f'include {ROOT}/Makefile\nshown:\n\t@echo "<$$PYTHONPATH>"\n')
    make = shutil.which('make')
    assert make is not None
    for status, seen in ((1, '<>'), (0, '</opt/ros/a>')):
        python = add_program(tmp_path, 'python3', status)
        run = subprocess.run(
            [make, '-f', str(makefile), 'shown', f'PYTHON={python}'],
            env={'PATH': '/usr/bin:/bin', 'ROS_DISTRO': 'a', 'PYTHONPATH': '/opt/ros/a'},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.strip() == seen
