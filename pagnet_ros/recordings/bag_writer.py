"""A folder of frames written as a ROS 2 bag, without ROS.

Messages are built and serialised by rosbags; the bag appears under its name only when it is
whole, and a failure (a full disk, a damaged frame, Ctrl-C) leaves nothing behind.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import PagnetError, RecordingError
from pagnet_ros.recordings.bags import require_rosbags
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.recordings.frames import FrameFolder, RecordedFrame, pose_quaternion
from pagnet_ros.system.settings import Settings, setting
from pagnet_ros.system.units import NS_PER_S

STORAGES = ("mcap", "sqlite3")
POSE_TOPIC = "/camera_pose"


@dataclass(frozen=True)
class BagOptions(Settings):
    """How frames become a bag. Camera info goes to ``<color_topic>/camera_info``.

    Raises:
        ConfigError: values out of range, or that do not fit together.
    """

    storage: str = setting("mcap", "file format", choices=STORAGES)
    depth_topic: str = setting("/depth", "depth topic")
    color_topic: str = setting("/color", "colour topic")
    frame_id: str = setting("camera_color_optical_frame", "optical frame of the images")
    downsample: int = setting(
        1, "write depth coarser by this whole factor, and the recorded one on <depth>_reference", low=1, high=32
    )
    compress: bool = setting(False, "compress with zstd (mcap)")
    force: bool = setting(False, "replace the bag if it is there")

    def conflicts(self) -> Iterator[str]:
        """What does not fit together, and what is no topic."""
        if self.compress and self.storage != "mcap":
            yield "compress needs storage mcap"
        for name in (self.depth_topic, self.color_topic):
            if not name.startswith("/") or name.endswith("/") or " " in name:
                yield f"topic {name!r}; expected an absolute name such as /camera/depth"


def write_bag(frames: FrameFolder, path: str | Path, options: BagOptions | None = None) -> Path:
    """Write all frames of a folder into a new bag.

    Args:
        frames: The frames.
        path: Bag folder to make.
        options: See `BagOptions`.

    Returns:
        The bag folder.

    Raises:
        RecordingError: The bag is there already, a frame is damaged, or the disk is full; no partial bag is left.
    """
    require_rosbags()
    options = options or BagOptions()
    target = Path(path).expanduser()
    _check_target(target, options.force)
    with _whole_or_nothing(target) as partial:
        _write(frames, partial, options)
    return target


def _check_target(target: Path, force: bool) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not force:
        raise RecordingError(f"{target}: there already; choose another name, or replace it with --force")
    is_bag = target.is_dir() and not target.is_symlink() and (target / "metadata.yaml").exists()
    if not is_bag and not (target.is_dir() and not any(target.iterdir())):
        raise RecordingError(f"{target}: not a bag folder, so --force does not replace it; choose another name")


@contextmanager
def _whole_or_nothing(target: Path) -> Iterator[Path]:
    """Give a temporary place beside `target`, and move it there at the end; on failure remove it."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        workspace = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    except OSError as error:
        raise RecordingError(f"{target}: cannot write there: {error.strerror or error}") from error
    try:
        yield workspace / target.name
        if target.exists():
            target.rename(workspace / "replaced")
        (workspace / target.name).rename(target)
    except (OSError, sqlite3.Error) as error:
        raise RecordingError(
            f"{target}: writing failed ({error}); nothing was left behind; is the disk full?"
        ) from error
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _write(frames: FrameFolder, path: Path, options: BagOptions) -> None:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    plugin = StoragePlugin.MCAP if options.storage == "mcap" else StoragePlugin.SQLITE3
    writer = Writer(path, version=8, storage_plugin=plugin)
    if options.compress:
        writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    build = MessageBuilder(store, options.frame_id)
    offset_ns = _offset_past_zero(frames)
    with writer:
        connections: dict[str, Any] = {}
        for frame in frames:
            for topic, stamp_ns, message in frame_messages(frame, build, options, offset_ns):
                name = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, name, typestore=store)
                writer.write(connections[topic], stamp_ns, store.serialize_cdr(message, name))


def _offset_past_zero(frames: FrameFolder) -> int:
    """Recordings that start at zero are moved by a second: a zero stamp means "the latest" in tf."""
    first = min(min(f.depth_stamp_ns, f.color_stamp_ns) for f in frames.files)
    return NS_PER_S if first <= 0 else 0


def frame_messages(
    frame: RecordedFrame, build: MessageBuilder, options: BagOptions, offset_ns: int = 0
) -> Iterator[tuple[str, int, Any]]:
    """(topic, stamp in ns, message) of everything that a frame holds, its stamps moved by `offset_ns`."""
    depth_ns, color_ns = frame.stamp_ns + offset_ns, frame.color_stamp_ns + offset_ns
    height, width = frame.rgb.shape[:2]
    if frame.pose is not None:
        yield POSE_TOPIC, depth_ns, build.pose(frame.pose, depth_ns)
    yield options.color_topic, color_ns, build.color(frame.rgb, color_ns)
    info = build.camera_info(frame.intrinsics, width, height, color_ns)
    yield f"{options.color_topic}/camera_info", color_ns, info
    reference = frame.reference
    depth = frame.depth
    if options.downsample > 1:
        try:
            depth, reference = coarse_depth(depth, options.downsample), depth
        except PagnetError as error:
            raise RecordingError(f"frame {frame.name}: {error}") from error
    yield options.depth_topic, depth_ns, build.depth(depth, depth_ns)
    if reference is not None:
        yield f"{options.depth_topic}_reference", depth_ns, build.depth(reference, depth_ns)


class MessageBuilder:
    """Builds rosbags' message objects."""

    def __init__(self, store: Any, frame_id: str) -> None:
        """Take the typestore that the messages belong to, and the frame they are in."""
        self._types = store.types
        self._frame_id = frame_id

    def depth(self, depth: NDArray[np.uint16] | NDArray[np.float32], stamp_ns: int) -> Any:
        """16UC1 millimetres or 32FC1 metres, as the array is."""
        return self._image(depth, "16UC1" if depth.dtype == np.uint16 else "32FC1", stamp_ns)

    def color(self, rgb: NDArray[np.uint8], stamp_ns: int) -> Any:
        """rgb8."""
        return self._image(rgb, "rgb8", stamp_ns)

    def camera_info(self, matrix: NDArray[np.float64] | None, width: int, height: int, stamp_ns: int) -> Any:
        """Camera info without distortion; all zeros (uncalibrated, by the message's own rule) without a matrix."""
        k = np.zeros((3, 3)) if matrix is None else matrix
        p = np.hstack([k, np.zeros((3, 1))])
        region = self._types["sensor_msgs/msg/RegionOfInterest"](0, 0, 0, 0, False)
        return self._types["sensor_msgs/msg/CameraInfo"](
            header=self.header(stamp_ns),
            height=height,
            width=width,
            distortion_model="plumb_bob",
            d=np.zeros(0 if matrix is None else 5),
            k=k.ravel().astype(np.float64),
            r=(np.zeros(9) if matrix is None else np.eye(3).ravel()),
            p=p.ravel().astype(np.float64),
            binning_x=0,
            binning_y=0,
            roi=region,
        )

    def pose(self, matrix: NDArray[np.float64], stamp_ns: int) -> Any:
        """The optical frame's pose in the recording's world, from a 4x4 camera-to-world matrix."""
        numbers = pose_quaternion(matrix)
        at = self._types["geometry_msgs/msg/Point"](*numbers[:3])
        turn = self._types["geometry_msgs/msg/Quaternion"](*numbers[3:])
        pose = self._types["geometry_msgs/msg/Pose"](at, turn)
        return self._types["geometry_msgs/msg/PoseStamped"](self.header(stamp_ns, "world"), pose)

    def _image(self, array: NDArray[Any], encoding: str, stamp_ns: int) -> Any:
        data = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        return self._types["sensor_msgs/msg/Image"](
            header=self.header(stamp_ns),
            height=array.shape[0],
            width=array.shape[1],
            encoding=encoding,
            is_bigendian=0,
            step=data.strides[0],
            data=data.reshape(-1).view(np.uint8),
        )

    def header(self, stamp_ns: int, frame_id: str = "") -> Any:
        """A header with that stamp, in the builder's frame unless another is named."""
        seconds, nanoseconds = divmod(stamp_ns, NS_PER_S)
        stamp = self._types["builtin_interfaces/msg/Time"](seconds, nanoseconds)
        return self._types["std_msgs/msg/Header"](stamp, frame_id or self._frame_id)
