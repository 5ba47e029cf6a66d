"""YAML from outside: plain values come back, anything else is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.system.files import MAX_YAML_BYTES
from pagnet_training.yaml_file import read_yaml


def test_plain_values_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: x\nsizes: [1, 2.5]\n")
    assert read_yaml(path, "recipe") == {"name": "x", "sizes": [1, 2.5]}


@pytest.mark.parametrize(
    "text",
    ["name: [", "!!python/object/apply:os.system ['true']", "!!python/name:os.system", "[" * 5000, "a\0b"],
    ids=["unfinished", "a call", "a name", "nested beyond reason", "no text"],
)
def test_what_is_no_plain_yaml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"study .*a\.yaml: not readable as YAML"):
        read_yaml(path, "study")


def test_a_missing_file_and_one_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_yaml(tmp_path / "absent.yaml", "recipe")
    (tmp_path / "weights.yaml").write_bytes(b"#" * (MAX_YAML_BYTES + 1))
    with pytest.raises(ConfigError, match="1048577 bytes; expected at most 1048576"):
        read_yaml(tmp_path / "weights.yaml", "recipe")
