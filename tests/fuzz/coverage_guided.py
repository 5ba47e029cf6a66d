"""The decoders fed by atheris, which keeps inputs that reach new code: `python -m tests.fuzz.coverage_guided FOLDER`.

Needs atheris (`pip install atheris`); libFuzzer's options follow, such as -max_total_time=600. An input that fails is
written to the present folder: put it among the tests of `tests/messages`, then mend it. Not run by pytest.
"""

import struct
import sys
from pathlib import Path
from types import SimpleNamespace

import atheris

with atheris.instrument_imports(include=["pagnet_ros"]):
    from pagnet_ros.errors import MessageError, RecordingError
    from pagnet_ros.messages.compressed import color_from_compressed, compressed_role, depth_from_compressed
    from pagnet_ros.messages.image import color_from_image, depth_from_image, image_from_cdr
    from pagnet_ros.messages.rvl import decode_rvl

from tests.fuzz.test_messages import FILES, FORMATS

TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
MAX_PIXELS = 1 << 20  # a fuzzer shall not wait for the 67 million that a message may have


def decode(data):
    """One input: the first byte chooses decoder and format, the rest is the message."""
    if len(data) < 2:
        return
    which, rest = data[0], bytes(data[1:])
    try:
        if which < 64:
            message = SimpleNamespace(header=None, format=FORMATS[which % len(FORMATS)], data=rest)
            compressed_role(message)
            (color_from_compressed if which % 2 else depth_from_compressed)(message)
        elif which < 128:
            if (
                len(rest) < 8
                or abs(int.from_bytes(rest[:4], "little") * int.from_bytes(rest[4:8], "little")) < MAX_PIXELS
            ):
                decode_rvl(rest)
        else:
            message = image_from_cdr(rest, TYPES[which % 2])
            if which % 2:
                compressed_role(message)
            for read in (
                (color_from_compressed, depth_from_compressed) if which % 2 else (color_from_image, depth_from_image)
            ):
                try:
                    read(message)
                except MessageError:
                    continue
    except (MessageError, RecordingError):
        pass


def main():
    """Write the first inputs, then fuzz until told to stop."""
    corpus = Path(sys.argv[1])
    corpus.mkdir(parents=True, exist_ok=True)
    for number, file in enumerate(FILES):
        for which in range(len(FORMATS)):
            head = struct.pack("<iff", 0, 1.0, 0.0) if "compressedDepth" in FORMATS[which] else b""
            (corpus / f"file{number}-{which}").write_bytes(bytes([which]) + head + file)
    atheris.Setup(sys.argv, decode)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
