"""One colour image with depth: the sample type that every source delivers, and the files it is read from.

Data flows: a path -> an array checked for type and size -> `RgbdImage`. Nothing is resized here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.core.depth import fill_holes
from pagnet_ros.errors import MessageError, RecordingError
from pagnet_ros.messages.containers import decode
from pagnet_training.data.known_sensor import MetricDepth
from pagnet_training.data.numpy_files import MAX_FILE_BYTES, read_numpy

LEVELS = 255.0
_PLAIN = (".ppm", ".pgm")
LEAST_MEASURED = 0.01
"""Share of the pixels of a usable image that are measured."""


@dataclass(frozen=True)
class RgbdImage:
    """Colour and depth of the same size, ready to be cut into patches.

    Attributes:
        name: where it came from, for messages.
        rgb: ``[H, W, 3]`` uint8.
        depth: ``[H, W]`` float32, finite everywhere (holes are filled smoothly), in levels: the unit of the loss,
            in which a frame spans about 100 to 255, as 8-bit disparity does. Either polarity (disparity or depth).
        valid: ``[H, W]`` bool, False where `depth` was filled; such pixels never enter a loss.
        metric: the same depth in metres, where they are known.
    """

    name: str
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    valid: NDArray[np.bool_]
    metric: MetricDepth | None = None

    @property
    def span(self) -> float:
        """Largest minus smallest measured depth, in levels."""
        measured = self.depth[self.valid]
        return float(measured.max() - measured.min())


def make_image(
    name: str,
    rgb: NDArray[np.uint8],
    depth: NDArray[np.floating],
    depth_m: NDArray[np.floating] | None = None,
) -> RgbdImage:
    """Pair colour with depth whose holes are non-finite or 0.

    Args:
        name: where it came from.
        rgb: ``[H, W, 3]`` uint8.
        depth: ``[H, W]`` float, in levels; non-finite and non-positive values are holes.
        depth_m: the same in metres where they are known, with the same holes.

    Raises:
        RecordingError: sizes differ, or fewer than 1 % of the pixels are measured.
    """
    if rgb.shape[:2] != depth.shape:
        raise RecordingError(
            f"{name}: colour is {rgb.shape[1]}x{rgb.shape[0]} and depth {depth.shape[1]}x{depth.shape[0]}; expected "
            "equal sizes; align depth to colour first"
        )
    valid = measured(depth)
    share = float(valid.mean())
    if share < LEAST_MEASURED:
        raise RecordingError(
            f"{name}: {100 * share:.1f} % of the depth pixels are measured; expected at least 1 %; check the unit "
            "(0 and non-finite values mean no measurement) or leave this frame out"
        )
    metric = None if depth_m is None else MetricDepth(_filled(depth_m, valid))
    return RgbdImage(name, np.ascontiguousarray(rgb), _filled(depth, valid), valid, metric)


def measured(depth: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Where depth or disparity is no hole."""
    return np.asarray(np.isfinite(depth) & (depth > 0))


def _filled(depth: NDArray[np.floating], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    clean = torch.from_numpy(np.where(valid, depth, 0.0).astype(np.float32))[None, None]
    return np.asarray(fill_holes(clean, torch.from_numpy(valid)[None, None])[0, 0].numpy(), np.float32)


def fit_levels(depth: NDArray[np.floating]) -> NDArray[np.float32]:
    """Scale depth or disparity affinely so that its 1st and 99th percentile become 16 and 216 levels.

    Holes (non-finite or not positive) become NaN. Values far outside the percentiles are clipped to 1..255, so that
    a far background of an outdoor film does not squeeze everything else into a few levels.
    """
    known = measured(depth)
    if not known.any():
        return np.full(depth.shape, np.nan, np.float32)
    first, last = np.percentile(depth[known], [1, 99])
    levels = 16.0 + (depth - first) * (200.0 / max(float(last - first), 1e-9))
    return np.where(known, np.clip(levels, 1.0, LEVELS), np.nan).astype(np.float32)


def reduce_rgb(rgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """A colour image reduced to a smaller depth image's size by area; returned as it is where it is not larger."""
    if rgb.shape[0] < height or rgb.shape[1] < width or rgb.shape[:2] == (height, width):
        return rgb
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Read a colour image ``[H, W, 3]`` uint8 as it lies in the file, not turned by its EXIF tag, red first.

    Raises:
        RecordingError: not an image, or one of more pixels than are looked at.
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return np.ascontiguousarray(image[..., ::-1].astype(np.uint8))


def read_array(path: Path) -> NDArray[Any]:
    """Read depth or disparity ``[H, W]`` from PNG/PGM (8 or 16 bit), ``.npy`` or ``.npz`` (its only array), as stored.

    Raises:
        RecordingError: unreadable, not two-dimensional, or of more pixels than are looked at.
    """
    array: NDArray[np.generic] | None = None
    if path.suffix in (".npy", ".npz"):
        _check_size(path)
        array = next(iter(read_numpy(path).values()), None)
    else:
        array = _decode(path, cv2.IMREAD_UNCHANGED)
    if array is None or array.ndim != 2 or array.dtype.kind not in "uif":
        came = "nothing readable" if array is None else f"{array.dtype} of shape {array.shape}"
        raise RecordingError(f"{path}: {came}; expected one number per pixel [H, W]; export depth as 16-bit PNG")
    return array


def _decode(path: Path, flags: int) -> NDArray[Any]:
    """A PNG or JPEG as messages are decoded, within their limits; what `_PLAIN` names holds as much as it claims."""
    _check_size(path)
    try:
        image = cv2.imread(str(path), flags) if path.suffix in _PLAIN else decode(path.read_bytes(), flags)
    except (MessageError, OSError) as error:
        raise RecordingError(f"{path}: not a readable image: {error}; export it again as PNG") from error
    if image is None:
        raise RecordingError(f"{path}: not a readable image; expected 8-bit PNG, JPEG or PPM; export it again")
    return np.asarray(image)


def _check_size(path: Path) -> None:
    if not path.is_file():
        raise RecordingError(f"{path}: no such file; check the folder")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise RecordingError(f"{path}: {size} bytes; expected at most {MAX_FILE_BYTES}; cut it into smaller files")
