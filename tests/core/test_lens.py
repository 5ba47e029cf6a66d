"""Rays and pixels of the three lens models agree with OpenCV's, and end where a model does."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pagnet_ros.core.lens import distort, frame_rays, pixel_rays, reach
from pagnet_ros.messages.calibration import EQUIDISTANT, POLYNOMIAL, Calibration

PLAIN = Calibration((48, 64), (60.0, 62.0), (31.0, 24.5))
LENSES = {
    "plumb_bob": replace(PLAIN, lens=POLYNOMIAL, distortion=(-0.1, 0.08, 0.002, -0.001, 0.01)),
    "of seven": replace(PLAIN, lens=POLYNOMIAL, distortion=(-0.1, 0.08, 0.002, -0.001, 0.01, 0.004, -0.002)),
    "rational": replace(PLAIN, lens=POLYNOMIAL, distortion=(0.6, -0.4, 0.001, 0.0, 0.1, 0.5, -0.3, 0.05)),
    "equidistant": replace(PLAIN, lens=EQUIDISTANT, distortion=(0.02, -0.01, 0.004, -0.001)),
}


def opencv(camera, rays):
    """Pixels ``[n, 2]`` of rays ``[2, n]`` by OpenCV."""
    points = np.stack((*rays, np.ones_like(rays[0])), -1)[None]
    k = np.array([[camera.focal[0], 0, camera.centre[0]], [0, camera.focal[1], camera.centre[1]], [0, 0, 1.0]])
    is_fisheye = camera.lens == EQUIDISTANT
    project = cv2.fisheye.projectPoints if is_fisheye else cv2.projectPoints
    distortion = np.array((*camera.distortion, *(() if is_fisheye else (0.0,) * (8 - len(camera.distortion)))))
    return project(points, np.zeros(3), np.zeros(3), k, distortion)[0].reshape(-1, 2)


@pytest.mark.parametrize("camera", LENSES.values(), ids=LENSES)
def test_a_pixels_ray_meets_the_pixel_again(camera):
    rays = pixel_rays(camera).reshape(2, -1)
    wanted = np.stack(np.meshgrid(np.arange(64.0), np.arange(48.0)), -1).reshape(-1, 2)
    np.testing.assert_allclose(opencv(camera, rays), wanted, atol=0.01)


@pytest.mark.parametrize("camera", LENSES.values(), ids=LENSES)
def test_rays_are_bent_as_opencv_bends_them(camera):
    rays = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 200))
    bent = torch.stack(distort(camera, *torch.from_numpy(rays))).numpy()
    pixels = bent.T * camera.focal + camera.centre
    np.testing.assert_allclose(pixels, opencv(camera, rays), atol=1e-6)


def test_beyond_its_reach_a_model_has_no_pixel_and_no_ray():
    camera = replace(PLAIN, lens=POLYNOMIAL, distortion=(-0.5, 0.0, 0.0, 0.0, 0.0))  # turns back at r = sqrt(2 / 3)
    assert reach(camera) == pytest.approx((2 / 3) ** 0.5, abs=2e-3)
    bent, _ = distort(camera, torch.tensor([0.5, 0.9]), torch.zeros(2))
    assert bent.isfinite().tolist() == [True, False]
    wide = replace(camera, focal=(40.0, 40.0))  # its border lies at 0.8, and the model bends no ray farther than 0.54
    assert np.isnan(pixel_rays(wide)[:, 24, 0]).all()
    assert np.isfinite(pixel_rays(wide)[:, 24, 31]).all()


def test_the_rotation_of_a_stereo_camera_turns_its_rays():
    turned = replace(PLAIN, rotation=(0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    x, y = pixel_rays(turned)
    np.testing.assert_array_equal((x, y), pixel_rays(PLAIN))
    np.testing.assert_allclose(frame_rays(turned), np.stack((-y, x, np.ones_like(x))))


def test_rays_that_a_rotation_turns_behind_the_camera_are_none():
    assert np.isnan(frame_rays(replace(PLAIN, rotation=(1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0)))).all()
