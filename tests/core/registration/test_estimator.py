"""Over frames: found at once where it is clear, refined, damped, dropped, and kept where nothing can be told."""

import numpy as np
import pytest

from pagnet_ros.core.registration.estimator import PERIOD, RegistrationEstimator
from pagnet_ros.recordings.coarse import coarse_depth
from tests.core.registration.boxes import SIZE, boxes, textured_wall


def feed(estimator, frames, **scene):
    """See so many frames of one scene; the offset in use after each."""
    depth, rgb = boxes(**scene)
    depth = coarse_depth(depth, 4)
    return [estimator.see(depth, rgb) for _ in range(frames)]


def test_one_frame_is_enough_where_it_is_clear():
    offset = feed(RegistrationEstimator(), 1, seed=3, offset=(6, -5))[0]
    np.testing.assert_allclose(offset, (6, -5), atol=1.0)


def test_registered_images_are_left_alone():
    for seed in range(8):
        assert feed(RegistrationEstimator(), 2, seed=seed) == [(0.0, 0.0)] * 2


def test_millimetres_and_metres_give_the_same():
    depth, rgb = boxes(seed=3, offset=(6, -5))
    offsets = [RegistrationEstimator().see(image, rgb) for image in (depth, (1000 * depth).astype(np.uint16))]
    np.testing.assert_allclose(*offsets, atol=0.05)


def test_depth_out_of_range_does_not_count():
    depth, rgb = boxes(seed=3, offset=(6, -5))
    estimator = RegistrationEstimator()
    assert estimator.see(depth, rgb, minimum=10.0) == (0.0, 0.0)
    assert estimator.estimate is None


def test_a_blank_view_keeps_what_was_found():
    estimator = RegistrationEstimator()
    before = feed(estimator, 1, seed=3, offset=(6, -5))[0]
    depth, rgb = textured_wall()
    for _ in range(8):
        after = estimator.see(coarse_depth(depth, 4), rgb)
    assert after == before != (0.0, 0.0)


def test_one_odd_view_does_not_move_what_many_found():
    estimator = RegistrationEstimator()
    for seed in range(8):
        before = feed(estimator, 4, seed=seed)[-1]
    odd = feed(estimator, 32, seed=20, offset=(8, 0))
    assert before == (0.0, 0.0)
    assert set(odd) == {(0.0, 0.0)}, "one look at frame 64 against six before"


def test_a_lasting_change_wins_and_a_mended_camera_is_left_alone_again():
    estimator = RegistrationEstimator()
    feed(estimator, 8, seed=3, offset=(8, 0))
    assert estimator.offset_px != (0.0, 0.0)
    for seed in range(12):
        last = feed(estimator, PERIOD, seed=seed)[-1]
    assert last == (0.0, 0.0)


def test_another_size_begins_anew():
    estimator = RegistrationEstimator()
    feed(estimator, 1, seed=3, offset=(6, -5))
    assert feed(estimator, 1, seed=3, size=(120, 160)) == [(0.0, 0.0)]


def test_a_known_offset_holds_from_the_first_frame_until_frames_tell_otherwise():
    blank = np.full((SIZE[0] // 4, SIZE[1] // 4), 2.0, np.float32), np.zeros((*SIZE, 3), np.uint8)
    known = RegistrationEstimator(known=(5 / 320, -5 / 320))
    assert known.see(*blank) == pytest.approx((5.0, -5.0))
    wrong = RegistrationEstimator(known=(-8 / 320, 8 / 320))
    np.testing.assert_allclose(feed(wrong, 1, seed=3, offset=(6, -5))[0], (6, -5), atol=1.0)


def test_the_same_frames_give_the_same_offsets():
    runs = [feed(RegistrationEstimator(), 20, seed=5, offset=(3, 6)) for _ in range(2)]
    assert runs[0] == runs[1]
