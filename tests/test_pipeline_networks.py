"""Which network answers a frame: by scale, from a file, by quality level; what is refused before the first frame."""

import sys
import threading
import time

import numpy as np
import pytest
import torch

from pagnet_ros.core.degradation import BICUBIC, LEVELS, NETWORK
from pagnet_ros.errors import ConfigError, DeviceError, WeightsError
from pagnet_ros.model.network import Bicubic
from pagnet_ros.model.weights import WeightsHeader, save_weights
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from tests.builders import EVERYTHING, bicubic, colour, slanted, small_network, upsampler, with_holes


def test_the_next_fitting_scale_runs_and_is_loaded_once():
    loaded = []

    def loader(scale):
        return lambda: loaded.append(scale) or Bicubic(scale)

    up = DepthUpsampler("all", {s: loader(s) for s in (8, 2, 16, 4)}, device="cpu", precision="fp32")
    assert up.scales == (2, 4, 8, 16)
    ratios = {1: 2, 1.5: 2, 2: 2, 2.01: 2, 2.67: 4, 4: 4, 5: 8, 7.5: 8, 16: 16, 20: 16}
    for ratio, scale in ratios.items():
        rgb_size = (round(60 * ratio), round(80 * ratio))
        assert up.scale_for((60, 80), rgb_size) == scale
    assert up.scale_for((60, 80), (120, 640)) == 4
    assert loaded == []
    for ratio in (2, 4, 2, 4):
        out = up(slanted((12, 16)), colour((12 * ratio, 16 * ratio)))
        assert out.scale == ratio
    assert loaded == [2, 4]


def test_warming_up_loads_the_network_that_will_run():
    loaded = []
    loaders = {scale: lambda s=scale: loaded.append(s) or Bicubic(s) for scale in (2, 4)}
    up = DepthUpsampler("all", loaders, device="cpu")
    up.warm_up((12, 16), (48, 64))
    assert loaded == [4]


def test_a_network_from_a_file_carries_its_name_and_runs(tmp_path):
    network = small_network(2)
    save_weights(tmp_path / "x.safetensors", network, WeightsHeader("mine", network.config), dtype=torch.float32)
    up = DepthUpsampler.from_file(tmp_path / "x.safetensors", device="cpu", precision="fp32", options=EVERYTHING)
    assert (up.name, up.scales, up.device, up.precision) == ("mine", (2,), "cpu", "fp32")
    depth, rgb = slanted((24, 32)), colour((48, 64))
    assert np.array_equal(up(depth, rgb).depth, upsampler(2)(depth, rgb).depth)


def test_rebuilding_loads_the_network_anew(tmp_path):
    network = small_network(2)
    save_weights(tmp_path / "x.safetensors", network, WeightsHeader("mine", network.config), dtype=torch.float32)
    up = DepthUpsampler.from_file(tmp_path / "x.safetensors", device="cpu", precision="fp32", options=EVERYTHING)
    depth, rgb = slanted((24, 32)), colour((48, 64))
    before = up(depth, rgb).depth
    up.rebuild()
    np.testing.assert_array_equal(up(depth, rgb).depth, before)


@pytest.mark.parametrize("make", [DepthUpsampler.from_zoo, DepthUpsampler.from_file])
@pytest.mark.parametrize("name", ["no-such-network", "../rt-x4-clean", "a" * 5000, "", "a\0b"])
def test_a_name_or_path_without_a_network_is_refused(make, name):
    with pytest.raises(WeightsError):
        make(name, device="cpu")


def test_a_device_or_precision_that_is_not_here_is_refused_before_loading(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match="'cuda'"):
        DepthUpsampler.bicubic(device="cuda")
    with pytest.raises(DeviceError, match="'fp16'"):
        DepthUpsampler.bicubic(device="cpu", precision="fp16")


def test_bicubic_refuses_a_scale_it_has_not_at_once():
    with pytest.raises(ConfigError, match="scale=3"):
        DepthUpsampler.bicubic(3, device="cpu")


def test_every_level_gives_the_colour_size_and_says_its_name():
    up = upsampler()
    assert up.levels == LEVELS
    depth, rgb = slanted((48, 64)), colour((192, 256))
    for level in up.levels:
        up.level = level
        out = up(depth, rgb)
        assert out.level == level
        assert out.depth.shape == (192, 256)
        assert set(out.stage_ms) == {"upload", "network", "mask", "download"}
        np.testing.assert_allclose(out.depth[16:-16, 16:-16], slanted((192, 256))[16:-16, 16:-16], atol=0.3)


def test_each_network_is_loaded_once_for_all_levels():
    loaded = []
    loaders = {scale: lambda s=scale: loaded.append(s) or Bicubic(s) for scale in (2, 4)}
    up = DepthUpsampler("all", loaders, device="cpu")
    for level in (*up.levels, *up.levels):
        up.level = level
        up(slanted((12, 16)), colour((48, 64)))
    assert loaded == [4]


def test_the_bicubic_level_is_the_bicubic_baseline():
    depth, rgb = with_holes(slanted((48, 64))), colour((192, 256))
    up = upsampler()
    up.level = BICUBIC
    np.testing.assert_array_equal(up(depth, rgb).depth, bicubic(options=up.options)(depth, rgb).depth)


def test_a_level_that_is_not_at_hand_is_refused():
    up = bicubic()
    assert (up.levels, up.level) == ((BICUBIC,), BICUBIC)
    with pytest.raises(ConfigError, match="quality level 'network' is not at hand; expected one of bicubic"):
        up.level = NETWORK


def test_python_threads_run_while_the_network_does():
    """A switch interval of minutes: another thread only runs where the network itself lets go of the interpreter."""
    up, depth, rgb = upsampler(channels=24), slanted((60, 80)), colour((240, 320))
    up(depth, rgb)
    inside, ticks, done = threading.Event(), [], threading.Event()

    def tick():
        while not done.is_set():
            if inside.is_set():
                ticks.append(1)
            time.sleep(0)

    engine = up._engines.get(NETWORK, 4)
    forward = engine._forward

    def watched(*tensors):
        inside.set()
        try:
            return forward(*tensors)
        finally:
            inside.clear()

    engine._forward = watched
    thread = threading.Thread(target=tick, daemon=True)
    interval = sys.getswitchinterval()
    thread.start()
    try:
        sys.setswitchinterval(600.0)
        up(depth, rgb)
    finally:
        sys.setswitchinterval(interval)
        done.set()
        thread.join(10.0)
    assert ticks


def box_before_a_wall(box_mm, wall_mm):
    depth = np.full((30, 40), wall_mm, np.uint16)
    depth[10:20, 15:25] = box_mm
    rgb = np.full((120, 160, 3), 60, np.uint8)
    rgb[40:80, 60:100] = 200
    return depth, rgb


@pytest.mark.parametrize("weights", ["bicubic", "rt-x4-clean"])
def test_what_rings_at_an_edge_is_never_published_out_of_range(weights):
    options = UpsamplerOptions(min_depth_m=0.8, max_depth_m=8.1)
    out = DepthUpsampler.from_weights(weights, device="cpu", options=options)(*box_before_a_wall(1000, 8000)).depth
    known = out[np.isfinite(out)]
    assert known.size > 0.9 * out.size
    assert known.min() >= np.float32(0.8)
    assert known.max() <= np.float32(8.1)


@pytest.mark.parametrize("limit_m", [0.1, 10.0])
@pytest.mark.parametrize("ratio", [1, 3])
@pytest.mark.parametrize("weights", ["bicubic", "rt-x4-clean"])
def test_a_wall_at_a_limit_of_the_range_is_published_throughout(weights, ratio, limit_m):
    depth = np.full((17, 13), 1000 * limit_m, np.uint16)
    rgb = np.random.default_rng(0).integers(0, 256, (17 * ratio, 13 * ratio, 3), np.uint8)
    out = DepthUpsampler.from_weights(weights, device="cpu", precision="fp32")(depth, rgb).depth
    assert (out >= np.float32(0.1)).all()
    assert (out <= np.float32(10.0)).all()


@pytest.mark.parametrize("rgb_size", [(120, 160), (30, 40), (70, 90)])
def test_interpolation_does_not_overshoot_at_an_edge(rgb_size):
    depth, _ = box_before_a_wall(1500, 4000)
    out = DepthUpsampler.bicubic(device="cpu")(depth, np.zeros((*rgb_size, 3), np.uint8)).depth
    assert np.nanmin(out) >= 1.5 - 1e-4
    assert np.nanmax(out) <= 4.0 + 1e-4


def test_at_equal_sizes_bicubic_pools_the_measurement_first():
    up = DepthUpsampler.from_zoo(device="cpu")  # has a network for equal sizes
    up.level = BICUBIC
    out = up(np.full((24, 32), 1500, np.uint16), np.zeros((24, 32, 3), np.uint8))
    assert (out.scale, out.level) == (2, BICUBIC)
    np.testing.assert_allclose(out.depth, 1.5, atol=1e-5)
