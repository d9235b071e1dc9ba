from pathlib import Path
import random
import sqlite3

import numpy as np
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

from mtl_perception.label_space import label_space
from mtl_perception.messages import encode_cloud, encode_image
from mtl_perception.recordings.bag_messages import (
    field_message,
    label_info,
    new_header,
    new_message,
)
from mtl_perception.recordings.bags import (
    BagReader,
    BagWriter,
    is_bag,
    LATCHED,
    STORAGES,
    TopicQos,
)

SENSOR = TopicQos(reliable=False, depth=3)


def write_bag(path: Path, storage: str = 'mcap', messages: int = 4) -> Path:
    """Write texts on /text at 1, 3, 5, ... s, a latched one at 0 s, headers on /head."""
    with BagWriter(path, storage) as writer:
        writer.write('/map', 0, new_message('std_msgs/msg/String', data='map'), LATCHED)
        for number in range(messages):
            stamp_ns = (2 * number + 1) * 10**9
            text = new_message('std_msgs/msg/String', data=f'text {number}')
            writer.write('/text', stamp_ns, text, TopicQos())
            writer.write('/head', stamp_ns, new_header(stamp_ns + 7, 'camera'), SENSOR)
    return path


@pytest.mark.parametrize('storage', STORAGES)
def test_what_is_written_is_read(tmp_path: Path, storage: str) -> None:
    with BagReader(write_bag(tmp_path / 'bag', storage)) as reader:
        topics, start_ns, end_ns = reader.topics, reader.start_ns, reader.end_ns
        messages = [(m.stamp_ns, m.topic, reader.parse(m)) for m in reader.messages()]
    assert [(t.name, t.type, t.qos, t.count) for t in topics.values()] == [
        ('/map', 'std_msgs/msg/String', LATCHED, 1),
        ('/text', 'std_msgs/msg/String', TopicQos(), 4),
        ('/head', 'std_msgs/msg/Header', SENSOR, 4),
    ]
    assert (start_ns, end_ns) == (0, 7 * 10**9)
    assert [stamp for stamp, _, _ in messages] == sorted(stamp for stamp, _, _ in messages)
    texts = [(stamp, m.data) for stamp, topic, m in messages if topic == '/text']
    assert texts == [((2 * number + 1) * 10**9, f'text {number}') for number in range(4)]
    heads = [m for _, topic, m in messages if topic == '/head']
    assert [(h.stamp.sec, h.stamp.nanosec, h.frame_id) for h in heads[:1]] == [(1, 7, 'camera')]


def test_a_file_of_the_bag_is_a_bag(tmp_path: Path) -> None:
    for storage, suffix in (('mcap', 'mcap'), ('sqlite3', 'db3')):
        file = write_bag(tmp_path / storage, storage) / f'{storage}.{suffix}'
        assert is_bag(file)
        assert is_bag(file.parent)
        with BagReader(file) as reader:
            assert len(list(reader.messages({'/text'}))) == 4
    assert not is_bag(tmp_path)


def test_only_a_file_called_bag_is_of_ros_1(tmp_path: Path) -> None:
    with BagReader(write_bag(tmp_path / 'run.bag')) as reader:
        assert len(list(reader.messages({'/text'}))) == 4


def test_reads_chosen_topics_from_a_time_on(tmp_path: Path) -> None:
    with BagReader(write_bag(tmp_path / 'bag')) as reader:
        stamps = [m.stamp_ns for m in reader.messages({'/text'}, 5 * 10**9)]
        assert stamps == [5 * 10**9, 7 * 10**9]
        assert list(reader.messages(set())) == []
        with pytest.raises(ValueError, match='has no topic /tekst; it has /head, /map, /text'):
            list(reader.messages({'/tekst'}))


def test_other_programs_find_types_and_hashes(tmp_path: Path) -> None:
    """The definitions in the bag are whole: a reader that knows no types can decode it."""
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write('/label_info', 1, label_info(label_space('road8'), 0.25), LATCHED)
    with AnyReader([tmp_path / 'bag']) as reader:
        ((connection, _, data),) = reader.messages()
        info = reader.deserialize(data, connection.msgtype)
    assert connection.digest.startswith('RIHS01_')
    assert [(c.class_id, c.class_name) for c in info.class_map][:2] == [
        (0, 'sky'),
        (1, 'building'),
    ]
    assert info.threshold == 0.25


def test_images_and_clouds_keep_their_fields(tmp_path: Path) -> None:
    depth = np.array([[1.5, np.nan], [np.inf, 80.0]], np.float32)
    image = encode_image(depth, '32FC1')
    points = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    labels = np.arange(4, dtype=np.uint8).reshape(2, 2)
    cloud = encode_cloud(points, np.full((2, 2, 3), 9, np.uint8), labels, None)
    with BagWriter(tmp_path / 'bag') as writer:
        for topic, fields in (('/depth', image), ('/points', cloud)):
            writer.write(topic, 5, field_message(new_header(5, 'camera'), fields), TopicQos())
    with BagReader(tmp_path / 'bag') as reader:
        found = {m.topic: reader.parse(m) for m in reader.messages()}
    for topic, fields in (('/depth', image), ('/points', cloud)):
        for name, value in vars(fields).items():
            read = getattr(found[topic], name)
            if name == 'fields':
                read = [(f.name, f.offset, f.datatype, f.count) for f in read]
                value = [(f.name, f.offset, f.datatype, f.count) for f in value]
            assert np.array_equal(read, value), name


def test_topics_of_unknown_types_are_copied_as_they_are(tmp_path: Path) -> None:
    types = get_typestore(Stores.ROS2_JAZZY)
    types.register(get_types_from_msg('uint8 gear', 'my_car/msg/Gearbox'))
    message = types.types['my_car/msg/Gearbox'](gear=4)
    data = bytes(types.serialize_cdr(message, 'my_car/msg/Gearbox'))
    with Writer(tmp_path / 'theirs', version=9) as theirs:
        connection = theirs.add_connection('/gear', 'my_car/msg/Gearbox', typestore=types)
        theirs.write(connection, 3, data)
    with BagReader(tmp_path / 'theirs') as reader, BagWriter(tmp_path / 'copy') as writer:
        with pytest.raises(ValueError, match='/gear has the type my_car/msg/Gearbox, which ROS 2'):
            writer.add_topic('/gear', 'my_car/msg/Gearbox', TopicQos())
        writer.copy_topic('/gear', reader)
        for raw in reader.messages():
            writer.write_raw(raw)
    with BagReader(tmp_path / 'copy') as reader:
        (raw,) = reader.messages()
        assert (raw.stamp_ns, raw.data, reader.parse(raw).gear) == (3, data, 4)
        # what a recorder could not find out is what publishers usually offer
        assert reader.topics['/gear'].qos == TopicQos()


def test_topics_without_a_definition_are_not_copied(tmp_path: Path) -> None:
    """As in .db3 files of ROS 2 Humble."""
    definition = {'msgdef': 'uint8 gear', 'rihs01': 'RIHS01_'}
    with Writer(tmp_path / 'theirs', version=8) as theirs:
        connection = theirs.add_connection('/gear', 'my_car/msg/Gearbox', **definition)
        theirs.write(connection, 3, bytes(5))
    with sqlite3.connect(tmp_path / 'theirs' / 'theirs.db3') as base:
        base.execute('DELETE FROM message_definitions')
    with BagReader(tmp_path / 'theirs') as reader, BagWriter(tmp_path / 'copy') as writer:
        with pytest.raises(ValueError, match=r'/gear has the type .*, which bag .* does not def'):
            writer.copy_topic('/gear', reader)
        assert not writer.counts


def test_a_failed_bag_is_removed_and_others_are_left_alone(tmp_path: Path) -> None:
    text = new_message('std_msgs/msg/String', data=7)
    with pytest.raises(AttributeError), BagWriter(tmp_path / 'bag') as writer:
        writer.write('/text', 1, text, TopicQos())
    assert not (tmp_path / 'bag').exists()
    write_bag(tmp_path / 'bag')
    with pytest.raises(FileExistsError, match='bag exists already; remove it'):
        BagWriter(tmp_path / 'bag')
    assert is_bag(tmp_path / 'bag')
    with pytest.raises(ValueError, match="'rosbag' is unknown; choose of mcap, sqlite3"):
        BagWriter(tmp_path / 'other', 'rosbag')


def test_a_bag_to_keep_is_whole_after_a_failure(tmp_path: Path) -> None:
    def write() -> None:
        with BagWriter(tmp_path / 'bag', keep=True) as writer:
            for data in ('before', 7):
                text = new_message('std_msgs/msg/String', data=data)
                writer.write('/text', 1, text, TopicQos())

    with pytest.raises(AttributeError):
        write()
    with BagReader(tmp_path / 'bag') as reader:
        assert [reader.parse(message).data for message in reader.messages()] == ['before']


def test_what_is_no_bag_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='is no rosbag2; give the folder with its meta'):
        BagReader(tmp_path)
    with pytest.raises(ValueError, match='is a ROS 1 bag, expected a rosbag2; convert it by'):
        BagReader(tmp_path / 'old.bag')


@pytest.mark.parametrize('storage', STORAGES)
def test_torn_bags_are_named(tmp_path: Path, storage: str) -> None:
    """Cut short anywhere a bag is refused, or read up to there; nothing else is raised."""
    bag = write_bag(tmp_path / 'bag', storage, messages=200)
    file = bag / ('bag.mcap' if storage == 'mcap' else 'bag.db3')
    whole = file.read_bytes()
    lengths = random.Random(0).sample(range(len(whole)), 20)
    said = [read_torn(file, whole[:length]) for length in (0, 5, len(whole) - 1, *lengths)]
    refusals = [sentence for sentence in said if sentence]
    assert all(f'bag {file} cannot be read (' in sentence for sentence in refusals)
    # pages at the end of a SQLite file may be empty
    assert len(refusals) == len(said) if storage == 'mcap' else len(refusals) > 15


def read_torn(file: Path, content: bytes) -> str:
    """Read a bag of this content; give the sentence of refusal, '' if there is none."""
    file.write_bytes(content)
    try:
        with BagReader(file) as reader:
            list(reader.messages())
    except ValueError as error:
        return str(error)
    return ''
