"""Profiles, recipes and results of any text are loaded, or refused in a short message that names the file."""

import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.errors import ConfigError, PagnetError, quoted
from pagnet_ros.replay.results import Results, read_results
from pagnet_ros.sensors import load_profile
from pagnet_ros.system.files import TextFileError, load_yaml, parse_yaml
from tests.fuzz.budget import examples

ROOT = Path(__file__).resolve().parents[2]
MAX_TEXT = 20_000

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
    st.sampled_from([10**400, -(10**60), "x" * 5000, "1:30:00", "1e400", ".nan", "~", "2024-01-01", "!!bool maybe"]),
)  # fmt: skip
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
BOMBS = {
    "aliases": "a: &a [x,x]\n"
    + "".join(f"{c}: &{c} [*{p},*{p},*{p}]\n" for p, c in zip("abcdefgh", "bcdefghi", strict=True)),
    "an alias to itself": "a: &a [*a]\n",
    "merge keys": "a: &a {b: 1}\nc: {<<: *a}\n",
    "a bool that is none": "missing: !!bool maybe\n",
    "binary": "name: !!binary aaaa\n",
    "a set": "name: !!set {a}\n",
    "a huge integer": f"bias_m: 1{'0' * 400}\n",
    "a huge hexadecimal integer": f"bias_m: 0x{'f' * 100_000}\n",
    "base sixty": f"bias_m: 1{':1' * 100_000}\n",
    "a huge float": f"bias_m: 1.{'0' * 5000}e5\n",
    "nesting": "[" * 100_000,
    "nested tables": "{a: " * 1000,
    "an object": "!!python/object/apply:os.system ['true']\n",
    "zero bytes": "a\0b",
    "many keys": "".join(f"k{i}: {i}\n" for i in range(20_000)),
    "a long key": f"{'k' * 500_000}: 1\n",
    "a long text": f"name: {'x' * 500_000}\n",
    "marks that turn the writing": "missing: '\u202e\x85'\n",
}


def loaders():
    """{what: function of a path} of everything that reads YAML or JSON of a user's."""
    found = {"profile": load_profile, "yaml": load_yaml, "results": read_results}
    try:
        from pagnet_training.recipe import load_recipe
    except ImportError:  # without the training extra
        return found
    return found | {"recipe": load_recipe}


LOADERS = loaders()


def refused_shortly(load, path):
    """Load a file; whatever is wrong with it is one of this package's errors, short and about this file."""
    try:
        load(path)
    except PagnetError as error:
        assert len(str(error)) < MAX_TEXT


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("what", LOADERS)
def test_bombs_are_refused_and_stay_small(tmp_path, bomb, what):
    path = tmp_path / "bomb.yaml"
    path.write_text(BOMBS[bomb], encoding="utf-8", errors="surrogatepass")
    refused_shortly(LOADERS[what], path)


@pytest.mark.parametrize("what", LOADERS)
@pytest.mark.parametrize("kind", ["pipe", "endless", "loop", "folder", "not there", "no UTF-8"])
def test_what_is_no_plain_text_file_is_refused(tmp_path, what, kind):
    path = tmp_path / "file.yaml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "endless":
        path.symlink_to("/dev/zero")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "no UTF-8":
        path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises((ConfigError, TextFileError)):
        LOADERS[what](path)


@examples(150)
@given(content=st.one_of(st.text(max_size=200), values.map(lambda value: yaml.safe_dump(value, allow_unicode=True))))
def test_any_text_is_loaded_or_refused(tmp_path, content):
    path = tmp_path / "any.yaml"
    path.write_text(content, encoding="utf-8", errors="replace")
    for load in LOADERS.values():
        refused_shortly(load, path)


PROFILE = yaml.safe_load((ROOT / "config/sensors/kinect_v1.yaml").read_text(encoding="utf-8"))


@examples(150)
@given(
    changes=st.dictionaries(st.sampled_from([*PROFILE, "evidence", "covered", "nmae"]), values, min_size=1, max_size=4)
)
def test_any_value_in_a_profile_is_taken_or_refused(tmp_path, changes):
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(PROFILE | changes, allow_unicode=True), encoding="utf-8", errors="replace")
    try:
        load_profile(path)
    except ConfigError as error:
        assert "profile.yaml" in str(error)
        assert len(str(error)) < MAX_TEXT


@examples(150)
@given(content=st.one_of(st.text(max_size=100), values.map(repr), st.just("[" * 100_000), st.just('{"format": 1e999}')))
def test_any_results_text_is_read_or_refused(content):
    try:
        Results.from_json(content)
    except ConfigError as error:
        assert len(str(error)) < MAX_TEXT


@examples(150)
@given(value=values)
def test_any_value_is_quoted_shortly(value):
    shown = quoted(value)
    assert shown.isprintable()
    assert len(shown) < 1000


@examples(100)
@given(value=values)
def test_plain_values_come_back(value):
    text = yaml.safe_dump(value, allow_unicode=True)
    try:
        found = parse_yaml(text)
    except TextFileError:
        return
    assert repr(found) == repr(yaml.safe_load(text))
