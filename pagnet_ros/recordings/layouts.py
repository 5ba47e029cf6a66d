"""How folders of frames are laid out: from file names to a list of (depth, colour, stamps, pose).

Here a layout is chosen, and those are listed whose names say everything, the unit of depth too; `named_pairs` has the
others.
Each function looks at names and small text files and nothing of the pixels, and collects what is wrong in a list, so
that `frames` can report everything at once.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable
from pathlib import Path

from pagnet_ros.errors import quoted
from pagnet_ros.recordings.frame_files import FrameFiles, Listing, read_rows, seconds_to_ns, visible
from pagnet_ros.recordings.images import COLOR_SUFFIXES, DEPTH_SUFFIXES
from pagnet_ros.recordings.named_pairs import find_folders, is_named, list_folders, list_named
from pagnet_ros.system.units import NS_PER_S

TUM_DEPTH_SCALE = 5000.0
TUM_PAIR_SLOP_NS = 20_000_000
MAX_FRAMES = 1_000_000

_NUMBERED = re.compile(r"frame-(\d{1,9})\.(color|depth)(\.[a-z]+)")
_PAIR_DEPTH = re.compile(r"(?P<name>.+?)_depth(?P<kind>(_[a-z0-9]+)*)_mm\.png")
_STAMP_NAME = re.compile(r"\d{2,}\.\d{3,}")

Layout = Callable[[Path, float, Listing], None]


def detect_layout(folder: Path) -> str | None:
    """Name of the layout that a folder's file names show, or None."""
    if (folder / "rgb").is_dir() and (folder / "depth").is_dir() and _is_stamped(folder):
        return "tum"
    names = [path.name for path in visible(folder) if not path.is_dir()]
    if any(_NUMBERED.fullmatch(name) for name in names):
        return "numbered"
    if any(_PAIR_DEPTH.fullmatch(name) for name in names):
        return "pairs"
    if find_folders(folder) is not None:
        return "folders"
    if is_named(names):
        return "named"
    return "pairs" if any(_is_pair_color(name) for name in names) else None


def _is_stamped(folder: Path) -> bool:
    """Whether `rgb/` and `depth/` are TUM's: the tables are there, or the names are stamps in seconds."""
    tables = any((folder / f"{kind}.txt").exists() for kind in ("rgb", "depth"))
    return tables or any(_STAMP_NAME.fullmatch(path.stem) for path in visible(folder / "depth"))


def list_numbered(folder: Path, hz: float, listing: Listing) -> None:
    """`frame-NNNNNN.{color.png,depth.png,pose.txt}`: stamps from `timestamps.txt`, else number / `hz`.

    A number that is missing leaves a gap in time, as it did in the recording. Stamps by number start one period after
    zero, because a zero stamp means "the latest" in tf.
    """
    found: dict[int, dict[str, Path]] = {}
    for path in visible(folder):
        match = _NUMBERED.fullmatch(path.name)
        if match and path.suffix in (COLOR_SUFFIXES if match[2] == "color" else DEPTH_SUFFIXES):
            found.setdefault(int(match[1]), {})[match[2]] = path
    problems = listing.problems
    stamps = _numbered_stamps(folder / "timestamps.txt", problems)
    for number, files in sorted(found.items()):
        if len(files) < 2:
            (have,) = files.values()
            missing = "color" if "depth" in files else "depth"
            problems.append(f"{have.name} has no {missing} image beside it")
            continue
        if stamps is not None and number not in stamps:
            problems.append(f"timestamps.txt has no stamp for {files['depth'].name}")
            continue
        stamp_ns = stamps[number] if stamps is not None else round((number + 1) * NS_PER_S / hz)
        prefix = files["depth"].name.split(".")[0]
        pose = folder / f"{prefix}.pose.txt"
        listing.frames.append(
            FrameFiles(prefix, files["depth"], files["color"], stamp_ns, stamp_ns, pose=pose if pose.exists() else None)
        )


def list_tum(folder: Path, hz: float, listing: Listing) -> None:
    """`rgb/` and `depth/` with `rgb.txt` and `depth.txt` (stamp, file), as in the TUM RGB-D benchmark.

    Without the text files the file names are the stamps. Each depth image takes the nearest colour image within 20 ms,
    as the benchmark's own tool does; colour images that no depth image wants are left out. Depth is stored as 5000 per
    metre. `groundtruth.txt` gives poses.
    """
    del hz
    problems, frames = listing.problems, listing.frames
    depth, color = (_tum_list(folder, kind, problems) for kind in ("depth", "rgb"))
    poses = _tum_poses(folder / "groundtruth.txt", problems)
    color_stamps, pose_stamps = sorted(color), sorted(poses)
    for stamp_ns, path in sorted(depth.items()):
        nearest = _nearest(color_stamps, stamp_ns)
        if nearest is None:
            continue
        pose = _nearest(pose_stamps, stamp_ns)
        name = path.relative_to(folder).as_posix()
        frames.append(
            FrameFiles(
                name,
                path,
                color[nearest],
                stamp_ns,
                nearest,
                depth_scale=TUM_DEPTH_SCALE,
                pose=poses[pose] if pose is not None else None,
            )
        )
    if not frames and depth and color:
        problems.append("no depth image has a colour image within 20 ms; are both stamped by the same clock?")


def list_pairs(folder: Path, hz: float, listing: Listing) -> None:
    """`<name>_rgb.*` with `<name>_depth_mm.png` or `<name>_depth_lr_mm.png` (and `_depth_hr_mm.png` as a reference)."""
    problems, frames = listing.problems, listing.frames
    colors = {p.stem[: -len("_rgb")]: p for p in visible(folder) if _is_pair_color(p.name)}
    depths: dict[str, dict[str, Path]] = {}
    for path in visible(folder):
        if match := _PAIR_DEPTH.fullmatch(path.name):
            depths.setdefault(match["name"], {})[match["kind"].lstrip("_")] = path
    for name in sorted(colors.keys() ^ depths.keys()):
        if name in colors:
            problems.append(f"{colors[name].name} has no {name}_depth_mm.png or {name}_depth_lr_mm.png beside it")
        else:
            problems.append(f"{next(iter(depths[name].values())).name} has no {name}_rgb.png or .jpg beside it")
    for name in sorted(colors.keys() & depths.keys()):
        kinds = dict(depths[name])
        reference = kinds.pop("hr", None) if len(kinds) > 1 else None
        if len(kinds) != 1:
            problems.append(f"{name} has {len(kinds)} depth images ({', '.join(p.name for p in kinds.values())})")
            continue
        stamp_ns = round((len(frames) + 1) * NS_PER_S / hz)
        (depth,) = kinds.values()
        frames.append(FrameFiles(name, depth, colors[name], stamp_ns, stamp_ns, reference=reference))


LAYOUTS: dict[str, Layout] = {
    "numbered": list_numbered,
    "tum": list_tum,
    "pairs": list_pairs,
    "folders": list_folders,
    "named": list_named,
}


def _is_pair_color(name: str) -> bool:
    return name.lower().endswith(tuple(f"_rgb{suffix}" for suffix in COLOR_SUFFIXES))


def _numbered_stamps(path: Path, problems: list[str]) -> dict[int, int] | None:
    """Rows "seconds number" or "seconds frame-NNNNNN"; None where the file is absent."""
    if not path.exists():
        return None
    stamps: dict[int, int] = {}
    for row in read_rows(path, problems):
        number = re.fullmatch(r"(?:frame-)?(\d{1,9})(?:\..*)?", row[1]) if len(row) > 1 else None
        stamp_ns = seconds_to_ns(row[0])
        if number is None or stamp_ns is None:
            problems.append(f"timestamps.txt: row {quoted(' '.join(row))}; expected seconds and a frame number")
            break
        stamps[int(number[1])] = stamp_ns
    return stamps


def _tum_list(folder: Path, kind: str, problems: list[str]) -> dict[int, Path]:
    """Stamp to file for `rgb` or `depth`, from `<kind>.txt` or from the names."""
    table = folder / f"{kind}.txt"
    suffixes = COLOR_SUFFIXES if kind == "rgb" else (".png",)
    files: dict[int, Path] = {}
    if not table.exists():
        for path in visible(folder / kind):
            stamp_ns = seconds_to_ns(path.stem)
            if path.suffix in suffixes and stamp_ns is None:
                problems.append(f"{kind}/{path.name} is no stamp in seconds, and there is no {kind}.txt to give one")
            elif path.suffix in suffixes and stamp_ns is not None:
                files[stamp_ns] = path
        return files
    for row in read_rows(table, problems):
        stamp_ns = seconds_to_ns(row[0])
        if stamp_ns is None or len(row) != 2:
            problems.append(f"{table.name}: row {quoted(' '.join(row))}; expected seconds and a file name")
            break
        if "\0" in row[1]:
            problems.append(f"{table.name} is no text file: it holds zero bytes")
            break
        path = folder / row[1].replace("\\", "/")  # a table made under Windows
        if not path.resolve().is_relative_to(folder.resolve()):
            problems.append(f"{table.name} names {quoted(row[1])}, which lies outside the folder")
        elif not path.is_file():
            problems.append(f"{table.name} names {quoted(row[1])}, which is not there")
        else:
            files[stamp_ns] = path
    return files


def _tum_poses(path: Path, problems: list[str]) -> dict[int, tuple[float, ...]]:
    poses: dict[int, tuple[float, ...]] = {}
    for row in read_rows(path, problems) if path.exists() else []:
        stamp_ns = seconds_to_ns(row[0])
        try:
            values = tuple(float(v) for v in row[1:])
        except ValueError:
            values = ()
        if stamp_ns is None or len(values) != 7:
            problems.append(f"{path.name}: row {quoted(' '.join(row))}; expected stamp tx ty tz qx qy qz qw")
            break
        poses[stamp_ns] = values
    return poses


def _nearest(stamps: list[int], stamp_ns: int) -> int | None:
    """The value of a sorted list nearest to a stamp, if within `TUM_PAIR_SLOP_NS`."""
    position = bisect.bisect_left(stamps, stamp_ns)
    around = stamps[max(0, position - 1) : position + 1]
    best = min(around, key=lambda s: abs(s - stamp_ns), default=None)
    return best if best is not None and abs(best - stamp_ns) <= TUM_PAIR_SLOP_NS else None
