"""Messages to facts, with plain objects in place of messages."""

from types import SimpleNamespace

import numpy as np
import pytest

from pagnet_ros.diagnosis.facts import camera_info_facts, depth_facts, image_facts
from pagnet_ros.diagnosis.rules.images import UNORDERED
from pagnet_ros.messages import encodings


def image(array, encoding, frame_id="camera"):
    step = array.strides[0]
    return SimpleNamespace(
        header=SimpleNamespace(frame_id=frame_id),
        height=array.shape[0],
        width=array.shape[1],
        encoding=encoding,
        is_bigendian=0,
        step=step,
        data=array.tobytes(),
    )


def info(width, height, focal, binning=0, roi=None):
    k = [focal, 0.0, (width - 1) / 2, 0.0, focal, (height - 1) / 2, 0.0, 0.0, 1.0]
    roi = roi or SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0)
    header = SimpleNamespace(frame_id="camera")
    p = [*k[0:3], 0.0, *k[3:6], 0.0, *k[6:9], 0.0]
    return SimpleNamespace(
        header=header, width=width, height=height, k=k, p=p, binning_x=binning, binning_y=binning, roi=roi
    )


def test_depth_is_described_in_its_own_unit():
    depth = np.full((40, 50), 1500, np.uint16)
    depth[:4] = 0
    facts = image_facts(image(depth, "16UC1"), "depth", "/depth")
    assert (facts.width, facts.height, facts.encoding, facts.bytes) == (50, 40, "16UC1", 4000)
    assert facts.problem == ""
    assert facts.depth.zeros == pytest.approx(0.1)
    assert (facts.depth.median, facts.depth.p05, facts.depth.p95) == (1500.0, 1500.0, 1500.0)


def test_shares_of_what_is_no_measurement():
    depth = np.array([[np.nan, np.inf, -1.0, 0.0], [1.0, 2.0, 3.0, 4.0]], np.float32)
    facts = depth_facts(depth)
    assert (facts.not_finite, facts.negative, facts.zeros) == (0.25, 0.125, 0.125)
    assert facts.median == 2.5
    assert depth_facts(np.full((4, 4), np.nan, np.float32)).median is None


def test_a_colour_image_gives_its_spread():
    color = np.full((8, 8, 3), 7, np.uint8)
    assert image_facts(image(color, "rgb8"), "color", "/color").spread == 0
    color[0, 0] = 200
    assert image_facts(image(color, "bgr8"), "color", "/color").spread == 193


def test_what_cannot_be_read_gives_its_problem_under_the_nodes_name():
    odd = image_facts(image(np.zeros((4, 4), np.float64), "64FC1"), "depth", "/depth")
    assert (odd.problem, odd.width) == ("unknown_encoding", 0)
    assert not odd.problem_text.startswith("/depth")
    short = image(np.zeros((4, 4), np.uint16), "16UC1")
    short.data = short.data[:-1]
    assert image_facts(short, "depth", "/depth").problem == "truncated_data"


def test_images_that_are_the_same_to_the_bit_have_one_checksum():
    depth = np.full((40, 50), 1500, np.uint16)
    first = image_facts(image(depth, "16UC1"), "depth", "/depth")
    depth[3, 3] += 1
    assert first.checksum != image_facts(image(depth, "16UC1"), "depth", "/depth").checksum


def test_a_calibration_is_that_of_the_image_as_delivered():
    binned = camera_info_facts(info(1280, 960, 1000.0, binning=2), (640, 480))
    assert (binned.width, binned.height, binned.fx) == (640, 480, 500.0)


def test_binning_told_of_a_calibration_that_fits_already_is_not_applied_again():
    facts = camera_info_facts(info(640, 480, 500.0, binning=2), (640, 480))
    assert (facts.width, facts.height, facts.fx) == (640, 480, 500.0)


def test_an_uncalibrated_camera_has_no_focal_length():
    assert camera_info_facts(info(640, 480, 0.0)).fx == 0.0


def test_a_message_that_breaks_its_decoder_is_a_problem_not_an_exception():
    broken = image(np.zeros((4, 4), np.uint16), "16UC1")
    broken.step = "eight"
    assert image_facts(broken, "depth", "/depth").problem == "undecodable"


def test_what_a_message_says_is_kept_short():
    odd = image_facts(image(np.zeros((4, 4), np.uint8), "x" * 10_000, "y" * 10_000), "depth", "/depth")
    assert max(len(odd.encoding), len(odd.frame_id), len(odd.problem_text)) <= 500


def test_the_encodings_of_unknown_channel_order_are_those_of_the_decoder():
    assert set(UNORDERED) == set(encodings.UNORDERED)
