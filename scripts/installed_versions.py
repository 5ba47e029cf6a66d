"""Prints, as constraints for pip, the versions of the named packages that this Python has (numpy torch ...)."""

from __future__ import annotations

import os
import sys
from importlib.metadata import PackageNotFoundError, version

OLDEST_NUMPY = (1, 26)
"""What setup.py asks for; Ubuntu 22.04 has 1.21, and ROS's compiled messages take any later one below 2."""


def constraint(name: str, present: str, distribution: str = "") -> str:
    """What keeps a package to the version that is there, or to its major version where that one is too old.

    Humble's compiled messages, and the torch that NVIDIA's boards have beside it, know no NumPy 2, which may have been
    installed over Ubuntu's all the same.
    """
    version_of = tuple(int(part) for part in present.split(".")[:2])
    if name == "numpy" and (version_of < OLDEST_NUMPY or (distribution == "humble" and version_of >= (2, 0))):
        return "numpy<2"
    return f"{name}=={present}"


if __name__ == "__main__":
    for name in sys.argv[1:]:
        try:
            print(constraint(name, version(name), os.environ.get("ROS_DISTRO", "")))
        except PackageNotFoundError:
            continue
