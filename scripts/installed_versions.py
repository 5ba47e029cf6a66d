"""Prints, as constraints for pip, the versions of the named packages that this Python has (numpy torch ...)."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

OLDEST_NUMPY = (1, 26)
"""What setup.py asks for; Ubuntu 22.04 has 1.21, and ROS's compiled messages take any later one below 2."""


def constraint(name: str, present: str) -> str:
    """What keeps a package to the version that is there, or to its major version where that one is too old."""
    if name == "numpy" and tuple(int(part) for part in present.split(".")[:2]) < OLDEST_NUMPY:
        return "numpy<2"
    return f"{name}=={present}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        try:
            print(constraint(name, version(name)))
        except PackageNotFoundError:
            continue
