"""RVL: what another encoder wrote comes back, in few steps, and what is damaged is refused."""

import contextlib
import struct
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from pagnet_ros.errors import MessageError
from pagnet_ros.messages.compressed import depth_from_compressed
from pagnet_ros.messages.rvl import decode_rvl


def rvl_encode(depth):
    """RVL written from the paper's description, number by number."""
    nibbles = []

    def put(value):
        while True:
            nibble = value & 7
            value >>= 3
            nibbles.append(nibble | (8 if value else 0))
            if not value:
                return

    flat, at, previous = depth.reshape(-1).astype(int), 0, 0
    while at < flat.size:
        zeros = at
        while at < flat.size and flat[at] == 0:
            at += 1
        put(at - zeros)
        run = at
        while run < flat.size and flat[run] != 0:
            run += 1
        put(run - at)
        for value in flat[at:run]:
            delta = value - previous
            put((delta << 1) ^ (delta >> 31))
            previous = value
        at = run
    nibbles += [0] * (-len(nibbles) % 8)
    words = [int("".join(f"{n:x}" for n in nibbles[i : i + 8]), 16) for i in range(0, len(nibbles), 8)]
    return struct.pack(f"<ii{len(words)}I", depth.shape[1], depth.shape[0], *words)


@pytest.mark.parametrize("shape", [(12, 17), (1, 1), (3, 8)])
@pytest.mark.parametrize("fill", ["mixed", "zeros", "full", "extreme"])
def test_rvl_comes_back_exactly(shape, fill):
    rng = np.random.default_rng(3)
    depth = rng.integers(400, 9000, shape).astype(np.uint16)
    depth[rng.random(shape) < 0.3] = 0
    if fill == "zeros":
        depth[:] = 0
    elif fill == "full":
        depth[depth == 0] = 500
    elif fill == "extreme":
        depth[:] = np.where(rng.random(shape) < 0.5, 1, 65535)
    np.testing.assert_array_equal(decode_rvl(rvl_encode(depth)), depth)


def test_rvl_of_scattered_holes_takes_few_steps():
    rng = np.random.default_rng(3)
    depth = rng.integers(400, 9000, (480, 640)).astype(np.uint16)
    depth[rng.random(depth.shape) < 0.2] = 0
    payload, lines = rvl_encode(depth), 0

    def count(frame, event, _):
        nonlocal lines
        lines += event == "line"
        return count

    sys.settrace(count)
    try:
        out = decode_rvl(payload)
    finally:
        sys.settrace(None)
    np.testing.assert_array_equal(out, depth)
    assert lines < 5000  # it has 50,000 runs


@pytest.mark.parametrize("payload", [b"\x11" * 4000, b"\xff" * 4000, b"\0" * 4000, b"\x9f\xff\xff\x7f" * 1000])
def test_rvl_longer_than_its_size_needs_is_read_no_further(payload):
    with contextlib.suppress(MessageError):
        assert decode_rvl(struct.pack("<ii", 2, 2) + payload).shape == (2, 2)


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (b"\0\0\0", "truncated data: RVL"),
        (struct.pack("<ii", 1 << 20, 1 << 20), "RVL depth claims 1048576 x 1048576"),
        (struct.pack("<ii", -5, 7), "RVL depth claims -5 x 7"),
        (rvl_encode(np.arange(200, dtype=np.uint16).reshape(10, 20))[:-24], "RVL depth (ends|has runs)|truncated"),
    ],
)
def test_a_damaged_stream_is_refused(payload, says):
    with pytest.raises(MessageError, match=says):
        decode_rvl(payload)


def test_it_is_one_of_the_codecs_of_compressed_depth():
    depth = np.arange(200, dtype=np.uint16).reshape(10, 20)
    message = SimpleNamespace(format="16UC1; compressedDepth rvl", data=bytes(12) + rvl_encode(depth))
    np.testing.assert_array_equal(depth_from_compressed(message), depth)
