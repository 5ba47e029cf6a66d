"""Which network the parameters `weights` and `sensor` stand for."""

import pytest

from pagnet_ros.model.weights import WeightsHeader
from pagnet_ros.ros.node import loading
from pagnet_ros.ros.node.loading import choose_weights, load_upsampler
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.node.sensor_limits import ANY_SENSOR, SensorLimits, sensor_limits
from pagnet_ros.runtime.export_onnx import export_onnx
from tests.builders import small_surfaces


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


@pytest.mark.parametrize("file", ["~/mine.safetensors", "~/mine.onnx"])
def test_a_sensors_own_weights_file_is_taken(file):
    assert choose(SensorLimits(weights=file), sensor="mine") == (file, "")


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


def test_a_file_that_is_fixed_to_one_size_is_warmed_up_at_that(tmp_path):
    for needed in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(needed, reason=f"{needed} is not installed here (the onnx extra)")
    net = small_surfaces(4).requires_grad_(False)
    header = WeightsHeader("mine", net.config, normalisation="local")
    export_onnx(net, header, tmp_path / "mine.onnx", (45, 57), depth_size=(13, 17))
    upsampler = load_upsampler(NodeParameters(weights=str(tmp_path / "mine.onnx"), device="cpu"))
    assert upsampler.fixed_sizes == ((13, 17), (45, 57))
    assert upsampler.backend == "onnx"
