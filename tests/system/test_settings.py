"""Settings that check themselves: each problem is told with what is expected, and all of them at once."""

import argparse
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pagnet_ros.errors import ConfigError
from pagnet_ros.system.settings import Settings, add_flags, build, setting, typed, unknown_name


@dataclass(frozen=True)
class Camera(Settings):
    rate_hz: float = setting(30.0, "frames per second", low=0.1, high=240.0, live=True)
    count: int = setting(1, "how many", low=1, high=8)
    mode: str = setting("fast", "how", choices=("fast", "slow"))
    is_on: bool = setting(True, "whether")
    names: tuple[str, ...] = setting(("left",), "which")
    limit_m: float | None = setting(None, "how far, m; any where not given", low=0.1, high=10.0)
    inner: float = 0.0

    def conflicts(self):
        if self.count > len(self.names):
            yield f"count = {self.count} and {len(self.names)} names; expected as many"


@dataclass(frozen=True)
class Rate(Settings):
    rate_hz: float = setting(1.0, "frames per second", low=0.0, high=1000.0)
    inner: float = 1.0


@dataclass(frozen=True)
class Limits(Settings):
    limit_m: float | None = setting(None, "at 100 % of the range, m")
    is_on: bool = setting(False, "whether")
    mode: str = setting("fast", "how", choices=("fast", "slow"))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"rate_hz": float("nan")}, "rate_hz = nan is out of range; expected 0.1 to 240"),
        ({"rate_hz": "30"}, "rate_hz = '30' is a str; expected a float"),
        ({"count": 0}, "count = 0 is out of range; expected 1 to 8"),
        ({"count": 2.5}, "count = 2.5 is a float; expected a int"),
        ({"count": True}, "count = True is a bool; expected a int"),
        ({"is_on": 1}, "is_on = 1 is a int; expected a bool"),
        ({"mode": "fsat"}, "mode = 'fsat'; expected one of fast, slow (did you mean 'fast'?)"),
        ({"mode": None}, "mode = None is a NoneType; expected a str"),
        ({"limit_m": 0}, "limit_m = 0.0 is out of range; expected 0.1 to 10"),
        ({"limit_m": "far"}, "limit_m = 'far' is a str; expected a float"),
        ({"names": [1]}, "names = (1,) is a tuple; expected a tuple"),
        ({"count": 2}, "count = 2 and 1 names; expected as many"),
    ],
)
def test_bad_values_say_what_is_expected(values, says):
    with pytest.raises(ConfigError) as raised:
        Camera(**values)
    assert says in str(raised.value)


def test_flags_are_those_of_the_fields():
    parser = argparse.ArgumentParser()
    add_flags(parser, Rate, {"rate_hz": "--hz"})
    add_flags(parser.add_argument_group("camera"), Limits)
    assert vars(parser.parse_args([])) == {"rate_hz": 1.0, "limit_m": None, "is_on": False, "mode": "fast"}
    words = ["--hz", "2", "--limit-m", "3", "--is-on", "--mode", "slow"]
    assert vars(parser.parse_args(words)) == {"rate_hz": 2.0, "limit_m": 3.0, "is_on": True, "mode": "slow"}


def test_all_problems_are_listed_at_once():
    with pytest.raises(ConfigError) as raised:
        Camera(rate_hz=300.0, count=0, mode="x")
    assert all(name in str(raised.value) for name in ("rate_hz", "count", "mode"))


def test_plain_values_are_taken_in_the_type_of_the_default():
    assert (typed(30.0, 15), type(typed(30.0, 15))) == (15.0, float)
    assert typed(("left",), ["a", "b"]) == ("a", "b")
    assert typed(("left",), "right") == ("right",)


def test_a_name_that_does_not_exist_is_told_with_the_nearest():
    assert unknown_name("rates_hz", ["rate_hz", "mode"]) == "unknown parameter 'rates_hz'; did you mean 'rate_hz'?"
    assert unknown_name("zzz", ["rate_hz"]) == "unknown parameter 'zzz'; see `ros2 param list`"


def test_changes_are_named_and_common_fields_taken_over():
    assert Camera().changed(Camera(rate_hz=3.0, mode="slow")) == ["rate_hz", "mode"]
    assert build(Rate, Camera(rate_hz=3.0, inner=2.0)) == Rate(rate_hz=3.0, inner=2.0)
    assert build(Rate, Camera(), rate_hz=500.0).rate_hz == 500.0


ANYTHING = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.lists(st.floats())


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from(["rate_hz", "count", "mode", "is_on", "names"]), ANYTHING))
def test_any_values_are_taken_or_refused_by_name(values):
    try:
        made = Camera(**values)
    except ConfigError:
        return
    assert 0.1 <= made.rate_hz <= 240.0
    assert made.mode in ("fast", "slow")
