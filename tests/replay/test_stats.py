"""Stamps of a replay: which step is a gap, which a jump, and which image is not used."""

import pytest

from pagnet_ros.core.pairing import PairingCounts
from pagnet_ros.replay.stats import ReplayStats

MS = 1_000_000


@pytest.mark.parametrize(
    ("period_ms", "gap_ms", "jumps"), [(10, 500, 0), (10, 1500, 1), (200, 1500, 0), (200, 2500, 1)]
)
def test_a_jump_ahead_is_more_than_a_second_and_ten_periods(period_ms, gap_ms, jumps):
    stats = ReplayStats()
    for stamp_ms in (1000, 1000 + period_ms, 1000 + 2 * period_ms, 1000 + 2 * period_ms + gap_ms):
        assert stats.add_stamp("depth", "/depth", stamp_ms * MS)
    assert stats.pairing(20.0, None, PairingCounts()).forward_jumps == jumps
    assert [problem.kind for problem in stats.problems] == ["forward_jump"] * jumps


def test_each_kind_of_odd_stamp_is_told_once_and_counted():
    stats = ReplayStats()
    used = [stats.add_stamp("depth", "/depth", stamp_ms * MS) for stamp_ms in (1000, 1000, 1100, 900, 0, 0)]
    assert used == [True, True, True, True, False, False]
    assert {problem.kind: problem.count for problem in stats.problems} == {
        "duplicate_stamp": 1,
        "backward_stamp": 1,
        "zero_stamp": 2,
    }
    assert stats.counts.depth == 6
