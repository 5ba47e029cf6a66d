"""Every fault once, and the table of docs/reliability.md.

``python -m benchmarks.faults`` prints the table; ``--write docs/reliability.md`` puts it there; ``--only REGEX`` picks.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from pathlib import Path

from benchmarks.faults import live, processes  # noqa: F401  (they register their faults)
from benchmarks.faults.own_files import enter_own_files, small_disk
from benchmarks.faults.rig import FAULTS, Outcome, Rig, try_fault
from pagnet_ros.system.files import replaced
from pagnet_ros.system.transport import enter_own_domain
from pagnet_training.command import Arguments, command_line

BEGIN, END = "<!-- table: begin -->", "<!-- table: end -->"


@command_line
def main(arguments: Arguments = None) -> int:
    """Run them; exit status 1 where something did not hold."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="faults whose name this regular expression finds")
    parser.add_argument("--weights", default="bicubic", help="the node's parameter (default bicubic)")
    parser.add_argument("--write", type=Path, help="the document whose table is replaced")
    options = parser.parse_args(given)
    own = enter_own_files("benchmarks.faults", given)
    enter_own_domain()
    import rclpy

    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    outcomes: list[Outcome] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        small_disk(own) as disk,
        Rig(Path(folder), disk, weights=options.weights).running() as rig,
    ):
        for each in FAULTS.values():
            if not re.search(options.only, each.name):
                continue
            if each.needs_disk and disk is None:
                outcomes.append(Outcome(each.name, float("nan"), (), "not tried: mounts are not allowed here"))
            else:
                outcomes.append(try_fault(rig, each))
            sys.stderr.write(f"{_row(outcomes[-1])}\n")
            if not rig.node.is_running:
                rig.start_node()
    rclpy.try_shutdown()
    table = "\n".join(
        ["| fault | frames again after | told on /diagnostics | held |", "|---|---|---|---|", *map(_row, outcomes)]
    )
    sys.stdout.write(f"{table}\n")
    if options.write is not None:
        text = options.write.read_text(encoding="utf-8")
        before, after = text.partition(BEGIN)[0], text.partition(END)[2]
        with replaced(options.write) as temporary:
            temporary.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    return int(any(outcome.broken for outcome in outcomes))


def _row(outcome: Outcome) -> str:
    said = ", ".join(f"`{kind}`" for kind in outcome.said) or "-"
    seconds = f"{outcome.recovery_s:.2f} s" if outcome.recovery_s == outcome.recovery_s else "-"
    broken = " ".join(outcome.broken.split())[:400]
    return f"| {outcome.name} | {seconds} | {said} | {f'no: {broken}' if broken else 'yes'} |"


if __name__ == "__main__":
    sys.exit(main())
