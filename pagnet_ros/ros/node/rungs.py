"""Keeps the frames coming when time or the device falls short: the ladder's decisions carried out and told.

Owns the ladder of one configured node. Too little time or memory: the next rung. A device that failed: the engine built
anew, once in a while; if that does not help, or cannot, the failure is passed on to the node. Every change is logged,
counted and on the diagnostics. Runs in the worker's thread; no ROS import.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.degradation import NETWORK, Ladder, LadderOptions, Step
from pagnet_ros.errors import DeviceError, DeviceFailureError, DeviceLostError, InputError, OutOfMemoryError
from pagnet_ros.pipeline import UpsampledDepth, UpsamplerOptions
from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.system.health import Health

__all__ = ["Rungs", "Upsampler"]

_REBUILD_PERIOD_NS: Final = 60_000_000_000
"""A device that fails again within this is not worth another try."""


class Upsampler(Protocol):
    """What the node needs of `pagnet_ros.pipeline.DepthUpsampler`; the ladder's part may be absent."""

    options: UpsamplerOptions

    def __call__(self, depth: NDArray[Any], rgb: NDArray[np.uint8], /) -> UpsampledDepth:
        """Up-sample one frame."""


class Rungs:
    """An up-sampler that answers every frame it can."""

    def __init__(
        self,
        upsampler: Upsampler,
        health: Health,
        reporter: Reporter,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Begin on the top rung.

        Args:
            upsampler: The pipeline; one without `rungs` has a single one, one without `rung_ms` has tried none.
            health: Counts frames by rung.
            reporter: Told of every change.
            steady_ns: The steady clock, nanoseconds.
        """
        self.upsampler: Any = upsampler
        self._health, self._reporter, self._steady_ns = health, reporter, steady_ns
        self._ladder = Ladder(getattr(upsampler, "rungs", (NETWORK,)), trials_ms=getattr(upsampler, "rung_ms", None))
        self._rebuilt_ns = -_REBUILD_PERIOD_NS

    @property
    def rung(self) -> str:
        """The present rung."""
        return self._ladder.rung

    @property
    def top(self) -> str:
        """The best there is."""
        return self._ladder.top

    def set_budget(self, budget_ms: float) -> None:
        """Change the time a frame may take, milliseconds, 0 for any."""
        self._ladder.options = LadderOptions(budget_ms=budget_ms)

    def __call__(self, depth: NDArray[Any], rgb: NDArray[np.uint8]) -> UpsampledDepth:
        """Up-sample one frame on the present rung, or on the first below that has the memory.

        Raises:
            InputError: Arrays that break the depth contract.
            OutOfMemoryError: Not even the last rung has the memory.
            DeviceFailureError: The device failed, and again with a new engine, or is lost to this process.
        """
        while True:
            try:
                result: UpsampledDepth = self.upsampler(depth, rgb)
            except OutOfMemoryError as error:
                step = self._ladder.fail(self._steady_ns())
                if step is None:
                    raise
                self._take(step, str(error))
                continue
            except DeviceLostError:
                raise
            except DeviceFailureError as error:
                result = self._rebuilt(error, depth, rgb)
            self._health.count(f"rung.{self.rung}")
            return result

    def prepare(self, depth: NDArray[Any], rgb: NDArray[np.uint8]) -> bool:
        """Run frames of a new size once on a GPU; true where that took place. What fails here fails in the call too."""
        prepare = getattr(self.upsampler, "prepare", None)
        try:
            return prepare is not None and prepare(depth, rgb)
        except (DeviceError, InputError):
            return False

    def note(self, spent_ms: float) -> None:
        """One frame is done and took so long; perhaps the next one goes another way."""
        step = self._ladder.note(self._steady_ns(), spent_ms)
        if step is not None:
            self._take(step)

    def _take(self, step: Step, reason: str = "") -> None:
        self.upsampler.rung = step.after
        budget_ms = self._ladder.options.budget_ms
        if reason:
            why = f"{reason}. The better way is tried again later"
        elif step.is_down:
            why = f"frames took {step.cost_ms:.0f} ms, expected at most latency_budget_ms = {budget_ms:g}"
        else:
            why = f"there is time again; frames took {step.cost_ms:.0f} ms"
        skipped = "".join(
            f"; skipped {rung}: {ms:.0f} ms, not below {better_ms:.0f} ms" for rung, ms, better_ms in step.skipped
        )
        text = f"{step.before} -> {step.after}: {why}{skipped}"
        self._reporter.tell("latency_ladder", text, "warn" if step.is_down else "info")

    def _rebuilt(self, error: DeviceFailureError, depth: NDArray[Any], rgb: NDArray[np.uint8]) -> UpsampledDepth:
        """The same frame again with new engines; raises where that was just tried, or fails too."""
        now_ns = self._steady_ns()
        if now_ns - self._rebuilt_ns < _REBUILD_PERIOD_NS:
            raise error
        self._rebuilt_ns = now_ns
        self._reporter.tell("device_failed", f"{error}. The engine is built anew", "error")
        self.upsampler.rebuild()
        try:
            result: UpsampledDepth = self.upsampler(depth, rgb)
        except InputError:
            raise
        except Exception as again:
            raise DeviceFailureError(f"{error}. A new engine failed too: {again}") from again
        return result
