"""Depth that lies off the colour image: moved by the offset that was set, and otherwise left alone."""

import dataclasses

import numpy as np
import pytest

from pagnet_ros.core import validity
from pagnet_ros.errors import ConfigError
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.recordings.coarse import coarse_depth
from tests.builders import EVERYTHING, bicubic, surface_networks, upsampler
from tests.core.alignment.boxes import boxes

OFF = (7, -6)
FIXED = ",".join(map(str, OFF))


def frame(offset=OFF, seed=3):
    depth, rgb = boxes(seed=seed, offset=offset)
    return coarse_depth(depth, 4), rgb


def options(**changes):
    return dataclasses.replace(EVERYTHING, metric=True, **changes)


def test_depth_that_is_off_is_left_alone_unless_the_offset_is_set():
    depth, rgb = frame()
    truth = boxes(seed=3)[0]
    left, moved = bicubic(options=options())(depth, rgb), bicubic(options=options(registration=FIXED))(depth, rgb)
    assert (left.offset_px, moved.offset_px) == ((0.0, 0.0), OFF)
    inner = np.s_[16:-16, 16:-16]
    errors = [np.sqrt(np.square(result.depth - truth)[inner].mean()) for result in (moved, left)]
    assert errors[0] < 0.75 * errors[1]


def test_a_fixed_offset_moves_whole_depth_pixels_untouched():
    depth, rgb = frame()
    moved = np.full_like(depth, np.nan)
    moved[:-2, 2:] = depth[2:, :-2]
    fixed = bicubic(options=options(registration="8,-8"))(depth, rgb)
    np.testing.assert_array_equal(fixed.depth, bicubic(options=options(registration="none"))(moved, rgb).depth)
    assert fixed.offset_px == (8.0, -8.0)


def test_what_comes_in_from_outside_is_filled_and_says_so():
    depth, rgb = frame()
    out = upsampler(options=options(registration=FIXED))(depth, rgb)
    measured = out.provenance == validity.MEASURED
    assert not measured[:, :7].any()
    assert not measured[-6:].any()
    # less than half a depth pixel: colour alone moves, and what is repeated at the result's border is not measured
    less = upsampler(options=options(registration="1,0"))(depth, rgb).provenance
    assert (less[:, 0] == validity.FILLED).all()
    assert measured[2:-6, 7:-1].all()
    assert np.isfinite(out.depth).all()


def test_without_filling_it_stays_unknown():
    depth, rgb = frame()
    setting = options(registration="5,-5", fill="none")
    out = DepthUpsampler("small", surface_networks(4), device="cpu", precision="fp32", options=setting)(depth, rgb)
    for side in (np.s_[:, :5], np.s_[-5:]):
        assert np.isnan(out.depth[side]).all()
        assert np.isnan(out.sigma[side]).all()
        assert (out.provenance[side] == validity.NOTHING).all()


def test_every_level_moves_depth():
    depth, rgb = frame()
    up = upsampler(options=options(registration=FIXED))
    for level in up.levels:
        up.level = level
        assert up(depth, rgb).offset_px == OFF, level


def test_options_may_change_between_frames():
    depth, rgb = frame()
    up = bicubic(options=options())
    offsets = []
    for how in ("none", "3,0", "none"):
        up.options = options(registration=how)
        offsets.append(up(depth, rgb).offset_px)
    assert offsets == [(0.0, 0.0), (3.0, 0.0), (0.0, 0.0)]


def test_a_sensors_known_offset_is_used_where_it_is_asked_for():
    blank = np.full((60, 80), 2.0, np.float32), np.zeros((240, 320, 3), np.uint8)
    known = {"known_offset": (5 / 320, -5 / 320)}
    np.testing.assert_allclose(bicubic(options=options(**known, registration="sensor"))(*blank).offset_px, (5, -5))
    assert bicubic(options=options(**known))(*blank).offset_px == (0.0, 0.0)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"registration": "yes"}, "registration = 'yes'; expected none, sensor"),
        ({"known_offset": (3.0, 0.0)}, r"known_offset = \(3.0, 0.0\); expected two numbers from -1 to 1"),
        ({"known_offset": 1}, "known_offset = 1 is a int; expected a tuple"),
    ],
)
def test_wrong_options_are_named(wrong, text):
    with pytest.raises(ConfigError, match=text):
        UpsamplerOptions(**wrong)
