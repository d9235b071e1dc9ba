"""Stamps of messages."""

from typing import Any


def nanoseconds(stamp: Any) -> int:
    """Give a builtin_interfaces/Time in nanoseconds; rclpy's Time refuses those before 1970."""
    return int(stamp.sec) * 10**9 + int(stamp.nanosec)
