"""The pages of docs/ against the code and the files that they name."""

import ast
from pathlib import Path
import re

from conftest import ROOT
import pytest
import yaml

from mtl_perception.label_space import LABEL_SPACES
from mtl_perception.offline.__main__ import VERBS
from mtl_perception.products import CAMERA_INFOS, LABEL_INFO, TOPICS
from mtl_perception.recordings.dataset_index import COLUMNS, OPTIONAL_COLUMNS
from mtl_perception.recordings.layouts.catalogue import LAYOUTS

DOCS = ROOT / 'docs'
PAGES = sorted(DOCS.glob('*.md'))
SUBSCRIBED = {'image', 'image/compressed', 'camera_info', 'lidar'}
README = ROOT / 'README.md'
pages = pytest.mark.parametrize('path', [README, *PAGES], ids=lambda path: path.stem)


def section(page: str, heading: str) -> str:
    text = (DOCS / page).read_text()
    [found] = re.findall(rf'^## {heading}\n(.*?)(?=^## |\Z)', text, re.MULTILINE | re.DOTALL)
    return found


def first_cells(table: str) -> set[str]:
    """Give the names in backquotes of the first column."""
    rows = re.findall(r'^\|([^|]+)\|', table, re.MULTILINE)
    return {name for cell in rows for name in re.findall(r'`([^`]+)`', cell)}


def test_the_pages_are_there() -> None:
    assert {path.stem for path in PAGES} >= {
        *('topics', 'parameters', 'consumers', 'training', 'limits', 'troubleshooting'),
        *('security', 'architecture', 'ros_interface'),
    }


def test_the_parameters_page_is_what_the_declarations_say() -> None:
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from mtl_perception.ros.reference.parameters_page import parameters_page

    command = 'python -m mtl_perception.ros.reference.parameters_page docs/parameters.md'
    assert (DOCS / 'parameters.md').read_text() == parameters_page(), f'run {command}'


def test_the_parameters_page_has_a_row_for_each_in_the_file() -> None:
    values = yaml.safe_load((ROOT / 'config' / 'perception.yaml').read_text())
    names = values['/**']['ros__parameters']
    rows = first_cells((DOCS / 'parameters.md').read_text())
    assert rows == set(names)


def test_the_topics_page_has_the_topics_of_the_code() -> None:
    published = first_cells(section('topics.md', 'Published'))
    assert published == {*TOPICS, *CAMERA_INFOS.values(), LABEL_INFO, '/diagnostics'}
    assert first_cells(section('topics.md', 'Subscribed')) == SUBSCRIBED


def test_the_encodings_of_the_topics_page_are_taken() -> None:
    from mtl_perception.messages.images import _LAYOUTS

    rows = section('topics.md', 'Subscribed').splitlines()
    [row] = [row for row in rows if row.startswith('| `image` |')]
    named = set(re.findall(r'\b(?:[a-z]+\d+|8UC\d|yuv422)\b', row))
    assert named
    assert named <= _LAYOUTS.keys()


def test_the_training_page_has_the_columns_of_an_index() -> None:
    columns = first_cells(section('training.md', 'Data'))
    assert columns == {*COLUMNS, *OPTIONAL_COLUMNS}


def test_the_data_sets_page_has_each_layout_and_its_splits() -> None:
    rows = [row.split('|') for row in section('datasets.md', 'Layouts').splitlines()]
    splits = {row[1].strip(' `'): row[4] for row in rows if row[0] == '' and len(row) == 7}
    assert splits.keys() - {'layout', '---'} == LAYOUTS.keys()
    for name, layout in LAYOUTS.items():
        assert set(layout.splits) <= set(re.findall(r'`(\w+)`', splits[name])), name


def test_the_data_sets_page_has_each_label_space_and_where_it_maps_to() -> None:
    rows = [row.split('|') for row in section('datasets.md', 'Label spaces').splitlines()]
    described = {}
    for row in (row for row in rows if len(row) == 5):
        named = re.findall(r'`([\w+]+)`', row[1])
        described |= {name: {*re.findall(r'`(\w+)`', row[3]), *named} for name in named}
    assert described.keys() == LABEL_SPACES.keys()
    for name, space in LABEL_SPACES.items():
        apart = {target for target in space.mappings if not LABEL_SPACES[target].joined}
        assert apart <= described[name], name


def test_the_limits_page_has_the_licence_of_each_card() -> None:
    table = section('limits.md', 'Licences')
    for path in (ROOT / 'weights').glob('*.safetensors'):
        card = yaml.safe_load(path.with_suffix('.yaml').read_text())
        assert f'| `{card["name"]}` | {card["licence"]} |' in table


def test_troubleshooting_goes_by_symptom() -> None:
    text = (DOCS / 'troubleshooting.md').read_text()
    headings = re.findall(r'^## (.*)$', text, re.MULTILINE)
    for symptom in ('No output', 'Jerky', 'Wrong scale', '`torch` is not found', 'NumPy 2'):
        assert [heading for heading in headings if heading.startswith(symptom)]


@pages
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r'\]\(([^)#]+)(?:#[^)]*)?\)', path.read_text())
    local = [link for link in links if not link.startswith(('http:', 'https:'))]
    assert not [link for link in local if not (path.parent / link).exists()]


@pages
def test_anchors_are_headings(path: Path) -> None:
    links = re.findall(r'\]\(([^)#:]*)#([^)]+)\)', path.read_text())
    for page, anchor in links:
        assert anchor in anchors(path.parent / page if page else path), f'{page}#{anchor}'


def anchors(page: Path) -> set[str]:
    """Give what GitHub makes of the headings of a page."""
    text = re.sub(r'^```.*?^```', '', page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r'^#+ (.*?)\s*$', text, re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pages
def test_commands_and_files_exist(path: Path) -> None:
    text = path.read_text()
    for module in re.findall(r'python -m (mtl_perception[\w.]*)', text):
        place = ROOT / module.replace('.', '/')
        assert place.with_suffix('.py').is_file() or (place / '__main__.py').is_file()
    # at the start of a line, of words in backquotes, or behind `ros2 run mtl_perception`
    named = r'(?:^|(?<!`)`|^ros2 run mtl_perception )mtl_perception ([a-z][\w-]*)'
    assert set(re.findall(named, text, re.MULTILINE)) <= VERBS.keys()
    for file in re.findall(r'\b(?:config|test|launch)/[\w/.]+\.(?:yaml|py|xml|rviz)\b', text):
        assert (ROOT / file).is_file(), file


@pages
def test_parameters_that_are_named_exist(path: Path) -> None:
    """Words like `confidence_threshold: 0.5` in backquotes, and `-p name:=value`."""
    known = yaml.safe_load((ROOT / 'config' / 'perception.yaml').read_text())
    names = {*known['/**']['ros__parameters'], 'use_sim_time'}
    text = path.read_text()
    assert {n for n in re.findall(r'-p (\w[\w.]*):=', text)} <= names
    if path.stem in ('troubleshooting', 'topics', 'limits'):
        assert {n for n in re.findall(r'`([a-z_.]+): [^`]+`', text)} <= names


class TestWorkflow:
    """.github/workflows/ci.yml, as far as it can be read without running it."""

    @pytest.fixture
    def jobs(self) -> dict[str, dict]:
        path = ROOT / '.github' / 'workflows' / 'ci.yml'
        return yaml.safe_load(path.read_text())['jobs']

    def test_pip_runs_on_each_python_that_the_package_takes(self, jobs: dict[str, dict]) -> None:
        versions = jobs['pip']['strategy']['matrix']['python']
        assert versions == ['3.11', '3.12', '3.13']
        setup = ast.parse((ROOT / 'setup.py').read_text())
        [needed] = [
            word.value.value
            for word in ast.walk(setup)
            if isinstance(word, ast.keyword) and word.arg == 'python_requires'
        ]
        assert needed == f'>={versions[0]}'
        assert any('make test' in step.get('run', '') for step in jobs['pip']['steps'])

    def test_jazzy_builds_and_tests_by_colcon(self, jobs: dict[str, dict]) -> None:
        job = jobs['jazzy']
        assert job['container']['image'].startswith('ros:jazzy')
        assert '--shm-size' in job['container']['options']
        commands = '\n'.join(step.get('run', '') for step in job['steps'])
        for command in ('colcon build', 'colcon test', 'colcon test-result', 'rosdep install'):
            assert command in commands
        assert 'moderngl' in commands

    @pytest.mark.parametrize('job', ['pip', 'jazzy'])
    def test_scenes_can_be_rendered(self, jobs: dict[str, dict], job: str) -> None:
        commands = '\n'.join(step.get('run', '') for step in jobs[job]['steps'])
        assert {'libegl1', 'libgl1-mesa-dri'} <= set(commands.split())
