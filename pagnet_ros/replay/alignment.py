"""``python -m pagnet_ros.replay.alignment RECORDING``: does depth lie on the colour image, and if not, how far off?

Reads a bag or a folder of frames as the replay does, and looks at all of it. Prints the offset that the edges of depth
and colour tell, how sure that is, and what to set; exit status 1 where depth is off.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pagnet_ros.core.alignment.check import AlignmentCheck
from pagnet_ros.core.alignment.estimate import Estimate
from pagnet_ros.errors import PagnetError
from pagnet_ros.replay.frame import SourceOptions
from pagnet_ros.replay.source import open_source

ALIGNED, OFF, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the command line without the program's name; `sys.argv` if None.

    Returns:
        0 where depth is not off as far as can be told, 1 where it is, 2 where nothing could be read, 130 after Ctrl-C.
    """
    parser = argparse.ArgumentParser(
        prog="python -m pagnet_ros.replay.alignment",
        description="Does depth lie on the colour image, and if not, how far off?",
        epilog="Exit status: 0 not off as far as can be told, 1 off, 2 nothing could be read.",
    )
    parser.add_argument("recording", nargs="+", help="a bag, or a folder of frames")
    parser.add_argument("--depth", default="", help="depth topic of a bag (found if unambiguous)")
    parser.add_argument("--color", default="", help="colour topic of a bag (found if unambiguous)")
    given = parser.parse_args(arguments)
    check, width = AlignmentCheck(period=1, memory=1.0), 0
    try:
        with open_source(given.recording, SourceOptions(depth=given.depth, color=given.color)) as source:
            for frame in source.frames():
                check.look(frame.depth, frame.rgb)
                width = frame.rgb.shape[1]
    except PagnetError as error:
        sys.stderr.write(f"alignment: {error}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("alignment: stopped\n")
        return INTERRUPTED
    sys.stdout.write(_in_words(check.estimate, width))
    return OFF if check.estimate is not None and check.estimate.is_off else ALIGNED


def _in_words(found: Estimate | None, width: int) -> str:
    if found is None:
        return (
            "there is no depth edge in any frame, so nothing can be told: record a scene with objects before a wall\n"
        )
    if found.doubts:
        return f"cannot tell: {'; '.join(found.doubts)}\n"
    if not found.is_off:
        return f"depth lies on the colour image: {found}\n"
    x, y = found.offset_px
    return (
        f"depth lies off the colour image: it must move by {found}.\nRecalibrate depth to colour. Until then set the "
        f"node's parameter registration:='{x:.1f},{y:.1f}', or write into the sensor profile:\n"
        f"  registration_x_px: {x:.2f}\n  registration_y_px: {y:.2f}\n  registration_width: {width}\n"
    )


if __name__ == "__main__":
    sys.exit(main())
