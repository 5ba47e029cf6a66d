"""A YAML file from outside -> plain values: nothing is run, and none is larger than such a file can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pagnet_ros.errors import ConfigError
from pagnet_ros.system.files import TextFileError, load_yaml

__all__ = ["read_yaml"]


def read_yaml(path: Path, what: str) -> Any:
    """Read a recipe or study.

    Args:
        path: the file.
        what: what it should be, for messages.

    Raises:
        ConfigError: missing, too large, or not plain YAML.
    """
    try:
        return load_yaml(path)
    except TextFileError as error:
        raise ConfigError(f"{what} {path}: {error}") from error
