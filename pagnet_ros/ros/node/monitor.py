"""Looks at the topics once a second and says why nothing comes, or less than there should.

The doctor's rules judge (`examination`), as soon as a topic is silent, and every few seconds whatever comes; here is
when, and the one question only the node can answer: why what it receives does not pair.
"""

from __future__ import annotations

import time
from typing import Final

from pagnet_ros.ros.node.examination import StreamName
from pagnet_ros.ros.node.inputs import Inputs
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.system.health import Health
from pagnet_ros.system.units import NS_PER_S

_IMAGES: Final[tuple[StreamName, ...]] = ("depth", "color")
_ALL: Final[tuple[StreamName, ...]] = (*_IMAGES, "camera_info")
_SILENT_S: Final = 1.0
_EXAMINE_EVERY: Final = 5
"""Checks until all of the doctor's rules are asked again, which takes some 10 ms."""


class TopicMonitor:
    """Checks the inputs of an active node. `check` is called by a timer of the steady clock."""

    def __init__(self, inputs: Inputs, health: Health, reporter: Reporter) -> None:
        """Start watching; silence is counted from now on."""
        self._inputs, self._health, self._reporter = inputs, health, reporter
        self._checks = 0
        inputs.examination.restart()

    def check(self, settings: NodeParameters) -> None:
        """Look once, and report what is wrong, by the node's present parameters."""
        now_ns, examination = time.monotonic_ns(), self._inputs.examination
        last_s, watched_s = self._health.silent_s(now_ns), (now_ns - examination.since_ns) / NS_PER_S
        silent_s = {name: min(last_s.get(name, watched_s), watched_s) for name in (*_ALL, "pairs")}
        receives, timeout_s = self._inputs.receives_images, settings.topic_timeout_s
        examination.ask(["wrong_type"], [name for name in _ALL if silent_s[name] >= _SILENT_S], _SILENT_S)
        rules = ["no_publisher", "silent_topic"] if receives else ["no_publisher"]  # else nobody wants a message
        examination.ask(rules, [name for name in _IMAGES if silent_s[name] >= timeout_s], timeout_s)
        flowing = receives and all(silent_s[name] < _SILENT_S for name in _IMAGES)
        if flowing and silent_s["pairs"] >= timeout_s:
            self._report_unpaired(settings)
        self._checks += 1
        if self._checks % _EXAMINE_EVERY == 0:
            examination.look(images=receives, depth_info=self._inputs.calibrations.depth)

    def _report_unpaired(self, settings: NodeParameters) -> None:
        fault = self._inputs.pairing_fault()
        if fault is None:
            return
        if fault.cause == "frozen":
            self._reporter.report(
                "frozen_stamps", f"{fault.text}; expected the time of each exposure. {fault.mend}", "error"
            )
            return
        exact = settings.sync == "exact"
        expected = "equal stamps, as sync = exact asks for" if exact else f"within slop_ms = {settings.slop_ms:g}"
        mend = "Set sync:=nearest, which needs no equal stamps" if exact and fault.cause == "offset" else fault.mend
        text = f"depth and colour arrive but do not pair: {fault.text}; expected {expected}. {mend}"
        self._reporter.report("never_pairs", text, "error")
