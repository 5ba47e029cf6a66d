"""A pair of messages on its way into the pipeline: decoded, checked, and what is odd about it said."""

from types import SimpleNamespace

import numpy as np
import pytest

from pagnet_ros.errors import MessageError
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
    with pytest.raises(MessageError, match=r"^/depth: unknown depth encoding 'rgb8'") as caught:
        reader.read(color(), color())
    assert caught.value.kind == "unknown_encoding"
    with pytest.raises(MessageError, match=r"^/color: wrong step"):
        read_color(image(np.zeros((2, 2, 3), np.uint8), "rgb8", step=1), "/color")
    with pytest.raises(MessageError, match=r"^/depth: compressed depth has format"):
        read_depth(SimpleNamespace(format="jpeg", data=b""), "/depth")


def test_depth_larger_than_colour_is_refused(reader):
    with pytest.raises(MessageError, match="depth is 12 x 9, colour 12 x 8"):
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
def test_why_no_depth_is_valid_is_said(reader, said, metres, words):
    reader.report_range(metres, 0.1, 10.0)
    assert said[0][0] == "no_valid_depth"
    assert words in said[0][2]


def test_nearly_nothing_within_the_range_is_said_as_well_and_noise_does_not_hide_the_unit(reader, said):
    metres = np.full((48, 64), 1500.0, np.float32)
    metres[5, 5], metres[20, 40], metres[40, 10] = 2.0, 5.0, 9.0
    reader.report_range(metres, 0.1, 10.0)
    assert [kind for kind, *_ in said] == ["no_valid_depth"]
    assert "look like millimetres" in said[0][2]


@pytest.mark.parametrize(("rows", "kinds"), [(14, []), (16, ["depth_out_of_range"]), (46, ["no_valid_depth"])])
def test_the_share_outside_the_range_is_said_from_a_third_on(reader, said, rows, kinds):
    millimetres = np.full((48, 64), 2000, np.uint16)
    millimetres[:rows] = 20_000
    reader.report_range(millimetres, 0.1, 10.0)
    assert [kind for kind, *_ in said] == kinds
    if rows == 16:
        assert "33% of the measured depth lies outside 0.1 to 10 m" in said[0][2]


def test_the_share_of_a_large_frame_is_that_of_its_pixels(reader, said):
    millimetres = np.full((480, 640), 2000, np.uint16)
    millimetres[:, :320] = 12_000
    reader.report_range(millimetres, 0.1, 10.0)
    assert "50% of the measured depth lies outside" in said[0][2]


def test_depth_in_another_unit_becomes_metres(said):
    reader = PairReader("/depth", "/color", lambda kind, text, level="warn": said.append(kind), depth_unit_m=0.0001)
    message = depth(value=15_000)
    message.data = b"\0\0" + message.data[2:]
    metres, _ = reader.read(message, color())
    assert metres.dtype == np.float32
    assert np.isnan(metres[0, 0])
    assert metres[1, 1] == np.float32(1.5)
    assert said == []


@pytest.mark.parametrize(
    ("unit_m", "words"),
    [
        (0.001, "not the millimetre of 16UC1 (REP 118): set depth_unit_m"),
        (0.01, "not the 10 mm that depth_unit_m says"),
    ],
)
def test_the_unit_of_counts_is_doubted_where_a_reprojection_has_made_them_metres_too(said, unit_m, words):
    def align(measured, size, frames):
        return (measured * 1e-3 if measured.dtype == np.uint16 else measured).astype(np.float32)

    reader = PairReader("/depth", "/color", lambda *report: said.append(report), unit_m, align)
    metres, _ = reader.read(depth(value=15_000), color())
    reader.report_range(metres, 0.1, 10.0)
    assert words in said[0][1]


def test_a_leading_slash_does_not_make_another_frame(reader, said):
    reader.read(depth(frame_id="/optical"), color())
    assert said == []


@pytest.mark.parametrize(
    ("depth_size", "color_size", "differ"),
    [
        ((120, 160), (180, 320), True),
        ((160, 120), (240, 320), True),
        ((120, 214), (480, 854), False),
        ((60, 107), (240, 426), False),
        ((4, 6), (8, 12), False),
    ],
)
def test_depth_of_another_shape_than_colour_is_refused(reader, said, depth_size, color_size, differ):
    if not differ:
        reader.read(depth(depth_size), color(color_size))
        assert not said
        return
    with pytest.raises(MessageError, match="expected one shape of image within 2 %") as caught:
        reader.read(depth(depth_size), color(color_size))
    assert caught.value.kind == "aspect_ratio_differs"


def aligning_reader(said, answer):
    asked = []

    def align(measured, color_size, frames):
        asked.append((measured.shape, color_size, frames))
        return answer

    return PairReader(
        "/depth", "/color", lambda kind, text, level="warn": said.append((kind, level, text)), align=align
    ), asked


def test_depth_that_was_reprojected_may_be_of_any_shape_and_frame(said):
    drawn = np.ones((8, 12), np.float32)
    reader, asked = aligning_reader(said, drawn)
    assert reader.read(depth((20, 10), frame_id="/depth_optical"), color())[0] is drawn
    assert asked == [((20, 10), (8, 12), ("depth_optical", "optical"))]
    assert not said
    assert not reader.unaligned


def test_what_a_reprojection_lacks_is_said_once_and_depth_is_read_as_it_comes(said):
    reader, _ = aligning_reader(said, "there is no camera_info on /camera_info")
    for _ in range(2):
        assert reader.read(depth(frame_id="depth_optical"), color())[0].shape == (4, 6)
    ((kind, _, text),) = said
    assert kind == "frame_ids_differ"
    assert "(there is no camera_info on /camera_info). Depth is taken as it comes" in text
    assert reader.unaligned


def test_depth_that_is_told_to_be_aligned_is_taken_so(said):
    reader, _ = aligning_reader(said, "")
    reader.read(depth(frame_id="depth_optical"), color())
    assert not said
    assert not reader.unaligned


def test_of_depth_of_another_shape_nothing_is_said_beside_its_refusal(said):
    reader, _ = aligning_reader(said, "there is no camera_info on /camera_info")
    with pytest.raises(MessageError, match=r"one shape of image .*\(there is no camera_info on /camera_info\)"):
        reader.read(depth((4, 8)), color())
    assert not said


def test_colour_without_an_order_of_channels_is_read_and_said_once(reader, said):
    colour = image(np.full((8, 12, 3), 7, np.uint8), "8UC3")
    for _ in range(2):
        assert reader.read(depth(), colour)[1].shape == (8, 12, 3)
    assert [kind for kind, *_ in said] == ["channel_order_unknown"]


def test_hostile_frame_ids_stay_one_short_printable_line(reader, said):
    reader.read(depth(frame_id="x" * 10_000 + "\n\u202e"), color())
    assert said[0][2].isprintable()
    assert len(said[0][2]) < 700


def test_a_pose_that_is_set_and_cannot_be_used_is_said_once_though_the_frames_are_equal(said):
    reader, _ = aligning_reader(said, "there is no camera_info on /camera_info")
    for _ in range(2):
        reader.read(depth(), color())
    ((kind, level, text),) = said
    assert (kind, level) == ("frame_ids_differ", "warn")
    assert "cannot be reprojected by the pose that is set (there is no camera_info on /camera_info)" in text
    assert reader.unaligned


def test_few_measurements_that_lie_between_the_samples_are_found(reader, said):
    zones = np.full((480, 640), np.nan, np.float32)
    zones[10::20, 10::20] = 2.0
    reader.report_range(zones, 0.1, 10.0)
    assert not said
    far = np.full((480, 640), 1.0, np.float32)
    far[::4, ::4] = 20.0
    reader.report_range(far, 0.1, 10.0)
    assert not said
    reader.report_range(zones, 2.5, 10.0)
    assert [kind for kind, *_ in said] == ["no_valid_depth"]
