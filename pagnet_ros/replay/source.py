"""The choice between a bag and a folder of frames.

Data flows from `open_source` through `frame.Source.frames` to the run. Sources pair and refuse as the node does: the
header stamps through `pairing.NearestPairing`, the images through `messages.pair.PairReader`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.recordings.layouts import detect_layout
from pagnet_ros.replay.bag_source import BagSource
from pagnet_ros.replay.folder_source import FolderSource
from pagnet_ros.replay.frame import Source, SourceOptions

__all__ = ["open_source"]


def open_source(paths: Sequence[str | Path], options: SourceOptions) -> Source:
    """Open bags, or one folder of frames.

    Args:
        paths: bag folders, .mcap or .db3 files; or one folder of frames.
        options: what to read of them.

    Returns:
        A context manager that hands out frames.

    Raises:
        RecordingError: nothing readable there, topics that are missing, ambiguous, empty or of another type.
        ConfigError: options that do not fit.
    """
    if not paths:
        raise ConfigError("nothing to replay; expected a bag or a folder of frames")
    first = Path(paths[0]).expanduser()
    if len(paths) == 1 and _is_frame_folder(first):
        named = [name for name in ("depth", "color", "reference", "result") if getattr(options, name)]
        if named:
            raise ConfigError(
                f"{first} is a folder of frames, which has no topics, but --{' and --'.join(named)} names one; leave "
                "it out, or name a bag"
            )
        return FolderSource(
            open_frames(first, hz=options.hz, only=options.only, depth_unit_m=options.depth_unit_m), options
        )
    frames = [str(path) for path in paths if _is_frame_folder(Path(path).expanduser())]
    if frames:
        raise RecordingError(
            f"{', '.join(frames)}: folders of frames are replayed one at a time; expected one, or bags"
        )
    return BagSource(paths, options)


def _is_frame_folder(path: Path) -> bool:
    """Whether a folder holds frames; a bag folder never does."""
    if not path.is_dir() or (path / "metadata.yaml").exists():
        return False
    return not any(f.suffix in (".mcap", ".db3") for f in path.iterdir()) and detect_layout(path) is not None
