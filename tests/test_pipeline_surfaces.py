"""Networks that choose surfaces through the whole pipeline: three states of a measurement, locality, estimates."""

import numpy as np
import pytest

from pagnet_ros import DepthUpsampler, UpsamplerOptions
from pagnet_ros.core import validity
from pagnet_ros.errors import ConfigError
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.runtime.engine import Engine
from tests.builders import surface_networks

OPTIONS = UpsamplerOptions(registration="none", max_depth_m=5.0)


def upsampler(*scales, options=OPTIONS):
    return DepthUpsampler("small", surface_networks(*scales), device="cpu", precision="fp32", options=options)


def textured(size, seed=0):
    letters = np.random.default_rng(seed).integers(0, 2, (size[0] // 8 + 1, size[1] // 8 + 1, 3))
    return (255 * letters.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]]).astype(np.uint8)


@pytest.fixture(params=["native", "eager"])
def backend(request, monkeypatch):
    """Every test below on both ways of a CPU."""
    made = Engine.__init__

    def init(self, network, device="auto", precision="auto", backend="auto"):
        made(self, network, device, precision, request.param if isinstance(network, SurfaceNetwork) else backend)

    monkeypatch.setattr(Engine, "__init__", init)
    return request.param


def test_a_textured_plane_with_a_far_blob_stays_a_plane(backend):
    rows, columns = np.mgrid[0:60, 0:80].astype(np.float32)
    depth = (1.0 + 0.001 * rows + 0.0005 * columns).astype(np.float32)
    depth[:3, :3] = 4.5
    out = upsampler(4, options=UpsamplerOptions(metric=True, registration="none"))(depth, textured((240, 320))).depth
    y, x = np.mgrid[0:240, 0:320]
    truth = 1.0 + 0.001 * ((y + 0.5) / 4 - 0.5) + 0.0005 * ((x + 0.5) / 4 - 0.5)
    inner = (slice(40, -8), slice(40, -8))
    assert np.std((out - truth)[inner]) < 0.0005


def test_what_is_measured_out_of_range_is_never_filled_nor_fills(backend):
    depth = np.full((24, 32), 1000, np.uint16)
    depth[:, 12:20] = 12000  # a door with a far room behind it
    depth[:, 11] = 0
    out = upsampler(4)(depth, textured((96, 128)))
    behind = out.provenance[:, 48:80]
    assert (behind == validity.OUT_OF_RANGE).all()
    assert np.isnan(out.depth[:, 48:80]).all()
    known = np.isfinite(out.depth)
    assert np.abs(out.depth[known] - 1.0).max() < 1e-3
    assert known[:, :44].all()
    assert known[:, 80:].mean() > 0.97


@pytest.mark.parametrize("limit_m", [0.1, 5.0])
@pytest.mark.parametrize("ratio", [1, 3, 4])
def test_a_wall_at_a_limit_of_the_range_is_in_range_throughout(backend, limit_m, ratio):
    depth = np.full((17, 13), 1000 * limit_m, np.uint16)
    out = upsampler(4)(depth, textured((17 * ratio, 13 * ratio)))
    assert (out.provenance != validity.OUT_OF_RANGE).all()
    assert (out.depth >= np.float32(0.1)).all()
    assert (out.depth <= np.float32(5.0)).all()


def test_a_post_nearer_than_the_range_does_not_vanish_into_the_wall(backend):
    depth = np.full((24, 32), 2000, np.uint16)
    depth[:, 14:17] = 80
    out = upsampler(4)(depth, textured((96, 128)))
    assert np.isnan(out.depth[:, 56:68]).all()


@pytest.mark.parametrize("fill", ["none", "near", "all"])
def test_the_fill_policy_keeps_its_meaning(backend, fill):
    depth = np.full((40, 60), 1500, np.uint16)
    depth[8:32, 10:50] = 0
    options = UpsamplerOptions(fill=fill, fill_radius_px=3, registration="none")
    out = upsampler(2, options=options)(depth, textured((80, 120)))
    assert np.isfinite(out.depth[:16]).all()
    share = np.isfinite(out.depth[16:64, 20:100]).mean()
    assert {"none": share == 0, "near": 0.2 < share < 0.6, "all": share == 1}[fill]
    assert np.array_equal(np.isfinite(out.depth), (out.provenance > 0) & (out.provenance != validity.OUT_OF_RANGE))


@pytest.mark.parametrize(
    ("depth_size", "rgb_size", "scale"),
    [((24, 32), (24, 32), 1), ((24, 32), (48, 64), 2), ((24, 32), (70, 93), 4), ((24, 32), (31, 42), 2)],
)
def test_every_ratio_gives_depths_on_a_surface(backend, depth_size, rgb_size, scale):
    depth = np.full(depth_size, 1000, np.uint16)
    depth[:, 16:] = 3000
    up = upsampler(1, 2, 4)
    out = up(depth, textured(rgb_size))
    assert out.scale == scale
    assert out.depth.shape == rgb_size
    hanging = np.minimum(np.abs(out.depth - 1.0), np.abs(out.depth - 3.0)) > 0.02
    assert hanging.mean() < 0.02


def test_two_frames_that_differ_only_far_away_give_the_same_depth_here(backend):
    depth = np.random.default_rng(0).integers(900, 1100, (64, 96)).astype(np.uint16)
    up, rgb = upsampler(4), textured((256, 384))
    before = up(depth, rgb).depth
    depth[:4, :4] = 4900
    after = up(depth, rgb).depth
    assert np.array_equal(before[160:], after[160:])
    assert np.array_equal(before[:, 200:], after[:, 200:])


def test_the_mean_is_one_option_away_and_a_wrong_estimate_is_refused(backend):
    depth = np.full((24, 32), 1000, np.uint16)
    depth[:, 16:] = 3000
    up, rgb = upsampler(4), textured((96, 128))
    surface = up(depth, rgb).depth
    up.options = UpsamplerOptions(estimate="mean", registration="none")
    mean = up(depth, rgb).depth
    between = (mean > 1.1) & (mean < 2.9)
    assert between.sum() > 50
    assert ((surface > 1.1) & (surface < 2.9)).sum() < between.sum()
    with pytest.raises(ConfigError, match=r"'surfaces'.*did you mean 'surface'"):
        UpsamplerOptions(estimate="surfaces")


def test_sigma_comes_with_every_depth(backend):
    out = upsampler(4)(np.full((24, 32), 1000, np.uint16), textured((96, 128)))
    assert np.array_equal(np.isfinite(out.sigma), np.isfinite(out.depth))
    assert (out.sigma > 0).all()
    assert out.confidence.min() > 50
    assert out.disagreeing == 0


def test_beside_an_edge_sigma_rises_and_confidence_falls_by_either_backend(backend):
    depth = np.full((24, 32), 1000, np.uint16)
    depth[:, 16:] = 3000
    up, rgb = upsampler(4), np.full((96, 128, 3), 128, np.uint8)
    out = up(depth, rgb)
    edge, flat = np.s_[8:-8, 62:66], np.s_[8:-8, 8:40]
    assert np.median(out.sigma[edge]) > 10 * np.median(out.sigma[flat])
    assert np.median(out.confidence[edge]) < np.median(out.confidence[flat])
    contested = out.provenance == validity.CONTESTED
    assert contested[edge].any()
    assert not contested[flat].any()
    up.options = UpsamplerOptions(publish_contested="nan", registration="none")
    strict = up(depth, rgb)
    assert np.array_equal(np.isnan(strict.depth), np.isnan(out.depth) | contested)
    assert np.array_equal(strict.provenance, out.provenance)


def test_at_equal_sizes_measured_pixels_stay_within_the_noise_and_holes_lie_on_a_surface(backend):
    rng = np.random.default_rng(0)
    depth = (2000 + rng.normal(0, 4, (48, 64))).astype(np.uint16)
    depth[:, 32:] -= 900
    depth[10:20, 20:44] = 0
    up = upsampler(1)
    out = up(depth, textured((48, 64)))
    measured, metres = depth > 0, depth / 1000
    stays = np.abs(out.depth - metres) <= 0.001425 * metres**2 + 1e-6
    assert stays[measured & (out.provenance == validity.MEASURED)].all()
    assert (out.depth != np.float32(metres))[measured].mean() > 0.5, "within the noise, but smoothed"
    assert (out.provenance[measured] == validity.MEASURED).mean() > 0.95
    hole = out.depth[10:20, 20:44]
    assert (np.minimum(np.abs(hole - 2.0), np.abs(hole - 1.1)) < 0.03).mean() > 0.9


@pytest.mark.parametrize("rgb_size", [(24, 32), (48, 64), (100, 130)])
def test_the_level_below_the_network_answers_at_every_ratio_equal_sizes_too(rgb_size):
    up = upsampler(1, 2, 4)
    up.level = "bicubic"
    depth = np.full((24, 32), 1500, np.uint16)
    depth[5, 7] = 0
    out = up(depth, textured(rgb_size))
    assert out.level == "bicubic"
    assert out.depth.shape == rgb_size
    np.testing.assert_allclose(out.depth[~np.isnan(out.depth)], 1.5, atol=1e-3)
    assert np.isfinite(out.depth).mean() > 0.99


@pytest.mark.parametrize("level", ["network", "bicubic"])
@pytest.mark.parametrize("min_depth_m", [0.0, 0.3])
def test_out_of_range_is_infinity_and_minus_infinity_where_it_is_too_near(level, min_depth_m):
    depth = np.full((24, 32), 1.0, np.float32)
    depth[4:8, 4:8], depth[14:18, 20:24] = -np.inf, np.inf
    options = UpsamplerOptions(metric=True, min_depth_m=min_depth_m, publish_out_of_range="inf", registration="none")
    up = upsampler(4, options=options)
    up.level = level
    out = up(depth, textured((96, 128))).depth
    assert np.isneginf(out[20:28, 20:28]).all()
    assert np.isposinf(out[60:68, 84:92]).all()
    finite = out[np.isfinite(out)]
    assert finite.size > 0.9 * out.size
    assert abs(finite - 1.0).max() < 0.01
