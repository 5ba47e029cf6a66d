"""What every layout of a folder of frames is turned into: the files of each frame, and what was found on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.system.files import TextFileError, read_text
from pagnet_ros.system.units import NS_PER_S

MAX_TEXT_BYTES = 64 * 1024 * 1024

Pose = Path | tuple[float, ...]


@dataclass(frozen=True)
class FrameFiles:
    """The files of one frame.

    Attributes:
        name: What to call the frame in messages.
        depth: Depth image.
        color: Colour image.
        depth_stamp_ns: Stamp of the depth image.
        color_stamp_ns: Stamp of the colour image.
        depth_scale: Divide stored whole numbers by this to get metres; None if they are millimetres.
        pose: Text file with a 4x4 camera-to-world matrix, or its seven TUM numbers (tx ty tz qx qy qz qw), or None.
        reference: A better depth image of the same view, or None.
    """

    name: str
    depth: Path
    color: Path
    depth_stamp_ns: int
    color_stamp_ns: int
    depth_scale: float | None = None
    pose: Pose | None = None
    reference: Path | None = None


@dataclass
class Listing:
    """What a layout finds; filled while it looks.

    Attributes:
        frames: In any order.
        problems: What is wrong, one sentence each; any makes the folder unusable.
        notes: What is odd and does not.
        stamps: By number of the frame, where a table gives them.
        poses: Likewise.
        intrinsics: `[3, 3]` of the colour camera, or None.
        unit_m: Metres per count of 16-bit depth, where the folder proves it.
        unit_question: Why the unit has to be asked for, where it must be.
    """

    frames: list[FrameFiles] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stamps: dict[int, int] = field(default_factory=dict)
    poses: dict[int, Pose] = field(default_factory=dict)
    intrinsics: NDArray[np.float64] | None = None
    unit_m: float | None = None
    unit_question: str = ""

    def set_intrinsics(self, values: Sequence[float], name: str) -> None:
        """Take a row-major 3x3 or 4x4 camera matrix; another number of values, or an unsound one, is noted instead."""
        side = {9: 3, 16: 4}.get(len(values))
        if side is None:
            return
        matrix = np.array(values, dtype=np.float64).reshape(side, side)[:3, :3]
        if np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0:
            self.intrinsics = matrix
        else:
            self.notes.append(f"{name} is not used: it holds no positive focal lengths")


def visible(folder: Path) -> list[Path]:
    """What a folder holds, by name, without hidden files: macOS leaves a ``._name`` beside each ``name`` it copies."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def read_rows(path: Path, problems: list[str]) -> list[list[str]]:
    """Rows of a text file of numbers and names: split at blanks, commas taken as blanks, `#` comments dropped."""
    try:
        text = read_text(path, MAX_TEXT_BYTES)
    except TextFileError as error:
        problems.append(f"{path.name}: {error}")
        return []
    lines = (line.split("#", 1)[0].replace(",", " ").split() for line in text.splitlines())
    return [line for line in lines if line]


def seconds_to_ns(text: str) -> int | None:
    """Exact: 1305031102.175304 has more digits than a float holds to the nanosecond."""
    try:
        seconds = Decimal(text)
        return int(seconds * NS_PER_S) if seconds.is_finite() and 0 <= seconds < 2**31 else None
    except InvalidOperation:
        return None
