"""When a slice ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pagnet_training import callbacks
from pagnet_training.callbacks import LOOK_STEPS, TimeLimit
from pagnet_training.throughput import Pauses


class Slice:
    """Steps of so many seconds against a limit, on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, minutes: float, processes: int = 1) -> None:
        self.now, self.step, self.pauses = 1000.0, 0, Pauses()
        monkeypatch.setattr(callbacks, "time", SimpleNamespace(monotonic=lambda: self.now))
        self.limit = TimeLimit(minutes, self.pauses)
        strategy = SimpleNamespace(reduce_boolean_decision=lambda over, all: over)
        self.trainer: Any = SimpleNamespace(world_size=processes, strategy=strategy, should_stop=False)

    def run(self, seconds_per_step: float, steps: int = 10_000) -> float:
        """Train until the end or for so many steps; returns the seconds since the start."""
        for _ in range(steps):
            if self.trainer.should_stop:
                break
            self.now += seconds_per_step
            self.limit.on_train_batch_end(self.trainer, None, None, None, self.step)  # type: ignore[arg-type]
            self.step += 1
        return self.now - 1000.0


def test_a_slice_ends_before_a_step_that_would_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Slice(monkeypatch, minutes=5).run(7.0) == 294.0


def test_what_came_before_the_first_step_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    slice_ = Slice(monkeypatch, minutes=5)
    slice_.now += 60.0
    assert 290 < slice_.run(4.0) <= 300


def test_room_is_left_for_the_longest_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    slice_ = Slice(monkeypatch, minutes=5)
    slice_.run(1.0, steps=50)
    slice_.pauses.longest_s = 40.0
    assert 255 <= slice_.run(1.0) <= 260


def test_several_processes_look_at_the_clock_together(monkeypatch: pytest.MonkeyPatch) -> None:
    slice_ = Slice(monkeypatch, minutes=5, processes=2)
    assert 280 <= slice_.run(1.0) <= 300
    assert slice_.step % LOOK_STEPS == 0


def test_no_time_at_all_is_one_step(monkeypatch: pytest.MonkeyPatch) -> None:
    slice_ = Slice(monkeypatch, minutes=-1)
    slice_.run(1.0)
    assert slice_.step == 1
