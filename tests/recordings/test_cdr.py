"""Header stamps inside serialised messages."""

import struct

import pytest

from pagnet_ros.recordings.cdr import header_stamp_ns, starts_with_header, with_header_stamp

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
