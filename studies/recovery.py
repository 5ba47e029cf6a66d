"""``python -m studies.recovery``: does the fit find the sensor that made a recording?

Data flows: known sensors x held-out scenes -> recordings in memory -> fit -> verdict -> tables and JSON. First with the
simulator whose form the fit assumes, then with one that makes up its noise and holes differently.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table

from pagnet_ros.errors import PagnetError
from pagnet_ros.recordings.frames import RecordedFrame
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.json_file import write_json
from pagnet_training.sensors.fit import FitResult, fit_recording
from studies.known_sensors import FIRST_SEED, KNOWN, Recording, recordings
from studies.verdict import Check, judge

SIMULATORS = ("profile", "independent")
WHERE = ("range", "brightness", "edge")
Fit = Callable[[Iterable[RecordedFrame]], FitResult]


class Outcome(NamedTuple):
    """One recording, fitted and judged.

    Attributes:
        recording: what was fitted.
        checks: every comparison; empty where the fit refused.
        refusal: what the fit said if it made no profile, else empty.
    """

    recording: Recording
    checks: tuple[Check, ...]
    refusal: str = ""


def study(fit: Fit, cases: Sequence[Recording]) -> Iterable[Outcome]:
    """Fit and judge one recording after the other."""
    for case in cases:
        try:
            fitted = fit(case.frames())
        except PagnetError as error:
            yield Outcome(case, (), str(error))
            continue
        yield Outcome(case, tuple(judge(case, fitted.profile, fitted.curves)))


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Shares and errors over all checks of some outcomes; None where nothing was to be checked."""
    checks = [check for outcome in outcomes for check in outcome.checks]
    sigma = [abs(c.fitted - c.truth) / c.truth for c in checks if c.quantity == "sigma"]
    figures: dict[str, Any] = {
        "recordings": len(outcomes),
        "refused": sum(bool(outcome.refusal) for outcome in outcomes),
        "sigma_bins": len(sigma),
        "sigma_within": _share([c.within for c in checks if c.quantity == "sigma"]),
        "sigma_median_error": float(np.median(sigma)) if sigma else None,
        "sigma_worst_error": max(sigma, default=None),
    }
    for where in WHERE:
        chosen = [c for c in checks if c.quantity == "missing" and c.where == where]
        figures[f"missing_{where}_bins"] = len(chosen)
        figures[f"missing_{where}_within"] = _share([c.within for c in chosen])
        figures[f"missing_{where}_worst"] = max((abs(c.fitted - c.truth) for c in chosen), default=None)
    for name in ("sigma", "missing"):
        figures[f"covered_{name}"] = _share([c.covered for c in checks if c.quantity == name])
    figures["covered_parameters"] = _share([c.covered for c in checks if c.where == "parameter"])
    figures["covered"] = _share([c.covered for c in checks])
    figures["intervals"] = sum(c.covered is not None for c in checks)
    return figures


def _share(values: Iterable[bool | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def results_table(title: str, outcomes: Sequence[Outcome]) -> Table:
    """One row per profile and one for all."""
    table = Table(title=title)
    heads = ("profile", "fits", "sigma within 10 %", "median, worst error", "missing within, by range", "brightness",
             "edge distance", "worst error", "95 % intervals that hold: sigma", "missing", "parameters")  # fmt: skip
    for head in heads:
        table.add_column(head)
    names = dict.fromkeys(outcome.recording.profile.name for outcome in outcomes)
    for name in (*names, "all"):
        chosen = [o for o in outcomes if name in ("all", o.recording.profile.name)]
        s = summary(chosen)
        worst = [s[f"missing_{where}_worst"] for where in WHERE]
        known = [value for value in worst if value is not None]
        table.add_row(
            name,
            f"{s['recordings'] - s['refused']} of {s['recordings']}",
            f"{_percent(s['sigma_within'])} of {s['sigma_bins']}",
            f"{_percent(s['sigma_median_error'])}, {_percent(s['sigma_worst_error'])}",
            *(f"{_percent(s[f'missing_{w}_within'])} of {s[f'missing_{w}_bins']}" for w in WHERE),
            f"{max(known):.3f}" if known else "-",
            *(_percent(s[f"covered_{kind}"]) for kind in ("sigma", "missing", "parameters")),
        )
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Every figure as plain values."""
    return {
        "summary": summary(outcomes),
        "recordings": [
            {
                "name": outcome.recording.name,
                "profile": outcome.recording.profile.name,
                "refusal": outcome.refusal,
                "checks": [{**check._asdict(), "covered": check.covered} for check in outcome.checks],
            }
            for outcome in outcomes
        ],
    }


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.recovery", description=description_of(__doc__))
    parser.add_argument("--simulators", nargs="+", default=list(SIMULATORS), choices=SIMULATORS)
    parser.add_argument(
        "--profiles", nargs="*", default=[], choices=[profile.name for profile in KNOWN], help="only these"
    )
    parser.add_argument("--seeds", type=int, default=3, help="recordings of each profile")
    parser.add_argument(
        "--first-seed", type=int, default=FIRST_SEED, help="of the scenes; mend a fit by others than these"
    )
    parser.add_argument("--frames", type=int, default=40, help="frames of each recording")
    parser.add_argument("--size", type=int, nargs=2, default=(240, 320), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--json", type=Path, help="write every figure here")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    console, results = Console(width=max(200, Console().width)), {}
    for simulator in options.simulators:
        size = (options.size[0], options.size[1])
        cases = recordings(
            options.seeds, options.frames, size, independent=simulator == "independent", first_seed=options.first_seed
        )
        if options.profiles:
            cases = [case for case in cases if case.profile.name in options.profiles]
        done = track(
            study(fit_recording, cases), total=len(cases), description=simulator, console=console, transient=True
        )
        outcomes = list(done)
        console.print(results_table(f"Recovery, recordings of the {simulator} simulator", outcomes))
        for outcome in outcomes:
            if outcome.refusal:
                console.print(f"no fit: {outcome.recording.name}: {outcome.refusal}", markup=False)
        results[simulator] = as_json(outcomes)
    if options.json:
        write_json(options.json, results)


if __name__ == "__main__":
    sys.exit(main())
