"""Which image of another stream belongs to which pair, also where a bag loops."""

from typing import NamedTuple

from pagnet_ros.replay.companions import Companions


class Pair(NamedTuple):
    depth_stamp_ns: int
    loop: int


def test_a_pair_takes_the_nearest_image_once_no_nearer_one_can_come():
    waiting = Companions(slop_ns=5, queue_size=10)
    assert waiting.add_pairs([Pair(100, 0)]) == []
    assert waiting.add(97, "before") == []
    assert waiting.add(101, "after") == [(Pair(100, 0), "after")]


def test_after_a_loop_a_pair_waits_for_the_image_of_its_own_round():
    waiting = Companions(slop_ns=0, queue_size=10)
    for stamp in (100, 200, 300):
        waiting.add_pairs([Pair(stamp, 0)])
        assert waiting.add(stamp, f"first {stamp}") == [(Pair(stamp, 0), f"first {stamp}")]
    assert waiting.add_pairs([Pair(100, 1)]) == []
    assert waiting.add(100, "second 100") == [(Pair(100, 1), "second 100")]


def test_an_image_of_the_new_round_that_came_before_its_pair_is_kept():
    waiting = Companions(slop_ns=0, queue_size=10)
    waiting.add_pairs([Pair(300, 0)])
    waiting.add(300, "first")
    assert waiting.add(100, "second") == []
    assert waiting.add_pairs([Pair(100, 1)]) == [(Pair(100, 1), "second")]


def test_companions_that_come_more_often_than_pairs_are_kept_for_a_late_one():
    waiting = Companions(slop_ns=5, queue_size=1, kept=4)
    for stamp in (100, 200, 300, 400):
        waiting.add(stamp, f"pose {stamp}")
    assert waiting.add_pairs([Pair(100, 0)]) == [(Pair(100, 0), "pose 100")]
