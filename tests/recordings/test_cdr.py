"""Serialised messages: header stamps, and images with the same fields that rosbags reads, or an error."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.cdr import (
    COMPRESSED,
    IMAGE,
    header_stamp_ns,
    image_from_cdr,
    starts_with_header,
    with_header_stamp,
)
from tests.replay.bags import STORE

LITTLE = b"\x00\x01\x00\x00" + struct.pack("<iI", 12, 345) + b"rest"
BIG = b"\x00\x00\x00\x00" + struct.pack(">iI", 12, 345) + b"rest"


@pytest.mark.parametrize("raw", [LITTLE, BIG])
def test_stamp_is_read_and_replaced_in_both_byte_orders(raw):
    moved = with_header_stamp(raw, 99_000_000_007)

    assert header_stamp_ns(raw) == 12_000_000_345
    assert header_stamp_ns(moved) == 99_000_000_007
    assert moved[:4] == raw[:4]
    assert moved[12:] == b"rest"


def test_stamp_is_clipped_to_what_ros_can_hold():
    assert header_stamp_ns(with_header_stamp(LITTLE, -5)) == 0
    assert header_stamp_ns(with_header_stamp(LITTLE, 2**70)) == (2**31 - 1) * 10**9


@pytest.mark.parametrize("raw", [b"", LITTLE[:11], b"\x00\x01\x00\x00" + struct.pack("<iI", 1, 2**32 - 1)])
def test_what_holds_no_stamp_gives_none(raw):
    assert header_stamp_ns(raw) is None


@pytest.mark.parametrize(
    ("definition", "stamped"),
    [
        ("# comment\n\nuint8 KIND=3\nstd_msgs/Header header\nfloat32 x\n", True),
        ("Header header  # when\n", True),
        ("std_msgs/msg/Header header\n", True),
        ("float32 x\nstd_msgs/Header header\n", False),
        ("", False),
        ("=" * 80 + "\nIDL: my/msg/Type\n", False),
    ],
)
def test_definition_tells_whether_a_header_comes_first(definition, stamped):
    assert starts_with_header("my_msgs/msg/Thing", definition) is stamped


def test_common_types_need_no_definition():
    assert starts_with_header("sensor_msgs/msg/Image")
    assert not starts_with_header("std_msgs/msg/String")


words = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=9)
data = st.binary(max_size=40)


def header(sec, nanosec, frame_id):
    return STORE.types["std_msgs/msg/Header"](STORE.types["builtin_interfaces/msg/Time"](sec, nanosec), frame_id)


def serialised(message, little):
    return bytes(STORE.serialize_cdr(message, message.__msgtype__, little_endian=little))


@given(frame_id=words, encoding=words, pixels=data, little=st.booleans(), sec=st.integers(-(2**31), 2**31 - 1))
def test_an_image_has_the_fields_it_was_written_with(frame_id, encoding, pixels, little, sec):
    kind = STORE.types[IMAGE]
    message = kind(header(sec, 7, frame_id), 3, 2**32 - 1, encoding, 1, 77, np.frombuffer(pixels, np.uint8))
    found = image_from_cdr(serialised(message, little), IMAGE)
    assert (found.header.stamp.sec, found.header.stamp.nanosec, found.header.frame_id) == (sec, 7, frame_id)
    assert (found.height, found.width, found.encoding) == (3, 2**32 - 1, encoding)
    assert (found.is_bigendian, found.step, bytes(found.data)) == (1, 77, pixels)


@given(frame_id=words, name=words, pixels=data, little=st.booleans())
def test_a_compressed_image_has_the_fields_it_was_written_with(frame_id, name, pixels, little):
    message = STORE.types[COMPRESSED](header(1, 2, frame_id), name, np.frombuffer(pixels, np.uint8))
    found = image_from_cdr(serialised(message, little), COMPRESSED)
    assert (found.header.frame_id, found.format, bytes(found.data)) == (frame_id, name, pixels)


def test_bytes_that_are_cut_off_or_of_another_kind_are_refused():
    raw = serialised(STORE.types[IMAGE](header(1, 2, "optical"), 2, 2, "mono8", 0, 2, np.zeros(4, np.uint8)), True)
    image_from_cdr(raw, IMAGE)
    for length in range(len(raw) - 4):  # rosbags pads to a multiple of four
        with pytest.raises(RecordingError, match="bytes that are no sensor_msgs/msg/Image"):
            image_from_cdr(raw[:length], IMAGE)
    with pytest.raises(RecordingError, match="expected plain CDR"):
        image_from_cdr(b"\0\x07" + raw[2:], IMAGE)
