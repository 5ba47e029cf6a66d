"""Command line: a folder of depth and colour images to a ROS 2 bag. Needs no running ROS.

ros2 run pagnet_ros frames_to_bag FOLDER BAG --storage mcap --downsample 4
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from pagnet_ros.errors import PagnetError
from pagnet_ros.recordings.bag_writer import BagOptions, write_bag
from pagnet_ros.recordings.frames import FrameFolder, open_frames
from pagnet_ros.system.settings import add_flags, fields_of
from pagnet_ros.system.start import start


def add_folder(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that name and describe a folder of frames."""
    parser.add_argument("folder", help="folder of frames, in any layout of docs/replay.md")
    parser.add_argument("--hz", type=float,
                        help="frames per second where the folder has no stamps (default 30; 1 for stills)")  # fmt: skip
    parser.add_argument("--depth-unit", type=float, metavar="M",
                        help="metres per count of 16-bit depth, where the folder does not prove it")  # fmt: skip
    parser.add_argument("--only", default="", metavar="TEXT", help="frames whose name contains this")


def open_folder(given: argparse.Namespace) -> FrameFolder:
    """The folder that these arguments name.

    Raises:
        RecordingError: It cannot be read.
    """
    return open_frames(given.folder, hz=given.hz, only=given.only, depth_unit_m=given.depth_unit)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `frames_to_bag`; returns 0, or 1 after an error, which is then on stderr."""
    parser = argparse.ArgumentParser(prog="frames_to_bag", description="Write a folder of frames as a ROS 2 bag.")
    add_folder(parser)
    parser.add_argument("bag", help="bag folder to make")
    add_flags(parser, BagOptions, {"depth_topic": "--depth", "color_topic": "--color"})
    given = parser.parse_args(arguments)
    try:
        options = BagOptions(**{field.name: getattr(given, field.name) for field in fields_of(BagOptions)})
        frames = open_folder(given)
        for note in frames.notes:
            sys.stderr.write(f"{frames.path}: {note}\n")
        path = write_bag(frames, given.bag, options)
    except PagnetError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing was written\n")
        return 130
    sys.stdout.write(f"{path}: {len(frames)} frames\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(start("pagnet_ros.ros.players.frames_to_bag"))
