"""What is compared: networks through the node's pipeline, classical filters, doing nothing, and recorded results.

A method gets the frame as recorded and its depth in metres; networks take the former, as in the node, filters the
latter.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.alignment.offset import Shift, offset_px
from pagnet_ros.errors import ConfigError, InputError, did_you_mean
from pagnet_ros.model.zoo import resolve_weights
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.replay.baselines import ABSENT_BASELINES, baselines
from pagnet_ros.replay.frame import ReplayFrame
from pagnet_ros.system.units import in_metres

Depth = NDArray[np.float32]


@dataclass(frozen=True)
class MethodOutput:
    """One answer.

    Attributes:
        depth_m: ``[H, W]`` float32, the size of the colour image, metres, NaN where nothing is said.
        sigma_m: ``[H, W]`` float32, standard deviation, metres, or None.
    """

    depth_m: Depth
    sigma_m: Depth | None = None


class Method:
    """One column of the report. Call from one thread."""

    name: str
    kind: str

    @property
    def detail(self) -> Mapping[str, Any]:
        """What exactly runs, as plain values."""
        return {}

    def warm_up(self, frame: ReplayFrame) -> None:
        """Load and allocate what frames of this size need, so that the first one's time is like the others'."""

    def __call__(self, frame: ReplayFrame, measured_m: Depth) -> MethodOutput:
        """Answer one frame; ``measured_m`` is its depth in metres, NaN where not measured."""
        raise NotImplementedError


class NetworkMethod(Method):
    """A network through the very pipeline of the node."""

    kind = "network"

    def __init__(self, name: str, upsampler: DepthUpsampler, detail: Mapping[str, Any]) -> None:
        """Wrap an up-sampler; `detail` says which weights it holds."""
        self.name, self._upsampler, self._detail = name, upsampler, dict(detail)

    @property
    def detail(self) -> Mapping[str, Any]:
        """Weights, device and precision."""
        where = {"device": self._upsampler.device, "precision": self._upsampler.precision}
        return {**self._detail, "scales": list(self._upsampler.scales), **where}

    def warm_up(self, frame: ReplayFrame) -> None:
        """Load and run the network once."""
        depth_size, rgb_size = frame.depth.shape, frame.rgb.shape
        self._upsampler.warm_up((depth_size[0], depth_size[1]), (rgb_size[0], rgb_size[1]), frame.depth.dtype.type)

    def __call__(self, frame: ReplayFrame, measured_m: Depth) -> MethodOutput:
        """Run the pipeline on the images as the node would get them."""
        result = self._upsampler(frame.depth, frame.rgb)
        return MethodOutput(result.depth, result.sigma)


class FilterMethod(Method):
    """A classical filter, its depth moved onto the colour image as the pipeline would."""

    kind = "baseline"

    def __init__(
        self, name: str, function: Callable[[Depth, NDArray[np.uint8]], Depth], options: UpsamplerOptions | None = None
    ) -> None:
        """Wrap a filter of depth that is NaN where missing and infinite where out of range; `options` as the node's."""
        self.name, self._function, self._options = name, function, options or UpsamplerOptions()

    def __call__(self, frame: ReplayFrame, measured_m: Depth) -> MethodOutput:
        """Filter."""
        options, depth_size, rgb_size = self._options, measured_m.shape, frame.rgb.shape
        offset = offset_px(options.registration, options.known_offset, rgb_size[1])
        shift = Shift.of(offset, (depth_size[0], depth_size[1]), (rgb_size[0], rgb_size[1]))
        with np.errstate(invalid="ignore"):
            beyond = np.isnan(measured_m) & ((frame.depth > 0) | (frame.depth == -np.inf))
        low = np.where(beyond, np.float32(np.inf), measured_m)
        result = shift.placed(self._function(shift.moved_depth(low), shift.moved_rgb(frame.rgb)))
        if options.fill == "none" and not shift.is_none:
            result[shift.repeated((rgb_size[0], rgb_size[1]))] = np.nan
        return MethodOutput(result)


class Identity(Method):
    """The measurement as it is, each pixel repeated: what the replay itself costs, and the floor of quality."""

    name = "identity"
    kind = "identity"

    def __call__(self, frame: ReplayFrame, measured_m: Depth) -> MethodOutput:
        """Repeat."""
        height, width = frame.rgb.shape[:2]
        if measured_m.shape == (height, width):
            return MethodOutput(measured_m)
        return MethodOutput(np.asarray(cv2.resize(measured_m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)))


class RecordedResult(Method):
    """A result that was recorded with its inputs, as a running node publishes it."""

    kind = "network"

    def __init__(self, topic: str) -> None:
        """Answer with what `ReplayFrame.result` holds, read from that topic."""
        self.name = topic.strip("/") or topic
        self._topic = topic

    @property
    def detail(self) -> Mapping[str, Any]:
        """Where it was recorded."""
        return {"topic": self._topic}

    def __call__(self, frame: ReplayFrame, measured_m: Depth) -> MethodOutput:
        """The recorded depth in metres.

        Raises:
            InputError: there is none, or it has not the colour image's size.
        """
        result = frame.result
        if result is None or result.shape != frame.rgb.shape[:2]:
            height, width = frame.rgb.shape[:2]
            came = "missing" if result is None else f"{result.shape[1]} x {result.shape[0]}"
            raise InputError(
                f"{self._topic} is {came}, colour {width} x {height}; expected one size: the node's result"
            )
        return MethodOutput(in_metres(result))


def make_networks(
    weights: Sequence[str], options: UpsamplerOptions, device: str = "auto", precision: str = "auto"
) -> list[Method]:
    """Methods for what ``--weights`` names.

    Args:
        weights: whatever the node takes (`pagnet_ros.model.zoo.resolve_weights`), and ``identity``.
        options: what counts as measured and what is published.
        device: as `DepthUpsampler` takes it.
        precision: likewise.

    Raises:
        WeightsError: missing, unreadable or foreign weights.
        DeviceError: no such device or precision.
        ConfigError: one named twice.
    """
    where: dict[str, Any] = {"device": device, "precision": precision, "options": options}
    methods: list[Method] = []
    for name in weights:
        method = Identity() if name == "identity" else _network(name, where)
        if any(method.name == other.name for other in methods):
            raise ConfigError(f"weights {name!r} came twice as {method.name!r}; expected each network once")
        methods.append(method)
    return methods


def make_baselines(
    names: Sequence[str] | None, options: UpsamplerOptions, *, remove_flying: bool = False
) -> list[Method]:
    """Methods for what ``--baselines`` names.

    Args:
        names: of filters; None is all that are there.
        options: which holes they may fill, as the pipeline may.
        remove_flying: take out their flying pixels too, as the pipeline does with its own.

    Raises:
        ConfigError: unknown names, or one whose library is not installed.
    """
    known = baselines(replace(options, remove_flying=remove_flying))
    problems = []
    for name in names or ():
        if name in ABSENT_BASELINES:
            problems.append(f"{name}: {ABSENT_BASELINES[name]}")
        elif name not in known:
            problems.append(f"{name!r}: {did_you_mean(name, known, 'known are ' + ', '.join(known))}")
    if problems:
        raise ConfigError("baselines: " + "; ".join(problems))
    chosen = known if names is None else dict.fromkeys(names)
    return [FilterMethod(name, known[name], options) for name in chosen]


def _network(name: str, where: dict[str, Any]) -> NetworkMethod:
    choice = resolve_weights(name)
    upsampler = DepthUpsampler.from_weights(name, **where)
    if choice.kind == "bicubic":
        return NetworkMethod("node-bicubic", upsampler, {"weights": "none"})
    names = [upsampler.name] if choice.kind == "file" else list(choice.files)  # a file's own name stands in its header
    digests = [_sha256(path) for path in choice.files.values()]
    return NetworkMethod(upsampler.name, upsampler, {"weights": dict(zip(names, digests, strict=True))})


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
