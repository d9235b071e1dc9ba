"""Every transition from every state, asked of the node by its service."""

from collections.abc import Callable, Iterator
import gc
from pathlib import Path
import random
import weakref

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from lifecycle_msgs.msg import Transition
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from robot import check_ending, HEIGHT, image, Robot, WIDTH
from ros_client import NodeProcess
from sensor_msgs.msg import Image

from mtl_perception.ros.node import PerceptionNode

LABELS = 'segmentation/labels'
CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE = (
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_CLEANUP,
    Transition.TRANSITION_ACTIVATE,
    Transition.TRANSITION_DEACTIVATE,
)
# where a transition leads; all others are refused
LEADS = {
    ('unconfigured', CONFIGURE): 'inactive',
    ('inactive', CLEANUP): 'unconfigured',
    ('inactive', ACTIVATE): 'active',
    ('active', DEACTIVATE): 'inactive',
}
SHUTDOWN = {
    'unconfigured': Transition.TRANSITION_UNCONFIGURED_SHUTDOWN,
    'inactive': Transition.TRANSITION_INACTIVE_SHUTDOWN,
    'active': Transition.TRANSITION_ACTIVE_SHUTDOWN,
}
TRANSITIONS = 200
# of configure and activate the first times take memory that stays
SETTLED_AFTER = 60
# a model has 12 MB
MAY_GROW_MB = 25


def start(environment: Path, weights: Path) -> NodeProcess:
    return NodeProcess(
        environment,
        weights=weights,
        backend='torch',
        autostart='false',
        warm_up_width=WIDTH,
        warm_up_height=HEIGHT,
    )


@pytest.fixture
def node(environment: Path, tiny_weights: Path) -> Iterator[NodeProcess]:
    process = start(environment, tiny_weights)
    yield process
    process.end()


@pytest.fixture
def robot(node: NodeProcess) -> Iterator[Robot]:
    robot = Robot()
    robot.subscribe(Image, LABELS)
    yield robot
    robot.close()


def held(process: NodeProcess) -> dict[str, float]:
    """Tell what the process holds: memory in MB, threads, open files."""
    folder = Path('/proc') / str(process.process.pid)
    if not folder.is_dir():
        pytest.skip('there is no /proc here')
    status = dict(line.split(':', 1) for line in (folder / 'status').read_text().splitlines())
    return {
        'MB': int(status['VmRSS'].split()[0]) / 1e3,
        'threads': int(status['Threads']),
        'files': len(list((folder / 'fd').iterdir())),
    }


def test_any_order_of_transitions_leaves_a_node_that_serves(
    node: NodeProcess, robot: Robot, record_property: Callable[[str, object], None]
) -> None:
    chance, state, taken = random.Random(0), 'unconfigured', set()
    settled: dict[str, float] = {}
    for count in range(TRANSITIONS):
        transition = chance.choice((CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE))
        expected = LEADS.get((state, transition))
        assert robot.change_state(transition) == (expected is not None), (state, transition)
        taken.add((state, transition))
        state = expected or state
        assert robot.state() == state
        if count >= SETTLED_AFTER and state == 'unconfigured' and not settled:
            settled = held(node)
    assert len(taken) == 3 * 4
    while state != 'unconfigured':
        transition = DEACTIVATE if state == 'active' else CLEANUP
        assert robot.change_state(transition)
        state = LEADS[state, transition]
    ended = held(node)
    record_property('held', f'{settled} then {ended}')
    print(f'after {SETTLED_AFTER} transitions {settled}, after {TRANSITIONS} {ended}')
    assert ended['MB'] < settled['MB'] + MAY_GROW_MB
    assert ended['threads'] <= settled['threads']
    assert ended['files'] <= settled['files']
    assert robot.change_state(CONFIGURE)
    assert robot.change_state(ACTIVATE)
    robot.ask_until_answered(image(7), 'image', [LABELS])
    assert robot.node.count_publishers(LABELS) == 1
    check_ending(node, node.end())


class Engine:
    """Stands for memory of a device."""


def test_what_a_failed_configure_had_loaded_is_gone_when_caches_are_emptied(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines: list[weakref.ref[Engine]] = []
    alive: list[bool] = []

    def fail(*_: object) -> None:
        engine = Engine()
        engines.append(weakref.ref(engine))
        raise ValueError('a wrong QoS')

    def look() -> None:
        gc.collect()
        alive.extend(engine() is not None for engine in engines)

    monkeypatch.setattr('mtl_perception.ros.node.Rig', fail)
    monkeypatch.setattr('mtl_perception.ros.node.empty_caches', look)
    robot = Robot()
    node = PerceptionNode(context=robot.context)
    try:
        assert node.on_configure(None) == TransitionCallbackReturn.FAILURE
        assert node._diagnostics.failure == 'cannot configure: a wrong QoS'
        assert alive == [False]
    finally:
        node.destroy_node()
        robot.close()


@pytest.mark.parametrize('state', SHUTDOWN)
def test_shut_down_from_any_state_it_is_finalized(
    environment: Path, tiny_weights: Path, state: str
) -> None:
    robot = Robot()
    given = {'weights': str(tiny_weights), 'backend': 'torch'}
    given |= {'warm_up_width': WIDTH, 'warm_up_height': HEIGHT}
    node = PerceptionNode(
        context=robot.context,
        parameter_overrides=[Parameter(name, value=value) for name, value in given.items()],
    )
    robot._executor.add_node(node)
    try:
        for transition in {'inactive': (CONFIGURE,), 'active': (CONFIGURE, ACTIVATE)}.get(
            state, ()
        ):
            assert robot.change_state(transition)
        assert robot.state() == state
        for other, transition in SHUTDOWN.items():
            if other != state:
                assert not robot.change_state(transition)
        assert robot.change_state(SHUTDOWN[state])
        assert robot.state() == 'finalized'
        for transition in (CONFIGURE, CLEANUP, ACTIVATE, DEACTIVATE, *SHUTDOWN.values()):
            assert not robot.change_state(transition)
        robot.wait_for('no publisher', lambda: robot.node.count_publishers(LABELS) == 0)
    finally:
        robot.execute(node.destroy_node)
        robot.close()
