"""A figure -> a picture on disk; what stands in the way is told by name, for the figures may have taken hours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pagnet_ros.errors import ConfigError
from pagnet_training.json_file import explained

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["write_picture"]


def write_picture(path: Path, figure: Figure, dpi: int) -> None:
    """Save a matplotlib figure, in a folder that is made where there is none.

    Raises:
        ConfigError: the file cannot be written, as on a full disk, or its name is not one of a picture.
    """
    with explained(path, "the picture"):
        try:
            figure.savefig(path, dpi=dpi)
        except ValueError as error:
            raise ConfigError(f"{path}: {error}; expected a name such as {path.stem}.png") from error
