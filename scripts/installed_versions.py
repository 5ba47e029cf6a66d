"""Prints, as constraints for pip, the versions of the named packages that this Python has (numpy torch ...)."""

from __future__ import annotations

import sys
from importlib.metadata import PackageNotFoundError, version

for name in sys.argv[1:]:
    try:
        print(f"{name}=={version(name)}")
    except PackageNotFoundError:
        continue
