"""A pair of messages on its way into the pipeline: decoded, checked, and what is odd about it said."""

from types import SimpleNamespace

import numpy as np
import pytest

from pagnet_ros.messages.image import MalformedMessageError
from pagnet_ros.messages.pair import PairReader, read_color, read_depth


def image(array, encoding, frame_id="optical", **changes):
    fields = {
        "header": SimpleNamespace(frame_id=frame_id),
        "height": array.shape[0],
        "width": array.shape[1],
        "encoding": encoding,
        "is_bigendian": 0,
        "step": array.strides[0],
        "data": array.tobytes(),
    }
    return SimpleNamespace(**{**fields, **changes})


def depth(size=(4, 6), value=1000, frame_id="optical"):
    return image(np.full(size, value, np.uint16), "16UC1", frame_id)


def color(size=(8, 12)):
    return image(np.full((*size, 3), 7, np.uint8), "rgb8")


@pytest.fixture
def said():
    return []


@pytest.fixture
def reader(said):
    return PairReader("/depth", "/color", lambda kind, text, level="warn": said.append((kind, level, text)))


def test_a_pair_becomes_two_arrays_without_a_word(reader, said):
    depths, rgb = reader.read(depth(), color())
    assert (depths.shape, depths.dtype, rgb.shape) == ((4, 6), np.uint16, (8, 12, 3))
    assert said == []


def test_a_refusal_names_its_topic_and_kind(reader):
    with pytest.raises(MalformedMessageError, match=r"^/depth: unknown depth encoding 'rgb8'") as caught:
        reader.read(color(), color())
    assert caught.value.kind == "unknown_encoding"
    with pytest.raises(MalformedMessageError, match=r"^/color: wrong step"):
        read_color(image(np.zeros((2, 2, 3), np.uint8), "rgb8", step=1), "/color")
    with pytest.raises(MalformedMessageError, match=r"^/depth: compressed depth has format"):
        read_depth(SimpleNamespace(format="jpeg", data=b""), "/depth")


def test_depth_larger_than_colour_is_refused(reader):
    with pytest.raises(MalformedMessageError, match="depth is 12 x 9, colour 12 x 8"):
        reader.read(depth((9, 12)), color())


def test_a_change_of_size_is_said_once(reader, said):
    for size in ((4, 6), (4, 6), (2, 3), (2, 3)):
        reader.read(depth(size), color())
    assert [(kind, level) for kind, level, _ in said] == [("resolution_changed", "info")]
    assert "depth 6 x 4 -> 3 x 2, colour 12 x 8 -> 12 x 8" in said[0][2]


def test_depth_in_another_frame_than_colour_is_said_once_and_still_read(reader, said):
    for frame_id in ("depth_optical", "depth_optical", "", "optical"):
        assert reader.read(depth(frame_id=frame_id), color())[0].shape == (4, 6)
    assert [(kind, level) for kind, level, _ in said] == [("frame_ids_differ", "warn")]
    assert said[0][2].startswith("/depth is in frame 'depth_optical', /color in 'optical'; expected one frame")


def test_negative_metres_are_said_and_infinite_ones_are_not(reader, said):
    metres = np.array([[1.0, -2.0], [-np.inf, np.nan]], np.float32)
    reader.read(image(metres, "32FC1"), color())
    assert [kind for kind, *_ in said] == ["negative_depth"]
    assert "/depth has 1 negative values" in said[0][2]


@pytest.mark.parametrize(
    ("metres", "words"),
    [
        (np.zeros((2, 2), np.uint16), "all 4 depth values are 0 or not finite"),
        (np.full((2, 2), 50, np.uint16), "all depth values lie at 0.05 to 0.05 m; expected some within 0.1 to 10 m"),
        (np.full((2, 2), 15000, np.uint16), "the driver's unit is not the millimetre of 16UC1"),
        (np.full((2, 2), 1500.0, np.float32), "look like millimetres"),
    ],
)
def test_why_nothing_is_believed_is_said(reader, said, metres, words):
    reader.report_empty(metres, 0.1, 10.0)
    assert said[0][0] == "no_valid_depth"
    assert words in said[0][2]
