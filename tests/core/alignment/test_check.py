"""Over frames: told at once where it is clear, refined, forgotten slowly, and kept where nothing can be told."""

import numpy as np

from pagnet_ros.core.alignment.check import PERIOD, AlignmentCheck
from pagnet_ros.recordings.coarse import coarse_depth
from tests.core.alignment.boxes import boxes, textured_wall


def feed(check, frames, **scene):
    """Look at so many frames of one scene; the last estimate."""
    depth, rgb = boxes(**scene)
    depth = coarse_depth(depth, 4)
    return [check.look(depth, rgb) for _ in range(frames)][-1]


def test_one_frame_is_enough_where_it_is_clear():
    found = feed(AlignmentCheck(), 1, seed=3, offset=(6, -5))
    assert found.is_off
    np.testing.assert_allclose(found.offset_px, (6, -5), atol=1.0)


def test_aligned_images_are_never_said_to_be_off():
    for seed in range(8):
        assert not feed(AlignmentCheck(), 2, seed=seed).is_off


def test_millimetres_and_metres_give_the_same():
    depth, rgb = boxes(seed=3, offset=(6, -5))
    found = [AlignmentCheck().look(image, rgb).offset_px for image in (depth, (1000 * depth).astype(np.uint16))]
    np.testing.assert_allclose(*found, atol=0.05)


def test_depth_out_of_range_does_not_count():
    depth, rgb = boxes(seed=3, offset=(6, -5))
    assert AlignmentCheck().look(depth, rgb, minimum=10.0) is None


def test_a_blank_view_keeps_what_was_found():
    check = AlignmentCheck()
    before = feed(check, 1, seed=3, offset=(6, -5))
    depth, rgb = textured_wall()
    for _ in range(8):
        after = check.look(coarse_depth(depth, 4), rgb)
    assert after.is_off
    np.testing.assert_allclose(after.offset_px, before.offset_px, atol=0.5)


def test_one_odd_view_does_not_move_what_many_found():
    check = AlignmentCheck()
    for seed in range(8):
        feed(check, 4, seed=seed)
    assert not feed(check, 32, seed=20, offset=(8, 0)).is_off, "one look at frame 64 against six before"


def test_a_camera_that_was_mended_is_no_longer_off():
    check = AlignmentCheck()
    assert feed(check, 8, seed=3, offset=(8, 0)).is_off
    for seed in range(12):
        last = feed(check, PERIOD, seed=seed)
    assert not last.is_off


def test_another_size_begins_anew():
    check = AlignmentCheck()
    assert feed(check, 1, seed=3, offset=(6, -5)).is_off
    assert not feed(check, 1, seed=3, size=(120, 160)).is_off
