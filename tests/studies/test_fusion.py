from __future__ import annotations

import numpy as np
import pytest

from pagnet_ros.errors import InputError
from pagnet_ros.sensors import PinholeCamera, look_at
from studies.fusion import carried, cos_incidence, filled, fused_depth
from studies.sequences import HELD_OUT, SequencePlan, true_frames

PLAN = SequencePlan(HELD_OUT + 3, "room", (96, 128), frames=9, hz=10.0)
CAMERA = PLAN.camera
MATRIX = CAMERA.matrix


def test_frames_carried_into_a_view_and_fused_give_its_depth_though_its_own_frame_has_no_say() -> None:
    frames = list(true_frames(PLAN))
    rng = np.random.default_rng(0)
    depths = [np.where(rng.random(f.depth_m.shape) < 0.2, np.nan, f.depth_m).astype(np.float32) for f in frames]
    depths[4] = np.full_like(depths[4], 99.0)
    fused = fused_depth(depths, [f.pose for f in frames], MATRIX, 4, 8)
    error = np.abs(fused - frames[4].depth_m) / frames[4].depth_m
    assert np.isfinite(fused).mean() > 0.9
    assert np.nanquantile(error, 0.9) < 0.02


def test_the_nearest_surface_wins() -> None:
    camera = PinholeCamera(50.0, 50.0, 31.5, 23.5, 64, 48)
    depth = np.full((48, 64), 2.0, np.float32)
    depth[:, 32:] = 1.0
    pose = look_at([0, 0, 0], [0, 1, 0])
    right = np.eye(4)
    right[0, 3] = 0.2  # the camera moves to its right, the near half moves left over the far one
    seen = carried(depth, pose, pose @ right, camera.matrix)
    assert seen.shape == (camera.height, camera.width)
    assert (seen[:, 22:50] == 1.0).all()
    assert (seen[:, :20] == 2.0).sum() > 0
    assert np.array_equal(carried(depth, pose, pose, camera.matrix), depth)


def test_incidence_of_planes_is_what_geometry_says() -> None:
    flat = np.full((96, 128), 2.0, np.float32)
    x, y = CAMERA.rays()
    along = 1 / np.sqrt(x.numpy() ** 2 + y.numpy() ** 2 + 1)
    assert np.abs(cos_incidence(flat, MATRIX) - along).max() < 1e-3
    slope = np.tan(np.radians(60))
    slanted = (2.0 / (1 - slope * x.numpy()) * np.ones((96, 1))).astype(np.float32)
    assert cos_incidence(slanted, MATRIX)[48, 64] == pytest.approx(0.5, abs=0.02)


def test_filling_leaves_no_hole_and_what_is_known_alone() -> None:
    depth = np.full((20, 30), 2.0, np.float32)
    depth[5:15, 5:20] = np.nan
    assert np.allclose(filled(depth), 2.0)


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(InputError, match="1 frames beside number 0; expected at least 3"):
        fused_depth([np.ones((4, 4), np.float32)] * 2, [np.eye(4)] * 2, MATRIX, 0, 5)
