"""``python -m studies.curves JOURNAL...``: how the error of trainings fell over their steps, as one picture.

Data flows: ``validation.jsonl`` of each run -> one panel per run, one line per image or figure -> a PNG.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from pagnet_ros.errors import ConfigError
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.json_file import write_picture
from pagnet_training.short_names import short_names

NO_FIGURES = ("step", "seconds", "millimetres")
PANELS_IN_A_ROW = 3


def read_journal(path: Path) -> tuple[list[int], dict[str, list[float]]]:
    """Steps, and the figures of each image at these steps.

    Raises:
        ConfigError: unreadable, or a line that is no figures of one step.
    """
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        steps = [int(entry["step"]) for entry in entries]
        names = [name for name, value in entries[0].items() if name not in NO_FIGURES and isinstance(value, float)]
        return steps, {name: [float(entry[name]) for entry in entries] for name in names}
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, IndexError) as error:
        raise ConfigError(
            f"{path}: no journal of a training ({type(error).__name__}: {error}); expected lines of JSON with a step "
            "and figures, as validation.jsonl in the folder of a run"
        ) from error


def draw(journals: dict[str, tuple[list[int], dict[str, list[float]]]], path: Path) -> None:
    """One panel per run; every line starts at 1, the first figure of its journal.

    Args:
        journals: name of a run -> what `read_journal` gives.
        path: of the picture.
    """
    from matplotlib.figure import Figure

    columns = min(len(journals), PANELS_IN_A_ROW)
    rows = -(-len(journals) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.4 * rows), layout="constrained")
    axes: Any = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for empty in axes.flat[len(journals) :]:
        empty.remove()
    for panel, (name, (steps, figures)) in zip(axes.flat[: len(journals)], journals.items(), strict=True):
        for image, values in figures.items():
            panel.plot(steps, [value / values[0] for value in values], marker=".", label=f"{image}, {values[-1]:.3f}")
        panel.axhline(1.0, color="grey", linewidth=0.8)
        panel.set(title=name, xlabel="steps")
        panel.legend(fontsize=7, title="last value", title_fontsize=7)
    for first in axes[:, 0]:
        first.set_ylabel("error, as a share of the first")
    write_picture(path, figure, 110)


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.curves", description=description_of(__doc__))
    parser.add_argument("journals", type=Path, nargs="+", help="validation.jsonl of a run, or a copy of it")
    parser.add_argument("--out", type=Path, required=True, help="the picture")
    options = parser.parse_args(arguments)
    paths = list(dict.fromkeys(path.absolute() for path in options.journals))
    runs = {path: path.parent if path.stem == "validation" else path.with_suffix("") for path in paths}
    if len(set(runs.values())) < len(runs):  # a run's own journal, and a copy that is called like the run
        runs = {path: path for path in paths}
    named = zip(short_names(list(runs.values())), paths, strict=True)
    draw({name: read_journal(path) for name, path in named}, options.out)


if __name__ == "__main__":
    sys.exit(main())
