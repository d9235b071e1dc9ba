import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from mtl_perception.ros.health import measurements as module
from mtl_perception.ros.health.measurements import Counters, Measurements, Summary, Times


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic time, as a list of one."""
    now = [100.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    return now


def test_counters_read_as_a_line() -> None:
    assert str(Counters(received=3, answered=2, bad=1)) == (
        '3 received, 2 answered, 0 skipped, 0 unwanted, 1 bad, 0 failed'
    )


def test_an_interval_has_what_happened_since_the_last(clock: list[float]) -> None:
    measured = Measurements()
    for latency_ms in (10.0, 20.0, 30.0):
        measured.count('received')
        measured.answered(Times(latency_ms / 4, latency_ms / 2, latency_ms), stamp_age_s=0.5)
    measured.count('received')
    measured.count('bad', 'torn')
    clock[0] += 2.0
    interval = measured.take()
    assert (interval.seconds, interval.active_s, interval.since_image_s) == (2.0, 2.0, 2.0)
    assert interval.counters == Counters(received=4, answered=3, bad=1)
    assert interval.times == Summary(7.5, 10.0, 20.0, pytest.approx(29.0))
    assert interval.stamp_age_s == 0.5
    assert interval.last_fault == 'torn'
    clock[0] += 1.0
    quiet = measured.take()
    assert (quiet.seconds, quiet.active_s, quiet.since_image_s) == (1.0, 3.0, 3.0)
    assert quiet.counters == Counters()
    assert (quiet.times, quiet.stamp_age_s) == (None, None)
    assert measured.counters == Counters(received=4, answered=3, bad=1)


def test_before_the_first_image_only_the_time_passes(clock: list[float]) -> None:
    measured = Measurements()
    clock[0] += 5.0
    interval = measured.take()
    assert (interval.since_image_s, interval.active_s, interval.size) == (None, 5.0, None)


def test_a_change_of_size_is_told_for_a_while(clock: list[float]) -> None:
    measured = Measurements()
    measured.saw_size((8, 4))
    assert measured.take().former_size is None
    measured.saw_size((16, 8))
    measured.saw_size((16, 8))
    clock[0] += 9.0
    interval = measured.take()
    assert (interval.former_size, interval.size) == ((8, 4), (16, 8))
    clock[0] += 2.0
    assert measured.take().former_size is None
