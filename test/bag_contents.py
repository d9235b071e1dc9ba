"""What a bag holds, as another program than ours reads it."""

from pathlib import Path
from typing import Any

from rosbags.highlevel import AnyReader


def read_back(path: Path) -> dict[str, list[tuple[int, Any]]]:
    """Read all messages by topic, each with its time in ns."""
    messages: dict[str, list[tuple[int, Any]]] = {}
    with AnyReader([path]) as reader:
        for connection, stamp_ns, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            messages.setdefault(connection.topic, []).append((stamp_ns, message))
    return messages
