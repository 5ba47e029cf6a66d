"""Why two streams do not pair: each cause made by itself, by the streams that a camera with that fault would send."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.core.stamps import Arrival, ArrivalLog, pairing_fault

MS = 1_000_000
TOPICS = ("/depth", "/color")
BOOT_NS = 50_000 * MS
EPOCH_NS = 1_700_000_000_000 * MS


def arrival(stamp_ns, steady_ns):
    return Arrival(steady_ns, EPOCH_NS + steady_ns, stamp_ns)


def stream(hz, seconds=4.0, *, late_ms=0.0, offset_ms=0.0, rate=1.0, jitter_ms=2.0, seed=0):
    """Messages exposed at `hz`, stamped `offset_ms` beside the truth by a clock of `rate`, arriving `late_ms` later."""
    rng = np.random.default_rng(seed)
    arrivals = []
    for exposed_s in np.arange(0, seconds, 1 / hz):
        stamp_ns = EPOCH_NS + round(exposed_s * rate * 1e9 + offset_ms * MS)
        arrivals.append(
            arrival(stamp_ns, BOOT_NS + round(exposed_s * 1e9 + (late_ms + rng.uniform(0, jitter_ms)) * MS))
        )
    return arrivals


def fault(depth, color, *, slop_ms=20, max_late_ms=500, queue_size=60):
    max_late_ns = None if max_late_ms is None else max_late_ms * MS
    return pairing_fault(depth, color, TOPICS, slop_ns=slop_ms * MS, max_late_ns=max_late_ns, queue_size=queue_size)


def test_streams_that_pair_have_no_fault():
    assert fault(stream(30), stream(30, seed=1)) is None
    assert fault(stream(5, late_ms=300), stream(60)) is None
    assert fault(stream(1), stream(1, offset_ms=20), slop_ms=20) is None  # the slop is inclusive


def test_too_few_messages_tell_nothing():
    assert fault(stream(30, seconds=0.05), stream(30, offset_ms=500)) is None
    assert fault([], []) is None


@pytest.mark.parametrize("frozen", TOPICS)
def test_stamps_that_do_not_advance_are_named_with_their_topic(frozen):
    still = [arrival(EPOCH_NS, BOOT_NS + index * 33 * MS) for index in range(60)]
    found = fault(*((still, stream(30)) if frozen == "/depth" else (stream(30), still)))
    assert found.cause == "frozen"
    assert f"the stamps of {frozen} do not advance" in found.text


def test_stamps_that_advance_on_each_second_message_only_are_frozen_too():
    slow = [arrival(EPOCH_NS + i // 2 * 66 * MS + 500 * MS, BOOT_NS + i * 33 * MS) for i in range(60)]
    assert fault(slow, stream(30)).cause == "frozen"


@pytest.mark.parametrize("late", TOPICS)
def test_a_late_stream_is_told_from_a_shifted_one(late):
    slow, other = stream(5, late_ms=700), stream(60)
    found = fault(*((slow, other) if late == "/depth" else (other, slow)))
    assert found.cause == "late"
    assert found.text.startswith(f"{late} arrives up to 70")
    assert found.mend.startswith("Set max_late_ms above 70")


def test_where_the_number_of_frames_is_the_limit_the_advice_names_it():
    found = fault(stream(5, late_ms=300), stream(60), queue_size=10)
    assert found.cause == "late"
    assert found.mend in {f"Set queue_size to {needed} or more" for needed in (20, 21)}


@pytest.mark.parametrize("offset_ms", [40.0, -40.0, 300.0])
def test_a_constant_offset_gets_the_slop_that_mends_it(offset_ms):
    found = fault(stream(1), stream(1, offset_ms=offset_ms))
    assert found.cause == "offset"
    assert found.text == f"colour is stamped {offset_ms:+.1f} ms from depth"
    assert found.mend.startswith(f"Set slop_ms above {abs(offset_ms):.0f}")


@pytest.mark.parametrize("offset_s", [3600, -7200, 1_600_000_000])
def test_stamps_of_two_clocks_are_not_cured_by_slop(offset_s):
    found = fault(stream(30), stream(30, offset_ms=offset_s * 1e3))
    assert found.cause == "other_clock"
    assert "slop" not in found.mend


@pytest.mark.parametrize("rate", [1.01, 0.98])
@pytest.mark.parametrize("offset_ms", [0.0, 90.0, 5000.0])
def test_clocks_that_drift_apart_are_told_whatever_their_offset(rate, offset_ms):
    found = fault(stream(30, seconds=6), stream(30, seconds=6, rate=rate, offset_ms=offset_ms, seed=3))
    assert found.cause == "drift"
    assert f"{1e3 * (rate - 1):+.0f}"[:3] in found.text


def test_arrivals_that_jitter_are_no_drift():
    for seed in range(20):
        found = fault(stream(10, jitter_ms=80, seed=seed), stream(10, offset_ms=45, jitter_ms=80, seed=100 + seed))
        assert found.cause == "offset"


@given(st.lists(st.tuples(st.integers(-(2**62), 2**62), st.integers(0, 2**40)), max_size=30), st.integers(0, 10**9))
def test_any_messages_give_an_answer_or_none(messages, slop_ns):
    both = [arrival(*message) for message in messages]
    pairing_fault(both[1::2], both[::2], TOPICS, slop_ns=slop_ns, max_late_ns=0, queue_size=1)


def test_a_log_is_bounded_and_gives_what_came_since():
    log = ArrivalLog(limit=3)
    for index in range(5):
        log.add(Arrival(index, index, index))
    assert len(log) == 3
    assert [a.stamp_ns for a in log.since()] == [2, 3, 4]
    assert [a.stamp_ns for a in log.since(4)] == [4]
