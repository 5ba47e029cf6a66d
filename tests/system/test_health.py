"""Rates, counts, latency percentiles, and messages held back. No clock is read."""

import threading
import tracemalloc

import numpy as np
import pytest

from pagnet_ros.system.health import Health, Percentiles, RateLimiter
from pagnet_ros.system.units import NS_PER_S


def test_a_steady_stream_shows_its_rate():
    health = Health()
    for i in range(300):
        health.tick("depth", i * NS_PER_S // 30)
    snapshot = health.snapshot(299 * NS_PER_S // 30)
    assert snapshot.rates_hz["depth"] == pytest.approx(30, abs=1e-3)
    assert snapshot.silent_s["depth"] == 0


def test_the_rate_falls_while_a_stream_is_silent_and_ends_at_zero():
    health = Health(window_ns=5 * NS_PER_S)
    for i in range(31):
        health.tick("depth", i * NS_PER_S // 30)
    rates = [health.snapshot(NS_PER_S * t).rates_hz["depth"] for t in (1, 2, 4, 7)]
    assert rates == [pytest.approx(30), pytest.approx(15), pytest.approx(7.5), 0]
    assert health.snapshot(7 * NS_PER_S).silent_s["depth"] == pytest.approx(6)


def test_one_frame_has_no_rate():
    health = Health()
    health.tick("depth", 5)
    assert health.snapshot(10).rates_hz == {"depth": 0.0}


def test_a_stream_faster_than_the_memory_still_shows_its_rate():
    health = Health()
    for i in range(5000):
        health.tick("fast", i * NS_PER_S // 1000)
    assert health.snapshot(4999 * NS_PER_S // 1000).rates_hz["fast"] == pytest.approx(1000, rel=1e-3)


def test_streams_and_counters_do_not_mix():
    health = Health()
    health.count("paired")
    health.count("paired", 4)
    health.count("dropped", 0)
    health.tick("color", 1)
    snapshot = health.snapshot(1)
    assert dict(snapshot.counts) == {"paired": 5, "dropped": 0}
    assert set(snapshot.rates_hz) == {"color"}
    assert snapshot.latency_ms == {}


def test_percentiles_are_of_the_latest_samples_only():
    health = Health(samples=101)
    for value in [1e6] * 50 + [*range(101)]:
        health.record_ms("network", value)
    assert health.snapshot(0).latency_ms["network"] == Percentiles(50, 95, 99)


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_percentiles_are_those_of_numpy(count):
    health = Health()
    values = [float((17 * i) % 101) ** 1.5 for i in range(count)]
    for value in values:
        health.record_ms("network", value)
    found = health.snapshot(0).latency_ms["network"]
    assert (found.p50, found.p95, found.p99) == pytest.approx(np.percentile(values, (50, 95, 99)))


def test_frames_leave_no_memory_behind():
    health = Health(samples=64)
    for i in range(5000):
        health.tick("depth", i)
        health.record_ms("network", 0.1 * i)
    tracemalloc.start()
    try:
        for i in range(5000, 10_000):
            health.tick("depth", i)
            health.record_ms("network", 0.1 * i)
        held = sum(trace.size for trace in tracemalloc.take_snapshot().traces)
    finally:
        tracemalloc.stop()
    assert held < 2000, "a window of values, or a part of one, was allocated anew"


def test_a_snapshot_does_not_change_afterwards():
    health = Health()
    health.count("paired")
    before = health.snapshot(0)
    health.count("paired")
    assert before.counts["paired"] == 1


def test_counts_from_many_threads_add_up():
    health = Health()
    threads = [threading.Thread(target=lambda: [health.count("x") for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert health.snapshot(0).counts["x"] == 8000


def test_a_message_is_said_once_per_period_with_how_many_were_held_back():
    limiter = RateLimiter(period_ns=100)
    said = [limiter.allow("holes", now) for now in (0, 1, 99, 100, 150, 200, 301)]
    assert said == [(True, 0), (False, 0), (False, 0), (True, 2), (False, 0), (True, 1), (True, 0)]


def test_each_kind_of_message_has_its_own_period():
    limiter = RateLimiter(period_ns=100)
    assert [limiter.allow(key, 0)[0] for key in ("a", "b", "a")] == [True, True, False]


def test_a_clock_that_goes_back_does_not_silence_messages():
    limiter = RateLimiter(period_ns=100)
    limiter.allow("holes", 10_000)
    assert limiter.allow("holes", 50) == (True, 0)
