"""What a player of recordings is told: one set of fields for Python and the command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pagnet_ros.system.settings import Settings, fields_of, setting

__all__ = ["LONGEST_S", "PlayerOptions", "parse_options"]

P = TypeVar("P", bound="PlayerOptions")
LONGEST_S: Final = 1e6
_ALSO: Final = {"rate": "-r", "loop": "-l", "start_s": "--start-offset", "duration_s": "--playback-duration"}
"""What `ros2 bag play` calls them."""
_CLOCK_HZ: Final = 40.0


@dataclass(frozen=True)
class PlayerOptions(Settings):
    """How to play any recording."""

    rate: float = setting(1.0, "recording seconds per wall second", low=0.01, high=100.0)
    loop: bool = setting(False, "begin again at the end")
    clock_hz: float = setting(
        0.0, f"publish /clock this often, per second ({_CLOCK_HZ:g} if bare)", low=0.0, high=1000.0
    )
    wait_s: float = setting(0.0, "wait for subscribers before playing, at most this long, s", low=0.0, high=LONGEST_S)


def parse_options(
    parser: argparse.ArgumentParser, arguments: Sequence[str], kind: type[P]
) -> tuple[argparse.Namespace, P]:
    """A command line (without ROS's part) as options: ``--clock`` is `clock_hz`, and so on for every field.

    Args:
        parser: has the arguments that are no options.
        arguments: without the program's name.
        kind: of options.

    Raises:
        ConfigError: values that cannot be, all in one message.
    """
    for field in fields_of(kind):
        default: Any = field.default
        names = [f"--{field.name.removesuffix('_s').removesuffix('_hz').replace('_', '-')}"]
        names += [_ALSO[field.name]] if field.name in _ALSO else []
        how: dict[str, Any] = {"dest": field.name, "default": default, "help": field.metadata["text"]}
        if isinstance(default, bool):
            how["action"] = "store_true"
        else:
            how["type"] = float if "float" in str(field.type) else type(default) if default != () else str
            how["choices"] = field.metadata["choices"] or None
            how |= {"nargs": "+"} if isinstance(default, tuple) else {}
            how |= {"nargs": "?", "const": _CLOCK_HZ} if field.name == "clock_hz" else {}
        parser.add_argument(*names, **how)
    given = parser.parse_args(arguments)
    values: dict[str, Any] = {field.name: getattr(given, field.name) for field in fields_of(kind)}
    values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
    return given, kind(**values)
