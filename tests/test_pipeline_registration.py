"""Depth that lies off the colour image: mended where it is beyond doubt, told, and otherwise left alone."""

import dataclasses

import numpy as np
import pytest

from pagnet_ros.core import validity
from pagnet_ros.errors import ConfigError
from pagnet_ros.pipeline import UpsamplerOptions
from pagnet_ros.recordings.coarse import coarse_depth
from tests.builders import EVERYTHING, bicubic, upsampler
from tests.core.registration.boxes import boxes

OFF = (7, -6)
FIXED = ",".join(map(str, OFF))


def frame(offset=OFF, seed=3):
    depth, rgb = boxes(seed=seed, offset=offset)
    return coarse_depth(depth, 4), rgb


def options(**changes):
    return dataclasses.replace(EVERYTHING, metric=True, **changes)


def test_one_frame_that_is_off_is_mended_by_itself():
    depth, rgb = frame()
    truth = boxes(seed=3)[0]
    out = bicubic(options=options())(depth, rgb)
    left = bicubic(options=options(registration="none"))(depth, rgb)
    np.testing.assert_allclose(out.offset_px, OFF, atol=1)
    assert left.offset_px == (0.0, 0.0)
    inner = np.s_[16:-16, 16:-16]
    errors = [np.sqrt(np.square(result.depth - truth)[inner].mean()) for result in (out, left)]
    assert errors[0] < 0.75 * errors[1]


@pytest.mark.parametrize("seed", range(4))
def test_a_registered_frame_comes_out_bit_for_bit_as_without_registration(seed):
    depth, rgb = frame((0, 0), seed)
    auto, none = (upsampler(options=options(registration=how), log_sigma=True)(depth, rgb) for how in ("auto", "none"))
    assert auto.offset_px == (0.0, 0.0)
    np.testing.assert_array_equal(auto.depth, none.depth)
    np.testing.assert_array_equal(auto.provenance, none.provenance)
    np.testing.assert_array_equal(auto.sigma, none.sigma)


def test_a_fixed_offset_moves_whole_depth_pixels_untouched():
    depth, rgb = frame()
    moved = np.full_like(depth, np.nan)
    moved[:-2, 2:] = depth[2:, :-2]
    fixed = bicubic(options=options(registration="8,-8"))(depth, rgb)
    np.testing.assert_array_equal(fixed.depth, bicubic(options=options(registration="none"))(moved, rgb).depth)
    assert fixed.offset_px == (8.0, -8.0)


def test_what_comes_in_from_outside_is_filled_and_says_so():
    depth, rgb = frame()
    out = upsampler(options=options(registration=FIXED), log_sigma=True)(depth, rgb)
    measured = out.provenance == validity.MEASURED
    assert not measured[:, :7].any()
    assert not measured[-6:].any()
    assert measured[2:-6, 7:-1].all()
    assert np.isfinite(out.depth).all()
    assert out.sigma is not None
    assert np.isfinite(out.sigma).all()


def test_without_filling_it_stays_unknown():
    depth, rgb = frame()
    out = upsampler(options=options(registration="5,-5", fill="none"), log_sigma=True)(depth, rgb)
    for side in (np.s_[:, :5], np.s_[-5:]):
        assert np.isnan(out.depth[side]).all()
        assert np.isnan(out.sigma[side]).all()
        assert (out.provenance[side] == validity.NOTHING).all()


def test_every_rung_mends():
    depth, rgb = frame()
    up = upsampler(options=options())
    for rung in up.rungs:
        up.rung = rung
        assert up(depth, rgb).offset_px != (0.0, 0.0), rung


def test_warming_up_is_no_frame():
    depth, rgb = frame()
    up = bicubic(options=options())
    up.warm_up(depth.shape, rgb.shape[:2], np.float32)
    assert up.registrar.estimate is None


def test_options_may_change_between_frames():
    depth, rgb = frame()
    up = bicubic(options=options(registration="none"))
    offsets = []
    for how in ("none", "3,0", "auto", "none"):
        up.options = options(registration=how)
        offsets.append(up(depth, rgb).offset_px)
    assert offsets[0] == offsets[3] == (0.0, 0.0)
    assert offsets[1] == (3.0, 0.0)
    np.testing.assert_allclose(offsets[2], OFF, atol=1)
    assert str(up.registrar) == "depth not moved, as set"


def test_a_sensors_known_offset_is_where_auto_begins():
    blank = np.full((60, 80), 2.0, np.float32), np.zeros((240, 320, 3), np.uint8)
    up = bicubic(options=options(known_offset=(5 / 320, -5 / 320)))
    np.testing.assert_allclose(up(*blank).offset_px, (5, -5))
    assert "depth moved by (+5.0, -5.0) px; estimate: no depth edges seen" in str(up.registrar)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"registration": "yes"}, "registration='yes', expected auto, none"),
        ({"known_offset": (3.0, 0.0)}, r"known_offset=\(3.0, 0.0\), expected two numbers from -1 to 1"),
        ({"known_offset": 1}, "known_offset=1, expected two numbers"),
    ],
)
def test_wrong_options_are_named(wrong, text):
    with pytest.raises(ConfigError, match=text):
        UpsamplerOptions(**wrong)
