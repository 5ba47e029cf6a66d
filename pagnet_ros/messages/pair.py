"""A pair of image messages -> the arrays the pipeline takes, with every check that comes before it.

What is refused, what is only reported, and in which words; the node and the replay both read through it, so that they
refuse the same frames. Works on any object with the messages' fields: no ROS import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import MessageError, quoted
from pagnet_ros.messages.compressed import color_from_compressed, depth_from_compressed
from pagnet_ros.messages.encodings import UNORDERED
from pagnet_ros.messages.image import color_from_image, depth_from_image
from pagnet_ros.messages.shapes import differ_in_shape
from pagnet_ros.system.units import MILLIMETRE, from_counts

Array = NDArray[Any]
_Shape = tuple[int, ...]
_WARN_SHARE: Final = 0.3
_USELESS_SHARE: Final = 0.95
_SAMPLES: Final = 20_000
_NOT_ASKED: Final = "calibrations are not looked at here"


class _Report(Protocol):
    """Told of a problem: kind, text, level."""

    def __call__(self, kind: str, text: str, level: Literal["info", "warn", "error"] = "warn", /) -> None: ...


class _Align(Protocol):
    """Depth for the colour camera (`pagnet_ros.runtime.aligner`); or why it is not made, empty where it need not be."""

    def __call__(self, depth: Array, color_size: tuple[int, int], frames: tuple[str, str], /) -> Array | str: ...


class PairReader:
    """Reads pair after pair; remembers the last sizes and frame_ids, to report a change. Call from one thread.

    Attributes:
        depth_unit_m: Metres per count of 16-bit depth; may be changed between pairs.
        unaligned: Whether the last pair's depth, by its frame_id, does not lie on colour, and was left so.
    """

    unaligned = False

    def __init__(
        self,
        depth_topic: str,
        color_topic: str,
        report: _Report,
        depth_unit_m: float = MILLIMETRE,
        align: _Align | None = None,
    ) -> None:
        """Create.

        Args:
            depth_topic: Its name, for the reports.
            color_topic: Likewise.
            report: Told of what is odd, yet can be up-sampled.
            depth_unit_m: Metres per count of 16-bit depth.
            align: Reprojects depth that is not aligned; None where that is not wanted: depth is taken for aligned.
        """
        self._align = align
        self._depth_topic, self._color_topic, self._report = depth_topic, color_topic, report
        self.depth_unit_m = depth_unit_m
        self._sizes: tuple[_Shape, _Shape] | None = None
        self._frame_ids: tuple[str, ...] | None = None
        self._encoding = ""
        self._counts = False  # whether the last depth came as 16-bit counts; a unit or a reprojection makes them metres

    def read(self, depth: Any, color: Any) -> tuple[Array, NDArray[np.uint8]]:
        """Decode and check a pair.

        Args:
            depth: Image or CompressedImage.
            color: Likewise.

        Returns:
            Depth ``[h, w]`` uint16 millimetres or float32 metres that lies on colour, as far as is known, and colour
            ``[H, W, 3]`` uint8, at least as large.

        Raises:
            MessageError: What cannot be decoded or up-sampled; names the topic.
        """
        recorded = read_depth(depth, self._depth_topic)
        self._counts = recorded.dtype == np.uint16
        measured = from_counts(recorded, self.depth_unit_m)
        rgb = read_color(color, self._color_topic)
        frames = depth.header.frame_id.lstrip("/"), color.header.frame_id.lstrip("/")
        aligned = _NOT_ASKED if self._align is None else self._align(measured, (rgb.shape[0], rgb.shape[1]), frames)
        if isinstance(aligned, str):
            apart = all(frames) and frames[0] != frames[1]
            asked = aligned is not _NOT_ASKED and not differ_in_shape(measured.shape, rgb.shape[:2])
            self.unaligned = bool(aligned) and (apart or asked)
            self._say_unaligned(*frames, aligned if self.unaligned else "")
            self.check(measured, rgb, aligned)
        else:
            self.unaligned = False
            self._check_values(measured)
            measured = aligned
        self._name_order(getattr(color, "encoding", ""))
        return measured, rgb

    def check(self, depth: Array, rgb: NDArray[np.uint8], missing: str = _NOT_ASKED) -> None:
        """Report what is odd about a decoded pair; refuse what cannot be up-sampled.

        Args:
            depth: As decoded.
            rgb: Likewise.
            missing: Why depth was not reprojected.

        Raises:
            MessageError: Depth larger than colour, or of another shape.
        """
        sizes = (depth.shape, rgb.shape[:2])
        if self._sizes is not None and sizes != self._sizes:
            self._report(
                "resolution_changed",
                f"resolution changed: depth {_size(self._sizes[0])} -> {_size(sizes[0])}, colour "
                f"{_size(self._sizes[1])} -> {_size(sizes[1])}; going on with the new one",
                "info",
            )
        self._sizes = sizes
        if depth.shape[0] > rgb.shape[0] or depth.shape[1] > rgb.shape[1]:
            raise MessageError(
                "depth_larger_than_color",
                f"depth is {_size(depth.shape)}, colour {_size(rgb.shape)}; expected colour at least as large as depth "
                "in both axes. Are the topics swapped? Else subscribe to the full-size colour topic, or decimate depth",
            )
        if differ_in_shape(*sizes):
            raise MessageError(
                "aspect_ratio_differs",
                f"depth is {_size(depth.shape)}, colour {_size(rgb.shape)}; expected one shape of image within 2 %, as "
                "depth registered to colour has, or both cameras' calibrations to reproject it"
                f"{f' ({missing})' if missing else ''}. Subscribe to the driver's registered (aligned) depth, to the "
                "colour stream of depth's shape, or publish the camera_info of both",
            )
        self._check_values(depth)

    def _check_values(self, depth: Array) -> None:
        if depth.dtype == np.float32:
            negative = np.count_nonzero((depth < 0.0) & (depth > -np.inf))
            if negative:
                self._report(
                    "negative_depth",
                    f"{self._depth_topic} has {negative} negative values; expected metres above 0, or NaN (REP 117). "
                    "They count as missing; check the driver's units",
                )

    def _say_unaligned(self, depth: str, color: str, missing: str) -> None:
        """Depth that does not lie on colour, by its frame or by the pose that is set, is reported once, and goes on."""
        if (depth, color, missing) == self._frame_ids:
            return
        self._frame_ids = (depth, color, missing)
        if missing and (depth == color or not (depth and color)):
            self._report(
                "frame_ids_differ",
                f"{self._depth_topic} cannot be reprojected by the pose that is set ({missing}); expected what that "
                "takes. Depth is taken as it comes. Mend what is missing; if depth is registered, empty depth_pose_xyz",
            )
        elif missing:
            self._report(
                "frame_ids_differ",
                f"{self._depth_topic} is in frame {quoted(depth)}, {self._color_topic} in {quoted(color)}; expected "
                "one frame, the colour camera's, as depth registered to it has, or what it takes to reproject it "
                f"({missing}). Depth is taken as it comes. Subscribe to the driver's registered (aligned) depth, or "
                "mend what is missing; if it is registered all the same, set reproject:=false",
            )

    def _name_order(self, encoding: str) -> None:
        """An encoding without an order of channels is reported once, and read as OpenCV has them."""
        if encoding == self._encoding:
            return
        self._encoding = encoding
        if encoding in UNORDERED:
            self._report(
                "channel_order_unknown",
                f"{self._color_topic} is {encoding}, which does not say whether red or blue comes first; expected rgb8 "
                "or bgr8. It is read as bgr8, OpenCV's order; name the encoding in the publisher "
                "(cv2_to_imgmsg(image, 'bgr8'))",
                "info",
            )

    def report_range(self, depth: Array, min_depth_m: float, max_depth_m: float) -> None:
        """Say if much of what a frame measured lies outside the range asked for, and why that may be.

        Args:
            depth: As read.
            min_depth_m: Nearest depth that counts as measured, metres.
            max_depth_m: Farthest one.
        """
        step = max(1, round((depth.size / _SAMPLES) ** 0.5))
        share, measured = _outside(depth[::step, ::step], min_depth_m, max_depth_m)
        if measured.size and share <= _WARN_SHARE:
            return
        if step > 1 and (share == 1.0 or not measured.size):
            share, measured = _outside(depth, min_depth_m, max_depth_m)
            if measured.size and share <= _WARN_SHARE:
                return
        limits = f"{min_depth_m:g} to {max_depth_m:g} m"
        if measured.size == 0:
            self._report(
                "no_valid_depth",
                f"{self._depth_topic}: all {depth.size} depth values are 0 or not finite; expected some within "
                f"{limits}. The output is all NaN; check that the sensor is not covered, too near, or in bright sun",
            )
            return
        median = float(np.median(measured))
        if share == 1.0:
            came = f"all depth values lie at {measured.min():g} to {measured.max():g} m; expected some within {limits}"
        else:
            came = f"{share:.0%} of the measured depth lies outside {limits}, half of all beyond {median:g} m"
        mend = "set min_depth_m and max_depth_m, and the sensor profile where one is named, to the sensor's range"
        if depth.dtype == np.uint16 or self._counts:
            unit = "millimetre of 16UC1 (REP 118): set depth_unit_m"
            if self.depth_unit_m != MILLIMETRE:
                unit = f"{1000 * self.depth_unit_m:g} mm that depth_unit_m says"
            mend += f"; if the scene is elsewhere, the driver's unit is not the {unit}"
        elif median > 100.0:
            mend = "these look like millimetres, and 32FC1 must be metres (REP 118): publish 16UC1 instead"
        if share >= _USELESS_SHARE:
            text = f"{self._depth_topic}: {came}. The output is next to empty; {mend}"
            self._report("no_valid_depth", text)
        else:
            self._report("depth_out_of_range", f"{self._depth_topic}: {came}. That part counts as missing; {mend}")


def _outside(depth: Array, min_depth_m: float, max_depth_m: float) -> tuple[float, Array]:
    """The share of what is measured that lies outside a range, and the measurements themselves, metres."""
    measured = depth[np.isfinite(depth) & (depth > 0)] * (1e-3 if depth.dtype == np.uint16 else 1.0)
    if not measured.size:
        return 0.0, measured
    return float(np.count_nonzero((measured < min_depth_m) | (measured > max_depth_m))) / measured.size, measured


def read_depth(message: Any, topic: str) -> Array:
    """Decode a depth Image or CompressedImage; a refusal names its topic.

    Raises:
        MessageError: Another encoding, or a malformed message.
    """
    return _read(message, topic, depth_from_image if hasattr(message, "step") else depth_from_compressed)


def read_color(message: Any, topic: str) -> NDArray[np.uint8]:
    """Decode a colour Image or CompressedImage as RGB; a refusal names its topic.

    Raises:
        MessageError: Another encoding, or a malformed message.
    """
    return _read(message, topic, color_from_image if hasattr(message, "step") else color_from_compressed)


def _read(message: Any, topic: str, decode: Callable[[Any], Array]) -> Array:
    try:
        return decode(message)
    except MessageError as error:
        raise MessageError(error.kind, f"{topic}: {error}") from error


def _size(shape: _Shape) -> str:
    return f"{shape[1]} x {shape[0]}"
