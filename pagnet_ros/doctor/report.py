"""Findings for people and for programs: lines on a terminal, or JSON."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import IO, Any, Final

from pagnet_ros.diagnosis.finding import Finding
from pagnet_ros.diagnosis.observation import Observation, Stream
from pagnet_ros.diagnosis.timing import median_age_ms, rate_hz

_STYLES: Final = {"error": "bold red", "warning": "yellow", "good": "green", "name": "bold", "dim": "dim", "": ""}
VERSION: Final = 1


def as_json(seen: Observation, findings: Sequence[Finding]) -> str:
    """What was watched and found, as one JSON object with a line break at its end.

    Keys: `version`, `seconds`, `domain`, `topics`, `nodes`, `consumers`, `machine`, `findings`; a finding has `name`,
    `severity`, `about`, `came`, `expected` and `mend`.
    """
    whole = {
        "version": VERSION,
        "seconds": seen.seconds,
        "domain": seen.domain,
        "topics": [_topic(stream) for stream in seen.streams],
        "nodes": list(seen.nodes),
        "consumers": [dataclasses.asdict(node) for node in seen.consumers],
        "machine": dataclasses.asdict(seen.machine),
        "findings": [dataclasses.asdict(finding) for finding in findings],
    }
    return json.dumps(_finite(whole), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """The same with null for what is not finite, which JSON does not know."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _topic(stream: Stream) -> dict[str, Any]:
    image = stream.images[-1] if stream.images else None
    age_ms = median_age_ms(stream.arrivals)
    return {
        "stream": stream.name,
        "topic": stream.topic,
        "type": stream.expected,
        "publishers": [dataclasses.asdict(endpoint) for endpoint in stream.publishers],
        "subscribers": [dataclasses.asdict(endpoint) for endpoint in stream.subscribers],
        "messages": len(stream.arrivals),
        "latched": stream.latched,
        "rate_hz": rate_hz(stream.arrivals),
        "age_ms": age_ms if stream.arrivals else None,
        "image": None if image is None else dataclasses.asdict(image),
        "camera_info": None if stream.info is None else dataclasses.asdict(stream.info),
    }


def print_report(seen: Observation, findings: Sequence[Finding], out: IO[str]) -> None:
    """Print what was watched, then each finding with what came, what is expected, and the mend.

    Args:
        seen: what was watched.
        findings: what was found.
        out: where to; colours are left out where it is no terminal, or rich is not installed.
    """
    said = [*_watched(seen), *(line for finding in findings for line in _lines(finding)), *_verdict(findings)]
    lines = [(indent, [(_printable(text), style) for text, style in parts]) for indent, parts in said]
    try:
        from rich.console import Console
        from rich.padding import Padding
        from rich.text import Text
    except ImportError:
        out.writelines(" " * indent + "".join(text for text, _ in parts) + "\n" for indent, parts in lines)
        return
    console = Console(file=out, highlight=False, soft_wrap=False)
    for indent, parts in lines:
        text = Text.assemble(*((words, _STYLES[style]) for words, style in parts))
        console.print(Padding(text, (0, 0, 0, indent), expand=False))


def _printable(text: str) -> str:
    """Text of others without control characters, which a terminal would obey."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


_Line = tuple[int, list[tuple[str, str]]]


def _watched(seen: Observation) -> list[_Line]:
    lines: list[_Line] = []
    for stream in seen.streams:
        image = next((facts for facts in reversed(stream.images) if facts.width), None)
        parts = [f"{len(stream.arrivals)} messages", f"{rate_hz(stream.arrivals):.1f} Hz"]
        parts += [f"{image.width} x {image.height} {image.encoding}"] if image else []
        lines.append((0, [(f"{stream.topic}  ", "name"), (", ".join(parts), "dim")]))
    if lines:
        lines.append((0, [(f"watched for {seen.seconds:g} s in domain {seen.domain}", "dim")]))
    return [*lines, (0, [("", "")])]


def _lines(finding: Finding) -> list[_Line]:
    return [
        (0, [(finding.severity, finding.severity), ("  ", ""), (finding.name, "name"), (f"  {finding.about}", "")]),
        (2, [("came:     ", "dim"), (finding.came, "")]),
        (2, [("expected: ", "dim"), (finding.expected, "")]),
        (2, [("mend:     ", "dim"), (finding.mend, "")]),
        (0, [("", "")]),
    ]


def _verdict(findings: Sequence[Finding]) -> list[_Line]:
    if not findings:
        return [(0, [("nothing found", "good")])]
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    style = "error" if errors else "warning"
    return [(0, [(f"{errors} error(s), {warnings} warning(s); docs/doctor.md explains each name", style)])]
