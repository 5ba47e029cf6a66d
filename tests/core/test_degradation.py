"""Quality levels: left when frames take too long or memory is short, tried again ever more rarely, never swinging."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.core.degradation import BICUBIC, LEVELS, NETWORK, Degradation
from pagnet_ros.errors import ConfigError

MS = 1_000_000
COSTS_MS = {NETWORK: 80.0, BICUBIC: 5.0}


def run(degradation, seconds, costs_ms, start_ms=0.0):
    """Frames at 10 Hz; (milliseconds, level) at the start and at every change."""
    changes = [(start_ms, degradation.level)]
    for at_ms in itertools.takewhile(lambda t: t < start_ms + 1e3 * seconds, itertools.count(start_ms, 100.0)):
        cost = costs_ms[degradation.level]
        if change := degradation.note(round(at_ms * MS), cost() if callable(cost) else cost):
            assert change.before == changes[-1][1]
            assert change.after == degradation.level
            changes.append((at_ms, change.after))
    return changes


def test_the_best_level_that_fits_is_found_and_kept():
    degradation = Degradation(budget_ms=50)
    changes = run(degradation, 1, COSTS_MS)
    assert [level for _, level in changes] == [NETWORK, BICUBIC]


def test_without_a_budget_nothing_is_ever_too_slow():
    assert len(run(Degradation(), 60, dict.fromkeys(LEVELS, 1e5))) == 1


def test_where_nothing_fits_the_last_level_stays():
    changes = run(Degradation(budget_ms=1), 300, COSTS_MS)
    assert [level for _, level in changes] == list(LEVELS)


def test_a_level_that_does_not_fit_is_tried_ever_more_rarely_and_at_least_once_a_minute():
    changes = run(Degradation(budget_ms=50), 600, COSTS_MS)
    trials = [at_ms for at_ms, level in changes[1:] if level == NETWORK]
    waits = [later - earlier for earlier, later in itertools.pairwise(trials)]
    assert waits == sorted(waits)
    assert 60_000 <= waits[-1] <= 62_000
    late = sum(level == NETWORK for _, level in changes[1:]) * 5
    assert late / 6000 < 0.02, "frames on trial, of all"


def test_a_better_level_comes_back_once_there_is_time():
    degradation = Degradation(budget_ms=50)
    run(degradation, 5, dict.fromkeys(LEVELS, 200.0))
    assert degradation.level == BICUBIC
    changes = run(degradation, 10, dict.fromkeys(LEVELS, 10.0), start_ms=5000)
    assert [level for _, level in changes] == [BICUBIC, NETWORK]


def test_one_slow_frame_changes_nothing():
    slow_once = itertools.chain([10.0] * 20, [500.0], itertools.repeat(10.0))
    costs = dict.fromkeys(LEVELS, lambda: next(slow_once))
    assert len(run(Degradation(budget_ms=50), 60, costs)) == 1


def test_frames_that_just_fit_are_no_reason_to_try_better():
    degradation = Degradation(budget_ms=50)
    run(degradation, 1, COSTS_MS)
    assert len(run(degradation, 120, {BICUBIC: 45.0}, start_ms=1000)) == 1


@pytest.mark.parametrize(("one_of", "after"), [(15, NETWORK), (9, BICUBIC)])
def test_a_stray_frame_that_hardly_fits_is_no_reason_against_better_but_many_are(one_of, after):
    degradation = Degradation(budget_ms=50)
    run(degradation, 1, COSTS_MS)
    some = itertools.cycle([45.0] + [10.0] * (one_of - 1))
    run(degradation, 60, {BICUBIC: lambda: next(some), NETWORK: 10.0}, start_ms=1000)
    assert degradation.level == after


def test_a_level_that_has_lasted_is_soon_tried_again_when_it_was_left_once_more():
    degradation = Degradation(budget_ms=50)
    run(degradation, 600, COSTS_MS)  # by now a trial comes once a minute
    run(degradation, 200, dict.fromkeys(LEVELS, 10.0), start_ms=600_000)
    assert degradation.level == NETWORK
    changes = run(degradation, 10, COSTS_MS, start_ms=800_000)
    assert [level for _, level in changes][:3] == [NETWORK, BICUBIC, NETWORK]


def test_lack_of_memory_leaves_a_level_at_once_and_it_is_tried_again():
    degradation = Degradation()
    change = degradation.fail(0)
    assert (change.before, change.after, change.is_down) == (NETWORK, BICUBIC, True)
    assert math.isnan(change.cost_ms)
    assert degradation.fail(1) is None
    changes = run(degradation, 30, COSTS_MS, start_ms=1)
    assert [level for _, level in changes] == [BICUBIC, NETWORK]


def test_a_changed_budget_gives_better_levels_a_new_chance():
    degradation = Degradation(budget_ms=50)
    changes = run(degradation, 600, COSTS_MS)
    degradation.set_budget(200)
    later = run(degradation, 5, COSTS_MS, start_ms=600_000)
    assert changes[-1][1] == BICUBIC
    assert later[-1][1] == NETWORK


@pytest.mark.parametrize("levels", [(), ("best",), (BICUBIC, NETWORK), (NETWORK, NETWORK)])
def test_levels_in_another_order_are_refused(levels):
    with pytest.raises(ConfigError, match="quality levels"):
        Degradation(levels)


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 1e4)), max_size=200), st.floats(0, 1000))
def test_any_times_move_one_level_at_a_time_and_never_faster_than_five_frames(frames, budget_ms):
    degradation, now_ms, since = Degradation(budget_ms=budget_ms), 0, 0
    for wait_ms, spent_ms in frames:
        now_ms, since = now_ms + wait_ms, since + 1
        change = degradation.note(now_ms * MS, spent_ms)
        if change:
            assert abs(LEVELS.index(change.before) - LEVELS.index(change.after)) == 1
            assert since >= 5
            since = 0
