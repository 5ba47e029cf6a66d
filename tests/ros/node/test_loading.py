"""Which network the parameters `weights` and `sensor` stand for."""

import pytest

from pagnet_ros.errors import WeightsError
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
    weights, remark = choose(SensorLimits(weights=shipped), sensor="mine")
    assert weights == shipped
    assert "trained for the sensor mine" in remark


def test_a_sensors_own_weights_file_is_taken():
    assert choose(SensorLimits(weights="~/mine.safetensors"), sensor="mine") == ("~/mine.safetensors", "")


def test_weights_that_are_not_shipped_are_replaced_and_it_is_said():
    weights, remark = choose(SensorLimits(weights="rt-lidar"), sensor="mine")
    assert weights == "fast-sensor"
    assert "no weights rt-lidar for the sensor mine are shipped" in remark


def test_a_profile_that_names_what_is_no_longer_shipped_is_refused_with_what_replaced_it(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("weights: rt-kinect\n")
    with pytest.raises(WeightsError, match=r"'rt-kinect' is no longer shipped: 'fast-sensor' replaced it.*profile"):
        load_upsampler(NodeParameters(sensor=str(path), device="cpu"))


def test_the_choice_reaches_the_upsampler(tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "_WARM_UP_DEPTH", (8, 8))
    monkeypatch.setattr(loading, "_WARM_UP_COLOR", (32, 32))
    path = tmp_path / "mine.yaml"
    path.write_text("weights: rt-x4-clean\n")
    assert load_upsampler(NodeParameters(sensor=str(path), device="cpu")).name == "rt-x4-clean"
    assert load_upsampler(NodeParameters(device="cpu")).name == "fast-sensor"
