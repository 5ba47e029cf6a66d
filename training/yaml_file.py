"""A YAML file from outside -> plain values: nothing is run, and no file is larger than such a file can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pagnet_ros.errors import ConfigError

__all__ = ["MAX_FILE_BYTES", "read_yaml"]

MAX_FILE_BYTES = 2**20


def read_yaml(path: Path, what: str) -> Any:
    """Read a recipe or study.

    Args:
        path: the file.
        what: what it should be, for messages.

    Raises:
        ConfigError: missing, too large, or not YAML.
    """
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ConfigError(f"{what} {path}: {size} bytes; expected at most {MAX_FILE_BYTES}; is it another file?")
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{what} {path}: not readable as YAML ({error})") from error
