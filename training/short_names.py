"""Paths -> names to show, short and each another."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path


def short_names(paths: Sequence[Path], taken: Collection[str] = ()) -> list[str]:
    """The last part of each path, with as many parts before it as tell it from the others.

    Args:
        paths: absolute, no two the same.
        taken: names that mean something else where these are used.
    """
    ends = [[str(Path(*path.parts[-count:])) for count in range(1, len(path.parts) + 1)] for path in paths]
    names = []
    for number, mine in enumerate(ends):
        others = {end for other, theirs in enumerate(ends) if other != number for end in theirs}
        names.append(next(end for end in mine if end not in others and end not in taken))
    return names
