"""The SROS 2 policy against the running node, and what no file of the package may do."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
import re
from typing import Any
from xml.etree import ElementTree

from conftest import ROOT
from made_weights import make_weights
import pytest

from mtl_perception.model_card import parse_card, write_card

SECURITY = ROOT / 'config' / 'security'
SOURCES = sorted((ROOT / 'mtl_perception').rglob('*.py')) + sorted((ROOT / 'launch').glob('*.py'))
NAMESPACE, NODE = '/', 'perception'
# code that runs what a file says
UNSAFE_MODULES = {'pickle', 'cPickle', 'dill', 'joblib', 'shelve', 'marshal', 'cloudpickle'}
UNSAFE_CALLS = re.compile(
    r'eval|exec|os\.system|os\.popen|yaml\.(load|load_all|unsafe_load|full_load)|.*\.unpickle'
)


def granted(rule: str, kind: str) -> set[str]:
    """Give the full names that the policy allows, as sros2 resolves them."""
    tree = ElementTree.parse(SECURITY / 'policy.xml')
    [profile] = tree.iter('profile')
    assert (profile.get('ns'), profile.get('node')) == (NAMESPACE, NODE)
    names = {
        (one.text or '').strip()
        for group in profile
        if group.get(rule) == 'ALLOW'
        for one in group.iter(kind)
    }
    return {
        name if name.startswith('/') else re.sub('^/~', f'/{NODE}', f'/{name}') for name in names
    }


@pytest.fixture(scope='module')
def graph(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, set[str]]]:
    """What the node publishes, subscribes to and serves, with all the tasks that there are."""
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    from ros_client import Client, NodeProcess, ros_environment

    folder = tmp_path_factory.mktemp('security')
    tasks = {'segmentation': 8, 'depth': 1, 'normals': 3}
    weights = make_weights(folder / 'made.safetensors', tasks)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ros_environment(folder).items():
            patch.setenv(name, value)
        process = NodeProcess(folder, weights=weights, backend='torch')
        client = Client()
        try:
            yield client.wait_for('the whole node', lambda: look_at(client.node))
        finally:
            client.close()
            process.end()


def look_at(node: Any) -> dict[str, set[str]] | None:
    """Give the names by rule, None until the node is known and subscribes, which it does last."""
    if NODE not in node.get_node_names() or not node.count_subscribers('/camera_info'):
        return None
    asks = {
        'publish': node.get_publisher_names_and_types_by_node,
        'subscribe': node.get_subscriber_names_and_types_by_node,
        'reply': node.get_service_names_and_types_by_node,
        'request': node.get_client_names_and_types_by_node,
    }
    found = {rule: {name for name, _ in ask(NODE, NAMESPACE)} for rule, ask in asks.items()}
    return found if '/camera_info' in found['subscribe'] else None


def test_the_node_may_publish_exactly_what_it_does(graph: dict[str, set[str]]) -> None:
    published = graph['publish']
    try:
        import vision_msgs  # noqa: F401
    except ImportError:
        published = published | {'/segmentation/label_info'}
    assert granted('publish', 'topic') == published


def test_the_node_may_subscribe_exactly_to_what_it_does(graph: dict[str, set[str]]) -> None:
    # of the two image topics a node takes one, by its parameter image_transport
    assert granted('subscribe', 'topic') == graph['subscribe'] | {'/image/compressed'}


def test_the_node_may_serve_exactly_what_it_does(graph: dict[str, set[str]]) -> None:
    assert granted('reply', 'service') == graph['reply']
    assert granted('request', 'service') == graph['request'] == set()


def test_nothing_is_allowed_by_a_wildcard() -> None:
    for rule, kind in (('publish', 'topic'), ('subscribe', 'topic'), ('reply', 'service')):
        names = granted(rule, kind)
        assert names
        assert not [name for name in names if '*' in name or '?' in name]


def test_the_governance_lets_nobody_in_without_identity() -> None:
    tree = ElementTree.parse(SECURITY / 'governance.xml')
    assert tree.findtext('.//allow_unauthenticated_participants') == 'false'
    switches = [one for one in tree.iter() if one.tag.startswith('enable_')]
    assert len(switches) == 5
    assert {one.text for one in switches} == {'true'}
    kinds = {one.tag: one.text for one in tree.iter() if one.tag.endswith('_protection_kind')}
    assert kinds.pop('rtps_protection_kind') == 'SIGN'
    assert set(kinds.values()) == {'ENCRYPT'}


def test_the_page_says_how_to_switch_it_on() -> None:
    page = (ROOT / 'docs' / 'security.md').read_text()
    for word in (
        *(
            'create_keystore',
            'generate_artifacts',
            'ROS_SECURITY_KEYSTORE',
            '--enclave /perception',
        ),
        *('ROS_SECURITY_ENABLE=true', 'ROS_SECURITY_STRATEGY=Enforce', 'governance.xml'),
    ):
        assert word in page


def faults(tree: ast.AST) -> list[str]:
    """Find what could run code that a file brings, or write where a file says."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            names += [node.module or ''] if isinstance(node, ast.ImportFrom) else []
            found += [n for n in names if n.split('.')[0] in UNSAFE_MODULES]
        if isinstance(node, ast.Call):
            found += fault_of_call(ast.unparse(node.func), node)
    return found


def fault_of_call(name: str, call: ast.Call) -> list[str]:
    words = {word.arg: ast.unparse(word.value) for word in call.keywords}
    last = name.rpartition('.')[2]
    bad = (
        bool(UNSAFE_CALLS.fullmatch(name))
        or (name.endswith('torch.load') and words.get('weights_only') != 'True')
        or (last == 'load' and words.get('allow_pickle', 'False') != 'False')
        or (last in ('extractall', 'extract') and words.get('filter') != "'data'")
        or last == 'unpack_archive'
        or words.get('shell', 'False') != 'False'
    )
    return [f'{ast.unparse(call)} in line {call.lineno}'] if bad else []


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_file_runs_what_another_file_brings(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert faults(tree) == []
    # under another name torch.load would not be found
    aliases = [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == 'torch'
        for alias in node.names
    ]
    assert 'load' not in aliases


@pytest.mark.parametrize(
    'line',
    [
        *('import pickle', 'from joblib import load', 'torch.load(path)', 'eval(text)'),
        *('torch.load(path, weights_only=False)', 'np.load(path, allow_pickle=True)'),
        *('yaml.load(text, Loader)', 'archive.extractall(folder)', "archive.extract('a', folder)"),
        *('shutil.unpack_archive(path)', 'subprocess.run(words, shell=True)'),
    ],
)
def test_a_fault_is_found(line: str) -> None:
    assert faults(ast.parse(line))


def test_loading_is_found_to_be_safe_where_it_is() -> None:
    safe = 'torch.load(path, weights_only=True); np.load(path); yaml.safe_load(text)'
    assert faults(ast.parse(f"{safe}; archive.extractall(folder, filter='data')")) == []
    calls = [path for path in SOURCES if 'torch.load(' in path.read_text()]
    assert len(calls) >= 3


@pytest.mark.parametrize('name', ['../road8', '/etc/road8', 'a/b', '..', '', 'a\\b', '.road8'])
def test_a_card_cannot_name_a_file_outside_of_its_folder(tiny_weights: Path, name: str) -> None:
    card = parse_card(tiny_weights.with_suffix('.yaml'))
    with pytest.raises(ValueError, match=r'name is .*letters, digits'):
        replace(card, name=name)


def test_a_card_of_the_old_kind_is_read(tiny_weights: Path, tmp_path: Path) -> None:
    card = parse_card(tiny_weights.with_suffix('.yaml'))
    for name in ('road8', 'mobilenetv2_kitti', 'resnet-50.v2', 'Road8'):
        write_card(replace(card, name=name), tmp_path / 'x.safetensors')
        assert parse_card(tmp_path / 'x.yaml').name == name
