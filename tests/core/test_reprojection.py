"""Depth drawn for another camera: planes stay planes, edges stay edges, and nothing appears that was not seen."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pagnet_ros.core.lens import frame_rays, pixel_rays
from pagnet_ros.core.reprojection import Reprojection, _slope
from pagnet_ros.errors import InputError
from pagnet_ros.messages.calibration import POLYNOMIAL, Calibration

DEPTH = Calibration((60, 80), (70.0, 70.0), (39.5, 29.5))
COLOR = Calibration((90, 160), (105.0, 105.0), (79.5, 44.5), POLYNOMIAL, (0.1, -0.05, 0.001, 0.0, 0.0))
WALL, BOX = 3.0, 1.5


def moved(x=0.0, y=0.0, z=0.0):
    transform = np.eye(4)
    transform[:3, 3] = x, y, z
    return transform


def plane(camera, normal, distance, transform=None):
    """Depth of the plane ``normal . p = distance``, given in the depth camera's frame, as a camera sees it."""
    turn, shift = (np.eye(3), np.zeros(3)) if transform is None else (transform[:3, :3], transform[:3, 3])
    normal = turn @ np.asarray(normal)
    x, y = pixel_rays(camera)
    return ((distance + normal @ shift) / (normal[0] * x + normal[1] * y + normal[2])).astype(np.float32)


def at_size(camera, size):
    """The camera with another resolution."""
    scale = [new / old for new, old in zip(size, camera.size, strict=True)][::-1]
    focal = tuple(f * s for f, s in zip(camera.focal, scale, strict=True))
    centre = tuple((c + 0.5) * s - 0.5 for c, s in zip(camera.centre, scale, strict=True))
    return replace(camera, size=size, focal=focal, centre=centre)


def box_before_a_wall():
    depth = np.full(DEPTH.size, WALL, np.float32)
    depth[20:40, 30:50] = BOX
    return depth


def test_a_slanted_plane_is_drawn_exactly_and_without_a_hole():
    transform = moved(0.06, -0.02, 0.01)
    drawn = Reprojection(DEPTH, COLOR, transform)(plane(DEPTH, (0.4, -0.3, 1.0), 2.0))
    truth = plane(at_size(COLOR, drawn.shape), (0.4, -0.3, 1.0), 2.0, transform)
    assert np.nanmax(np.abs(drawn - truth)) < 1e-4
    inside = drawn[15:-15, 30:-30]
    assert np.isfinite(inside).all()


@pytest.mark.parametrize("finer", [1, 2, 3.4])
def test_it_is_drawn_as_fine_as_it_was_measured(finer):
    color = Calibration((round(60 * finer), round(80 * finer)), (70 * finer,) * 2, (40 * finer - 0.5, 30 * finer - 0.5))
    reprojection = Reprojection(DEPTH, color, moved())
    assert reprojection.size == DEPTH.size
    drawn = reprojection(box_before_a_wall())
    np.testing.assert_allclose(drawn, box_before_a_wall(), atol=1e-5)


def test_finer_depth_is_drawn_in_the_colour_images_pixels_nearest_first():
    color = Calibration((30, 40), (35.0, 35.0), (19.5, 14.5))
    drawn = Reprojection(DEPTH, color, moved())(box_before_a_wall())
    assert drawn.shape == (30, 40)
    np.testing.assert_allclose(drawn[10:20, 15:25], BOX, atol=1e-5)
    assert np.isfinite(drawn).all()


@pytest.mark.parametrize("of_depth", [False, True], ids=["straight depth", "turned depth"])
def test_points_of_what_was_drawn_lie_where_they_were_measured_for_turned_cameras_too(of_depth):
    turned = tuple(cv2.Rodrigues(np.radians([2.0, -3.0, 1.0]))[0].ravel())  # R of a stereo camera
    depth = replace(DEPTH, rotation=turned) if of_depth else DEPTH
    color, normal, distance = replace(COLOR, rotation=turned), np.array([0.2, 0.1, 1.0]), 2.0
    measured = (distance / np.einsum("i,ihw->hw", normal, frame_rays(depth))).astype(np.float32)
    reprojection = Reprojection(depth, color, moved(x=-0.05))
    points = reprojection(measured) * frame_rays(at_size(color, reprojection.size))
    off = np.einsum("i,ihw->hw", normal, points - np.array([-0.05, 0.0, 0.0])[:, None, None]) - distance
    assert np.isfinite(off).mean() > 0.5
    assert np.nanmax(np.abs(off)) < 1e-3


def test_nothing_hangs_between_a_box_and_its_wall_and_what_was_hidden_stays_unknown():
    shift = -0.1  # the box moves to the left by 4.7 pixels, the wall by 2.3: a strip to the right of the box is new
    drawn = Reprojection(DEPTH, DEPTH, moved(shift))(box_before_a_wall())
    known = drawn[np.isfinite(drawn)]
    assert np.minimum(np.abs(known - WALL), np.abs(known - BOX)).max() < 1e-4
    row = drawn[30]
    left = 30 + 70 * shift / BOX
    assert np.flatnonzero(row < 2).tolist() == list(range(round(left), round(left) + 20))
    hidden = np.flatnonzero(np.isnan(row[:70]))
    assert hidden.tolist() == list(range(round(left) + 20, round(50 + 70 * shift / WALL)))


def test_what_is_not_measured_is_not_drawn():
    depth = box_before_a_wall()
    depth[0:8], depth[8:12], depth[12:16] = 0.0, np.nan, np.inf
    drawn = Reprojection(DEPTH, DEPTH, moved())(depth)
    assert np.isnan(drawn[:16]).all()
    assert np.isfinite(drawn[16:]).all()
    assert np.isnan(Reprojection(DEPTH, DEPTH, moved())(np.zeros(DEPTH.size, np.float32))).all()


def test_a_lone_measurement_is_drawn_as_wide_as_its_pixel():
    depth = np.zeros(DEPTH.size, np.float32)
    depth[30, 40] = 2.0
    drawn = Reprojection(DEPTH, DEPTH, moved())(depth)
    assert np.argwhere(np.isfinite(drawn)).tolist() == [[30, 40]]


def test_what_lies_behind_the_colour_camera_is_not_drawn():
    drawn = Reprojection(DEPTH, DEPTH, moved(z=-2.0))(box_before_a_wall())
    assert np.isclose(drawn[np.isfinite(drawn)], WALL - 2.0, atol=1e-5).all()


def test_millimetres_are_metres():
    millimetres = (box_before_a_wall() * 1000).astype(np.uint16)
    reprojection = Reprojection(DEPTH, COLOR, moved(0.05))
    np.testing.assert_allclose(reprojection(millimetres), reprojection(box_before_a_wall()), rtol=1e-6)


def test_a_lens_that_a_calibration_undoes_leaves_a_plane():
    bent = replace(DEPTH, lens=POLYNOMIAL, distortion=(-0.2, 0.05, 0.0, 0.002, 0.0))
    drawn = Reprojection(bent, DEPTH, moved())(plane(bent, (0.2, 0.1, 1.0), 2.0))
    assert np.nanmax(np.abs(drawn - plane(DEPTH, (0.2, 0.1, 1.0), 2.0))) < 1e-3
    assert np.isfinite(drawn[10:-10, 10:-10]).all()


def test_depth_of_another_size_is_refused():
    with pytest.raises(InputError, match=r"depth is 4x3 and its calibration for 80x60"):
        Reprojection(DEPTH, COLOR, moved())(np.ones((3, 4), np.float32))


@pytest.mark.parametrize("size", [(1, 16), (16, 1)])
def test_depth_of_one_row_or_column_is_refused(size):
    thin = Calibration(size, (60.0, 60.0), (7.5, 0.0))
    with pytest.raises(InputError, match="expected at least 2x2 pixels"):
        Reprojection(thin, COLOR, moved())(np.ones(size, np.float32))


def test_a_piece_lies_along_the_side_where_its_surface_goes_on():
    z = torch.tensor([[2.0, 2.0, 2.0, 2.04, 2.04, 2.04]])  # a step too small to tell two surfaces by
    place = torch.stack((torch.arange(6.0)[None], torch.zeros_like(z), 1 / z))
    assert not _slope(place, z, z > 0, 2)[2].any()
