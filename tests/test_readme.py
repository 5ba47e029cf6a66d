"""The README's table of parameters is the node's."""

import re
from pathlib import Path

from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.system.settings import fields_of

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")


def _parameter_rows() -> dict[str, str]:
    """Parameter name -> default as the README prints it."""
    section = TEXT.split("## Parameters")[1].split("\n## ")[0]
    rows = {}
    for line in section.splitlines():
        if line.startswith("| `"):
            _, names, defaults, *_ = (cell.strip() for cell in line.split("|"))
            named = re.findall(r"`(\w+)`", names)
            values = [value.strip(" `") for value in (defaults.split(",") if len(named) > 1 else [defaults])]
            rows |= dict(zip(named, values * len(named) if len(values) == 1 else values, strict=False))
    return rows


def test_the_table_lists_every_parameter():
    assert set(_parameter_rows()) == {field.name for field in fields_of(NodeParameters)}


def test_the_table_gives_the_defaults():
    for field in fields_of(NodeParameters):
        printed, default = _parameter_rows()[field.name], field.default
        if isinstance(default, bool):
            assert printed == str(default).lower(), field.name
        elif isinstance(default, int | float):
            assert float(printed) == default, field.name
        else:
            assert printed == default, field.name
