"""Which depth is valid: options, provenance under each fill policy, and which pixels fly."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.core.validity import (
    FILLED,
    MEASURED,
    NOTHING,
    OUT_OF_RANGE,
    ValidityOptions,
    _window_min,
    flying_pixels,
    mask_depth,
    pooled_min,
    provenance,
)
from pagnet_ros.errors import ConfigError
from pagnet_ros.model.resize import BicubicUpsample


def test_all_problems_of_the_options_are_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        ValidityOptions(fill="nere", fill_radius_px=-1, remove_flying="no", flying_gap=0)
    for part in ("fill = 'nere'", "did you mean 'near'", "radius_px = -1", "0 to 256", "flying = 'no'", "gap = 0"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"fill_radius_px": "8"},
        {"fill_radius_px": None},
        {"fill_radius_px": math.nan},
        {"flying_gap": "0.05"},
        {"flying_gap": True},
        {"remove_flying": 1},
        {"fill": None},
        {"fill": ["near"]},
    ],
)
def test_a_value_of_the_wrong_type_is_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        ValidityOptions(**values)


@pytest.mark.parametrize(("policy", "far", "near"), [("nan", math.nan, math.nan), ("inf", math.inf, -math.inf)])
def test_interpolated_depth_is_out_of_range_where_that_was_measured_and_unknown_where_it_rings(policy, far, near):
    beyond, too_near = measured_at((0, 0), (0, 3), size=(1, 6)), measured_at((0, 3), size=(1, 6))
    result = torch.tensor([[[[2.0, 2.0, 6.0, 2.0, 0.4, 2.0]]]])
    options = ValidityOptions(publish_out_of_range=policy, remove_flying=False)
    published, origin = mask_depth(result, ~beyond, beyond, options, too_near, (0.5, 5.0))
    assert origin.tolist() == [[[[OUT_OF_RANGE, MEASURED, NOTHING, OUT_OF_RANGE, NOTHING, MEASURED]]]]
    expected = torch.tensor([[[[far, 2.0, math.nan, near, math.nan, 2.0]]]])
    torch.testing.assert_close(published, expected, equal_nan=True)


def measured_at(*places, size=(9, 12)):
    valid = torch.zeros(1, 1, *size, dtype=torch.bool)
    for place in places:
        valid[0, 0][place] = True
    return valid


@pytest.mark.parametrize(
    ("fill", "radius", "filled"), [("none", 8, 0), ("near", 2, 24), ("near", 2.5, 48), ("near", 0, 0), ("all", 0, 107)]
)
def test_the_fill_policy_decides_which_missing_pixels_count(fill, radius, filled):
    origin = provenance(measured_at((4, 5)), None, (9, 12), ValidityOptions(fill=fill, fill_radius_px=radius))
    assert (origin == MEASURED).sum().item() == 1
    assert (origin == FILLED).sum().item() == filled
    assert origin.dtype == torch.uint8


@pytest.mark.parametrize("radius", [1, 2, 3, 5, 8, 30])
def test_near_reaches_as_far_as_its_radius_and_not_beyond(radius):
    places = [(0, 0), (4, 9), (20, 3)]
    valid, options = measured_at(*places, size=(21, 26)), ValidityOptions(fill_radius_px=radius)
    origin = provenance(valid, None, (21, 26), options)[0, 0]
    for y in range(21):
        for x in range(26):
            distance = min(max(abs(y - py), abs(x - px)) for py, px in places)
            expected = MEASURED if distance == 0 else FILLED if distance <= radius else NOTHING
            assert origin[y, x].item() == expected


@pytest.mark.parametrize("fill", ["none", "near", "all"])
def test_a_frame_without_any_measurement_is_nothing_throughout(fill):
    assert not provenance(measured_at(), None, (36, 48), ValidityOptions(fill=fill)).any()


def test_one_empty_frame_of_a_batch_stays_empty():
    valid = torch.cat((measured_at(), measured_at((4, 5))))
    origin = provenance(valid, None, (9, 12), ValidityOptions(fill="all"))
    assert [frame.any().item() for frame in origin] == [False, True]


def test_provenance_covers_the_footprint_of_a_measured_pixel():
    origin = provenance(measured_at((1, 2)), None, (36, 48), ValidityOptions(fill="none"))[0, 0]
    assert origin[4:8, 8:12].eq(MEASURED).all()
    assert origin.sum().item() == 16 * MEASURED


@pytest.mark.parametrize("size", [(24, 32), (16, 11), (29, 40)])
def test_provenance_has_no_handedness_at_fractional_ratios(size):
    valid = torch.rand(1, 1, 9, 3, generator=torch.Generator().manual_seed(0)) > 0.5
    options = ValidityOptions(fill="none")
    turned = provenance(valid.flip(-1, -2), None, size, options).flip(-1, -2)
    assert torch.equal(provenance(valid, None, size, options), turned)


def plane(down, right, size=(40, 50)):
    y, x = torch.meshgrid(torch.arange(size[0]), torch.arange(size[1]), indexing="ij")
    return (2 * (1 + down * y + right * x)).float()[None, None]


@given(st.floats(0, 0.2), st.floats(0, 0.2))
def test_a_slanted_plane_has_no_flying_pixels(down, right):
    assert not flying_pixels(plane(down, right), 0.001).any()


@given(st.floats(0, 0.02), st.floats(0, 0.02))
def test_a_plane_in_perspective_has_no_flying_pixels(down, right):
    inverse = plane(down, right)
    assert not flying_pixels(4 / (inverse.amax() - inverse + 0.5), 0.001).any()


@pytest.mark.parametrize("slope", [0.02, 0.05])
def test_a_slanted_plane_with_sensor_noise_keeps_nearly_all_pixels(slope):
    noise = 1 + 0.002 * torch.randn(1, 1, 100, 100, generator=torch.Generator().manual_seed(0))
    flying = flying_pixels(plane(slope, 0.0, (100, 100)) * noise, 0.05)
    assert flying.float().mean().item() < 1e-3


def step(width, turned, size=(40, 40)):
    """From 1 m to 2 m across `width` pixels."""
    ramp = 1 + ((torch.arange(size[1]) - size[1] / 2 + 0.2) / width + 0.5).clamp(0, 1)
    image = ramp.expand(size)[None, None].contiguous()
    return image.transpose(-1, -2) if turned else image


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("width", "frame"), [(2, 0), (3, 2)])
def test_the_middle_of_a_blurred_step_flies(width, frame, turned):
    depth = step(width, turned)
    flying = flying_pixels(depth, 0.05)
    middle = (depth - 1.5).abs() == (depth - 1.5).abs().min()
    inside = slice(frame, 40 - frame)
    assert flying[..., inside, inside][middle[..., inside, inside]].all()
    assert not flying[(depth == 1) | (depth == 2)].any()


def test_a_bicubically_enlarged_step_flies_and_its_surroundings_do_not():
    low = torch.ones(1, 1, 12, 12)
    low[..., 6:] = 2
    flying = flying_pixels(BicubicUpsample(4)(low), 0.05)
    assert flying[..., 2:-2, 22:26].any(dim=-1).all()
    assert not flying[..., :16].any()
    assert not flying[..., 32:].any()


@pytest.mark.parametrize("turned", [False, True])
def test_a_sharp_step_has_no_flying_pixels(turned):
    depth = torch.ones(1, 1, 20, 20)
    depth[..., 10:] = 2
    assert not flying_pixels(depth.transpose(-1, -2) if turned else depth, 0.05).any()


def test_a_step_smaller_than_the_gap_has_no_flying_pixels():
    depth = 1 + 0.04 * (step(2, False) - 1)
    assert not flying_pixels(depth, 0.05).any()
    assert flying_pixels(depth, 0.02).any()


def test_flying_does_not_depend_on_the_unit():
    depth = BicubicUpsample(4)(1 + torch.rand(1, 1, 10, 10, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(flying_pixels(depth, 0.05), flying_pixels(1024 * depth, 0.05))


def test_a_single_pixel_between_two_surfaces_flies_and_one_on_a_surface_does_not():
    depth = torch.ones(1, 1, 20, 20)
    depth[..., 10:] = 2
    depth[..., 8, 10] = 1.5
    flying = flying_pixels(depth, 0.05)
    assert flying.nonzero().tolist() == [[0, 0, 8, 10]]


@pytest.mark.parametrize("radius", [0, 1, 2, 8])
@pytest.mark.parametrize("size", [(1, 1), (3, 40), (17, 23)], ids=str)
def test_pooling_finds_the_same_smallest_values_as_shifts(size, radius):
    image = torch.randn(2, 1, *size, generator=torch.Generator().manual_seed(0))
    smallest = torch.empty_like(image)
    for y in range(size[0]):
        for x in range(size[1]):
            window = image[..., max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
            smallest[..., y, x] = window.amin(dim=(-2, -1))
    assert torch.equal(pooled_min(image, radius), smallest)
    assert torch.equal(_window_min(image, radius), smallest)
