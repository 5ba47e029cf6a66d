"""The troubleshooting page lists what the node can say, and nothing else."""

import ast
import re
from pathlib import Path

from pagnet_ros.diagnosis import RULES

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
REPORTS = {"report", "log", "_report", "MessageError"}
DERIVED = {"surplus_data"}  # of a variable, not of a literal
STREAMS = {"depth", "color"}  # likewise


def _calls(names):
    """(called name, its first argument's value) of every call with a literal there, in what the node consists of."""
    for folder in ("pagnet_ros/ros", "pagnet_ros/messages"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                    if name in names and isinstance(node.args[0].value, str):
                        yield name, node.args[0].value


def _first_column(heading):
    section = TEXT.split(f"## {heading}")[1].split("\n## ")[0]
    return [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]


def test_every_problem_is_explained_and_none_is_invented():
    told = {name for cell in _first_column("What the node can say") for name in re.findall(r"`(\w+)`", cell)}
    monitor = (ROOT / "pagnet_ros/ros/node/monitor.py").read_text(encoding="utf-8")
    asked = set(RULES) & set(re.findall(r'"(\w+)"', monitor))
    assert told == {kind for _, kind in _calls(REPORTS)} | DERIVED | asked


def test_every_counter_and_stream_is_explained():
    section = TEXT.split("## The values on")[1]
    counted = {value for name, value in _calls({"count"})}
    assert counted == set(re.findall(r"`count\.(\w+)`", section))
    seen = {value for name, value in _calls({"tick"})} | STREAMS
    assert seen == set(re.findall(r"`(\w+)`", section.split("streams: ")[1].split("|")[0]))


def test_every_stage_is_explained():
    text = (ROOT / "pagnet_ros/ros/node/processing.py").read_text(encoding="utf-8")
    spans = [*re.findall(r"^ {12}\"(\w+)\": ", text, re.MULTILINE), "age", "receive"]
    explained = TEXT.split("`<stage> p50/p95/p99 [ms]`")[1].split("\n")[0]
    assert set(re.findall(r"`(\w+)`", explained)) == {*spans, "reproject", "upload", "network", "mask", "download"}
