"""The shipped weights: one safetensors file each, described by its own header.

What each was trained on, how it scores, and the command that gives the figure: README.md in the folder `zoo`, where the
files lie.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from pagnet_ros.errors import WeightsError, did_you_mean
from pagnet_ros.model.weights import WeightsHeader, read_header

__all__ = ["family_of", "zoo", "zoo_members", "zoo_path"]

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
    """File of a shipped network.

    Raises:
        WeightsError: no network of that name; the nearest and all names are listed.
    """
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


def zoo_members(name: str) -> dict[int, str]:
    """The networks that a name stands for, by scale: all of a family (``rt-sensor``), or one (``rt-x4-sensor``).

    Raises:
        WeightsError: neither has that name.
    """
    headers = zoo()
    family = {header.config.scale: each for each, header in headers.items() if family_of(each) == name}
    if family:
        return family
    member = zoo_path(name).stem
    return {headers[member].config.scale: member}
