from __future__ import annotations

import numpy as np
import pytest

from studies.sequences import HELD_OUT, SequencePlan, true_frames


def test_a_plan_gives_the_same_frames_each_time() -> None:
    plan = SequencePlan(HELD_OUT, "clutter", (48, 64), frames=2)
    first, second = (list(true_frames(plan)) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.rgb, b.rgb)
        assert np.array_equal(a.depth_m, b.depth_m, equal_nan=True)
    assert first[1].stamp_ns - first[0].stamp_ns == pytest.approx(1e9 / 30, abs=1)


@pytest.mark.parametrize("moving", [True, False])
def test_the_camera_moves_only_where_it_should(moving: bool) -> None:
    first, second = true_frames(SequencePlan(HELD_OUT, "room", (48, 64), frames=2, moving=moving, hz=2.0))
    assert np.array_equal(first.pose, second.pose) == (not moving)
    assert np.array_equal(first.depth_m, second.depth_m, equal_nan=True) == (not moving)
    assert not np.array_equal(first.rgb, second.rgb)  # colour has noise of its own
