"""Command lines: what stands in the way is one line on standard error, and the exit status 2; 130 after Ctrl-C."""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable, Sequence

from pagnet_ros.errors import PagnetError

Arguments = Sequence[str] | None
"""Of a command line; None takes the process's."""


def command_line(run: Callable[[Arguments], int | None]) -> Callable[..., int]:
    """A command line that returns its exit status, made of a function that raises `PagnetError` where it fails."""

    @functools.wraps(run)
    def main(arguments: Arguments = None) -> int:
        try:
            return run(arguments) or 0
        except PagnetError as error:
            sys.stderr.write(f"error: {error}\n")
            return 2
        except KeyboardInterrupt:
            sys.stderr.write("stopped\n")
            return 130

    return main


def description_of(doc: str | None) -> str:
    """What ``--help`` says of a command: its module's first sentence, without the command that leads it in."""
    first = re.sub(r"^``[^`]*``: ", "", (doc or "").partition("\n\n")[0]).replace("`", "")
    return first[:1].upper() + first[1:]
