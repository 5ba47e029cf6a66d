"""What happened to the stamps and frames of a replay: counts, jumps, and each kind of problem once.

Memory does not grow with the recording, but for four bytes a pair.
"""

from __future__ import annotations

from array import array
from typing import Literal

import numpy as np

from pagnet_ros.core.pairing import PairingCounts
from pagnet_ros.replay.results import Counts, Pairing, Problem
from pagnet_ros.system.units import NS_PER_MS, NS_PER_S

JUMP_NS = NS_PER_S
JUMP_PERIODS = 10


class ReplayStats:
    """Counts of one replay; only the thread that reads the frames writes to it."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._problems: dict[str, Problem] = {}
        self._last_ns: dict[str, int] = {}
        self._period_ns: dict[str, int] = {}
        self._offsets_ms = array("f")

    def count(self, name: str) -> None:
        """Add one to a field of `results.Counts`, or to "forward_jumps" or "zero_stamps"."""
        self._counts[name] = self._counts.get(name, 0) + 1

    def report(self, kind: str, text: str, level: Literal["info", "warn", "error"] = "warn", /) -> None:
        """Count a problem; its first text is kept."""
        first = self._problems.get(kind)
        self._problems[kind] = Problem(
            kind, level, 1 if first is None else first.count + 1, first.text if first else text
        )

    def add_stamp(self, stream: str, name: str, stamp_ns: int) -> bool:
        """Look at the next stamp of a stream.

        Args:
            stream: "depth", "color" or "reference".
            name: what to call it in a report.
            stamp_ns: its header stamp, nanoseconds.

        Returns:
            Whether the image may be used: one without a stamp is refused, as the node refuses it.
        """
        self.count(stream)
        if stamp_ns == 0:
            self.count("zero_stamps")
            self.report(
                "zero_stamp",
                f"{name} has header.stamp 0; expected the time of exposure, because depth and colour are paired by it. "
                "The driver must fill header.stamp",
            )
            return False
        last_ns = self._last_ns.get(stream)
        self._last_ns[stream] = stamp_ns
        if last_ns is not None:
            self._compare(stream, name, stamp_ns, last_ns)
        return True

    def _compare(self, stream: str, name: str, stamp_ns: int, last_ns: int) -> None:
        step_ns = stamp_ns - last_ns
        came = f"{name}: stamp {stamp_ns / NS_PER_S:.6f} s after {last_ns / NS_PER_S:.6f} s"
        if step_ns == 0:
            self.report("duplicate_stamp", f"{came}; expected each stamp once. The second image is not used")
        elif step_ns < 0:
            self.report(
                "backward_stamp",
                f"{came}; expected rising stamps. Images waiting from the later time are given up, as the node does",
            )
        else:
            period_ns = self._period_ns.get(stream, 0)
            if period_ns and step_ns > max(JUMP_NS, JUMP_PERIODS * period_ns):
                self.count("forward_jumps")
                self.report("forward_jump", f"{came}: a gap, or the clock was set; expected one every "
                            f"{period_ns / NS_PER_S:.3f} s", "info")  # fmt: skip
            else:
                self._period_ns[stream] = step_ns

    def add_pair(self, depth_ns: int, color_ns: int) -> None:
        """Note the offset of a pair."""
        self.count("pairs")
        self._offsets_ms.append((color_ns - depth_ns) / NS_PER_MS)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Every kind of problem so far, in order of first appearance."""
        return tuple(self._problems.values())

    @property
    def counts(self) -> Counts:
        """Frames so far."""
        return Counts(**{name: self._counts.get(name, 0) for name in Counts.__dataclass_fields__})

    def pairing(self, slop_ms: float, queue_size: int | None, counts: PairingCounts) -> Pairing:
        """The part of the results that tells of pairing."""
        offset = None
        if self._offsets_ms:
            offsets = np.frombuffer(self._offsets_ms, np.float32).astype(np.float64)
            p5, p50, p95 = np.percentile(offsets, (5, 50, 95))
            offset = {"p5": float(p5), "p50": float(p50), "p95": float(p95), "max_abs": float(np.abs(offsets).max())}
        return Pairing(
            slop_ms=slop_ms,
            queue_size=queue_size,
            paired=counts.paired,
            depth_unmatched=counts.depth_unmatched,
            color_unmatched=counts.color_unmatched,
            duplicate=counts.duplicate,
            backward_jumps=counts.backward_jumps,
            forward_jumps=self._counts.get("forward_jumps", 0),
            zero_stamps=self._counts.get("zero_stamps", 0),
            last_offset_ms=counts.last_offset_ns / NS_PER_MS if counts.paired + counts.depth_unmatched else None,
            offset_ms=offset,
        )
