"""``python -m studies.curves RUN... --out PICTURE``: how the validation error fell while networks were trained.

Reads ``validation.jsonl`` of each run's folder; the curves of TensorBoard hold the same and the losses.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from pagnet_ros.errors import PagnetError, RecordingError
from studies.picture_file import write_picture

__all__ = ["draw_curves", "main", "read_curve"]

_NOT_IMAGES = ("step", "seconds")


def read_curve(folder: Path) -> list[tuple[float, float]]:
    """``(step, mean RMSE over the validation images in levels)`` of a run, in order.

    Raises:
        RecordingError: no such file, or not what training writes.
    """
    path = folder / "validation.jsonl"
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        return [
            (float(line["step"]), statistics.fmean(float(v) for k, v in line.items() if _is_error(k, v)))
            for line in lines
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordingError(
            f"{path}: not readable as a run's validation curve ({error}); expected lines of JSON with step, seconds "
            "and one RMSE per image; name the folder that training wrote (--out)"
        ) from error


def _is_error(key: str, value: object) -> bool:
    return key not in _NOT_IMAGES and not isinstance(value, dict)


def draw_curves(path: Path, curves: Mapping[str, Sequence[tuple[float, float]]]) -> None:
    """Draw every curve, the error on a logarithmic axis.

    Raises:
        ConfigError: the picture cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name, points in curves.items():
        axes.plot(*zip(*points, strict=True), "o-", markersize=3, label=name)
    axes.set(xlabel="step", ylabel="mean validation RMSE, levels", yscale="log")
    for formatted in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
        formatted("{x:.1f}")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    write_picture(path, figure, dpi=100)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.curves", description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", help="folders that training wrote")
    parser.add_argument("--names", nargs="+", help="what to call them (default: the folders' names)")
    parser.add_argument("--out", type=Path, required=True, help="the picture")
    options = parser.parse_args(arguments)
    names = options.names or [run.resolve().name for run in options.runs]
    if len(names) != len(options.runs):
        sys.stderr.write(f"error: {len(names)} names for {len(options.runs)} runs; give one name per run\n")
        return 2
    try:
        draw_curves(options.out, {name: read_curve(run) for name, run in zip(names, options.runs, strict=True)})
    except PagnetError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
