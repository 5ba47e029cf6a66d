"""RVL, the run-length codec of compressedDepth (Wilson, "Fast Lossless Depth Image Compression", ISS 2017).

A stream of numbers, each in 4-bit groups of three value bits and one continuation bit, top group of each 32-bit word
first: pairs of run lengths (zeros, then non-zeros), each followed by the non-zeros as zig-zag differences. Decoded
with NumPy, in time that depends on the number of bytes and hardly on how the holes lie.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import MessageError
from pagnet_ros.messages.containers import check_size

_HEADER: Final = struct.Struct("<ii")
_MAX_GROUPS: Final = 10  # 30 bits; a difference of depths takes 17, a run length at most 27
_DOUBLINGS: Final = 5
_BYTES_PER_PIXEL: Final = 15  # three numbers (two run lengths, one difference) of ten groups each


def decode_rvl(payload: bytes) -> NDArray[np.uint16]:
    """Decode a depth image.

    Args:
        payload: int32 width, int32 height (little endian) and the stream.

    Returns:
        [h, w] uint16.

    Raises:
        MessageError: Too large, cut off, or runs that do not fit the size.
    """
    if len(payload) < _HEADER.size:
        raise MessageError("truncated_data", f"truncated data: RVL depth of {len(payload)} bytes; expected a size")
    width, height = _HEADER.unpack_from(payload)
    try:
        check_size(width, height)
    except MessageError as error:
        raise MessageError(error.kind, f"RVL depth {error}") from error
    size = width * height
    numbers = _numbers(payload[_HEADER.size : _HEADER.size + _BYTES_PER_PIXEL * size + 8])
    heads = _heads(numbers, size)
    zeros, ones = numbers[heads], numbers[heads + 1]
    ends = np.cumsum(zeros.astype(np.int64) + ones)
    last = int(np.searchsorted(ends, size))
    if last == ends.size:
        reached = int(ends[-1]) if ends.size else 0
        raise MessageError("truncated_data", f"truncated data: RVL depth ends at pixel {reached} of {size}")
    heads, zeros, ones = heads[: last + 1], zeros[: last + 1], ones[: last + 1]
    if ends[last] != size or heads[-1] + 2 + ones[-1] > numbers.size or not ones[:-1].all():
        raise MessageError("undecodable", f"RVL depth has runs that do not fit its {width} x {height} pixels")
    coded = np.ones(int(heads[-1] + 2 + ones[-1]), bool)
    coded[heads] = coded[heads + 1] = False
    differences = numbers[: coded.size][coded]
    measured = np.repeat(np.tile([False, True], heads.size), np.stack([zeros, ones], axis=1).reshape(-1))
    flat = np.zeros(size, np.uint16)
    flat[measured] = np.cumsum((differences >> 1) ^ -(differences & 1), dtype=np.int32).astype(np.uint16)
    return flat.reshape(height, width)


def _heads(numbers: NDArray[np.int32], size: int) -> NDArray[np.int32]:
    """Where each pair of run lengths stands.

    Each pair says where the next one is. Following them one by one is a loop over runs; here jumps are doubled until
    one spans many pairs, those few are followed, and the pairs between them are found for all of them at once.
    """
    end = max(numbers.size - 1, 0)  # a pair takes two numbers
    jump = np.full(end + 1, end, np.int32)
    jump[:end] = np.minimum(np.arange(2, end + 2, dtype=np.int32) + np.minimum(numbers[1:], size), end)
    far = jump
    for _ in range(_DOUBLINGS):
        far = far[far]
    follow, at, found = far.item, 0, []
    while at < end:
        found.append(at)
        at = follow(at)
    heads = np.empty((len(found), 1 << _DOUBLINGS), np.int32)
    heads[:, 0] = found
    for place in range(1, 1 << _DOUBLINGS):
        heads[:, place] = jump[heads[:, place - 1]]
    return heads[heads < end]


def _numbers(data: bytes) -> NDArray[np.int32]:
    """All variable-length numbers of a stream (the padding at its end may add zeros)."""
    words = np.frombuffer(data, "<u4", count=len(data) // 4)
    shifts = np.arange(28, -1, -4, dtype=np.uint32)
    groups = ((words[:, None] >> shifts) & 15).astype(np.uint8).reshape(-1)
    ends = np.flatnonzero(groups < 8)
    if ends.size == 0:
        return np.zeros(0, np.int32)
    starts = np.concatenate(([0], ends[:-1] + 1))
    lengths = ends - starts + 1
    if int(lengths.max()) > _MAX_GROUPS:
        raise MessageError("undecodable", "RVL depth holds a number of more than 30 bits; the stream is damaged")
    numbers = (groups[starts] & 7).astype(np.int32)
    for place in range(1, int(lengths.max())):  # at most nine times: the groups of one number
        longer = np.flatnonzero(lengths > place)
        numbers[longer] |= (groups[starts[longer] + place] & 7).astype(np.int32) << (3 * place)
    return numbers
