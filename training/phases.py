"""Says what a long command is doing, how far it is and about how long it still takes.

On a terminal a bar moves; elsewhere, in a log, each phase is one line when it begins and one when it has ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Phase = AbstractContextManager[Callable[[int], None]]
"""While it is open something goes on; it gives the function that takes how many of its parts are done."""


@contextmanager
def silent(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A phase of which nobody is told."""
    yield lambda done: None


def phases_on(console: Console) -> Callable[[str, int | None], Phase]:
    """Phases that are shown on a console.

    Returns:
        ``phase(name, total)``; None as the total where it is not known.
    """

    @contextmanager
    def phase(name: str, total: int | None) -> Iterator[Callable[[int], None]]:
        begin = time.monotonic()
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
        columns += [TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn()]
        if not console.is_terminal:
            console.print(f"{name} ...", markup=False, highlight=False, soft_wrap=True)
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(name, total=total)
            yield lambda done: progress.update(task, completed=done)
        seconds = time.monotonic() - begin
        console.print(f"{name}: done in {seconds:.0f} s", markup=False, highlight=False, soft_wrap=True)

    return phase
