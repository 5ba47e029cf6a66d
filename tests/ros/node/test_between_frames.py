"""A periodic job runs between frames where there are any, and is never put off for longer than a period."""

import pytest

from pagnet_ros.ros.node.between_frames import BetweenFrames

PERIOD_NS = 1000


class Rig:
    def __init__(self):
        self.now_ns, self.runs = 10**6, 0
        self.between = BetweenFrames(self.run, PERIOD_NS, lambda: self.now_ns)

    def run(self):
        self.runs += 1

    def due(self):
        self.now_ns += PERIOD_NS // 2
        self.between.due()
        return self.runs

    def frame_done(self):
        self.now_ns += PERIOD_NS // 4
        self.between.frame_done()
        return self.runs


@pytest.fixture
def rig():
    return Rig()


def test_without_frames_it_runs_at_once(rig):
    assert [rig.due() for _ in range(3)] == [1, 2, 3]


def test_with_frames_it_waits_for_the_next_one_and_runs_once(rig):
    assert rig.frame_done() == 0
    assert rig.due() == 0
    assert [rig.frame_done(), rig.frame_done()] == [1, 1]
    assert rig.due() == 1
    assert rig.frame_done() == 2


def test_where_the_next_frame_never_comes_it_runs_a_period_later(rig):
    rig.frame_done()
    assert [rig.due(), rig.due()] == [0, 1]
    assert rig.frame_done() == 1


def test_frames_of_long_ago_do_not_count(rig):
    rig.frame_done()
    rig.now_ns += PERIOD_NS
    assert rig.due() == 1
