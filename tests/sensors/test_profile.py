"""What a sensor profile accepts, knows about itself, and says about everything that is wrong with it."""

import copy
import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors import PROFILES, Evidence, SensorProfile
from pagnet_ros.sensors.curves import on_curve

CURVE = ((0.5, 0.001), (1.0, 0.002), (3.0, 0.01))


def test_a_curve_is_linear_between_its_points_and_constant_outside():
    x = torch.tensor([0.0, 0.5, 0.75, 1.0, 2.0, 3.0, 9.0, math.nan])
    expected = torch.tensor([0.001, 0.001, 0.0015, 0.002, 0.006, 0.01, 0.01, math.nan])
    torch.testing.assert_close(on_curve(CURVE, x), expected, equal_nan=True)


@given(st.lists(st.floats(0, 100, width=32), min_size=2, max_size=20, unique=True), st.floats(-10, 200))
def test_a_curve_stays_within_its_points(xs, at):
    curve = tuple((x, math.sin(x)) for x in sorted(xs))
    value = on_curve(curve, torch.tensor([at], dtype=torch.float64)).item()
    assert min(y for _, y in curve) - 1e-12 <= value <= max(y for _, y in curve) + 1e-12


def test_curves_may_come_as_lists_and_integers():
    profile = SensorProfile("mine", noise_range_curve=[[1, 0], [2, 1]])
    assert profile.noise_range_curve == ((1.0, 0.0), (2.0, 1.0))
    assert hash(profile) == hash(dataclasses.replace(profile))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"noise_range_curve": [[1.0, 0.1]]}, "noise_range_curve=((1.0, 0.1),) (expected at least two points"),
        ({"noise_range_curve": [[1.0, 0.1], [1.0, 0.2]]}, "expected x to rise"),
        ({"noise_range_curve": [[1.0, 0.1], [2.0, -0.2]]}, "noise_range_curve with y=-0.2 (expected 0 or more)"),
        ({"noise_range_curve": [[1.0, 0.1], [2.0, math.nan]]}, "expected pairs of finite numbers"),
        ({"noise_range_curve": [1.0, 2.0]}, "expected pairs of finite numbers"),
        ({"noise_range_curve": "steep"}, "noise_range_curve='steep' (expected pairs"),
        ({"noise_brightness_curve": [[0.0, 1.0], [1.5, 1.0]]}, "noise_brightness_curve with x=1.5 (expected 0 to 1)"),
        ({"missing_edge_curve": [[0, 1.0], [17, 0.0]]}, "missing_edge_curve with x=17.0 (expected 0 to 16)"),
        ({"missing_angle_curve": [[0, 0.0], [1.0, 1.2]]}, "missing_angle_curve with y=1.2 (expected -1 to 1)"),
        ({"noise_persistence": 1.0}, "noise_persistence=1.0 (expected 0 to below 1)"),
        ({"noise_tail": 0.5}, "noise_tail=0.5 (expected 0 to 0.4)"),
        ({"noise_fixed": True}, "noise_fixed=True (expected a finite number)"),
        ({"width": 640.5, "height": 480}, "width=640.5 (expected a whole number"),
        ({"width": 640}, "width=640, height=0 (expected both, or neither)"),
        ({"fx": 500.0}, "fx=500.0, fy=0.0 (expected both, or neither)"),
        ({"registration_x_px": 5.0}, "registration_width=0 (expected the width of the colour image"),
        ({"provenance": 7}, "provenance=7 (expected a text)"),
        ({"covered": {"range_m": (3.0, 1.0)}}, "covered 'range_m': (3.0, 1.0) (expected [lowest, highest])"),
        ({"covered": [1, 2]}, "covered=[1, 2] (expected a mapping"),
        (
            {"evidence": {"noise_flor_m": Evidence()}},
            "'noise_flor_m', which is no field (did you mean 'noise_floor_m'",
        ),
        ({"evidence": {"missing": 0.1}}, "evidence of missing is float (expected Evidence)"),
        (
            {"evidence": {"missing": Evidence((0.1,), (0.2,))}},
            "evidence of missing has low=(0.1,) (expected one",
        ),
        (
            {"noise_range_curve": CURVE, "evidence": {"noise_range_curve": Evidence((0.1, 0.1), (0.2, 0.2))}},
            "(expected 3 numbers, one per knot)",
        ),
    ],
)
def test_what_does_not_fit_is_named(fields, says):
    with pytest.raises(ConfigError) as caught:
        SensorProfile("mine", **fields)
    assert says in str(caught.value)


def test_everything_wrong_comes_in_one_message():
    with pytest.raises(ConfigError) as caught:
        SensorProfile("", flying=2.0, noise_range_curve="x", covered=3, evidence={"nothing": Evidence()})
    for part in ("name=''", "flying=2.0", "noise_range_curve='x'", "covered=3", "'nothing'"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        {"low": 2.0, "high": 1.0},
        {"low": 1.0},
        {"low": (1.0, 2.0), "high": (3.0,)},
        {"low": (1.0,), "high": 2.0},
        {"low": math.nan, "high": 1.0},
        {"low": "0.1", "high": 1.0},
        {"samples": -1},
        {"samples": 1.5},
        {"samples": True},
        {"source": 3},
    ],
)
def test_evidence_that_is_none_is_refused(bad):
    with pytest.raises(ConfigError):
        Evidence(**bad)


def test_a_profile_knows_its_camera_where_it_is_given():
    assert SensorProfile("mine").camera is None
    camera = PROFILES["kinect_v1"].camera
    assert (camera.width, camera.height) == (640, 480)
    assert camera.fx == PROFILES["kinect_v1"].fx


def test_only_the_papers_degradations_need_no_metres():
    free = {name for name, profile in PROFILES.items() if profile.unit_free}
    assert free == {"clean", "kinect_paper", "tof_paper"}
    assert not SensorProfile("mine", missing_range_curve=[[0, 0.1], [1, 0.2]]).unit_free
    assert not SensorProfile("mine", shadow_side="left").unit_free


def test_a_profile_can_be_copied():
    profile = PROFILES["kinect_v1"]
    assert copy.deepcopy(profile) == profile
    assert copy.copy(profile).evidence == profile.evidence
