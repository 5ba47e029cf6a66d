"""Figures -> a JSON file; what stands in the way is told by name, for they may have taken hours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pagnet_ros.errors import ConfigError

__all__ = ["write_json"]


def write_json(path: Path, figures: Any) -> None:
    """Write plain values, in a folder that is made where there is none.

    Raises:
        ConfigError: the file cannot be written, as on a full disk.
    """
    text = json.dumps(figures, indent=1) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"{path}: the figures cannot be written: {error.strerror or error}; free some space, or choose another file"
        ) from error
