"""Image messages read from their bytes: the same fields that rosbags reads, and an error for any other bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("rosbags", reason="the rosbags library is not installed")
from rosbags.typesys import Stores, get_typestore

from pagnet_ros.errors import RecordingError
from pagnet_ros.messages.image import COMPRESSED, IMAGE, image_from_cdr

STORE = get_typestore(Stores.ROS2_JAZZY)
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


@given(raw=st.binary(max_size=80))
def test_any_bytes_give_an_image_or_an_error(raw):
    for msgtype in (IMAGE, COMPRESSED):
        try:
            image_from_cdr(raw, msgtype)
        except RecordingError:
            continue
