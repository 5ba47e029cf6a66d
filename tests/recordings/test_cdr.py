"""Header stamps inside serialised messages."""

import struct

import pytest

from pagnet_ros.recordings.cdr import TF, header_offsets, header_stamp_ns, starts_with_header, with_header_stamp

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


@pytest.mark.parametrize("little_endian", [True, False])
@pytest.mark.parametrize("names", [("a", "b"), ("odom", "base_link"), ("camera_link", "camera_depth_optical")])
def test_every_transform_of_a_message_has_a_stamp(names, little_endian):
    typesys = pytest.importorskip("rosbags.typesys", reason="the rosbags library is not installed")
    store = typesys.get_typestore(typesys.Stores.ROS2_JAZZY)
    kinds = store.types
    move = kinds["geometry_msgs/msg/Transform"](
        kinds["geometry_msgs/msg/Vector3"](1.0, 2.0, 3.0), kinds["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.0, 1.0)
    )

    def moves(times):
        made = [kinds["builtin_interfaces/msg/Time"](second, 7) for second in times]
        headers = [kinds["std_msgs/msg/Header"](time, names[0]) for time in made]
        message = kinds[TF]([kinds["geometry_msgs/msg/TransformStamped"](h, names[1], move) for h in headers])
        return bytes(store.serialize_cdr(message, TF, little_endian=little_endian))

    raw = moves([5, 6, 7])
    offsets = header_offsets(raw, TF, stamped=False)
    assert [header_stamp_ns(raw, at) for at in offsets] == [5_000_000_007, 6_000_000_007, 7_000_000_007]
    for at in offsets:
        raw = with_header_stamp(raw, header_stamp_ns(raw, at) + 10_000_000_000, at)
    assert raw == moves([15, 16, 17])
    for length in range(len(raw)):
        assert header_offsets(raw[:length], TF, stamped=False) == [at for at in offsets if at + 8 <= length]


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
