"""The shipped weights: one safetensors file each, described by its own header.

What each was trained on, how it scores, and the command that gives the figure: README.md beside this file.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from pathlib import Path

from pagnet_ros.errors import WeightsError
from pagnet_ros.weights import WeightsHeader, read_header

__all__ = ["zoo", "zoo_path"]

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
        near = get_close_matches(name, zoo(), n=1)
        raise WeightsError(
            f"no shipped network is called {name!r}"
            + (f"; did you mean {near[0]!r}?" if near else "")
            + f"; shipped: {', '.join(zoo()) or 'none'}; give one of these, or the path of a weights file"
        )
    return path
