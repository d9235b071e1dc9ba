from pathlib import Path
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from conftest import ROOT
import pytest

import mtl_perception

COLCON = Path(sys.executable).with_name('colcon')
needs_colcon = pytest.mark.skipif(
    not COLCON.is_file() and shutil.which('colcon') is None, reason='colcon is not installed'
)


def colcon(*arguments: str | Path) -> str:
    command = COLCON if COLCON.is_file() else 'colcon'
    run = subprocess.run(
        [command, '--log-base', '/dev/null', *arguments], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


@needs_colcon
def test_colcon_takes_it_for_an_ament_package() -> None:
    """An invalid package.xml would make it plain Python without a word."""
    listed = colcon('list', '--base-paths', ROOT)
    assert '(ros.ament_python)' in listed
    assert listed.startswith('mtl_perception\t')


@pytest.fixture(scope='module')
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The prefix that `colcon build` installs into."""
    folder = tmp_path_factory.mktemp('workspace')
    bases = ('--build-base', folder / 'build', '--install-base', folder / 'install')
    colcon('build', '--base-paths', ROOT, *bases, '--packages-select', 'mtl_perception')
    return folder / 'install' / 'mtl_perception'


@needs_colcon
@pytest.mark.parametrize('folder', ['launch', 'config', 'weights'])
def test_the_share_folder_has_what_the_sources_have(installed: Path, folder: str) -> None:
    expected = {
        path.relative_to(ROOT)
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    }
    share = installed / 'share' / 'mtl_perception'
    found = {path.relative_to(share) for path in (share / folder).rglob('*') if path.is_file()}
    assert expected
    assert found == expected


@needs_colcon
def test_ros2_run_finds_the_executables(installed: Path) -> None:
    scripts = {path.name for path in (installed / 'lib' / 'mtl_perception').iterdir()}
    assert {'perception_node', 'bag_player', 'bag_recorder', 'mtl_perception'} <= scripts
    marker = installed / 'share/ament_index/resource_index/packages/mtl_perception'
    assert marker.is_file()


def test_what_the_launch_files_start_is_installed_with_the_package() -> None:
    manifest = ElementTree.parse(ROOT / 'package.xml').getroot()
    declared = {element.text for element in manifest.iter('exec_depend')} | {'mtl_perception'}
    launched = {
        package
        for name in ('perception', 'kitti_demo')
        for package in re.findall(
            r"package='(\w+)'", (ROOT / f'launch/{name}.launch.py').read_text()
        )
    }
    assert 'rviz2' in launched
    assert launched <= declared


def test_every_place_states_the_same_version() -> None:
    manifest = ElementTree.parse(ROOT / 'package.xml').getroot()
    assert manifest.get('format') == '3'
    assert manifest.findtext('version') == mtl_perception.__version__
    assert f"version='{mtl_perception.__version__}'" in (ROOT / 'setup.py').read_text()
    assert mtl_perception.__version__ in (ROOT / 'CHANGELOG.rst').read_text()
