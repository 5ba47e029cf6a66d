"""The one call per frame: units, sizes, holes, policies and ownership."""

import math

import numpy as np
import pytest
import torch

import pagnet_ros
from pagnet_ros.core import validity
from pagnet_ros.errors import ConfigError, InputError
from pagnet_ros.options import UpsamplerOptions
from tests.builders import bicubic, colour, slanted, small_network, upsampler, with_holes


def test_the_example_of_the_package_works():
    up = pagnet_ros.DepthUpsampler.bicubic(4)
    out = up(slanted((30, 40)), colour((120, 160)))
    assert out.depth.shape == (120, 160)
    assert out.depth.dtype == np.float32
    assert out.provenance.dtype == np.uint8
    assert out.scale == 4
    assert not out.is_empty
    np.testing.assert_allclose(out.depth, slanted((120, 160)), atol=0.03)


SIZES = [
    ((24, 32), (96, 128)),
    ((24, 32), (64, 85)),  # 2.67
    ((24, 32), (180, 240)),  # 7.5, beyond the scale
    ((24, 32), (97, 131)),
    ((25, 33), (51, 67)),
    ((24, 64), (96, 64)),  # 4 and 1
    ((23, 31), (23, 31)),
    ((24, 32), (25, 34)),
    ((2, 2), (8, 8)),
    ((2, 3), (2, 3)),
]


@pytest.mark.parametrize(("depth_size", "rgb_size"), SIZES)
@pytest.mark.parametrize("scale", [2, 4, 16])
def test_the_result_has_exactly_the_colour_size_and_follows_the_scene(depth_size, rgb_size, scale):
    out = bicubic(scale)(slanted(depth_size), colour(rgb_size))
    assert out.depth.shape == out.provenance.shape == rgb_size
    assert np.isfinite(out.depth).all()
    # bicubic holds a plane up to the border pixels, which the coarse frame sees from their middle
    edges = max(2 / min(depth_size), 2 * scale / min(rgb_size))
    assert np.abs(out.depth - slanted(rgb_size)).max() < 2 * min(1, edges)
    inner = tuple(slice(side // 3, side - side // 3) for side in rgb_size)
    if min(depth_size) > 3 * scale:
        y, x = ((np.arange(new) + 0.5) * old / new - 0.5 for old, new in zip(depth_size, rgb_size, strict=True))
        truth = 1 + y[:, None] / (depth_size[0] - 1) + x[None, :] / (depth_size[1] - 1)
        np.testing.assert_allclose(out.depth[inner], truth[inner], atol=0.01)


@pytest.mark.parametrize(("depth_size", "rgb_size"), SIZES)
def test_a_mirrored_scene_gives_the_mirrored_result(depth_size, rgb_size):
    depth = np.random.default_rng(0).uniform(1, 3, depth_size).astype(np.float32)
    up, rgb = bicubic(), colour(rgb_size)
    turned = up(depth[::-1, ::-1].copy(), rgb).depth[::-1, ::-1]
    np.testing.assert_allclose(up(depth, rgb).depth, turned, atol=1e-5)


def test_depth_larger_than_colour_is_refused():
    with pytest.raises(InputError, match=r"depth is 40x30 and colour 40x29"):
        bicubic()(slanted((30, 40)), colour((29, 40)))


@pytest.mark.parametrize(
    ("depth", "rgb", "text"),
    [
        (np.zeros((4, 4)), colour((8, 8)), "float64"),
        (np.zeros((4, 4), np.uint16), colour((8, 8)).astype(np.float32), "uint8"),
        (np.zeros((4, 4), np.uint16), colour((8, 8))[..., 0], r"\[H, W, 3\]"),
    ],
)
def test_arrays_that_break_the_contract_are_named(depth, rgb, text):
    with pytest.raises(InputError, match=text):
        bicubic()(depth, rgb)


@pytest.mark.parametrize("network", ["bicubic", "small"])
def test_at_equal_sizes_measured_pixels_stay_within_noise_and_holes_are_filled(network):
    up = bicubic() if network == "bicubic" else upsampler()
    depth = np.round(1000 * with_holes(slanted((61, 83)))).astype(np.uint16)
    out = up(depth, colour((61, 83)))
    measured, metres = depth > 0, depth / 1000
    assert (np.abs(out.depth - metres) <= 0.001425 * metres**2 + 1e-6)[measured].all()
    assert np.isfinite(out.depth).all()
    assert np.array_equal(out.provenance, np.where(measured, validity.MEASURED, validity.FILLED))
    assert np.abs(out.depth - slanted((61, 83)))[~measured].max() < 0.2


def test_at_equal_sizes_and_an_unknown_unit_measured_pixels_stay_as_they_are():
    depth = with_holes(slanted((61, 83)))
    out = upsampler()(depth, colour((61, 83)))
    np.testing.assert_allclose(out.depth[depth > 0], depth[depth > 0], rtol=5e-7)


def test_noise_below_the_sensors_is_smoothed_at_equal_sizes():
    truth = slanted((64, 64), 2.0, 2.5)
    noisy = truth + np.random.default_rng(0).normal(0, 0.003, truth.shape).astype(np.float32)
    up = bicubic(options=UpsamplerOptions(metric=True, noise_per_m=0.003))
    out = up(noisy, colour((64, 64))).depth
    inner = (slice(8, -8), slice(8, -8))
    assert np.std((out - truth)[inner]) < 0.5 * np.std((noisy - truth)[inner])


@pytest.mark.parametrize("fill", ["none", "near", "all"])
def test_the_fill_policy_decides_what_becomes_nan(fill):
    depth = slanted((24, 32))
    depth[4:20, 6:26] = 0
    options = UpsamplerOptions(fill=fill, fill_radius_px=3, remove_flying=False)
    out = bicubic(options=options)(depth, colour((96, 128)))
    expected = np.ones((24, 32), np.uint8)
    expected[4:20, 6:26] = {"none": validity.NOTHING, "near": validity.FILLED, "all": validity.FILLED}[fill]
    if fill == "near":
        expected[7:17, 9:23] = 0
    assert np.array_equal(out.provenance, np.kron(expected, np.ones((4, 4), np.uint8)))
    assert np.array_equal(np.isfinite(out.depth), out.provenance > 0)


@pytest.mark.parametrize("nothing", [0, math.nan, math.inf, -1.0])
@pytest.mark.parametrize("rgb_size", [(24, 32), (96, 128)])
@pytest.mark.parametrize("fill", ["near", "all"])
def test_a_frame_without_measurement_is_nan_throughout_and_says_so(nothing, rgb_size, fill):
    out = upsampler(options=UpsamplerOptions(fill=fill))(np.full((24, 32), nothing, np.float32), colour(rgb_size))
    assert out.is_empty
    assert np.isnan(out.depth).all()
    assert not out.provenance.any()


def test_one_measured_pixel_is_enough():
    depth = np.zeros((24, 32), np.uint16)
    depth[12, 16] = 1500
    out = upsampler()(depth, colour((96, 128)))
    assert not out.is_empty
    assert np.isfinite(out.depth).all()


def test_millimetres_and_metres_give_the_same_result():
    millimetres = np.round(1000 * with_holes(slanted((24, 32), 0.05, 12))).astype(np.uint16)
    metres = (millimetres / 1000).astype(np.float32)
    up = upsampler(options=UpsamplerOptions(metric=True))
    for rgb_size in ((96, 128), (24, 32)):
        first, second = up(millimetres, colour(rgb_size)), up(metres, colour(rgb_size))
        assert np.array_equal(first.depth, second.depth, equal_nan=True)
        assert np.array_equal(first.provenance, second.provenance)


@pytest.mark.parametrize("factor", [1000.0, 1e-3, 2.0**20])
@pytest.mark.parametrize("rgb_size", [(96, 128), (24, 32)])
def test_the_unit_of_float_input_does_not_matter(factor, rgb_size):
    depth, rgb = with_holes(slanted((24, 32))), colour(rgb_size)
    plain = upsampler(options=UpsamplerOptions())(depth, rgb)
    scaled = upsampler(options=UpsamplerOptions())(np.float32(factor) * depth, rgb)
    np.testing.assert_allclose(scaled.depth / factor, plain.depth, rtol=2e-5)
    assert np.array_equal(scaled.provenance, plain.provenance)


def test_disparity_far_beyond_any_metric_range_works():
    disparity = with_holes(slanted((24, 32), 20, 220))
    out = upsampler()(disparity, colour((96, 128)))
    assert np.isfinite(out.depth).all()
    assert 15 < out.depth.min() < out.depth.max() < 225


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_measurements_out_of_the_metric_range_count_as_missing(dtype):
    depth = np.full((24, 32), 2.0)
    depth[:, :4], depth[:, -4:] = 0.2, 6.0
    raw = np.round(1000 * depth).astype(np.uint16) if dtype == np.uint16 else depth.astype(np.float32)
    options = UpsamplerOptions(metric=True, min_depth_m=0.5, max_depth_m=5, fill="none")
    out = bicubic(options=options)(raw, colour((96, 128)))
    assert np.isnan(out.depth[:, :16]).all()
    assert np.isnan(out.depth[:, -16:]).all()
    np.testing.assert_allclose(out.depth[:, 16:-16], 2, rtol=1e-6)


def test_the_metric_range_does_not_bind_float_input_of_unknown_unit():
    depth = slanted((24, 32), 0.01, 500)
    out = bicubic(options=UpsamplerOptions(min_depth_m=0.5, max_depth_m=5))(depth, colour((96, 128)))
    assert (out.provenance == 1).mean() > 0.99


def test_options_can_change_between_frames():
    up, depth, rgb = bicubic(), with_holes(slanted((24, 32))), colour((96, 128))
    assert not np.isnan(up(depth, rgb).depth).any()
    up.options = UpsamplerOptions(fill="none")
    assert np.isnan(up(depth, rgb).depth).any()


def test_between_two_surfaces_pixels_are_dropped_and_slanted_planes_kept():
    box = np.full((24, 32), 3.0, np.float32)
    box[8:16, 10:22] = 1.0
    options = UpsamplerOptions()
    out = bicubic(options=options)(box, colour((96, 128)))
    flying = np.isnan(out.depth)
    assert flying.any()
    assert not flying[38:58, 46:82].any()
    assert not flying[:24].any()
    assert (out.provenance[flying] == 0).all()
    assert not np.isnan(bicubic(options=options)(slanted((24, 32), 1, 6), colour((96, 128))).depth).any()


def test_results_belong_to_the_caller():
    up, rgb = upsampler(), colour((96, 128))
    first = up(slanted((24, 32)), rgb)
    copies = [array.copy() for array in (first.depth, first.provenance)]
    up(slanted((24, 32), 5, 9), rgb).depth[:] = -1
    up(slanted((20, 20), 5, 9), colour((80, 80)))
    for array, copy in zip((first.depth, first.provenance), copies, strict=True):
        assert np.array_equal(array, copy, equal_nan=True)


def test_colour_guides_the_result_in_the_order_red_green_blue():
    up, depth, rgb = upsampler(), slanted((24, 32)), colour((96, 128))
    plain = up(depth, rgb).depth
    assert not np.array_equal(plain, up(depth, rgb[..., ::-1]).depth)
    # at the network's own size colour is mapped to -0.5 .. 0.5, channel by channel
    network = small_network().eval()
    guide = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255 - 0.5
    with torch.no_grad():
        expected = network(torch.from_numpy((depth - 1) / 2)[None, None], guide)
    np.testing.assert_allclose(plain, 2 * expected[0, 0].numpy() + 1, atol=1e-5)


def test_resolutions_may_change_from_frame_to_frame():
    up = bicubic(options=UpsamplerOptions(fill="none"))
    for depth_size, rgb_size in [*SIZES, *reversed(SIZES)]:
        np.testing.assert_array_equal(
            up(with_holes(slanted(depth_size)), colour(rgb_size)).depth,
            bicubic(options=UpsamplerOptions(fill="none"))(with_holes(slanted(depth_size)), colour(rgb_size)).depth,
        )


def test_all_problems_of_the_options_are_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        UpsamplerOptions(fill="nere", metric=1, min_depth_m=-1, noise_per_m="much", flying_gap=2)
    for part in ("did you mean 'near'", "metric = 1", "min_depth_m = -1", "noise_per_m = 'much'", "flying_gap = 2"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"min_depth_m": 3.0, "max_depth_m": 3.0}, "expected min_depth_m below max_depth_m"),
        ({"max_depth_m": 1001}, "max_depth_m = 1001.0 is out of range; expected 0 to 1000"),
        ({"max_depth_m": math.nan}, "max_depth_m = nan is out of range"),
    ],
)
def test_a_maximum_not_above_the_minimum_is_refused(values, text):
    with pytest.raises(ConfigError, match=text):
        UpsamplerOptions(**values)


def test_on_a_gpu_frames_of_a_new_size_run_once_before_they_count(monkeypatch):
    up = pagnet_ros.DepthUpsampler.bicubic(4, device="cpu")
    depth, rgb = slanted((30, 40)), colour((120, 160))
    assert not up.prepare(depth, rgb)  # a CPU has nothing to prepare
    up(depth, rgb)  # makes the engine, on the CPU
    monkeypatch.setattr(up._engines, "device", torch.device("cuda:0"))
    ran = []
    monkeypatch.setattr(up, "_upsampled", lambda depth, rgb, limits: ran.append((depth.shape, depth.dtype, rgb.shape)))
    assert [up.prepare(depth, rgb) for _ in range(3)] == [True, False, False]
    assert up.prepare(depth[:20], rgb[:80])
    assert up.prepare(depth.astype(np.uint16), rgb)
    assert ran == [
        ((30, 40), depth.dtype, (120, 160, 3)),
        ((20, 40), depth.dtype, (80, 160, 3)),
        ((30, 40), np.uint16, (120, 160, 3)),
    ]
    up.rebuild()
    assert up.prepare(depth, rgb)


@pytest.mark.parametrize("unit_m", [0.001, 0.0001])
def test_on_a_gpu_counts_of_any_unit_are_prepared_as_they_are_computed(monkeypatch, unit_m):
    up = pagnet_ros.DepthUpsampler.bicubic(4, device="cpu", options=UpsamplerOptions(depth_unit_m=unit_m))
    monkeypatch.setattr(up._engines, "device", torch.device("cuda:0"))
    ran = []
    monkeypatch.setattr(up, "_upsampled", lambda depth, rgb, limits: ran.append((depth.dtype, limits)))
    depth, rgb = np.full((30, 40), 1500, np.uint16), colour((120, 160))
    assert up.prepare(depth, rgb)
    up.warm_up((30, 40), (120, 160))
    up(depth, rgb)
    assert ran[0] == ran[1] == ran[2]  # else the first frame is recorded anew


def test_depth_and_colour_of_different_shape_are_warned_of_once(recwarn):
    up = bicubic()
    for _ in range(2):
        up(slanted((12, 16)), colour((90, 160)))
    (warning,) = recwarn
    assert "depth is 16 x 12, colour 160 x 90; expected one shape of image" in str(warning.message)
    up(slanted((120, 214)), colour((480, 854)))
    assert len(recwarn) == 1, "854 x 480 is a rounded size"


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_what_a_masked_array_masks_is_no_measurement(dtype):
    depth = np.full((12, 16), 1500 if dtype == np.uint16 else 1.5, dtype)
    depth[:, 8:] = 2 * depth[0, 0]
    plain = depth.copy()
    plain[:, 8:] = 0 if dtype == np.uint16 else np.nan
    up = bicubic(options=UpsamplerOptions(metric=True, fill="none", remove_flying=False))
    expected = up(plain, colour((48, 64))).depth
    np.testing.assert_array_equal(up(np.ma.masked_array(depth, depth > depth[0, 0]), colour((48, 64))).depth, expected)
    assert np.isnan(expected[:, 40:]).all()


def test_depth_of_another_unit_is_the_same_depth():
    depth = (slanted((12, 16)) * 1000).astype(np.uint16)
    rgb = colour((48, 64))
    expected = bicubic()(depth, rgb).depth
    tenths = bicubic(options=UpsamplerOptions(fill="all", remove_flying=False, depth_unit_m=0.0001))
    np.testing.assert_allclose(tenths(depth * 10, rgb).depth, expected, atol=1e-5)
