"""Which network the parameters `weights` and `sensor` stand for."""

import pytest

from pagnet_ros.ros.node import loading
from pagnet_ros.ros.node.loading import choose_weights, load_upsampler
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.node.sensor_limits import ANY_SENSOR, SensorLimits, sensor_limits


def choose(limits, **parameters):
    return choose_weights(NodeParameters(**parameters), limits)


def test_without_a_sensor_the_network_for_any_sensor_is_taken():
    assert choose(ANY_SENSOR) == ("fast-sensor", "")
    assert choose(sensor_limits("clean"), sensor="clean") == ("fast-sensor", "")


@pytest.mark.parametrize("weights", ["bicubic", "rt-x4-clean", "/some/where.safetensors"])
def test_weights_that_are_set_win_over_the_sensor(weights):
    assert choose(SensorLimits(weights="fast-sensor"), sensor="mine", weights=weights) == (weights, "")


@pytest.mark.parametrize("shipped", ["rt-clean", "rt-x4-clean"])
def test_the_sensors_own_family_or_network_is_taken_where_it_is_shipped(shipped):
    weights, note = choose(SensorLimits(weights=shipped), sensor="mine")
    assert weights == shipped
    assert "trained for the sensor mine" in note


def test_a_sensors_own_weights_file_is_taken():
    assert choose(SensorLimits(weights="~/mine.safetensors"), sensor="mine") == ("~/mine.safetensors", "")


def test_weights_that_are_not_shipped_are_replaced_and_it_is_said():
    weights, note = choose(SensorLimits(weights="rt-lidar"), sensor="mine")
    assert weights == "fast-sensor"
    assert "no weights rt-lidar for the sensor mine are shipped" in note


@pytest.mark.parametrize("given", [{"weights": "rt-x4-kinect"}, {"sensor": "mine"}])
def test_what_replaced_weights_that_are_no_longer_shipped_is_taken_and_it_is_said(given):
    weights, note = choose(SensorLimits(weights="rt-x4-kinect" if "sensor" in given else ""), **given)
    assert weights == "fast-x4-sensor"
    assert "rt-x4-kinect are no longer shipped; taking fast-x4-sensor" in note


def test_the_choice_reaches_the_upsampler(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_WARM_UP_DEPTH", (8, 8))
    monkeypatch.setattr(loading, "_WARM_UP_COLOR", (32, 32))
    path = tmp_path / "mine.yaml"
    path.write_text("weights: rt-x4-clean\n")
    assert load_upsampler(NodeParameters(sensor=str(path), device="cpu")).name == "rt-x4-clean"
    assert load_upsampler(NodeParameters(device="cpu")).name == "fast-sensor"
