"""The depth contract: what is accepted, what counts as measured, filling, normalising, pooling, resizing."""

import math

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from pagnet_ros.core.depth import (
    Normalisation,
    back_project,
    check_depth,
    check_rgb,
    decode_depth,
    fill_holes,
    imresize,
    pick_pixels,
    pool_valid,
    working_size,
)
from pagnet_ros.errors import InputError


@pytest.mark.parametrize(
    ("depth", "texts"),
    [
        (np.zeros((4, 4)), ["float64", "uint16", "float32", "astype"]),
        (np.zeros((4, 4), ">u2"), [">u2", "uint16"]),
        ([[1.0]], ["list", "NumPy"]),
        (torch.zeros(4, 4), ["Tensor", "NumPy"]),
        (np.zeros((4, 4, 1), np.uint16), ["(4, 4, 1)", "[h, w]", "depth[..., 0]"]),
        (np.zeros((0, 4), np.uint16), ["(0, 4)", "2 to 8192"]),
        (np.zeros((4, 1), np.float32), ["(4, 1)", "2 to 8192", "another resolution"]),
        (np.zeros((2, 8193), np.uint16), ["(2, 8193)", "2 to 8192"]),
    ],
)
def test_what_is_not_a_depth_image_is_named_with_what_is_expected(depth, texts):
    with pytest.raises(InputError) as caught:
        check_depth(depth)
    assert all(text in str(caught.value) for text in texts)


@pytest.mark.parametrize(
    ("rgb", "texts"),
    [
        (np.zeros((4, 4, 3), np.float32), ["float32", "uint8", "255"]),
        (None, ["NoneType", "uint8"]),
        (np.zeros((4, 4), np.uint8), ["(4, 4)", "[H, W, 3]", "grey"]),
        (np.zeros((4, 4, 4), np.uint8), ["(4, 4, 4)", "[H, W, 3]"]),
        (np.zeros((4, 1, 3), np.uint8), ["(4, 1, 3)", "2 to 8192", "another resolution"]),
    ],
)
def test_what_is_not_a_colour_image_is_named_with_what_is_expected(rgb, texts):
    with pytest.raises(InputError) as caught:
        check_rgb(rgb)
    assert all(text in str(caught.value) for text in texts)


def test_every_millimetre_value_becomes_the_nearest_float_in_metres():
    millimetres = np.arange(65536, dtype=np.uint16)
    depth, valid, beyond = decode_depth(torch.from_numpy(millimetres), 0.0, 100.0)
    assert not beyond.any()
    assert np.array_equal(depth.numpy(), (millimetres / 1000).astype(np.float32))
    assert valid.tolist() == [False] + [True] * 65535


@pytest.mark.parametrize(("low", "high"), [(100, 3000), (300, 10000), (1, 7), (450, 4999)])
def test_the_range_includes_its_limits_to_the_millimetre(low, high):
    raw = torch.tensor([low - 1, low, high, high + 1], dtype=torch.uint16)
    assert decode_depth(raw, low / 1000, high / 1000)[1].tolist() == [False, True, True, False]


def test_non_finite_zero_and_negative_floats_are_invalid_and_become_zero():
    raw = torch.tensor([math.nan, math.inf, -math.inf, 0.0, -0.0, -1.0, 1e-6, 2.5])
    depth, valid, _ = decode_depth(raw, 0.0, math.inf)
    assert valid.tolist() == [False] * 6 + [True, True]
    assert depth[valid].tolist() == pytest.approx([1e-6, 2.5])


def test_what_is_seen_out_of_range_is_neither_measured_nor_missing():
    raw = torch.tensor([0.05, 0.1, 3.0, 3.5, 12.0, math.inf, -math.inf, math.nan, 0.0, -1.0])
    depth, valid, beyond = decode_depth(raw, 0.1, 3.0)
    assert valid.tolist() == [False, True, True] + [False] * 7
    assert beyond.tolist() == [True, False, False, True, True, True, True, False, False, False]
    assert depth.tolist() == pytest.approx([0.05, 0.1, 3.0, 3.5, 6.0, 6.0, 0.05, 0.0, 0.0, 0.0])


@given(st_numpy.arrays(np.float32, (5, 7)), st.tuples(st.integers(1, 30), st.integers(1, 30)))
def test_picked_pixels_are_old_ones(image, size):
    picked = pick_pixels(torch.from_numpy(image)[None, None], size)[0, 0].numpy()
    assert picked.shape == size
    assert set(picked.view(np.int32).ravel()) <= set(image.view(np.int32).ravel())


SIZES = st_numpy.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=19)


@st.composite
def depth_with_holes(draw):
    shape = draw(SIZES)
    depth = draw(st_numpy.arrays(np.float32, shape, elements=st.floats(0.125, 100, width=32)))
    valid = draw(st_numpy.arrays(np.bool_, shape))
    return torch.from_numpy(depth)[None, None], torch.from_numpy(valid)[None, None]


@given(depth_with_holes())
def test_filling_keeps_measured_bits_and_stays_within_their_range(image):
    depth, valid = image
    filled = fill_holes(depth, valid)
    assert filled.shape == depth.shape
    assert torch.equal(filled[valid], depth[valid])
    if valid.any():
        low, high = depth[valid].min().item(), depth[valid].max().item()
        assert low * (1 - 1e-5) <= filled.min().item() <= filled.max().item() <= high * (1 + 1e-5)
    else:
        assert torch.equal(filled, torch.zeros_like(depth))


@given(depth_with_holes())
def test_what_stands_where_nothing_was_measured_has_no_influence(image):
    depth, valid = image
    poisoned = torch.where(valid, depth, math.nan)
    assert torch.equal(fill_holes(poisoned, valid), fill_holes(depth, valid))


@pytest.mark.parametrize("place", [(0, 0), (0, 36), (22, 0), (22, 36), (11, 17)])
def test_one_measured_pixel_fills_the_whole_image(place):
    depth, valid = torch.zeros(1, 1, 23, 37), torch.zeros(1, 1, 23, 37, dtype=torch.bool)
    depth[0, 0][place], valid[0, 0][place] = 1.7, True
    torch.testing.assert_close(fill_holes(depth, valid), torch.full_like(depth, 1.7))


def test_a_hole_in_a_plane_is_filled_near_the_plane():
    y, x = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    plane = (2 + 0.01 * y + 0.02 * x)[None, None]
    valid = torch.ones_like(plane, dtype=torch.bool)
    valid[..., 20:28, 30:38] = False
    assert (fill_holes(plane, valid) - plane).abs().max().item() < 0.08  # the hole spans 0.08 + 0.16 m


def test_frames_of_a_batch_are_filled_on_their_own():
    depth, valid = torch.rand(2, 1, 9, 11) + 1, torch.rand(2, 1, 9, 11) > 0.5
    valid[1] = False
    both = fill_holes(depth, valid)
    assert torch.equal(both[:1], fill_holes(depth[:1], valid[:1]))
    assert torch.equal(both[1:], torch.zeros_like(both[1:]))


@given(st_numpy.arrays(np.float32, (5, 7), elements=st.floats(0.125, 60, width=32)))
def test_normalising_maps_a_frame_into_0_to_1_and_back(values):
    depth = torch.from_numpy(values)[None, None]
    normal = Normalisation.of(depth)
    inside = normal.apply(depth)
    assert 0 <= inside.min().item() <= inside.max().item() <= 1 + 1e-6
    torch.testing.assert_close(normal.undo(inside), depth, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1e-3, 1.5, 60.0])
def test_a_constant_frame_normalises_to_zero_and_back_exactly(value):
    depth = torch.full((1, 1, 4, 5), value)
    normal = Normalisation.of(depth)
    assert torch.equal(normal.apply(depth), torch.zeros_like(depth))
    assert torch.equal(normal.undo(normal.apply(depth)), depth)
    assert normal.span.item() == pytest.approx(max(1e-3 * value, 1e-6))  # else rounding would be all that is seen


def test_each_frame_of_a_batch_has_its_own_range():
    depth = torch.stack([torch.linspace(1, 2, 12), torch.linspace(5, 9, 12)]).view(2, 1, 3, 4)
    normal = Normalisation.of(depth)
    assert normal.offset.flatten().tolist() == [1, 5]
    assert normal.span.flatten().tolist() == [1, 4]


@pytest.mark.parametrize(
    ("depth_size", "rgb_size", "scale", "low", "pooled"),
    [
        ((480, 640), (480, 640), 4, (120, 160), True),  # equal sizes
        ((480, 640), (480, 640), 2, (240, 320), True),
        ((320, 427), (480, 640), 2, (320, 427), False),  # 1.5
        ((320, 427), (480, 640), 4, (120, 160), True),
        ((180, 240), (480, 640), 4, (180, 240), False),  # 2.67
        ((120, 160), (480, 640), 4, (120, 160), False),
        ((120, 160), (480, 640), 8, (60, 80), True),  # exactly half the scale
        ((192, 256), (1440, 1920), 8, (192, 256), False),  # 7.5
        ((30, 40), (480, 640), 16, (30, 40), False),
        ((10, 20), (480, 640), 16, (10, 20), False),  # beyond the scale
        ((240, 640), (480, 640), 4, (120, 160), True),  # 2 and 1
        ((120, 320), (480, 640), 4, (120, 320), False),  # 4 and 2
        ((481, 643), (481, 643), 4, (121, 161), True),  # odd
        ((2, 2), (2, 2), 16, (2, 2), False),
    ],
)
def test_working_sizes(depth_size, rgb_size, scale, low, pooled):
    size = working_size(depth_size, rgb_size, scale)
    assert size == (low, (low[0] * scale, low[1] * scale), pooled)


@given(*[st.integers(2, 700)] * 2, *[st.floats(1, 20)] * 2, st.sampled_from([2, 4, 8, 16]))
def test_working_sizes_stay_near_the_colour_size(height, width, down, right, scale):
    rgb_size = (math.ceil(height * down), math.ceil(width * right))
    size = working_size((height, width), rgb_size, scale)
    assert size.high == (size.low[0] * scale, size.low[1] * scale)
    assert size.pooled == (size.low != (height, width))
    if size.pooled:
        assert all(0 <= high - wanted < 2 * scale for high, wanted in zip(size.high, rgb_size, strict=True))


@pytest.mark.parametrize("rgb_size", [(479, 640), (480, 639), (100, 100)])
def test_depth_larger_than_colour_is_refused_with_both_sizes(rgb_size):
    with pytest.raises(InputError) as caught:
        working_size((480, 640), rgb_size, 4)
    assert "640x480" in str(caught.value)
    assert f"{rgb_size[1]}x{rgb_size[0]}" in str(caught.value)


@given(depth_with_holes(), st.integers(1, 9), st.integers(1, 9))
def test_pooling_averages_measured_pixels_only(image, height, width):
    depth, valid = image
    size = (min(height, depth.shape[-2]), min(width, depth.shape[-1]))
    pooled, pooled_valid = pool_valid(torch.where(valid, depth, 0.0), valid, size)
    for i in range(size[0]):
        for j in range(size[1]):
            rows = slice(i * depth.shape[-2] // size[0], -(-(i + 1) * depth.shape[-2] // size[0]))
            columns = slice(j * depth.shape[-1] // size[1], -(-(j + 1) * depth.shape[-1] // size[1]))
            there = depth[0, 0, rows, columns][valid[0, 0, rows, columns]]
            assert pooled_valid[0, 0, i, j].item() == (there.numel() > 0)
            expected = there.double().mean().item() if there.numel() else 0.0
            assert pooled[0, 0, i, j].item() == pytest.approx(expected, rel=1e-5)


def test_at_equal_sizes_back_projection_keeps_measured_pixels_within_noise():
    generator = torch.Generator().manual_seed(0)
    measured, result = (1 + torch.rand(2, 1, 20, 30, generator=generator)).split(1)
    valid, noise = torch.rand(1, 1, 20, 30, generator=generator) > 0.3, 0.01 * measured
    out = back_project(result, measured, valid, noise)
    assert torch.equal(out[~valid], result[~valid])
    assert bool(((out - measured).abs() <= noise + 1e-6)[valid].all())
    close = valid & ((result - measured).abs() <= noise)
    assert torch.equal(out[close], result[close])
    exact = back_project(result, measured, valid, torch.zeros(()))
    torch.testing.assert_close(exact[valid], measured[valid], rtol=2e-7, atol=0)


@pytest.mark.parametrize("size", [(7, 9), (9, 12), (18, 24), (20, 29)])
def test_at_larger_sizes_back_projection_brings_the_footprints_closer(size):
    generator = torch.Generator().manual_seed(1)
    measured, result = 1 + torch.rand(1, 1, 6, 8, generator=generator), torch.ones(1, 1, *size)
    out = back_project(result, measured, torch.ones_like(measured, dtype=torch.bool), torch.zeros(()))
    left = torch.nn.functional.adaptive_avg_pool2d(out, (6, 8)) - measured
    assert left.abs().mean().item() < 0.45 * (measured - 1).abs().mean().item()


def test_back_projection_moves_pixels_beside_a_hole_as_far_as_any():
    measured, result = torch.full((1, 1, 6, 8), 2.0), torch.full((1, 1, 12, 16), 1.5)
    valid = torch.ones(1, 1, 6, 8, dtype=torch.bool)
    valid[..., 2:4, 3:5] = False
    out = back_project(result, torch.where(valid, measured, 0.0), valid, torch.zeros(()))
    footprints = torch.nn.functional.interpolate(valid.float(), size=(12, 16), mode="nearest") > 0
    torch.testing.assert_close(out[footprints], torch.full_like(out[footprints], 2.0))


def test_back_projection_makes_no_stairs_of_a_plane():
    plane = torch.arange(32.0).expand(1, 1, 24, 32)
    out = back_project(torch.zeros(1, 1, 25, 34), plane, torch.ones_like(plane, dtype=torch.bool), torch.zeros(()))
    steps = out[..., 1:-1].diff()
    assert steps.min().item() > 0.9
    assert steps.max().item() < 1.0


@pytest.mark.parametrize("size", [(8, 8), (16, 11), (40, 29)])
def test_back_projection_has_no_handedness_at_fractional_ratios(size):
    generator = torch.Generator().manual_seed(2)
    measured, valid = torch.rand(1, 1, 3, 3, generator=generator), torch.ones(1, 1, 3, 3, dtype=torch.bool)
    result, noise = torch.zeros(1, 1, *size), torch.zeros(())
    turned = back_project(result.flip(-1, -2), measured.flip(-1, -2), valid, noise).flip(-1, -2)
    torch.testing.assert_close(back_project(result, measured, valid, noise), turned)


def imresize_reference(image, size, rounded):
    """MATLAB's imresize, pixel by pixel, in plain Python."""

    def kernel(x):
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x <= 2 else 0.0

    def along_columns(rows, new):
        old, ratio = len(rows[0]), new / len(rows[0])
        shrink, out = min(1.0, ratio), []
        for row in rows:
            line = []
            for i in range(new):
                centre, total, share = (i + 0.5) / ratio - 0.5, 0.0, 0.0
                for p in range(math.floor(centre - 2 / shrink) - 1, math.ceil(centre + 2 / shrink) + 2):
                    weight = shrink * kernel(shrink * (centre - p))
                    mirrored = p % (2 * old)
                    total += weight * row[mirrored if mirrored < old else 2 * old - 1 - mirrored]
                    share += weight
                value = total / share
                line.append(min(255.0, max(0.0, math.floor(value + 0.5))) if rounded else value)
            out.append(line)
        return out

    def turned(rows):
        return [list(column) for column in zip(*rows, strict=True)]

    rows = image.tolist()
    if size[0] / image.shape[0] <= size[1] / image.shape[1]:
        return np.array(along_columns(turned(along_columns(turned(rows), size[0])), size[1]))
    return np.array(turned(along_columns(turned(along_columns(rows, size[1])), size[0])))


@pytest.mark.parametrize("rounded", [False, True])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ((16, 24), (4, 6)),
        ((4, 6), (16, 24)),
        ((15, 9), (5, 7)),
        ((9, 15), (7, 5)),
        ((5, 7), (12, 9)),
        ((3, 2), (48, 32)),
        ((32, 48), (2, 3)),
        ((11, 6), (4, 13)),
    ],
)
def test_imresize_equals_a_pixel_by_pixel_reference(old, new, rounded):
    image = np.random.default_rng(sum(old)).integers(0, 256, old).astype(np.float64)
    ours = imresize(torch.from_numpy(image), new, rounded=rounded).numpy()
    np.testing.assert_allclose(ours, imresize_reference(image, new, rounded), atol=1e-9)


def test_imresize_to_the_same_size_changes_nothing():
    image = torch.rand(2, 3, 7, 9)
    torch.testing.assert_close(imresize(image, (7, 9)), image)


BICUBIC_RMSE = {
    "moebius": (0.894, 1.349, 1.985, 2.863),
    "dolls": (0.943, 1.335, 1.881, 2.643),
    "cones": (2.526, 3.846, 5.527, 7.650),
    "venus": (1.339, 1.940, 2.776, 3.917),
}
DOLLS_KNOWN_RMSE = (0.914, 1.304, 1.854, 2.623)


@pytest.mark.parametrize("name", BICUBIC_RMSE)
def test_bicubic_reproduces_the_protocols_figures(name, data_folder):
    folder = data_folder / "middlebury_val"
    path = next(iter(sorted(folder.glob(f"{name}_disparity.*"))), None)
    if path is None:
        pytest.skip(f"no {name}_disparity in {folder}")
    image = np.load(path) if path.suffix == ".npy" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    whole = torch.from_numpy(np.rint(image).astype(np.float32))
    for i, scale in enumerate((2, 4, 8, 16)):
        high = (whole.shape[0] // scale * scale, whole.shape[1] // scale * scale)
        truth = whole[: high[0], : high[1]]
        low = imresize(truth, (high[0] // scale, high[1] // scale), rounded=True)
        squared = (imresize(low, high, rounded=True) - truth).square()
        assert squared.mean().sqrt().item() == pytest.approx(BICUBIC_RMSE[name][i], abs=0.005)
        if name == "dolls":
            assert squared[truth > 9].mean().sqrt().item() == pytest.approx(DOLLS_KNOWN_RMSE[i], abs=0.005)
