"""Folders of depth and colour images as people and their tools lay them out, told by the words in the names.

Two layouts: `list_folders` (a folder for each kind of image: `color/` + `depth/`) and `list_named` (one folder:
`color.png` + `depth.png`, `000001-color.png` + `000001-depth.png`), and what the tools that write them add beside:
calibration, poses and stamps of ScanNet, StrayScanner and Record3D. A name says which image is which, never the unit of
its depth: that is proven by such a file, asked for, or told as an assumption.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pagnet_ros.errors import quoted
from pagnet_ros.recordings.frame_files import MAX_TEXT_BYTES, FrameFiles, Listing, read_rows, seconds_to_ns, visible
from pagnet_ros.recordings.images import COLOR_SUFFIXES, DEPTH_SUFFIXES
from pagnet_ros.system.files import TextFileError, read_text
from pagnet_ros.system.units import NS_PER_S

COLOR_FOLDERS: Final = ("rgb", "color", "colour", "images", "image", "rgb_images", "color_images")
DEPTH_FOLDERS: Final = ("depth", "depths", "depth_images", "depth_raw", "aligned_depth", "depth_aligned")
_COLOR_WORDS: Final = frozenset({"color", "colour", "rgb", "image", "img", "frame", "left"})
_DEPTH_WORDS: Final = frozenset({"depth", "depthmap"})
_LOOSE_WORDS: Final = frozenset({"raw", "mm", "aligned"})
_PARTS: Final = re.compile(r"[^\W\d_]+|\d+|[^a-zA-Z\d]+")
_SECONDS: Final = re.compile(r"(?<!\d)(?<!\d\.)\d{9,10}\.\d+(?!\.?\d)", re.ASCII)

Key = tuple[tuple[int, str], ...]


def find_folders(folder: Path) -> tuple[Path, Path] | None:
    """The folder of colour and that of depth images, or None; ``Color`` is ``color``."""
    folders = {path.name.lower(): path for path in visible(folder) if path.is_dir()}
    color, depth = (
        next((folders[name] for name in names if name in folders), None) for names in (COLOR_FOLDERS, DEPTH_FOLDERS)
    )
    return (color, depth) if color is not None and depth is not None else None


def is_named(names: Iterable[str]) -> bool:
    """Whether some names of one folder say depth and others colour."""
    roles = {_role(name) for name in names}
    return {"depth", "color"} <= roles


def list_folders(folder: Path, hz: float, listing: Listing) -> None:
    """`color/` and `depth/` (or `rgb/`): files of one number or name belong together."""
    found = find_folders(folder)
    assert found is not None
    color, depth = (
        _by_key((path for path in visible(each) if path.suffix.lower() in suffixes), listing)
        for each, suffixes in zip(found, (COLOR_SUFFIXES, DEPTH_SUFFIXES), strict=True)
    )
    tool = next((tool for tool in _TOOLS if tool.is_there(folder)), None)
    if tool is not None:
        tool.read(folder, listing)
    elif found[0].name.lower() == "rgb":
        listing.unit_question = (
            f"{found[0].name}/ and {found[1].name}/ are laid out so in TUM's recordings (5000 per metre) and in many "
            "whose depth is in millimetres"
        )
    for each, images, suffixes in zip(found, (color, depth), (COLOR_SUFFIXES, DEPTH_SUFFIXES), strict=True):
        if not images:
            others = ", ".join(sorted({quoted(path.suffix) for path in visible(each)})[:4]) or "nothing"
            listing.problems.append(
                f"{each.name}/ has no image that is read (its files end in {others}); expected {', '.join(suffixes)}. "
                "Convert them; depth in EXR, NPZ or another kind to .npy in metres"
            )
            return
    _pair(color, depth, hz, listing, tool)


def list_named(folder: Path, hz: float, listing: Listing) -> None:
    """Files of one folder whose names differ in the words for colour and depth alone."""
    color, depth = (
        _by_key((p for p in visible(folder) if _role(p.name) == role and p.suffix.lower() in suffixes), listing)
        for role, suffixes in (("color", COLOR_SUFFIXES), ("depth", DEPTH_SUFFIXES))
    )
    _pair(color, depth, hz, listing, None)


def _pair(color: dict[Key, Path], depth: dict[Key, Path], hz: float, listing: Listing, tool: _Tool | None) -> None:
    """Frames of what both have; what has no partner is left out, and said."""
    both = sorted(color.keys() & depth.keys())
    for index, key in enumerate(both):
        number = key[0][0] if len(key) == 1 and key[0][0] >= 0 else index
        stamp_ns = listing.stamps.get(number) if listing.stamps else _stamp_ns(number, hz)
        if stamp_ns is None:
            listing.problems.append(f"{depth[key].name} has no stamp in {tool.name if tool else 'the table'}")
            continue
        name = depth[key].stem if depth[key].parent != color[key].parent else _frame_name(depth[key])
        pose = listing.poses.get(number)
        listing.frames.append(FrameFiles(name, depth[key], color[key], stamp_ns, stamp_ns, pose=pose))
    alone = [path.name for kind in (color, depth) for key, path in kind.items() if key not in both]
    if not both:
        named = ", ".join(map(quoted, alone[:4])) or "no image at all"
        listing.problems.append(f"no depth image has a colour image of the same number or name ({named})")
    elif alone:
        listing.notes.append(f"{len(alone)} images have no partner and are left out, such as {quoted(alone[0])}")


def _stamp_ns(number: int, hz: float) -> int:
    """When a frame was taken, by its number: milli-, micro- or nanoseconds since 1970 where so large."""
    for least, unit_ns in ((10**17, 1), (10**14, 1_000), (10**11, 1_000_000)):
        if least <= number < (NS_PER_S << 31) // unit_ns:
            return number * unit_ns
    return round((number % 10**11 + 1) * NS_PER_S / hz)


def _by_key(paths: Iterable[Path], listing: Listing) -> dict[Key, Path]:
    """Images by what is left of their names: of several with the same the first; the others are noted."""
    found: dict[Key, Path] = {}
    others = [path for path in paths if found.setdefault(_key(path.stem), path) is not path]
    if others:
        listing.notes.append(
            f"{len(others)} images are left out, as others have the same number or name, such as "
            f"{quoted(others[0].name)} beside {quoted(found[_key(others[0].stem)].name)}"
        )
    return found


def _words(stem: str) -> list[str]:
    return [part.lower() for part in _PARTS.findall(stem)]


def _role(name: str) -> str:
    """What a name says: "depth", "color", or nothing."""
    words = set(_words(Path(name).stem))
    if words & _DEPTH_WORDS:
        return "depth"
    return "color" if words & _COLOR_WORDS else ""


def _key(stem: str) -> Key:
    """What is left of a name without the words for its kind: numbers by value, so that 7 is 000007.

    Seconds since 1970 with a fraction, as in 1700000000.05, count as one number of nanoseconds.
    """
    stem = _SECONDS.sub(lambda found: str(seconds_to_ns(found[0]) or found[0]), stem)
    words = [word for word in _words(stem) if word.isalnum()]
    kept = [word for word in words if word not in _COLOR_WORDS | _DEPTH_WORDS | _LOOSE_WORDS]
    return tuple((int(word[:19]), "") if word.isdecimal() else (-1, word) for word in kept)


def _frame_name(path: Path) -> str:
    kept = [word for word in _words(path.stem) if word.isalnum() and word not in _DEPTH_WORDS]
    return "-".join(kept) or path.stem


@dataclass(frozen=True)
class _Tool:
    """A program that writes such folders, known by the files it leaves.

    Attributes:
        name: Its own.
        is_there: Whether a folder is one of its.
        read: Takes calibration, poses and stamps, and the proof of the unit, where it gives one.
    """

    name: str
    is_there: Callable[[Path], bool]
    read: Callable[[Path, Listing], None]


def _read_scannet(folder: Path, listing: Listing) -> None:
    listing.unit_m = 1e-3
    for name in ("intrinsic_color.txt", "intrinsic_depth.txt"):
        if (folder / "intrinsic" / name).is_file():
            listing.set_intrinsics(_numbers(folder / "intrinsic" / name, listing, 16), name)
            break
    for path in sorted((folder / "pose").glob("*.txt")) if (folder / "pose").is_dir() else ():
        key = _key(path.stem)
        if len(key) == 1 and key[0][0] >= 0:
            listing.poses[key[0][0]] = path


def _read_stray_scanner(folder: Path, listing: Listing) -> None:
    listing.unit_m = 1e-3
    listing.set_intrinsics(_numbers(folder / "camera_matrix.csv", listing, 9), "camera_matrix.csv")
    for row in read_rows(folder / "odometry.csv", listing.problems)[1:]:
        stamp_ns = seconds_to_ns(row[0])
        try:
            number, pose = int(row[1]), tuple(float(value) for value in row[2:9])
        except (ValueError, IndexError):
            number, pose = -1, ()
        if stamp_ns is None or number < 0 or len(pose) != 7:
            listing.problems.append(
                f"odometry.csv: row {quoted(' '.join(row))}; expected timestamp, frame, x, y, z, qx, qy, qz, qw"
            )
            return
        listing.stamps[number], listing.poses[number] = stamp_ns + 1, pose  # a zero stamp means "the latest" in tf


def _read_record3d(folder: Path, listing: Listing) -> None:
    path = _record3d_metadata(folder)
    assert path is not None
    try:
        content = json.loads(read_text(path, MAX_TEXT_BYTES))
        matrix, poses = content["K"], content.get("poses", [])
        columns = np.array(matrix, dtype=np.float64).reshape(3, 3)  # stored column after column
        listing.set_intrinsics(columns.T.reshape(-1).tolist(), path.name)
        table = np.array(poses, dtype=np.float64).reshape(-1, 7)
    except (TextFileError, ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        listing.notes.append(f"{path.name} is not used: {quoted(str(error))}")
        return
    for number, (qx, qy, qz, qw, x, y, z) in enumerate(table.tolist()):
        # ARKit's camera looks along -z with y up; turned by half a turn about x it is the optical frame
        listing.poses[number] = (x, y, z, qw, qz, -qy, -qx)


def _record3d_metadata(folder: Path) -> Path | None:
    return next((folder / name for name in ("metadata.json", "metadata") if (folder / name).is_file()), None)


def _numbers(path: Path, listing: Listing, count: int) -> list[float]:
    """All numbers of a small file; empty, and noted, where there are not as many as expected."""
    problems: list[str] = []
    try:
        values = [float(value) for row in read_rows(path, problems) for value in row]
    except ValueError:
        values = []
    if problems or len(values) != count:
        listing.notes.append(f"{path.name} is not used: it does not hold {count} numbers")
        return []
    return values


_TOOLS: Final = (
    _Tool("ScanNet's export", lambda folder: (folder / "intrinsic").is_dir(), _read_scannet),
    _Tool(
        "odometry.csv",
        lambda folder: all((folder / name).is_file() for name in ("odometry.csv", "camera_matrix.csv")),
        _read_stray_scanner,
    ),
    _Tool("Record3D's metadata", lambda folder: _record3d_metadata(folder) is not None, _read_record3d),
)
