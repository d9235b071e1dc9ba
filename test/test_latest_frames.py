import threading
import time

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_client import TIMEOUT_S

from mtl_perception.ros.pipeline.latest_frames import LatestFrames


def test_a_newer_frame_replaces_the_waiting_one_of_its_source() -> None:
    frames = LatestFrames[str, int](2)
    assert [frames.put('a', 1), frames.put('b', 2), frames.put('a', 3)] == [False, False, True]
    assert frames.take() == {'a': 3, 'b': 2}
    assert not frames.put('a', 4)


def test_taking_waits_for_a_frame() -> None:
    frames = LatestFrames[str, int](1)
    taken: list[dict[str, int]] = []
    thread = threading.Thread(target=lambda: taken.append(frames.take()))
    thread.start()
    frames.put('a', 1)
    thread.join(TIMEOUT_S)
    assert taken == [{'a': 1}]


def test_the_window_ends_as_soon_as_every_source_has_a_frame() -> None:
    frames = LatestFrames[str, int](2, lambda: TIMEOUT_S)
    frames.put('a', 1)
    threading.Timer(0.05, frames.put, ('b', 2)).start()
    began_s = time.monotonic()
    assert frames.take() == {'a': 1, 'b': 2}
    assert time.monotonic() - began_s < TIMEOUT_S / 2


def test_after_the_window_nobody_waits_for_a_silent_source() -> None:
    frames = LatestFrames[str, int](2, lambda: 0.05)
    began_s = time.monotonic()
    frames.put('a', 1)
    assert frames.take() == {'a': 1}
    assert time.monotonic() - began_s >= 0.049


def test_the_window_begins_with_the_first_frame() -> None:
    """What waited that long while the network was busy does not wait again."""
    window_s = 0.0
    frames = LatestFrames[str, int](2, lambda: window_s)
    frames.put('a', 1)
    frames._first_s -= 100.0
    window_s = 100.0
    began_s = time.monotonic()
    assert frames.take() == {'a': 1}
    assert time.monotonic() - began_s < 10


def test_closing_skips_what_waits_and_wakes_who_takes() -> None:
    frames = LatestFrames[str, int](2)
    frames.put('b', 1)
    assert frames.close() == ['b']
    assert frames.take() == {}
    assert frames.put('a', 2)
    assert frames.close() == []
