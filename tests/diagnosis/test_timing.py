"""Arithmetic on arrival times."""

from dataclasses import replace

import numpy as np
import pytest

from pagnet_ros.diagnosis.timing import (
    clock_offset_s,
    drift_ms_per_s,
    median_age_ms,
    nearest_offsets_ms,
    rate_hz,
    share_received,
)
from tests.diagnosis.healthy import MS, START_NS, arrivals


def test_a_rate_is_taken_between_the_first_and_the_last_message():
    assert rate_hz(arrivals(151, 30.0, jitter_ms=0.0)) == pytest.approx(30.0, rel=1e-3)
    assert rate_hz(arrivals(1)) == 0.0
    assert rate_hz(()) == 0.0


def test_an_age_is_taken_against_the_clock_that_the_stamps_follow():
    late = arrivals(age_ms=50.0, jitter_ms=0.0)
    assert median_age_ms(late) == pytest.approx(50.0)
    on_sim = [replace(a, stamp_ns=a.stamp_ns - 10**18, sim_ns=a.system_ns - 10**18 - 20 * MS) for a in late]
    assert median_age_ms(on_sim) == pytest.approx(30.0)
    assert clock_offset_s(arrivals(stamp=lambda i, ns: ns - 7_000 * MS, age_ms=0.0, jitter_ms=0.0)) == pytest.approx(
        7.0
    )


@pytest.mark.parametrize("ms_per_s", [-12.0, 8.0, 40.0])
def test_drift_is_measured_under_jitter(ms_per_s):
    def stamp(_, ns):
        return ns - round((ns - START_NS) * ms_per_s / 1000)

    assert drift_ms_per_s(arrivals(jitter_ms=10.0, stamp=stamp)) == pytest.approx(ms_per_s, abs=1.5)


def test_no_drift_is_seen_in_too_few_messages_or_in_a_step():
    assert drift_ms_per_s(arrivals(10)) == 0.0
    stepped = arrivals(stamp=lambda i, ns: ns - (60 * MS if i > 75 else 0), jitter_ms=0.0)
    assert drift_ms_per_s(stepped) == 0.0


@pytest.mark.parametrize("seed", range(20))
def test_a_machine_that_has_more_and_more_to_do_is_no_drift(seed):
    rng = np.random.default_rng(seed)
    busy = [
        replace(a, system_ns=a.system_ns + delay, steady_ns=a.steady_ns + delay)
        for i, a in enumerate(arrivals(60, 15.0, seed=seed))
        for delay in [round(float(rng.exponential(3.0 + 0.5 * i)) * MS)]
    ]
    busy.sort(key=lambda a: a.steady_ns)
    assert abs(drift_ms_per_s(busy)) < 5.0


def test_the_nearest_colour_of_each_depth_frame():
    depth = arrivals(5, 10.0, jitter_ms=0.0)
    color = arrivals(5, 10.0, offset_ms=30.0, jitter_ms=0.0)
    assert nearest_offsets_ms(depth, color).tolist() == [30.0] * 5
    assert nearest_offsets_ms(depth, arrivals(50, 100.0, offset_ms=-3.0, jitter_ms=0.0)).tolist() == [-3.0] * 5
    assert nearest_offsets_ms(depth, ()).size == 0


@pytest.mark.parametrize(("keep", "share"), [(lambda i: True, 1.0), (lambda i: i % 5 in (0, 1), 0.4)])
def test_gaps_of_several_periods_show_what_was_lost(keep, share):
    came = [a for i, a in enumerate(arrivals()) if keep(i)]
    assert share_received(came) == pytest.approx(share, abs=0.02)


def test_a_camera_of_varying_frame_rate_is_not_taken_for_losses():
    uneven = arrivals(60, 20.0, stamp=lambda i, ns: START_NS + (i * i * 300_000) + i * 30 * MS)
    assert share_received(uneven) == 1.0


def test_a_camera_that_was_started_again_has_lost_nothing():
    assert share_received([a for i, a in enumerate(arrivals()) if not 40 < i < 110]) == 1.0
