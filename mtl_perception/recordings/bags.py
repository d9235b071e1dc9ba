"""rosbag2 files, mcap or sqlite3: reading and writing, without ROS."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PosixPath
import shutil
from typing import Any, Self

from rosbags.highlevel import AnyReader
from rosbags.interfaces import (
    Connection,
    ConnectionExtRosbag2,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores, TypesysError
from rosbags.typesys.store import Typestore

STORAGES = ('mcap', 'sqlite3')
# the message types that bags are written with: Jazzy's, and what label_info needs of vision_msgs
TYPES = get_typestore(Stores.ROS2_JAZZY)
for _name, _definition in {
    'VisionClass': 'uint16 class_id\nstring class_name',
    'LabelInfo': 'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold',
}.items():
    TYPES.register(get_types_from_msg(_definition, f'vision_msgs/msg/{_name}'))
# what rosbag2 writes for "never"
_FOREVER = QosTime(9223372036, 854775807)


@dataclass(frozen=True)
class TopicQos:
    """The quality of service that a topic's publisher offers; it keeps the last `depth`."""

    reliable: bool = True
    transient_local: bool = False
    depth: int = 10


LATCHED = TopicQos(transient_local=True, depth=1)


@dataclass(frozen=True)
class BagTopic:
    """A topic of a bag: its name, its type as `sensor_msgs/msg/Image`, and how many messages."""

    name: str
    type: str
    qos: TopicQos
    count: int


@dataclass(frozen=True)
class RawMessage:
    """A message as it lies in the bag: when it was recorded, and its CDR bytes."""

    stamp_ns: int
    topic: str
    data: bytes


class BagReader:
    """A rosbag2 to read from, as a context manager; `topics` is what it has, by name."""

    def __init__(self, path: Path) -> None:
        """Find the bag: the folder with its metadata.yaml, or one .mcap or .db3 file.

        Raises FileNotFoundError if there is no bag, ValueError if it is a ROS 1 bag.
        """
        check_bag(path)
        self.path = path
        self.topics: dict[str, BagTopic] = {}
        opened = _Folder(path) if path.suffix == '.bag' else path
        self._reader = AnyReader([opened], default_typestore=TYPES)

    def __enter__(self) -> Self:
        """Open the bag. Raises ValueError if it cannot be read."""
        with _torn_bags_named(self.path):
            self._reader.open()
        for topic in map(_topic_of, self._reader.connections):
            known = self.topics.get(topic.name, replace(topic, count=0))
            self.topics[topic.name] = replace(known, count=known.count + topic.count)
        return self

    def __exit__(self, *_: object) -> None:
        """Close the bag."""
        self._reader.close()

    @property
    def types(self) -> Typestore:
        """The message types of the bag."""
        return self._reader.typestore

    @property
    def start_ns(self) -> int:
        """When the first message was recorded."""
        return self._reader.start_time

    @property
    def end_ns(self) -> int:
        """When the last message was recorded."""
        return self._reader.end_time - 1

    def check_topics(self, names: Collection[str]) -> None:
        """Raise ValueError unless the bag has each of these topics."""
        unknown = set(names) - self.topics.keys()
        if unknown:
            raise ValueError(
                f'bag {self.path} has no topic {", ".join(sorted(unknown))}; '
                f'it has {", ".join(sorted(self.topics)) or "none"}'
            )

    def messages(
        self, topics: Collection[str] | None = None, start_ns: int | None = None
    ) -> Iterator[RawMessage]:
        """Read messages of these topics (all if None), from a time on, as they were recorded.

        Raises ValueError if the bag does not have a topic, or is torn.
        """
        self.check_topics(topics or ())
        wanted = [c for c in self._reader.connections if topics is None or c.topic in topics]
        # rosbags takes an empty list for "all"
        if wanted:
            with _torn_bags_named(self.path):
                for connection, stamp_ns, data in self._reader.messages(wanted, start_ns):
                    yield RawMessage(stamp_ns, connection.topic, bytes(data))

    def parse(self, message: RawMessage) -> Any:
        """Decode a message of this bag into an object with the fields of its type."""
        with _torn_bags_named(self.path):
            return self._reader.deserialize(message.data, self.topics[message.topic].type)


class BagWriter:
    """A rosbag2 to write, as a context manager; it is removed if the writing fails, unless kept.

    `counts` are the messages written so far, by topic.
    """

    def __init__(self, path: Path, storage: str = 'mcap', *, keep: bool = False) -> None:
        """Name the folder and one of STORAGES. Raises FileExistsError, or ValueError."""
        if storage not in STORAGES:
            raise ValueError(
                f"bag storage '{storage}' is unknown; choose of {', '.join(STORAGES)}"
            )
        if path.exists():
            raise FileExistsError(f'{path} exists already; remove it, or give another path')
        plugin = StoragePlugin[storage.upper()]
        self._path, self._keep = path, keep
        self._writer = Writer(path, version=Writer.VERSION_LATEST, storage_plugin=plugin)
        self._connections: dict[str, Connection] = {}
        self.counts: dict[str, int] = {}

    def __enter__(self) -> Self:
        """Make the folder."""
        self._writer.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the index and metadata.yaml, or remove what there is upon an error if not kept."""
        if kind is None or self._keep:
            self._writer.close()
        else:
            self._writer.abort()
            shutil.rmtree(self._path, ignore_errors=True)

    def add_topic(self, name: str, message_type: str, qos: TopicQos) -> None:
        """Announce a topic. Raises ValueError if its type is none of ROS 2 Jazzy's."""
        if message_type not in TYPES.types:
            raise ValueError(
                f'{name} has the type {message_type}, which ROS 2 Jazzy does not have; leave this '
                'topic out'
            )
        self._add_topic(name, message_type, qos, TYPES)

    def copy_topic(self, name: str, reader: BagReader) -> None:
        """Announce a topic as another bag has it, whatever its type.

        Raises ValueError if that bag does not define the type: ROS 2 Humble's .db3 files define
        none, and only those of Jazzy are known then.
        """
        topic = reader.topics[name]
        try:
            self._add_topic(name, topic.type, topic.qos, reader.types)
        except TypesysError as error:
            raise ValueError(
                f'{name} has the type {topic.type}, which bag {reader.path} does not define'
            ) from error

    def write(self, topic: str, stamp_ns: int, message: Any, qos: TopicQos) -> None:
        """Write a message of `new_message` as recorded at that time; announce its topic if new."""
        if topic not in self._connections:
            self.add_topic(topic, message.__msgtype__, qos)
        data = TYPES.serialize_cdr(message, message.__msgtype__)
        self.write_raw(RawMessage(stamp_ns, topic, bytes(data)))

    def write_raw(self, message: RawMessage) -> None:
        """Write the bytes of a message of an announced topic."""
        connection = self._connections[message.topic]
        self._writer.write(connection, message.stamp_ns, message.data)
        self.counts[message.topic] += 1

    def _add_topic(self, name: str, message_type: str, qos: TopicQos, types: Typestore) -> None:
        self._connections[name] = self._writer.add_connection(
            name, message_type, typestore=types, offered_qos_profiles=[_rosbags_qos(qos)]
        )
        self.counts[name] = 0


def is_bag(path: Path) -> bool:
    """Tell whether a path is a rosbag2: a folder with a metadata.yaml, an .mcap or .db3 file."""
    return (path / 'metadata.yaml').is_file() or (
        path.suffix in ('.mcap', '.db3') and path.is_file()
    )


def is_called_bag(path: Path) -> bool:
    """Tell whether a path that is no folder is called like a bag, of ROS 1 or 2."""
    return path.suffix in ('.bag', '.mcap', '.db3') and not path.is_dir()


def check_bag(path: Path) -> None:
    """Raise FileNotFoundError if a path is no rosbag2, ValueError if it is a ROS 1 bag."""
    if path.suffix == '.bag' and not path.is_dir():
        raise ValueError(
            f'{path} is a ROS 1 bag, expected a rosbag2; convert it by '
            f'`rosbags-convert --src {path} --dst {path.with_suffix("")}`'
        )
    if not is_bag(path):
        raise FileNotFoundError(
            f'{path} is no rosbag2; give the folder with its metadata.yaml, '
            'or its .mcap or .db3 file'
        )


class _Folder(PosixPath):
    # rosbags takes all that is called .bag for ROS 1
    @property
    def suffix(self) -> str:
        return ''


@contextmanager
def _torn_bags_named(path: Path) -> Iterator[None]:
    # only rosbags runs within: on torn bags it raises whatever its parsers and SQLite do
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise ValueError(
            f'bag {path} cannot be read ({type(error).__name__}: {error}); copy it again, or try '
            '`mcap recover` for an .mcap file, `ros2 bag reindex` for a folder'
        ) from error


def _topic_of(connection: Connection) -> BagTopic:
    extension = connection.ext
    offered = extension.offered_qos_profiles if isinstance(extension, ConnectionExtRosbag2) else ()
    qos = TopicQos()
    if offered:
        qos = TopicQos(
            offered[0].reliability != QosReliability.BEST_EFFORT,
            offered[0].durability == QosDurability.TRANSIENT_LOCAL,
            # a recorder that could not find out the history writes 0
            offered[0].depth or qos.depth,
        )
    return BagTopic(connection.topic, connection.msgtype, qos, connection.msgcount)


def _rosbags_qos(qos: TopicQos) -> Qos:
    durability = QosDurability.TRANSIENT_LOCAL if qos.transient_local else QosDurability.VOLATILE
    return Qos(
        history=QosHistory.KEEP_LAST,
        depth=qos.depth,
        reliability=QosReliability.RELIABLE if qos.reliable else QosReliability.BEST_EFFORT,
        durability=durability,
        deadline=_FOREVER,
        lifespan=_FOREVER,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=_FOREVER,
        avoid_ros_namespace_conventions=False,
    )
