"""The latency ladder: down under sustained excess, up where there is room, never faster than its hold."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagnet_ros.core.degradation import (
    BICUBIC,
    JOINT_BILATERAL,
    NETWORK,
    RUNGS,
    SMALLER_NETWORK,
    SMALLER_SIZE,
    Ladder,
    LadderOptions,
)
from pagnet_ros.errors import ConfigError

MS = 1_000_000
COSTS = {NETWORK: 200.0, SMALLER_NETWORK: 120.0, SMALLER_SIZE: 60.0, JOINT_BILATERAL: 40.0, BICUBIC: 10.0}


class Machine:
    """Runs frames on a ladder: a frame takes its rung's cost, times how slow the machine is at that moment."""

    def __init__(self, rungs=RUNGS, costs=COSTS, interval_ms=33.0, trials_ms=None, **options):
        self.ladder = Ladder(rungs, LadderOptions(**{"budget_ms": 100.0, **options}), trials_ms)
        self.costs, self.interval_ms, self.now_ms = costs, interval_ms, 0.0
        self.steps = []

    def run(self, for_ms, slowness=1.0, out_of_memory=()):
        """Frames for some time; steps are kept with their times."""
        end = self.now_ms + for_ms
        while self.now_ms < end:
            spent = self.costs[self.ladder.rung] * slowness
            self.now_ms += max(spent, self.interval_ms)
            if self.ladder.rung in out_of_memory:
                step = self.ladder.fail(int(self.now_ms * MS))
            else:
                step = self.ladder.note(int(self.now_ms * MS), spent)
            if step is not None:
                self.steps.append((self.now_ms, step))
        return self

    def rungs(self):
        return [step.after for _, step in self.steps]


def test_within_the_budget_nothing_moves():
    machine = Machine(budget_ms=250.0).run(60_000)
    assert machine.steps == []
    assert machine.ladder.rung == NETWORK
    assert machine.ladder.top == NETWORK


def test_no_budget_means_any_time():
    machine = Machine(budget_ms=0.0).run(60_000, slowness=50.0)
    assert machine.steps == []


def test_one_slow_frame_is_no_sustained_excess():
    ladder = Ladder(RUNGS, LadderOptions(budget_ms=100.0, frames=5))
    costs = [50, 50, 900, 50, 50, 50, 900, 900, 50, 50, 50]
    assert [ladder.note(i * 33 * MS, cost) for i, cost in enumerate(costs)] == [None] * len(costs)


def test_sustained_excess_steps_down_to_the_rung_that_fits():
    machine = Machine().run(3000)
    assert machine.rungs() == [SMALLER_NETWORK, SMALLER_SIZE]
    assert machine.steps[0][1] == (NETWORK, SMALLER_NETWORK, 200.0, ())
    assert all(step.is_down for _, step in machine.steps)


def test_a_busy_neighbour_comes_and_goes():
    machine = Machine(budget_ms=250.0).run(10_000)
    machine.run(14_000, slowness=3.0)
    busy = machine.ladder.rung
    machine.run(10_000)
    assert (busy, machine.ladder.rung) == (SMALLER_SIZE, NETWORK)
    downs = [at for at, step in machine.steps if step.is_down]
    ups = [at for at, step in machine.steps if not step.is_down]
    assert all(at < 16_000 for at in downs)
    assert len(ups) == 1
    assert 24_000 < ups[0] < 27_000  # a forecast needs no trials


def test_a_neighbour_that_leaves_at_the_very_step_spoils_no_forecast():
    machine = Machine(budget_ms=250.0).run(5_000)
    for _ in range(3):
        machine.run(30_000, slowness=2.0).run(20_000)
    assert machine.ladder.rung == NETWORK
    while machine.ladder.rung == NETWORK:
        machine.run(1.0, slowness=2.0)
    machine.steps.clear()
    machine.run(8_000)  # the neighbour leaves with the step: the network's cost is remembered as twice too high
    assert machine.rungs() == [NETWORK]


def test_under_lasting_overload_trials_become_rare():
    machine = Machine().run(3_600_000)
    trials = [at for at, step in machine.steps if at > 3_000_000 and not step.is_down]
    assert 8 <= len(trials) <= 14
    late = 200.0 * 5 * len(machine.steps)
    assert late < 0.05 * 3_600_000


def test_a_rung_that_costs_more_than_its_better_is_skipped():
    costs = {**COSTS, JOINT_BILATERAL: 500.0}  # a slow CPU beside a fast GPU
    machine = Machine(costs=costs, budget_ms=50.0).run(10_000)
    assert machine.rungs()[:4] == [SMALLER_NETWORK, SMALLER_SIZE, JOINT_BILATERAL, BICUBIC]
    machine.steps.clear()
    machine.costs = {rung: cost / 10 for rung, cost in costs.items()}
    machine.run(10_000)
    assert machine.ladder.rung == NETWORK
    machine.steps.clear()
    machine.costs = costs
    machine.run(10_000)
    assert JOINT_BILATERAL not in machine.rungs()
    assert machine.ladder.rung == BICUBIC


DEAR = {**COSTS, SMALLER_SIZE: 22.0, JOINT_BILATERAL: 36.0, BICUBIC: 16.0}
"""As measured on a CPU: a rung that takes more than the better one above it."""


def test_after_trials_a_rung_that_is_no_cheaper_is_never_visited_and_named_at_every_step_past_it():
    machine = Machine(costs=DEAR, trials_ms={rung: cost / 7 for rung, cost in DEAR.items()}, budget_ms=18.0)
    machine.run(4_000)
    assert machine.rungs() == [SMALLER_NETWORK, SMALLER_SIZE, BICUBIC]
    assert machine.steps[-1][1].skipped == ((JOINT_BILATERAL, pytest.approx(36.0), 22.0),)
    assert [step.skipped for _, step in machine.steps[:-1]] == [(), ()]
    machine.steps.clear()
    machine.ladder.options = LadderOptions(budget_ms=30.0)
    machine.run(600_000)
    up = machine.steps[0][1]
    assert (up.before, up.after) == (BICUBIC, SMALLER_SIZE)
    assert up.skipped == ((JOINT_BILATERAL, pytest.approx(36.0), pytest.approx(22.0)),)
    assert JOINT_BILATERAL not in machine.rungs()


def test_a_trial_that_misled_is_corrected_by_a_later_one():
    trials = {**DEAR, JOINT_BILATERAL: 500.0}  # something else took the core just then
    costs = {**DEAR, SMALLER_SIZE: 60.0}
    machine = Machine(costs=costs, trials_ms=trials, budget_ms=50.0).run(4_000)
    assert machine.ladder.rung == BICUBIC
    machine.run(600_000)
    assert machine.ladder.rung == JOINT_BILATERAL


def test_a_step_past_a_rung_teaches_how_its_two_ends_compare():
    trials = {NETWORK: 10.0, SMALLER_NETWORK: 10.0, SMALLER_SIZE: 10.0, JOINT_BILATERAL: 20.0, BICUBIC: 9.0}
    machine = Machine(costs={**DEAR, SMALLER_SIZE: 60.0}, trials_ms=trials, budget_ms=30.0).run(120_000)
    machine.steps.clear()
    machine.ladder.options = LadderOptions(budget_ms=70.0)  # for 60 ms it is too short, by the room that is asked for
    machine.run(7_000)
    assert SMALLER_SIZE not in machine.rungs()


def test_without_trials_each_rung_is_visited_once_before_it_is_skipped():
    machine = Machine(costs=DEAR, budget_ms=18.0).run(4_000)
    assert machine.rungs() == [SMALLER_NETWORK, SMALLER_SIZE, JOINT_BILATERAL, BICUBIC]


def test_out_of_memory_steps_down_at_once_and_is_tried_again():
    machine = Machine(budget_ms=0.0, interval_ms=1.0).run(201, out_of_memory={NETWORK, SMALLER_NETWORK})
    assert machine.rungs() == [SMALLER_NETWORK, SMALLER_SIZE]
    assert math.isnan(machine.steps[0][1].cost_ms)
    machine.run(30_000, out_of_memory={NETWORK, SMALLER_NETWORK})
    trials = len(machine.steps)
    assert 3 <= trials <= 12
    machine.run(130_000)
    assert machine.ladder.rung == NETWORK


def test_the_last_rung_cannot_fail_over():
    ladder = Ladder([NETWORK])
    assert ladder.fail(0) is None
    assert ladder.rung == NETWORK


def test_a_raised_budget_brings_the_network_back():
    machine = Machine().run(10_000)
    machine.ladder.options = LadderOptions(budget_ms=0.0)
    machine.run(5_000)
    assert machine.ladder.rung == NETWORK


rung_sets = st.sets(st.sampled_from(RUNGS), min_size=1).map(lambda some: [rung for rung in RUNGS if rung in some])
loads = st.lists(
    st.tuples(st.floats(0.1, 30.0), st.floats(100.0, 20_000.0), st.booleans()), min_size=1, max_size=12
)  # how slow, for how long, whether the present rung has no memory
cost_tables = st.fixed_dictionaries({rung: st.floats(1.0, 400.0) for rung in RUNGS})


@settings(max_examples=60, deadline=None)
@given(
    rungs=rung_sets,
    costs=cost_tables,
    trials=cost_tables,
    load=loads,
    hold_ms=st.floats(100.0, 5000.0),
    frames=st.integers(1, 9),
)
def test_never_faster_than_its_hold_and_never_an_absent_rung(rungs, costs, trials, load, hold_ms, frames):
    machine = Machine(rungs, costs, hold_ms=hold_ms, frames=frames, trials_ms=trials)
    for slowness, for_ms, fails in load:
        machine.run(for_ms, slowness, out_of_memory=rungs[:-1] if fails else ())
    assert {machine.ladder.rung, *machine.rungs()} <= set(rungs)
    before = -math.inf
    for at, step in machine.steps:
        assert step.before != step.after
        if not step.is_down:
            assert at - before >= hold_ms - 1e-3
        before = at


@settings(max_examples=60, deadline=None)
@given(rungs=rung_sets, costs=cost_tables, trials=cost_tables, load=loads)
def test_the_top_is_reached_wherever_there_is_room(rungs, costs, trials, load):
    machine = Machine(rungs, costs, longest_hold_ms=16_000.0, trials_ms=trials)
    for slowness, for_ms, fails in load:
        machine.run(for_ms, slowness, out_of_memory=rungs[:-1] if fails else ())
    machine.run(16_000.0 * len(rungs) + 10_000, slowness=79.0 / 400.0)
    assert machine.ladder.rung == rungs[0]


@settings(max_examples=60, deadline=None)
@given(rungs=rung_sets, costs=cost_tables)
def test_lasting_excess_ends_on_a_rung_that_fits_or_on_the_last(rungs, costs):
    costs = dict(zip(RUNGS, sorted(costs.values(), reverse=True), strict=True))
    machine = Machine(rungs, costs, hold_ms=60_000.0).run(5 * 400.0 * len(rungs) + 1000)
    assert costs[machine.ladder.rung] <= 100.0 or machine.ladder.rung == rungs[-1]


@pytest.mark.parametrize("rungs", [[], ["magic"], [BICUBIC, NETWORK], [NETWORK, NETWORK]])
def test_unknown_or_disordered_rungs_are_refused(rungs):
    with pytest.raises(ConfigError, match="expected some of"):
        Ladder(rungs)


@pytest.mark.parametrize(
    ("name", "value"),
    [("budget_ms", -1.0), ("frames", 0), ("hold_ms", 0.0), ("longest_hold_ms", 1.0), ("room", 1.5)],
)
def test_options_out_of_range_are_named(name, value):
    with pytest.raises(ConfigError, match=name):
        LadderOptions(**{name: value})
