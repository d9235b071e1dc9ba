from collections.abc import Callable, Iterator
import os
from pathlib import Path
import signal
import time
from typing import Any

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.duration import Duration
from rclpy.qos import QoSProfile, ReliabilityPolicy
from ros_client import Client, ros_environment, TIMEOUT_S
from std_msgs.msg import String

from mtl_perception.offline.processes import running, wait_for_text
from mtl_perception.recordings.bags import BagReader
from mtl_perception.ros.bags import recorder

RECORDER = 'mtl_perception.ros.bags.recorder'


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Take Ctrl-C back from a process that speaks ROS 2 within this one."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


def without(package: str, folder: Path) -> dict[str, str]:
    """Give the environment of a machine on which a package of messages is not installed."""
    (folder / package).mkdir()
    (folder / package / '__init__.py').write_text(
        f"raise ModuleNotFoundError('No module named {package}')"
    )
    root = Path(__file__).resolve().parents[1]
    return os.environ | ros_environment(folder) | {'PYTHONPATH': f'{folder}:{root}'}


def publish(client: Client, topic: str, *texts: str) -> None:
    """Publish once somebody listens, until all have come."""
    publisher = client.node.create_publisher(String, topic, 10)
    client.wait_for(f'a subscriber of {topic}', publisher.get_subscription_count)
    for text in texts:
        publisher.publish(String(data=text))
    assert publisher.wait_for_all_acked(Duration(seconds=TIMEOUT_S))


def texts_in(bag: Path) -> dict[str, list[str]]:
    with BagReader(bag) as reader:
        found: dict[str, list[str]] = {topic: [] for topic in reader.topics}
        for message in reader.messages():
            found[message.topic].append(reader.parse(message).data)
    return found


def test_a_topic_of_a_type_that_is_not_installed_is_left_out(
    tmp_path: Path, client: Client
) -> None:
    log, bag = tmp_path / 'recorder.log', tmp_path / 'bag'
    client.node.create_publisher(DiagnosticArray, '/faults', 1)
    command = [RECORDER, str(bag), '/faults', '/text', '/late']
    with running(command, without('diagnostic_msgs', tmp_path), log):
        publish(client, '/text', 'one', 'two')
        # by the time that this is found, what came before is written
        publish(client, '/late')
        wait_for_text(log, 'waiting for none')
    sentence = '/faults of the type diagnostic_msgs/msg/DiagnosticArray is left out: No module'
    assert log.read_text().count(sentence) == 1
    assert texts_in(bag) == {'/text': ['one', 'two'], '/late': []}


def test_it_is_renamed_and_remapped_as_any_node(tmp_path: Path, client: Client) -> None:
    log, bag = tmp_path / 'recorder.log', tmp_path / 'bag'
    remappings = ('--ros-args', '-r', '__node:=taper', '-r', 'words:=/text')
    environment = os.environ | ros_environment(tmp_path)
    with running([RECORDER, str(bag), 'words', '/late', *remappings], environment, log):
        publish(client, '/text', 'one')
        client.wait_for('its name', lambda: 'taper' in client.node.get_node_names())
        publish(client, '/late')
        wait_for_text(log, 'waiting for none')
    assert texts_in(bag) == {'/text': ['one'], '/late': []}
    assert '     1 /text\n' in log.read_text()


@pytest.mark.parametrize('reliable_first', [True, False])
def test_publishers_of_unlike_qos_are_all_recorded(
    tmp_path: Path, client: Client, reliable_first: bool
) -> None:
    log, bag = tmp_path / 'recorder.log', tmp_path / 'bag'
    kinds = [ReliabilityPolicy.RELIABLE, ReliabilityPolicy.BEST_EFFORT]
    offers = [QoSProfile(depth=10, reliability=kind) for kind in kinds]
    publishers = {
        qos.reliability.name: client.node.create_publisher(String, '/text', qos)
        for qos in (offers if reliable_first else reversed(offers))
    }
    with running([RECORDER, str(bag), '/text'], os.environ | ros_environment(tmp_path), log):
        for publisher in publishers.values():
            client.wait_for('the recorder', publisher.get_subscription_count)
        # best effort may lose one
        for _ in range(10):
            for name, publisher in publishers.items():
                publisher.publish(String(data=name))
            time.sleep(0.2)
    assert set(texts_in(bag)['/text']) == set(publishers)


@pytest.mark.usefixtures('interruptible')
def test_an_error_leaves_what_came_before(
    tmp_path: Path,
    client: Client,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in ros_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    write: Callable[..., None] = recorder.Recorder._write

    def fail_at_last(self: Any, topic: str, data: bytes) -> None:
        if b'last' in data:
            raise OSError('no space left on device')
        write(self, topic, data)

    monkeypatch.setattr(recorder.Recorder, '_write', fail_at_last)
    publisher = client.node.create_publisher(String, '/text', 10)
    client.node.create_timer(0.1, lambda: publish_next(publisher))
    assert recorder.main([str(tmp_path / 'bag'), '/text']) == 1
    assert capsys.readouterr().err == 'bag_recorder: no space left on device\n'
    assert set(texts_in(tmp_path / 'bag')['/text']) == {'first'}


def publish_next(publisher: Any) -> None:
    if publisher.get_subscription_count():
        publisher.publish(String(data='first'))
        publisher.publish(String(data='last'))
