"""The ladder's decisions carried out: every frame answered that can be, every change told once."""

from types import SimpleNamespace

import numpy as np
import pytest

from pagnet_ros.core.degradation import BICUBIC, JOINT_BILATERAL, NETWORK, SMALLER_SIZE
from pagnet_ros.errors import DeviceFailureError, DeviceLostError, InputError, OutOfMemoryError
from pagnet_ros.ros.node.rungs import Rungs
from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.system.health import Health

MS = 1_000_000
FRAME = np.zeros((2, 2), np.float32), np.zeros((4, 4, 3), np.uint8)


class Scripted:
    """An up-sampler whose faults are prepared: one per call that fails, by rung."""

    rungs = (NETWORK, SMALLER_SIZE, JOINT_BILATERAL, BICUBIC)

    def __init__(self):
        self.rung, self.faults, self.ran, self.rebuilt = NETWORK, {}, [], 0

    def __call__(self, depth, rgb):
        if self.faults.get(self.rung):
            raise self.faults[self.rung].pop(0)
        self.ran.append(self.rung)
        return SimpleNamespace(rung=self.rung)

    def rebuild(self):
        self.rebuilt += 1


class Rig:
    def __init__(self, budget_ms=0.0, upsampler=None):
        self.up, self.health, self.lines, self.now_ms = upsampler or Scripted(), Health(), [], 0.0
        log = SimpleNamespace(
            **{level: lambda line, level=level: self.lines.append((level, line)) for level in ("info", "warn", "error")}
        )
        clock = {"steady_ns": lambda: int(self.now_ms * MS)}
        self.rungs = Rungs(self.up, self.health, Reporter(log, self.health, **clock), **clock)
        self.rungs.set_budget(budget_ms)

    def run(self, frames, cost_ms):
        for _ in range(frames):
            self.rungs(*FRAME)
            self.now_ms += cost_ms
            self.rungs.note(cost_ms)

    def counts(self):
        return self.health.snapshot(0).counts


def test_sustained_excess_changes_the_upsamplers_rung_and_is_told_once():
    rig = Rig(budget_ms=100.0)
    rig.run(5, 150.0)
    assert rig.up.rung == rig.rungs.rung == SMALLER_SIZE
    rig.run(20, 50.0)
    assert rig.lines == [
        (
            "warn",
            "[latency_ladder] network -> smaller working size: frames took 150 ms, expected at most "
            "latency_budget_ms = 100",
        )
    ]
    assert rig.counts()["rung.network"] == 5
    assert rig.counts()["rung.smaller working size"] == 20


def test_a_rung_that_the_trials_found_too_dear_is_skipped_and_that_is_told():
    upsampler = Scripted()
    upsampler.rung_ms = {NETWORK: 95.0, SMALLER_SIZE: 22.0, JOINT_BILATERAL: 36.0, BICUBIC: 16.0}
    rig = Rig(budget_ms=15.0, upsampler=upsampler)
    rig.run(5, 95.0)
    rig.run(5, 22.0)
    assert rig.up.rung == BICUBIC
    assert rig.lines[-1][1] == (
        "[latency_ladder] smaller working size -> bicubic: frames took 22 ms, expected at most latency_budget_ms = 15; "
        "skipped joint bilateral: 36 ms, not below 22 ms"
    )


def test_every_change_is_told_however_soon_after_the_last():
    rig = Rig(budget_ms=100.0)
    rig.run(15, 150.0)
    assert [line.split(":")[0] for _, line in rig.lines] == [
        "[latency_ladder] network -> smaller working size",
        "[latency_ladder] smaller working size -> joint bilateral",
        "[latency_ladder] joint bilateral -> bicubic",
    ]
    rig.run(2000, 20.0)
    assert rig.lines[-1][0] == "info"
    assert rig.up.rung == NETWORK


def test_without_memory_the_same_frame_is_answered_by_the_next_rung_that_has_it():
    rig = Rig()
    rig.up.faults = {rung: [OutOfMemoryError("cuda:0 ran out of memory")] for rung in (NETWORK, SMALLER_SIZE)}
    assert rig.rungs(*FRAME).rung == JOINT_BILATERAL
    assert [level for level, _ in rig.lines] == ["warn", "warn"]
    assert "cuda:0 ran out of memory" in rig.lines[0][1]


def test_memory_that_comes_back_brings_the_network_back():
    rig = Rig()
    rig.up.faults = {NETWORK: [OutOfMemoryError("no memory")] * 2}
    rig.run(2000, 33.0)
    assert rig.up.rung == NETWORK
    assert rig.up.ran.count(NETWORK) > 500
    assert rig.counts()["problem.latency_ladder"] == 4  # down, up in vain and down, up


def test_no_memory_even_for_the_last_rung_is_an_error():
    rig = Rig()
    rig.up.faults = {rung: [OutOfMemoryError("no memory")] for rung in Scripted.rungs}
    with pytest.raises(OutOfMemoryError):
        rig.rungs(*FRAME)


def test_a_failed_device_gets_new_engines_and_the_frame_is_not_lost():
    rig = Rig()
    rig.up.faults = {NETWORK: [DeviceFailureError("cuDNN error")]}
    assert rig.rungs(*FRAME).rung == NETWORK
    assert rig.up.rebuilt == 1
    assert rig.lines[0][0] == "error"
    assert "cuDNN error" in rig.lines[0][1]


def test_a_device_that_is_lost_to_the_process_gets_no_new_engines():
    rig = Rig()
    rig.up.faults = {NETWORK: [DeviceLostError("an illegal memory access; restart the process")]}
    with pytest.raises(DeviceLostError, match="restart the process"):
        rig.rungs(*FRAME)
    assert rig.up.rebuilt == 0


@pytest.mark.parametrize("again", [DeviceFailureError("still dead"), RuntimeError("still dead")])
def test_a_device_that_fails_with_new_engines_too_is_given_up_with_both_reasons(again):
    rig = Rig()
    rig.up.faults = {NETWORK: [DeviceFailureError("first"), again]}
    with pytest.raises(DeviceFailureError, match=r"first.*still dead"):
        rig.rungs(*FRAME)


def test_engines_are_not_built_again_and_again():
    rig = Rig()
    rig.up.faults = {NETWORK: [DeviceFailureError("first")]}
    rig.rungs(*FRAME)
    rig.now_ms += 59_000
    rig.up.faults = {NETWORK: [DeviceFailureError("second")]}
    with pytest.raises(DeviceFailureError, match="second"):
        rig.rungs(*FRAME)
    rig.now_ms += 2_000
    rig.up.faults = {NETWORK: [DeviceFailureError("third")]}
    rig.rungs(*FRAME)
    assert rig.up.rebuilt == 2


def test_bad_input_is_nobodys_failure():
    rig = Rig()
    rig.up.faults = {NETWORK: [DeviceFailureError("first"), InputError("bad")]}
    with pytest.raises(InputError):
        rig.rungs(*FRAME)


def test_an_upsampler_without_rungs_runs_as_it_is():
    plain = lambda depth, rgb: SimpleNamespace(rung="?")  # noqa: E731
    rig = Rig(budget_ms=1.0, upsampler=plain)
    rig.run(20, 50.0)
    assert rig.lines == []


def test_what_fails_while_a_size_is_prepared_is_left_to_the_frame_itself():
    rig = Rig()
    assert not rig.rungs.prepare(*FRAME)  # an up-sampler that has nothing to prepare
    answers = [True, DeviceFailureError("broken"), InputError("no image")]

    def prepare(depth, rgb):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    rig.up.prepare = prepare
    assert [rig.rungs.prepare(*FRAME) for _ in range(3)] == [True, False, False]
