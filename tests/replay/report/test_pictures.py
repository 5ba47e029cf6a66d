"""Depth and error in colours, and pictures that keep to their size."""

import base64

import cv2
import numpy as np
import pytest

from pagnet_ros.errors import PagnetError
from pagnet_ros.replay.report import pictures
from pagnet_ros.replay.report.pictures import (
    MAX_PICTURE_BYTES,
    NOT_BELIEVED,
    UNKNOWN,
    depth_picture,
    error_picture,
    picture_url,
    scale_stops,
)

NAN = np.float32("nan")


def row(*values):
    return np.array([values], np.float32)


def test_depth_outside_the_span_takes_the_end_colours_and_unknown_is_grey():
    picture = depth_picture(row(0.0, 1.0, 3.0, 9.0, NAN), 1.0, 3.0)[0]
    assert (picture[0] == picture[1]).all()
    assert (picture[2] == picture[3]).all()
    assert tuple(picture[4]) == UNKNOWN


def test_errors_are_blue_when_near_red_when_far_and_white_when_right():
    near, right, far = error_picture(row(1.9, 2.0, 2.1), row(2.0, 2.0, 2.0), 0.1)[0].astype(int)
    assert near[2] > near[0] + 50
    assert far[0] > far[2] + 50
    assert right.min() > 235


def test_what_is_not_given_differs_from_what_is_not_known():
    picture = error_picture(row(NAN, 2.0, NAN), row(2.0, NAN, NAN), 0.1)[0]
    assert [tuple(pixel) for pixel in picture] == [NOT_BELIEVED, UNKNOWN, UNKNOWN]


def test_a_picture_survives_the_way_into_the_page():
    picture = np.zeros((30, 40, 3), np.uint8)
    picture[:, 20:] = (250, 120, 10)
    kind, data = picture_url(picture).split(";base64,")
    assert kind in ("data:image/webp", "data:image/jpeg")
    again = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(again[:, 25:].astype(int) - picture[:, 25:]).mean() < 8


def test_even_noise_keeps_to_the_size():
    noise = np.random.default_rng(0).integers(0, 256, (320, 320, 3), np.uint8)
    assert len(base64.b64decode(picture_url(noise).split(",")[1])) <= MAX_PICTURE_BYTES


def test_what_cannot_fit_is_refused_with_its_size(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PICTURE_BYTES", 10)
    with pytest.raises(PagnetError, match="40 x 30 pixels does not fit into 10 bytes"):
        picture_url(np.zeros((30, 40, 3), np.uint8))


def test_legends_are_made_of_the_pictures_colours():
    first, *_, last = scale_stops("depth")
    drawn = depth_picture(row(0.0, 1.0), 0.0, 1.0)[0]
    assert (first, last) == tuple("#" + bytes(pixel.tolist()).hex() for pixel in drawn)
    assert min(bytes.fromhex(scale_stops("error", 3)[1][1:])) > 240
