"""The offset is found where there is one, and no offset is found where nothing can be known."""

from dataclasses import replace

import numpy as np
import pytest

from pagnet_ros.core.alignment.agreement import agreement
from pagnet_ros.core.alignment.estimate import estimate
from pagnet_ros.recordings.coarse import coarse_depth
from tests.core.alignment.boxes import SIZE, boxes, textured_wall


def found(depth, rgb):
    return estimate(agreement(depth, rgb))


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("offset", [(0, 0), (5, -5), (-6, 3), (0, 8)])
def test_an_offset_is_found_at_every_ratio(factor, offset):
    depth, rgb = boxes(seed=3, offset=offset)
    answer = found(coarse_depth(depth, factor), rgb)
    assert not answer.doubts
    np.testing.assert_allclose(answer.offset_px, offset, atol=max(0.6, 0.25 * factor))
    if offset == (0, 0):
        assert not answer.is_off
    else:
        assert answer.is_off


@pytest.mark.parametrize(("pixel_px", "deadband_px"), [(1.0, 3.0), (10.0, 6.0)])
def test_an_offset_is_none_up_to_half_a_depth_pixel_and_two_standard_errors(pixel_px, deadband_px):
    depth, rgb = boxes(seed=3, offset=(5, -5))
    sure = replace(found(depth, rgb), error_px=(0.3, 0.4), pixel_px=pixel_px)
    assert sure.deadband_px == pytest.approx(deadband_px)
    assert replace(sure, offset_px=(deadband_px + 0.1, 0.0)).is_off
    assert not replace(sure, offset_px=(deadband_px - 0.1, 0.0)).is_off


def test_an_offset_counts_in_pixels_of_the_colour_image():
    depth, rgb = boxes(seed=3, offset=(4, -3))
    large = np.ascontiguousarray(rgb.repeat(3, axis=0).repeat(3, axis=1))
    np.testing.assert_allclose(found(depth, large).offset_px, (12, -9), atol=1.5)


def test_the_standard_error_is_of_the_size_of_the_error():
    errors, claimed = [], []
    for seed in range(12):
        answer = found(*boxes(seed=seed, offset=(4, 2)))
        errors.append(np.hypot(answer.offset_px[0] - 4, answer.offset_px[1] - 2))
        claimed.append(np.hypot(*answer.error_px))
    assert np.median(errors) < 3 * np.median(claimed) + 0.1


@pytest.mark.parametrize("seed", range(6))
def test_texture_on_a_wall_tells_nothing(seed):
    answer = found(*textured_wall(seed))
    assert answer is None or answer.doubts


@pytest.mark.parametrize("seed", range(6))
def test_two_images_of_different_scenes_tell_nothing(seed):
    answer = found(boxes(seed)[0], boxes(seed + 100)[1])
    assert answer.doubts
    assert not answer.is_off
    assert str(answer).startswith("cannot tell: ")


def test_blank_colour_tells_nothing():
    assert found(boxes()[0], np.full((*SIZE, 3), 90, np.uint8)).doubts


@pytest.mark.parametrize("value", [np.nan, 2.0])
def test_without_a_depth_edge_there_is_no_estimate(value):
    assert found(np.full(SIZE, value, np.float32), boxes()[1]) is None


@pytest.mark.parametrize("size", [(2, 2), (2, 9), (7, 3)])
def test_tiny_images_are_no_trouble(size):
    dice = np.random.default_rng(0)
    depth = dice.uniform(1, 5, size).astype(np.float32)
    answer = found(depth, dice.integers(0, 256, (*size, 3), np.uint8))
    assert answer is None or answer.doubts


def test_an_offset_beyond_the_range_is_not_sure():
    wide, rgb = boxes(seed=3, size=(240, 320), offset=(19, 0))
    answer = found(wide, rgb)
    assert answer.doubts


def test_words_give_the_offset_and_its_error():
    text = str(found(*boxes(seed=3, offset=(5, -5))))
    assert "+5." in text or "+4." in text
    assert "standard error" in text
