"""A folder of depth and colour images as a stream of stamped frames.

Opening a folder reads every file's header and reports everything that is wrong
with it in one error; iterating decodes one frame at a time, so memory does not grow with the recording.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import RecordingError, printable
from pagnet_ros.recordings.frame_files import FrameFiles, Listing, read_rows
from pagnet_ros.recordings.images import DEPTH_TYPES, ImageInfo, probe, read_depth, read_rgb
from pagnet_ros.recordings.layouts import LAYOUTS, MAX_FRAMES, detect_layout

_SHOWN_PROBLEMS = 20
_LAYOUT_HELP = (
    "frame-NNNNNN.color.png + frame-NNNNNN.depth.png; rgb/ + depth/ with rgb.txt + depth.txt (TUM); color/ + depth/ or "
    "rgb/ + depth/; <name>_rgb.jpg + <name>_depth_mm.png; NNNNNN-color.png + NNNNNN-depth.png; color.png + depth.png"
)
_HINTS = {
    "rgb.mp4": "rgb.mp4 is a video; take its images out: mkdir rgb; ffmpeg -i rgb.mp4 -start_number 0 rgb/%06d.png",
    "rgbd": "rgbd/ is as Record3D stores it (LZFSE); export it as EXR + JPG there, and convert the EXR files to .npy",
}
_MILLIMETRE = 1e-3
_STILLS = ("pairs", "named")


@dataclass(frozen=True)
class RecordedFrame:
    """One depth image with its colour image.

    Attributes:
        name: What the recording calls the frame.
        stamp_ns: When the depth image was taken (nanoseconds of the recording's own clock).
        color_stamp_ns: When the colour image was taken.
        depth: `[h, w]` uint16 millimetres with 0 = invalid, or float32 metres with NaN (or 0) = invalid.
        rgb: `[H, W, 3]` uint8.
        intrinsics: `[3, 3]` float64 matrix of the colour camera in pixels, or None if the recording has none.
        pose: `[4, 4]` float64 camera-to-world in metres, or None.
        reference: A better depth image of the same view (as `depth`), or None.
    """

    name: str
    stamp_ns: int
    color_stamp_ns: int
    depth: NDArray[np.uint16] | NDArray[np.float32]
    rgb: NDArray[np.uint8]
    intrinsics: NDArray[np.float64] | None = None
    pose: NDArray[np.float64] | None = None
    reference: NDArray[np.uint16] | NDArray[np.float32] | None = None


@dataclass(frozen=True)
class FrameFolder:
    """A checked folder of frames; iterate over it, or read single frames.

    Attributes:
        path: The folder.
        layout: "numbered", "tum", "pairs", "folders" or "named".
        files: The files of each frame, in order of stamps.
        intrinsics: `[3, 3]` matrix of the colour camera, or None.
        notes: What was assumed or left out, one sentence each.
    """

    path: Path
    layout: str
    files: tuple[FrameFiles, ...]
    intrinsics: NDArray[np.float64] | None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.files)

    def __iter__(self) -> Iterator[RecordedFrame]:
        """Decode one frame after the other."""
        return (self.read(index) for index in range(len(self.files)))

    @property
    def holds_stills(self) -> bool:
        """Whether neighbouring frames show different things, by the layout."""
        return self.layout in _STILLS

    @property
    def period_ns(self) -> int:
        """Median time between frames; a second where there is only one."""
        stamps = [entry.depth_stamp_ns for entry in self.files]
        return int(np.median(np.diff(stamps))) if len(stamps) > 1 else 1_000_000_000

    def read(self, index: int) -> RecordedFrame:
        """Decode one frame.

        Args:
            index: Position in `files`.

        Raises:
            RecordingError: A file is gone or damaged inside, which its header did not show.
        """
        entry = self.files[index]
        try:
            return RecordedFrame(
                name=entry.name,
                stamp_ns=entry.depth_stamp_ns,
                color_stamp_ns=entry.color_stamp_ns,
                depth=_scaled(read_depth(entry.depth), entry.depth_scale),
                rgb=read_rgb(entry.color),
                intrinsics=self.intrinsics,
                pose=_pose(entry.pose),
                reference=None if entry.reference is None else _scaled(read_depth(entry.reference), entry.depth_scale),
            )
        except RecordingError as error:
            raise RecordingError(f"frame {entry.name} of {self.path}: {error}") from error


def open_frames(
    path: str | Path, *, hz: float | None = None, only: str = "", depth_unit_m: float | None = None
) -> FrameFolder:
    """Check a folder of frames and list its frames.

    Args:
        path: The folder.
        hz: Frames per second where the recording has no stamps (0.01 to 1000); by default 30 for numbered frames and
            1 for pairs, which are stills.
        only: Keep the frames whose name contains this.
        depth_unit_m: Metres per count of whole-number depth, 1e-6 to 1 (0.001 for millimetres, 0.0002 for TUM's); by
            default what the folder proves, else millimetres, which is said in `notes`, or asked for in an error.

    Returns:
        The folder, with every file's header checked.

    Raises:
        RecordingError: Everything that is wrong with the folder, in one message.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        came = "a file" if folder.exists() else "nothing"
        raise RecordingError(f"{folder}: found {came}; expected a folder of frames ({_LAYOUT_HELP})")
    if hz is not None and not 0.01 <= hz <= 1000.0:
        raise RecordingError(f"{hz:g} frames per second; expected 0.01 to 1000")
    if depth_unit_m is not None and not 1e-6 <= depth_unit_m <= 1.0:
        raise RecordingError(f"depth unit {depth_unit_m:g} m; expected 0.000001 to 1 (0.001 for millimetres)")
    try:
        return _open(folder, hz, only, depth_unit_m)
    except OSError as error:
        raise RecordingError(f"{folder}: cannot be read: {error.strerror or error}") from error


def _open(folder: Path, hz: float | None, only: str, depth_unit_m: float | None) -> FrameFolder:
    layout = detect_layout(folder)
    if layout is None:
        names = {path.name for path in folder.iterdir()}
        came = f"{len(names)} files, none named like a frame" if names else "an empty folder"
        hint = next((f". {text}" for name, text in _HINTS.items() if name in names), "")
        raise RecordingError(f"{folder}: {came}; expected one of: {_LAYOUT_HELP}{hint}")
    listing = Listing()
    problems = listing.problems
    LAYOUTS[layout](folder, hz or (1.0 if layout == "pairs" else 30.0), listing)
    files = [replace(f, name=printable(f.name)) for f in listing.frames if only in f.name]  # any bytes make a file name
    if len(files) > MAX_FRAMES:
        raise RecordingError(f"{folder}: {len(files)} frames; expected at most {MAX_FRAMES}; split the folder")
    files.sort(key=lambda entry: entry.depth_stamp_ns)
    first = _check_files(layout, files, problems)
    files = _with_unit(layout, files, listing, depth_unit_m, first.get("depth"))
    intrinsics = _intrinsics(folder, listing, first.get("color") if layout not in _STILLS else None)
    if not files and not problems:
        problems.append(f"no frame name contains {only!r}" if only else "there is no frame in it")
    if problems:
        more = len(problems) - _SHOWN_PROBLEMS
        lines = problems[:_SHOWN_PROBLEMS] + ([f"... and {more} more"] if more > 0 else [])
        raise RecordingError("\n  - ".join([f"{folder}: {len(problems)} problem(s); mend or remove these:", *lines]))
    return FrameFolder(folder, layout, tuple(files), intrinsics, tuple(listing.notes))


def _with_unit(
    layout: str, files: list[FrameFiles], listing: Listing, depth_unit_m: float | None, depth: ImageInfo | None
) -> list[FrameFiles]:
    """The files with the unit that was given, proven or assumed; the listing is told where it had to be assumed."""
    if depth_unit_m is not None:
        scale = None if depth_unit_m == _MILLIMETRE else 1.0 / depth_unit_m
        return [replace(entry, depth_scale=scale) for entry in files]
    if layout not in ("folders", "named") or listing.unit_m == _MILLIMETRE or depth is None or depth.dtype != "uint16":
        return files
    how = "--depth-unit 0.001 says millimetres, 0.0002 TUM's 5000 per metre, 0.0001 tenths of a millimetre"
    if listing.unit_question:
        listing.problems.append(f"{listing.unit_question}: what is the unit of depth here? {how}")
    else:
        listing.notes.append(f"16-bit depth is taken for millimetres, as nothing in the folder says its unit; {how}")
    return files


def _intrinsics(folder: Path, listing: Listing, color: ImageInfo | None) -> NDArray[np.float64] | None:
    """The camera matrix: from `camera-intrinsics.txt`, which has to fit, or what else was found, if it does."""
    if not (folder / "camera-intrinsics.txt").exists():
        found = listing.intrinsics
        if found is not None and color is not None and _of_larger(found, color):
            listing.notes.append(f"the calibration is of another image size than {color.size}, and is not used")
            return None
        return found
    try:
        matrix = _matrix(folder / "camera-intrinsics.txt", 3)
    except RecordingError as error:
        listing.problems.append(str(error))
        return None
    if color is not None:
        _check_intrinsics(matrix, color, listing.problems)
    return matrix


def quaternion_pose(values: tuple[float, ...]) -> NDArray[np.float64]:
    """A 4x4 camera-to-world matrix from tx ty tz qx qy qz qw (metres; the quaternion need not be normalised)."""
    x, y, z, w = np.asarray(values[3:], dtype=np.float64) / max(float(np.linalg.norm(values[3:])), 1e-12)
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = values[:3]
    return pose


def pose_quaternion(pose: NDArray[np.float64]) -> tuple[float, ...]:
    """Tx ty tz qx qy qz qw of a 4x4 camera-to-world matrix, the inverse of `quaternion_pose` with qw at least 0."""
    m = np.asarray(pose, np.float64)
    # the largest of four times w^2, x^2, y^2, z^2 is far from zero, and the others follow from it without cancellation
    squares = (1 + m[0, 0] + m[1, 1] + m[2, 2], 1 + m[0, 0] - m[1, 1] - m[2, 2],
               1 - m[0, 0] + m[1, 1] - m[2, 2], 1 - m[0, 0] - m[1, 1] + m[2, 2])  # fmt: skip
    wx, wy, wz = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    xy, xz, yz = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1]
    largest = int(np.argmax(squares))
    rows = ((squares[0], wx, wy, wz), (wx, squares[1], xy, xz), (wy, xy, squares[2], yz), (wz, xz, yz, squares[3]))
    w, x, y, z = np.asarray(rows[largest]) / np.linalg.norm(rows[largest])
    sign = -1.0 if w < 0 else 1.0
    return (*(float(v) for v in m[:3, 3]), *(float(sign * v) for v in (x, y, z, w)))


def _scaled(
    depth: NDArray[np.uint16] | NDArray[np.float32], scale: float | None
) -> NDArray[np.uint16] | NDArray[np.float32]:
    """Whole numbers as metres, with NaN where nothing was measured; millimetres and metres stay as they are."""
    if scale is None or depth.dtype != np.uint16:
        return depth
    metres = np.asarray(depth, dtype=np.float32) / np.float32(scale)
    metres[depth == 0] = np.nan
    return np.asarray(metres)


def _pose(source: Path | tuple[float, ...] | None) -> NDArray[np.float64] | None:
    """A pose; None also where the recording marks it as lost (not finite)."""
    if source is None:
        return None
    pose = quaternion_pose(source) if isinstance(source, tuple) else _matrix(source, 4)
    return pose if np.isfinite(pose).all() else None


def _matrix(path: Path, size: int) -> NDArray[np.float64]:
    problems: list[str] = []
    rows = read_rows(path, problems)
    if problems:
        raise RecordingError(problems[0])
    try:
        matrix = np.array([[float(v) for v in row] for row in rows], dtype=np.float64)
    except ValueError:
        matrix = np.empty((0, 0))
    if matrix.shape != (size, size):
        raise RecordingError(f"{path.name} does not hold {size}x{size} numbers")
    return matrix


def _check_files(layout: str, files: list[FrameFiles], problems: list[str]) -> dict[str, ImageInfo]:
    """Probe every image; returns what the first of each role is."""
    first: dict[str, tuple[str, ImageInfo]] = {}
    for entry in files:
        infos: dict[str, ImageInfo] = {}
        for role, path in (("depth", entry.depth), ("color", entry.color), ("reference", entry.reference)):
            try:
                if path is None:
                    continue
                infos[role] = probe(path)
                _check_type(role, path, infos[role])
                name, expected = first.setdefault(role, (path.name, infos[role]))
                if layout not in _STILLS and infos[role].size != expected.size:
                    problems.append(f"{path.name} is {infos[role].size}, but {name} is {expected.size}")
            except RecordingError as error:
                problems.append(str(error))
        if {"depth", "color"} <= infos.keys():
            _check_ratio(entry, infos["depth"], infos["color"], problems)
        if isinstance(entry.pose, Path):
            try:
                _matrix(entry.pose, 4)
            except RecordingError as error:
                problems.append(str(error))
    return {role: info for role, (_, info) in first.items()}


def _check_type(role: str, path: Path, info: ImageInfo) -> None:
    if role == "color":
        if info.dtype != "uint8":
            raise RecordingError(f"{path.name} holds {info.dtype} samples; expected 8-bit colour")
    elif info.channels != 1 or info.dtype not in DEPTH_TYPES:
        kind = f"{info.channels}-channel {info.dtype}"
        raise RecordingError(f"{path.name} is {kind}; expected depth as one channel of uint16, or float32 (NPY, TIFF)")


def _check_ratio(entry: FrameFiles, depth: ImageInfo, color: ImageInfo, problems: list[str]) -> None:
    if depth.width > color.width or depth.height > color.height:
        problems.append(f"{entry.depth.name} ({depth.size}) is larger than {entry.color.name} ({color.size})")


def _check_intrinsics(matrix: NDArray[np.float64], color: ImageInfo, problems: list[str]) -> None:
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    if not (np.isfinite(matrix).all() and fx > 0 and fy > 0) or _of_larger(matrix, color):
        problems.append(
            f"camera-intrinsics.txt has fx={fx:g} fy={fy:g} cx={cx:g} cy={cy:g}; expected positive focal lengths and "
            f"the calibration of the {color.size} colour image, not of a larger one"
        )


def _of_larger(matrix: NDArray[np.float64], color: ImageInfo) -> bool:
    """Whether a calibration is of an image of more than twice the size: a cut leaves the centre beyond one side only.

    The upper left part of an image, which has it beyond both, cannot be told from that.
    """
    return bool(matrix[0, 2] > color.width and matrix[1, 2] > color.height)
