"""The shipped weights: one safetensors file each, described by its own header.

What each was trained on, how it scores, and the command that gives the figure: README.md in the folder `zoo`, where the
files lie.
"""

from __future__ import annotations

import os
import re
import warnings
from functools import cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pagnet_ros.errors import WeightsError, did_you_mean
from pagnet_ros.model.weights import WeightsHeader, read_header

__all__ = [
    "DEFAULT_WEIGHTS",
    "WeightsChoice",
    "current_name",
    "family_of",
    "resolve_weights",
    "weights_file",
    "zoo",
    "zoo_members",
    "zoo_path",
]

DEFAULT_WEIGHTS: Final = "fast-sensor"
"""The family that ``auto`` stands for."""
REPLACED: Final = {
    **dict.fromkeys(("rt-sensor", "tiny-sensor", "rt-kinect", "rt-tof"), "fast-sensor"),
    "rt-tof-paper": "mid-tof-paper",
}
"""Families that are no longer shipped, and what replaced each."""
FOLDER = Path(__file__).parent


def zoo() -> dict[str, WeightsHeader]:
    """All shipped networks by name, each with its header: configuration, data, recipe, scores."""
    return dict(_headers())


@cache
def _headers() -> dict[str, WeightsHeader]:
    headers = [read_header(path) for path in sorted(FOLDER.glob("*.safetensors"))]
    headers.sort(key=lambda header: (header.name.split("-")[0], header.variant, header.config.scale))
    return {header.name: header for header in headers}


def zoo_path(name: str) -> Path:
    """File of a shipped network; for one that is no longer shipped, with a warning, of what replaced it.

    Raises:
        WeightsError: no network of that name; the nearest and all names are listed.
    """
    name = _current_with_warning(name)
    path = FOLDER / f"{name}.safetensors"
    if path not in FOLDER.glob("*.safetensors"):
        raise WeightsError(
            f"no shipped network is called {name!r}; {did_you_mean(name, zoo(), 'none is called like it')}; shipped: "
            f"{', '.join(zoo()) or 'none'}; give one of these, or the path of a weights file"
        )
    return path


def family_of(name: str) -> str:
    """The family a network belongs to, all of whose scales are asked for by that name: its own without the scale."""
    return re.sub(r"-x\d+-", "-", name)


def current_name(name: str) -> str:
    """What stands today for a network or family that is no longer shipped; any other name as it is."""
    if replacement := REPLACED.get(family_of(name)):
        scale = re.search(r"-x\d+-", name)
        return replacement.replace("-", scale.group(), 1) if scale else replacement
    return name


def _current_with_warning(name: str) -> str:
    current = current_name(name)
    if current != name:
        warnings.warn(
            f"the network {name!r} is no longer shipped: taking {current!r}, which replaced it; name that instead",
            stacklevel=2,
        )
    return current


def zoo_members(name: str) -> dict[int, str]:
    """The networks that a name stands for, by scale: all of a family (``rt-clean``), or one (``rt-x4-clean``).

    Raises:
        WeightsError: neither has that name.
    """
    headers, name = zoo(), _current_with_warning(name)
    family = {header.config.scale: each for each, header in headers.items() if family_of(each) == name}
    if family:
        return family
    member = zoo_path(name).stem
    return {headers[member].config.scale: member}


class WeightsChoice(NamedTuple):
    """What a choice of weights stands for.

    Attributes:
        kind: ``shipped`` (a network or family of this package), ``file``, or ``bicubic`` (no weights).
        name: of the shipped network or family; the file's path.
        files: the weights files by name; of a family one for each scale, none without weights.
    """

    kind: Literal["shipped", "file", "bicubic"]
    name: str
    files: dict[str, Path]


def resolve_weights(name_or_path: str | os.PathLike[str] = "auto") -> WeightsChoice:
    """What the node's parameter `weights`, the replay's ``--weights`` and `DepthUpsampler.from_weights` mean by a name.

    Args:
        name_or_path: ``auto`` (the default family), ``bicubic``, a shipped network or family, or the path of a
            .safetensors or .onnx file; whatever holds a folder separator or ends so is a path.

    Raises:
        WeightsError: neither a file's path nor the name of a shipped network.
    """
    text = os.fspath(name_or_path)
    if text == "bicubic":
        return WeightsChoice("bicubic", text, {})
    if text.endswith((".safetensors", ".onnx")) or os.sep in text or not isinstance(name_or_path, str):
        path = Path(text).expanduser()
        return WeightsChoice("file", str(path), {path.name: path})
    name = DEFAULT_WEIGHTS if text == "auto" else _current_with_warning(text)
    return WeightsChoice("shipped", name, {member: zoo_path(member) for member in zoo_members(name).values()})


def weights_file(name_or_path: str | os.PathLike[str]) -> Path:
    """The one file that a name or a path stands for; both are as of `resolve_weights`.

    Raises:
        WeightsError: no such name, or one of a family, or ``bicubic``, which has no weights.
    """
    files = resolve_weights(name_or_path).files
    if len(files) != 1:
        raise WeightsError(
            f"{os.fspath(name_or_path)!r} stands for {len(files)} weights files ({', '.join(files) or 'it has none'}); "
            "give the name of one network, or the path of a weights file"
        )
    return next(iter(files.values()))
