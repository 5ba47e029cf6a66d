"""Transforms between frames of a tree: up, down, and over a common ancestor; what is not connected has none."""

import math
from types import SimpleNamespace as Made

import numpy as np
import pytest

from pagnet_ros.core.frame_tree import FrameTree, pose_matrix

QUARTER = (0.0, 0.0, math.sin(math.pi / 4), math.cos(math.pi / 4))


def link(parent, child, xyz=(0.0, 0.0, 0.0), xyzw=(0.0, 0.0, 0.0, 1.0)):
    translation, rotation = Made(x=xyz[0], y=xyz[1], z=xyz[2]), Made(x=xyzw[0], y=xyzw[1], z=xyzw[2], w=xyzw[3])
    transform = Made(translation=translation, rotation=rotation)
    return Made(header=Made(frame_id=parent), child_frame_id=child, transform=transform)


@pytest.fixture
def tree():
    made = FrameTree()
    made.add([link("/base", "mast", (0, 0, 1)), link("mast", "color", (0.1, 0, 0), QUARTER)], static=True)
    made.add([link("mast", "depth", (-0.1, 0, 0))], static=True)
    made.add([link("base", "arm", (1, 0, 0))], static=False)
    return made


def test_points_go_from_one_camera_to_the_other_over_what_carries_both(tree):
    matrix, static = tree.lookup("color", "depth")
    assert static
    # depth's origin lies 0.2 m behind colour's along mast's x, which is colour's -y
    np.testing.assert_allclose(matrix @ [0, 0, 0, 1], [0, 0.2, 0, 1], atol=1e-12)
    back, _ = tree.lookup("depth", "color")
    np.testing.assert_allclose(back @ matrix, np.eye(4), atol=1e-12)


def test_a_frame_and_its_ancestor(tree):
    np.testing.assert_allclose(tree.lookup("base", "depth")[0][:3, 3], [-0.1, 0, 1])
    np.testing.assert_allclose(tree.lookup("depth", "base")[0][:3, 3], [0.1, 0, -1])


def test_a_moving_step_is_told_and_the_newest_counts(tree):
    assert not tree.lookup("color", "arm")[1]
    tree.add([link("arm", "gripper")], static=True)
    tree.add([link("world", "base")], static=True)
    assert not tree.lookup("world", "gripper")[1]
    tree.add([link("base", "arm", (2, 0, 0))], static=False)
    np.testing.assert_allclose(tree.lookup("base", "arm")[0][:3, 3], [2, 0, 0])


def test_what_is_not_connected_has_no_transform(tree):
    assert tree.lookup("color", "elsewhere") is None
    tree.add([link("sky", "bird")], static=True)
    assert tree.lookup("color", "bird") is None


def test_a_loop_ends_and_unsound_transforms_are_left_out(tree):
    tree.add([link("color", "base")], static=True)
    assert tree.lookup("color", "depth") is not None
    before = tree.lookup("base", "arm")[0]
    tree.add([link("base", "arm", xyzw=(0, 0, 0, 0)), link("base", "arm", (math.nan, 0, 0))], static=False)
    np.testing.assert_array_equal(tree.lookup("base", "arm")[0], before)


def test_a_quaternion_of_any_length_is_a_rotation():
    turned = [[0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3]]
    np.testing.assert_allclose(pose_matrix((1, 2, 3), np.multiply(QUARTER, 2))[:3], turned, atol=1e-12)
    assert pose_matrix((1, 2, 3), (0, 0, 0, 0)) is None
