"""The pace of a player, with a clock of the test's own."""

import threading

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

import itertools

from pagnet_ros.ros.players.clock import PlaybackClock


class FakeTime:
    """A wall clock that moves only when the player waits."""

    def __init__(self):
        self.now_ns = 5_000_000_000
        self.stopped = False

    def monotonic_ns(self):
        return self.now_ns

    # the part of threading.Event that is used
    def is_set(self):
        return self.stopped

    def wait(self, seconds):
        self.now_ns += max(round(seconds * 1e9), 1)


def make(rate=1.0, **kwargs):
    fake = FakeTime()
    return fake, PlaybackClock(rate, fake, monotonic_ns=fake.monotonic_ns, **kwargs)


def test_waits_until_the_moment_of_the_recording():
    fake, clock = make()
    clock.start(100)
    begin = fake.now_ns

    assert clock.wait_until(100 + 33_000_000)

    assert fake.now_ns - begin == pytest.approx(33_000_000, abs=10)
    assert clock.now_ns() == pytest.approx(33_000_100, abs=10)


@pytest.mark.parametrize("rate", [0.5, 4.0])
def test_rate_stretches_time(rate):
    fake, clock = make(rate)
    clock.start(0)
    begin = fake.now_ns

    clock.wait_until(1_000_000_000)

    assert fake.now_ns - begin == pytest.approx(1_000_000_000 / rate, abs=10)


def test_ticks_come_at_their_rate_and_never_run_ahead():
    ticks = []
    _, clock = make(2.0, tick_hz=100.0, on_tick=ticks.append)
    clock.start(1_000_000_000)

    clock.wait_until(1_100_000_000)

    assert ticks == pytest.approx([1_000_000_000 + k * 20_000_000 for k in range(len(ticks))], abs=100)
    assert len(ticks) in (5, 6)


def test_a_jump_back_is_seen_by_the_ticks():
    ticks = []
    _, clock = make(tick_hz=100.0, on_tick=ticks.append)
    for _ in range(2):
        clock.start(1_000_000_000)
        clock.wait_until(1_050_000_000)

    assert any(b < a for a, b in itertools.pairwise(ticks))


def test_being_late_moves_the_plan_instead_of_sending_a_burst():
    fake, clock = make()
    clock.start(0)
    fake.now_ns += 1_000_000_000

    clock.wait_until(100_000_000)
    late_ns = fake.now_ns
    clock.wait_until(133_000_000)

    assert fake.now_ns - late_ns == pytest.approx(33_000_000, abs=10)
    assert clock.shifted_ns == 900_000_000
    assert clock.elapsed_wall_ns(133_000_000) == 1_033_000_000


def test_stopping_ends_the_wait():
    stop = threading.Event()
    clock = PlaybackClock(1.0, stop)
    clock.start(0)
    threading.Timer(0.05, stop.set).start()

    assert not clock.wait_until(10**15)
