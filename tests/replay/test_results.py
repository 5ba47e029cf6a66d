"""Results as JSON: the way there and back, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.replay.results import FORMAT, Results, plain, read_results
from tests.replay.samples import of, only


def test_json_and_back_gives_the_same():
    original = of(only("a", rmse_m=0.1), only("b", rmse_m=None))
    again = Results.from_json(original.to_json())
    assert again == original
    assert again.to_json() == original.to_json()


def test_what_json_cannot_hold_is_null():
    found = plain({"a": float("nan"), "b": (np.float32(0.5), np.inf), "c": np.arange(2), "d": None, "e": True})
    assert found == {"a": None, "b": [0.5, None], "c": [0, 1], "d": None, "e": True}
    json.dumps(found, allow_nan=False)


def test_the_format_comes_first_and_timings_last():
    keys = list(json.loads(of(only("a")).to_json()))
    assert (keys[0], keys[-1]) == ("format", "timings")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values | {"format": FORMAT + 1}, f"format {FORMAT + 1}; expected {FORMAT}"),
        (lambda values: [], "format None"),
        (lambda values: {k: v for k, v in values.items() if k != "counts"}, "lacks or has unknown fields"),
        (lambda values: values | {"surprise": 1}, "lacks or has unknown fields"),
        (lambda values: values | {"methods": [1]}, "lacks or has unknown fields"),
    ],
)
def test_foreign_files_are_refused(change, words):
    values = json.loads(of(only("a")).to_json())
    with pytest.raises(ConfigError, match=words):
        Results.from_json(json.dumps(change(values)), "old.json")


def test_what_is_no_json_is_refused(tmp_path):
    for text in ("", "{", "[" * 100_000):
        (tmp_path / "old.json").write_text(text)
        with pytest.raises(ConfigError, match=r"old\.json is no JSON"):
            read_results(tmp_path / "old.json")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_results(tmp_path / "absent.json")


def test_methods_are_found_by_name():
    found = of(only("a"), only("b"))
    assert found.method("b") is found.methods[1]
    assert found.method("c") is None
    assert dataclasses.is_dataclass(found)
