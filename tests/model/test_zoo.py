"""Every shipped network loads, describes itself, and computes the same on every device; names are checked.

What each computed when it was exported is compared in `tests/training`.
"""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pagnet_ros import DepthUpsampler
from pagnet_ros.errors import WeightsError
from pagnet_ros.model import zoo as zoo_module
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import WeightsHeader, load_weights, save_weights
from pagnet_ros.model.zoo import REPLACED, family_of, resolve_weights, weights_file, zoo, zoo_path
from tests.builders import EVERYTHING, rms

SHIPPED = [*zoo()] or [pytest.param(None, marks=pytest.mark.skip("no network is shipped yet"))]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_network_loads_and_describes_itself(name):
    path = zoo_path(name)
    network, header = load_weights(path)
    assert header.name == name == path.stem
    assert name == f"{name.split('-')[0]}-x{network.scale}-{header.variant}"
    assert header == zoo()[name]
    assert header.description
    assert header.data
    assert header.scores
    assert header.recipe.get("command")


def small_frame(scale):
    """A slanted floor, a near box and holes, 10x12, and a colour image whose edges are those of the depth."""
    y, x = np.mgrid[0:10, 0:12]
    depth = 1500 + 90 * y + 40 * x
    depth[3:7, 4:9] = 900
    depth[(3 * y + 5 * x) % 11 == 0] = 0
    y, x = np.mgrid[0 : 10 * scale, 0 : 12 * scale]
    box = (y >= 3 * scale) & (y < 7 * scale) & (x >= 4 * scale) & (x < 9 * scale)
    grey = np.where(box, 180, 60) + (7 * y + 3 * x) % 40
    return depth.astype(np.uint16), np.stack([grey, grey // 2, 255 - grey], axis=-1).astype(np.uint8)


@cache
def in_float32(name):
    """What a shipped network makes of its small frame on the CPU."""
    return DepthUpsampler.from_zoo(name, device="cpu", precision="fp32", options=EVERYTHING)(
        *small_frame(zoo()[name].config.scale)
    ).depth


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_network_computes_the_same_on_every_device(name, device_precision_tolerance):
    device, precision, tolerance = device_precision_tolerance
    depth, rgb = small_frame(zoo()[name].config.scale)
    ours = DepthUpsampler.from_zoo(name, device=device, precision=precision, options=EVERYTHING)(depth, rgb).depth
    assert np.isfinite(ours).all()
    may_flip = device == "cuda" and zoo()[name].config.output == "surfaces"  # two surfaces may be equally likely
    assert rms(ours, in_float32(name), 0.998 if may_flip else 1.0) < tolerance


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_network_follows_a_plane(name):
    scale = zoo()[name].config.scale
    y, x = np.mgrid[0:12, 0:14]
    depth = (1500 + 20 * y + 10 * x).astype(np.uint16)
    rgb = np.full((12 * scale, 14 * scale, 3), 128, np.uint8)
    out = DepthUpsampler.from_zoo(name, device="cpu", precision="fp32")(depth, rgb).depth
    inner = np.s_[4 * scale : -4 * scale, 4 * scale : -4 * scale]
    y, x = (np.mgrid[0 : 12 * scale, 0 : 14 * scale] + 0.5) / scale - 0.5
    assert np.abs(out - (1.5 + 0.02 * y + 0.01 * x))[inner].max() < 0.02


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A zoo of its own: two scales of one family, one of another."""
    for name, scale in (("rt-x2-mine", 2), ("rt-x4-mine", 4), ("full-x4-mine", 4)):
        config = ModelConfig(scale=scale, channels=4, growth=2, convolutions=1, blocks=1, residual=True)
        header = WeightsHeader(name, config, variant="mine")
        save_weights(tmp_path / f"{name}.safetensors", PagNet(config), header)
    monkeypatch.setattr(zoo_module, "FOLDER", tmp_path)
    zoo_module._headers.cache_clear()
    yield tmp_path
    monkeypatch.undo()
    zoo_module._headers.cache_clear()


def test_networks_are_listed_by_family_and_scale(folder):
    assert [*zoo()] == ["full-x4-mine", "rt-x2-mine", "rt-x4-mine"]


def test_a_family_name_runs_the_next_fitting_scale_and_a_full_name_only_its_own(folder):
    rgb = np.zeros((40, 48, 3), np.uint8)
    family = DepthUpsampler.from_zoo("rt-mine", device="cpu")
    assert family.scales == (2, 4)
    assert family(np.full((20, 24), 1500, np.uint16), rgb).scale == 2
    assert family(np.full((10, 12), 1500, np.uint16), rgb).scale == 4
    assert DepthUpsampler.from_zoo("rt-x4-mine", device="cpu").scales == (4,)


def test_an_unknown_name_is_refused_with_the_nearest_and_all_names(folder):
    with pytest.raises(WeightsError) as caught:
        zoo_path("rt-x4-mime")
    for part in ("'rt-x4-mime'", "did you mean 'rt-x4-mine'", "full-x4-mine, rt-x2-mine, rt-x4-mine"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "", "*", "rt-x4-*", "a" * 5000, "a\0b", "rt-x4-mine.safetensors"]
)
def test_a_name_cannot_lead_out_of_the_zoo(folder, name):
    with pytest.raises(WeightsError, match="no shipped network"):
        zoo_path(name)


@pytest.mark.parametrize(
    ("name", "current"),
    [
        ("rt-sensor", "fast-sensor"),
        ("rt-x4-sensor", "fast-x4-sensor"),
        ("tiny-x4-sensor", "fast-x4-sensor"),
        ("rt-kinect", "fast-sensor"),
        ("rt-x8-tof", "fast-x8-sensor"),
    ],
)
@pytest.mark.parametrize("ask", [resolve_weights, DepthUpsampler.from_zoo])
def test_a_name_that_is_no_longer_shipped_stands_for_what_replaced_it_and_a_warning_says_so(ask, name, current):
    with pytest.warns(UserWarning, match=f"'{name}' is no longer shipped: taking '{current}'"):
        found = ask(name)
    assert found.name == current


def test_what_replaced_a_family_is_shipped_and_the_family_is_not():
    for gone, replacement in REPLACED.items():
        assert resolve_weights(replacement).files
        assert not any(family_of(name) == gone for name in zoo())


def test_an_empty_zoo_says_so(folder):
    for path in folder.iterdir():
        path.unlink()
    assert zoo() == {}
    with pytest.raises(WeightsError, match="shipped: none"):
        zoo_path("rt-x4-mine")


def test_a_caller_cannot_change_the_zoo(folder):
    zoo().clear()
    assert len(zoo()) == 3


def test_one_file_is_found_by_name_or_path_and_several_are_refused(folder):
    assert weights_file("full-x4-mine") == folder / "full-x4-mine.safetensors"
    assert weights_file("some/checkpoint.safetensors") == Path("some/checkpoint.safetensors")
    for name in ("rt-mine", "bicubic"):
        with pytest.raises(WeightsError, match=r"stands for .* weights files.*one network"):
            weights_file(name)
