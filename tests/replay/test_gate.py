"""The regression gate: each metric in its own direction, and only comparable replays."""

import dataclasses
import math

import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.replay.gate import compare, parse_share
from tests.replay.samples import of, only


def falls(old, new, allowed=0.02, names=()):
    return [fall.metric for fall in compare(of(old), of(new), allowed, names).falls]


def test_equal_replays_pass():
    same = only("net", rmse_m=0.1, coverage=0.9, sigma_error_ratio=1.2)
    verdict = compare(of(same), of(same), 0.0)
    assert (verdict.falls, verdict.compared, verdict.notes) == ((), 4, ())


@pytest.mark.parametrize(
    ("metric", "old", "passes", "fails"),
    [
        ("rmse_m", 0.100, 0.1019, 0.1021),  # lower is better
        ("coverage", 0.90, 0.8981, 0.8979),  # a share: its loss is what lacks to 1
        ("sigma_error_ratio", 1.50, 1.5099, 1.5101),  # best at 1
        ("false_obstacles", 0.0, 0.0, 0.001),  # nothing is worse than a loss of zero
    ],
)
def test_each_metric_has_its_direction(metric, old, passes, fails):
    assert falls(only("net", **{metric: old}), only("net", **{metric: passes})) == []
    assert falls(only("net", **{metric: old}), only("net", **{metric: fails})) == [metric]


def test_what_gets_better_passes():
    assert falls(only("net", rmse_m=0.1, coverage=0.5), only("net", rmse_m=0.05, coverage=0.9), 0.0) == []


def test_a_metric_that_is_gone_fell():
    verdict = compare(of(only("net", rmse_m=0.1)), of(only("net", rmse_m=None)), 0.02)
    (fall,) = verdict.falls
    assert math.isinf(fall.growth)
    assert str(fall) == "net: rmse_m 0.1 -> undefined m"


def test_fewer_frames_fell_and_new_metrics_do_not_matter():
    assert falls(only("net", frames=100), only("net", frames=90, rmse_m=0.1)) == ["frames"]


def test_only_the_metrics_asked_for_are_judged():
    old, new = only("net", rmse_m=0.1, mae_m=0.1), only("net", rmse_m=0.2, mae_m=0.3)
    assert falls(old, new, names=["mae_m"]) == ["mae_m"]
    assert falls(old, new) == ["mae_m", "rmse_m"]  # the worst first
    with pytest.raises(ConfigError, match="no metric is called rms"):
        compare(of(old), of(new), 0.02, ["rms"])


def test_the_fall_names_method_values_and_size():
    (fall,) = compare(of(only("net", rmse_m=0.1)), of(only("net", rmse_m=0.15)), 0.02).falls
    assert str(fall) == "net: rmse_m 0.1 -> 0.15 m (50.0% worse)"


def test_methods_that_are_not_in_both_are_noted():
    old, new = of(only("a", rmse_m=0.1), only("b")), of(only("a", rmse_m=0.1), only("c"))
    assert compare(old, new, 0.02).notes[0] == "not replayed now: b"
    with pytest.raises(ConfigError, match="the baseline has a, b, this replay c"):
        compare(old, of(only("c")), 0.02)


def test_what_depends_on_the_methods_of_a_run_is_compared_between_runs_of_the_same_ones_only():
    old, new = only("a", rmse_m=0.1, rmse_common_m=0.1), only("a", rmse_m=0.1, rmse_common_m=0.2)
    assert falls(old, new) == ["rmse_common_m"]
    assert [fall.metric for fall in compare(of(old), of(new, only("silent")), 0.02).falls] == ["rmse_common_m"]
    more = of(new, only("b", rmse_common_m=0.1))
    verdict = compare(of(old), more, 0.02)
    assert verdict.falls == ()
    assert verdict.notes[0].startswith("not compared, as they depend on which methods run: rmse_common_m, mae_common_m")
    with pytest.raises(
        ConfigError, match="rmse_common_m depends on which methods run; the baseline has a, this replay a"
    ):
        compare(of(old), more, 0.02, ["rmse_common_m"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": {"metrics": {}, "scored": True, "pipeline": {"max_depth_m": 5.0}}}, "max_depth_m was 5.0, now"),
        ({"mode": "none", "scale": None}, "mode was none, now self; scale was None, now 4"),
        ({"settings": {"metrics": {"edge_px": 5}, "scored": True}}, "metrics was"),
    ],
)
def test_replays_of_another_kind_are_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        compare(of(only("a"), **changes), of(only("a")), 0.02)


def test_another_part_of_the_recording_is_refused_and_another_name_noted():
    now = of(only("a", rmse_m=0.1))
    other = dataclasses.replace(now, recording=dataclasses.replace(now.recording, every=2))
    with pytest.raises(ConfigError, match="every was 2, now 1"):
        compare(other, now, 0.02)
    renamed = dataclasses.replace(now, recording=dataclasses.replace(now.recording, paths=("old",)))
    assert compare(renamed, now, 0.02).notes == ("other names: the baseline replayed old",)


@pytest.mark.parametrize(("text", "share"), [("2%", 0.02), (" 0.5 % ", 0.005), ("0.02", 0.02), ("0", 0.0)])
def test_shares_are_read(text, share):
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["", "two", "-1%", "nan", "inf", "%"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ConfigError, match="expected a share such as 2%"):
        parse_share(text)
