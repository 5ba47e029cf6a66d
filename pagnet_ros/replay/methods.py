"""What is compared: networks through the node's pipeline, classical filters, and doing nothing.

Owns the one interface that the run sees, and the way from names on a command line to methods. A method gets the frame
as recorded and its depth in metres; networks take the former, as in the node, filters the latter.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.alignment.offset import Shift, offset_px
from pagnet_ros.errors import ConfigError, did_you_mean
from pagnet_ros.model.zoo import zoo, zoo_path
from pagnet_ros.pipeline import DepthUpsampler, UpsamplerOptions
from pagnet_ros.replay.baselines import ABSENT_BASELINES, baselines
from pagnet_ros.replay.frame import ReplayFrame

__all__ = [
    "Baseline",
    "Identity",
    "Method",
    "MethodOutput",
    "Network",
    "make_baselines",
    "make_networks",
]

Depth = NDArray[np.float32]


@dataclass(frozen=True)
class MethodOutput:
    """One answer.

    Attributes:
        depth_m: ``[H, W]`` float32, the size of the colour image, metres, NaN where nothing is said.
        sigma_m: ``[H, W]`` float32, standard deviation, metres, or None.
        stage_ms: milliseconds per stage, where the method tells.
    """

    depth_m: Depth
    sigma_m: Depth | None = None
    stage_ms: Mapping[str, float] = field(default_factory=dict)


class Method(Protocol):
    """One column of the report. Call from one thread."""

    name: str
    kind: str

    @property
    def detail(self) -> Mapping[str, Any]:
        """What exactly runs, as plain values."""
        ...

    def warm_up(self, frame: ReplayFrame) -> None:
        """Load and allocate what frames of this size need, so that the first one's time is like the others'."""
        ...

    def __call__(self, frame: ReplayFrame, measured_m: Depth) -> MethodOutput:
        """Answer one frame; ``measured_m`` is its depth in metres, NaN where not measured."""
        ...


class Network:
    """A network through the very pipeline of the node."""

    kind = "network"

    def __init__(self, name: str, upsampler: DepthUpsampler, detail: Mapping[str, Any]) -> None:
        """Wrap an up-sampler; `detail` says which weights it holds."""
        self.name, self._upsampler = name, upsampler
        self._detail = dict(detail)

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
        return MethodOutput(result.depth, result.sigma, result.stage_ms)


class Baseline:
    """A classical filter, its depth moved onto the colour image as the pipeline would."""

    kind = "baseline"

    def __init__(
        self,
        name: str,
        function: Callable[[Depth, NDArray[np.uint8]], Depth],
        registration: str = "none",
        known_offset: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Wrap a filter; `registration` and `known_offset` as of `UpsamplerOptions`."""
        self.name, self._function = name, function
        self._registration, self._known_offset = registration, known_offset

    @property
    def detail(self) -> Mapping[str, Any]:
        """Nothing beside its name."""
        return {}

    def warm_up(self, frame: ReplayFrame) -> None:
        """Nothing to load."""

    def __call__(self, frame: ReplayFrame, measured_m: Depth) -> MethodOutput:
        """Filter."""
        depth_size, rgb_size = measured_m.shape, frame.rgb.shape
        offset = offset_px(self._registration, self._known_offset, rgb_size[1])
        shift = Shift.of(offset, (depth_size[0], depth_size[1]), (rgb_size[0], rgb_size[1]))
        result = self._function(shift.moved_depth(measured_m), shift.moved_rgb(frame.rgb))
        return MethodOutput(shift.placed(result))


class Identity:
    """The measurement as it is, each pixel repeated: what the replay itself costs, and the floor of quality."""

    name = "identity"
    kind = "identity"

    @property
    def detail(self) -> Mapping[str, Any]:
        """Nothing beyond the name."""
        return {}

    def warm_up(self, frame: ReplayFrame) -> None:
        """Nothing to load."""

    def __call__(self, frame: ReplayFrame, measured_m: Depth) -> MethodOutput:
        """Repeat."""
        height, width = frame.rgb.shape[:2]
        if measured_m.shape == (height, width):
            return MethodOutput(measured_m)
        return MethodOutput(np.asarray(cv2.resize(measured_m, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)))


def make_networks(
    weights: Sequence[str], options: UpsamplerOptions, device: str = "auto", precision: str = "auto"
) -> list[Method]:
    """Methods for what ``--weights`` names.

    Args:
        weights: names of the zoo (one network, or a family such as ``rt-sensor``), paths of weights files, ``auto`` for
            the node's default, ``bicubic`` for the node without weights, ``identity``.
        options: what the pipeline believes.
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
    return [Baseline(name, known[name], options.registration, options.known_offset) for name in chosen]


def _network(name: str, where: dict[str, Any]) -> Network:
    if name == "bicubic":
        return Network("node-bicubic", DepthUpsampler.bicubic(**where), {"weights": "none"})
    if name.endswith(".safetensors") or os.sep in name:
        path = Path(name).expanduser()
        upsampler = DepthUpsampler.from_file(path, **where)
        return Network(upsampler.name, upsampler, {"weights": {upsampler.name: _sha256(path)}})
    upsampler = DepthUpsampler.from_zoo(**where) if name == "auto" else DepthUpsampler.from_zoo(name, **where)
    wanted = upsampler.name
    members = [n for n, header in zoo().items() if wanted in (n, n.replace(f"-x{header.config.scale}-", "-"))]
    return Network(upsampler.name, upsampler, {"weights": {n: _sha256(zoo_path(n)) for n in members}})


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
