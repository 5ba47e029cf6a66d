"""The node's state as a diagnostic_msgs/DiagnosticStatus.

What an operator sees on /diagnostics: one status with a level, one sentence, and key-value pairs for rates, age,
latency percentiles per stage, counters, device and weights. A health snapshot and the recent problems come in, a
message goes out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from diagnostic_msgs.msg import DiagnosticStatus, KeyValue

from pagnet_ros.ros.reporter import Occurrence
from pagnet_ros.system.health import HealthSnapshot

OK, WARN, ERROR = 0, 1, 2
DEPTH_TOPIC, COLOR_TOPIC = "depth topic", "color topic"
"""Keys of what a node takes, by which the doctor finds the topics of one that is idle."""


def summarise(
    snapshot: HealthSnapshot,
    problems: Sequence[Occurrence],
    facts: Mapping[str, str],
    *,
    active: bool,
    wanted: bool,
    failure: str = "",
) -> DiagnosticStatus:
    """Put the state into words; the worst recent problem decides the level.

    Args:
        snapshot: Counters, rates and latencies.
        problems: Recent problems, newest first.
        facts: What does not change by the frame: state, device, weights, quality level and the like.
        active: Whether the node is in its active state.
        wanted: Whether anybody subscribes to an output, or frames are computed anyway.
        failure: Why the device has failed for good, if it has.
    """
    worst = next((p for p in problems if p.level == "error"), None) or next(
        (p for p in problems if p.level == "warn"), None
    )
    rate = snapshot.rates_hz.get("output", 0.0)
    quality, best = facts.get("quality level"), facts.get("best quality level")
    if failure:
        level, text = ERROR, f"[device_failed] {failure}"
    elif not active:
        level, text = OK, f"{facts.get('state', 'inactive')}: takes no images"
    elif worst is not None:
        level, text = ERROR if worst.level == "error" else WARN, f"[{worst.kind}] {worst.text}"
    elif not wanted:
        level, text = OK, "idle: nobody subscribes to an output, so nothing is computed (parameter lazy)"
    elif quality != best:
        level, text = (
            WARN,
            f"publishing at {rate:.1f} Hz at quality level {quality} instead of {best}: time or memory is short",
        )
    else:
        level, text = OK, f"publishing at {rate:.1f} Hz"
    values = dict(facts)
    values |= {f"rate.{name} [Hz]": f"{hertz:.2f}" for name, hertz in sorted(snapshot.rates_hz.items())}
    values |= {f"silent.{name} [s]": f"{seconds:.1f}" for name, seconds in sorted(snapshot.silent_s.items())}
    for stage, p in sorted(snapshot.latency_ms.items()):
        values[f"{stage} p50/p95/p99 [ms]"] = f"{p.p50:.2f} / {p.p95:.2f} / {p.p99:.2f}"
    if "age" not in snapshot.latency_ms:
        values["age p50/p95/p99 [ms]"] = "n/a (stamps are not of this node's clock, or no frame yet)"
    values |= {f"count.{name}": str(count) for name, count in sorted(snapshot.counts.items())}
    entries = [KeyValue(key=key, value=value) for key, value in values.items()]
    return DiagnosticStatus(level=bytes([level]), message=text, values=entries)
