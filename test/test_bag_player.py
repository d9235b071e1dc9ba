from collections.abc import Iterator
import importlib.util
from itertools import pairwise
import os
from pathlib import Path
import signal
import subprocess
import sys
import time

from made_drive import make_drive, picture_of, stamp_of
import pytest

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.executors import SingleThreadedExecutor  # noqa: E402
from ros_client import Client, DOMAIN_ID, ros_environment, TIMEOUT_S  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, PointCloud2  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from mtl_perception.recordings.bag_messages import new_message  # noqa: E402
from mtl_perception.recordings.bags import (  # noqa: E402
    BagReader,
    BagWriter,
    LATCHED,
    RawMessage,
    TopicQos,
)
from mtl_perception.recordings.kitti import read_drive  # noqa: E402
from mtl_perception.recordings.kitti_to_bag import BagOptions, kitti_to_bag  # noqa: E402
from mtl_perception.ros.bags.play_options import PlayOptions  # noqa: E402
from mtl_perception.ros.bags.player import BagPlayer  # noqa: E402

LEFT = '/kitti/camera_color_left'


class Player:
    """The player in a process group of its own."""

    def __init__(self, log_folder: Path, bag: Path, *arguments: str) -> None:
        root = Path(__file__).resolve().parents[1]
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'mtl_perception.ros.bags.player', str(bag), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=root,
            env=os.environ | ros_environment(log_folder),
            start_new_session=True,
        )

    def finish(self) -> tuple[int, str]:
        """Wait for its end; give the exit status and what it said."""
        try:
            said, _ = self.process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        return self.process.returncode, said

    def interrupt(self) -> tuple[int, str]:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        return self.finish()


@pytest.fixture
def client() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


def text_bag(path: Path, storage: str = 'mcap') -> Path:
    """Write texts at 0, 1, 2 and 3 s, and a latched one at 0 s."""
    with BagWriter(path, storage) as writer:
        writer.write('/map', 0, new_message('std_msgs/msg/String', data='map'), LATCHED)
        for second in range(4):
            text = new_message('std_msgs/msg/String', data=f'{second} s')
            writer.write('/text', second * 10**9, text, TopicQos())
    return path


def texts(client: Client, topic: str = '/text') -> list[str]:
    return [message.data for message in client.received[topic]]


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_plays_a_drive_as_it_was_recorded(tmp_path: Path, client: Client, storage: str) -> None:
    kitti_to_bag(read_drive(make_drive(tmp_path)), tmp_path / 'bag', BagOptions(storage))
    topics = (f'{LEFT}/image_raw', f'{LEFT}/camera_info', '/kitti/velo/pointcloud')
    for kind, topic in zip((Image, CameraInfo, PointCloud2), topics, strict=True):
        client.subscribe(kind, topic)
    player = Player(tmp_path, tmp_path / 'bag', '--wait-for-subscribers', *topics)
    status, said = player.finish()
    assert status == 0, said
    counts = dict(zip(topics, (3, 3, 2), strict=True))
    received = client.received
    client.wait_for('all', lambda: all(len(received[t]) == counts[t] for t in topics))
    for number, image in enumerate(client.received[topics[0]]):
        assert image.header.stamp.sec * 10**9 + image.header.stamp.nanosec == stamp_of(number)
        assert bytes(image.data) == picture_of(number)[..., ::-1].tobytes()
    assert client.received[topics[1]][0].header.frame_id == 'camera_color_left'


class Noted(BagPlayer):
    """A player that notes what it publishes, and after how many seconds of playing."""

    def play(self) -> None:
        self.noted: list[tuple[str, int, float]] = []
        self.began_s = time.monotonic()
        super().play()

    def _publish_clock(self, now_ns: int) -> None:
        super()._publish_clock(now_ns)
        if self._options.clock_hz:
            self.noted.append(('/clock', now_ns, time.monotonic() - self.began_s))

    def _publish(self, message: RawMessage) -> None:
        super()._publish(message)
        self.noted.append((message.topic, message.stamp_ns, time.monotonic() - self.began_s))


class Unhurried(Noted):
    """A player for which time passes only while it waits, on however busy a machine."""

    now_s = 0.0

    def play(self) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr('mtl_perception.ros.bags.player.time', self)
            super().play()

    def monotonic(self) -> float:
        return self.now_s

    def _spin(self, timeout_s: float) -> None:
        self.now_s += timeout_s


def played(
    bag: Path, options: PlayOptions, kind: type[Noted] = Noted
) -> list[tuple[str, int, float]]:
    """Play in this process; give topic, time in the bag and time of each message."""
    rclpy.init(domain_id=DOMAIN_ID)
    try:
        with BagReader(bag) as reader:
            executor = SingleThreadedExecutor()
            player = kind(reader, options, executor)
            player.play()
            player.destroy_node()
            executor.shutdown()
    finally:
        rclpy.shutdown()
    return player.noted


@pytest.mark.parametrize('offset_s', [0.0, 0.5])
def test_rate_sets_the_intervals(tmp_path: Path, offset_s: float) -> None:
    bag = text_bag(tmp_path / 'bag')
    noted = played(bag, PlayOptions(rate=4.0, start_offset_s=offset_s, topics=['/text']))
    due_s = [max(0.0, stamp_ns / 1e9 - offset_s) / 4 for _, stamp_ns, _ in noted]
    late_s = [after_s - due for (_, _, after_s), due in zip(noted, due_s, strict=True)]
    seconds = [stamp_ns // 10**9 for _, stamp_ns, _ in noted]
    assert seconds == ([1, 2, 3] if offset_s else [0, 1, 2, 3])
    assert min(late_s) >= 0
    # on a busy machine any of them may be late, hardly all of them
    # the first is due at once at any rate
    assert min(late_s[1:]) < 0.1


def test_clock_has_reached_each_message(tmp_path: Path) -> None:
    noted = played(text_bag(tmp_path / 'bag'), PlayOptions(rate=10.0, clock_hz=100.0))
    ticks = [now_ns for topic, now_ns, _ in noted if topic == '/clock']
    assert ticks == sorted(ticks)
    assert len(noted) - len(ticks) == 5
    for (before, now_ns, _), (topic, stamp_ns, _) in pairwise(noted):
        if topic != '/clock':
            assert (before, now_ns) == ('/clock', stamp_ns)


def test_clock_ticks_at_its_rate_between_messages(tmp_path: Path) -> None:
    options = PlayOptions(rate=10.0, clock_hz=100.0)
    noted = played(text_bag(tmp_path / 'bag'), options, Unhurried)
    ticks = [now_ns for topic, now_ns, _ in noted if topic == '/clock']
    # 0.01 s is 0.1 s in the bag
    assert sorted({round(now_ns / 1e8) for now_ns in ticks}) == list(range(31))
    # with each of 5 messages, 30 between them, and what is left of a tick by rounding
    assert 35 <= len(ticks) <= 38


def test_offset_leaves_out_what_was_before_but_for_latched_topics(
    tmp_path: Path, client: Client
) -> None:
    client.subscribe(String, '/text')
    client.subscribe(String, '/map')
    options = ('--start-offset', '1.5', '--wait-for-subscribers', '/text', '/map')
    assert Player(tmp_path, text_bag(tmp_path / 'bag'), *options).finish()[0] == 0
    client.wait_for('all texts', lambda: len(texts(client)) == 2 and texts(client, '/map'))
    assert texts(client) == ['2 s', '3 s']
    assert texts(client, '/map') == ['map']


def test_a_loop_starts_again_and_takes_the_clock_along(tmp_path: Path, client: Client) -> None:
    client.subscribe(String, '/text')
    client.subscribe(Clock, '/clock')
    options = ('--loop', '--rate', '10', '--clock', '--wait-for-subscribers', '/text')
    player = Player(tmp_path, text_bag(tmp_path / 'bag'), *options)
    try:
        client.wait_for('some rounds', lambda: texts(client)[-20:].count('3 s') >= 3)
    finally:
        status, said = player.interrupt()
    assert status == 0, said
    assert 'messages published' in said
    # the first ones may be lost while publisher and subscriber get to know each other
    seconds = [int(text.split()[0]) for text in texts(client)][-8:]
    assert [b for _, b in pairwise(seconds)] == [(a + 1) % 4 for a, _ in pairwise(seconds)]
    clocks = [message.clock for message in client.received['/clock']]
    times = [clock.sec + clock.nanosec / 1e9 for clock in clocks]
    assert any(b < a for a, b in pairwise(times))
    assert 0 <= min(times) < max(times) <= 3


def test_subscribers_are_waited_for(tmp_path: Path) -> None:
    options = ('--wait-for-subscribers', '/text', '--wait-timeout', '0.2')
    status, said = Player(tmp_path, text_bag(tmp_path / 'bag'), *options).finish()
    assert status == 1
    assert 'nobody subscribed to /text in 0.2 s; start the subscriber' in said
    assert '0 messages published' in said


def test_topics_can_be_chosen_and_remapped(tmp_path: Path, client: Client) -> None:
    client.subscribe(String, '/words')
    client.subscribe(String, '/map')
    options = ('--topics', '/text', '--rate', '100', '--wait-for-subscribers', '/text')
    remapping = ('--ros-args', '-r', '/text:=/words')
    status, said = Player(tmp_path, text_bag(tmp_path / 'bag'), *options, *remapping).finish()
    assert status == 0, said
    assert '4 messages published' in said
    client.wait_for('4 words', lambda: len(texts(client, '/words')) == 4)
    assert texts(client, '/map') == []


def test_types_that_are_not_installed_are_left_out(tmp_path: Path, client: Client) -> None:
    if importlib.util.find_spec('vision_msgs'):
        pytest.skip('vision_msgs is installed here')
    bag = tmp_path / 'bag'
    with BagWriter(bag) as writer:
        car = new_message('vision_msgs/msg/VisionClass', class_id=1, class_name='car')
        writer.write('/class', 0, car, TopicQos())
        text = new_message('std_msgs/msg/String', data='after it')
        writer.write('/text', 1, text, TopicQos())
    client.subscribe(String, '/text')
    status, said = Player(tmp_path, bag, '--wait-for-subscribers', '/text').finish()
    assert status == 0
    assert '/class is left out: its type vision_msgs/msg/VisionClass is not installed' in said
    client.wait_for('the text', lambda: texts(client) == ['after it'])
    status, said = Player(tmp_path, bag, '--topics', '/class').finish()
    assert status == 1
    assert 'nothing to play on any topic; choose other topics' in said


def test_says_what_is_wrong(tmp_path: Path) -> None:
    status, said = Player(tmp_path, tmp_path / 'nothing').finish()
    assert (status, said.strip()) == (
        1,
        f'bag_player: {tmp_path}/nothing is no rosbag2; give the folder with its metadata.yaml, '
        'or its .mcap or .db3 file',
    )
    bag = text_bag(tmp_path / 'bag')
    status, said = Player(tmp_path, bag, '--topics', '/tekst').finish()
    assert status == 1
    assert 'has no topic /tekst; it has /map, /text' in said
    status, said = Player(tmp_path, bag, '--start-offset', '9').finish()
    assert status == 1
    assert 'has nothing from 9 s on; it lasts 3 s' in said


@pytest.mark.parametrize('wrong', [{'rate': 0.0}, {'clock_hz': -1.0}, {'start_offset_s': -1.0}])
def test_numbers_are_checked(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match='it must be finite and at least'):
        PlayOptions(**wrong)  # type: ignore[arg-type]
