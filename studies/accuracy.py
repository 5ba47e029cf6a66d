"""``python -m studies.accuracy``: the tables of docs/accuracy.md and of the zoo's README, from measurement.

Data flows: shipped weights and classical methods -> the evaluation protocol on the validation images -> Markdown, put
between two marks of a document, whose own text stays. The zoo's table needs no images: every weights file carries its
scores.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import SCALES
from pagnet_ros.model.weights import WeightsHeader, load_weights
from pagnet_ros.model.zoo import zoo, zoo_path
from pagnet_ros.system.files import replaced
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.evaluate import (
    BASELINES,
    INPUTS,
    MSG_FLOAT,
    Method,
    Score,
    evaluate,
    merged_families,
    method_of_weights,
)
from pagnet_training.json_file import explained
from pagnet_training.protocol import read_protocol_images

FILTERS = ("bicubic", "guided", "joint-bilateral")
KINDS = {"float": "kept in floating point", "rounded": "rounded to uint8"}
PAPER_IMAGES = ("Art", "Books", "Laundry", "Reindeer", "Tsukuba", "Teddy")
"""Images of the paper's Table 1."""

PAPER_TABLE: dict[str, str] = {
    "bicubic": "2.64/3.87/5.46/8.17 1.07/1.61/2.34/3.34 1.61/2.41/3.45/5.07 1.94/2.81/3.99/5.86 5.82/8.56/12.33/16.57 "
    "1.96/2.86/4.03/6.03",
    "guided filter": "3.15/3.90/5.43/8.15 1.43/1.76/2.38/3.34 2.01/2.47/3.44/5.03 - - -",
    "TGV": "3.16/3.73/7.12/12.08 1.33/1.67/2.27/4.89 1.87/2.25/4.05/8.01 - - -",
    "JID": "1.18/1.92/2.76/9.93 0.45/0.71/1.01/8.43 0.68/1.10/1.83/8.73 - - -",
    "MSG": "0.66/1.47/2.46/4.57 0.37/0.67/1.03/1.63 0.79/0.79/1.51/2.63 - - -",
    "RCG": "2.31/3.26/4.31/6.78 1.14/1.53/2.18/2.92 1.47/2.06/2.87/4.22 1.82/2.58/3.24/4.90 - -",
    "TSDR": "3.16/1.57/2.30/4.30 1.33/1.05/1.06/1.59 1.87/0.98/1.58/2.19 - - -",
    "MFR": "0.71/1.54/2.71/4.35 0.42/0.63/1.05/1.78 0.61/1.11/1.75/3.01 0.65/1.23/2.06/3.74 - -",
    "RDN (depth)": "0.56/1.47/2.60/4.16 0.36/0.62/1.00/1.68 0.48/0.96/1.63/2.86 0.51/1.17/2.05/3.58 - -",
    "DepthSR": "0.53/1.20/2.22/3.90 0.42/0.60/0.89/1.51 0.44/0.78/1.31/2.26 0.51/0.96/1.57/2.47 1.33/3.26/6.89/13.10 "
    "0.83/1.37/1.85/3.02",
    "PAG-Net": "0.33/1.15/2.08/3.68 0.26/0.46/0.81/1.38 0.30/0.71/1.27/1.88 0.31/0.85/1.46/2.52 0.85/3.08/6.18/11.84 "
    "0.66/1.39/1.90/2.91",
}
"""The paper's Table 1: RMSE at 2x/4x/8x/16x for each of `PAPER_IMAGES`; a dash where it repeats other columns."""


def validation_tables(scores: Sequence[Score]) -> str:
    """RMSE per image and scale, one table per kind of input, and the ratio to MSG-Net where its figures are known."""
    images = sorted({score.image for score in scores})
    parts = []
    for kind in (kind for kind in INPUTS if any(score.input == kind for score in scores)):
        parts += ["", f"RMSE in 8-bit levels, low resolution {KINDS[kind]}:", ""]
        parts += _header("2x / 4x / 8x / 16x", *images)
        found = {(s.method, s.image, s.scale): s.rmse for s in scores if s.input == kind}
        for method in dict.fromkeys(score.method for score in scores):
            parts.append(_row(method, *(_cell({s: found.get((method, i, s)) for s in SCALES}) for i in images)))
        if kind == "float" and set(MSG_FLOAT) <= set(images):
            quoted = (_cell(MSG_FLOAT[i]) if i in MSG_FLOAT else "-" for i in images)
            parts.append(_row("MSG-Net, its weights", *quoted))
            parts += ["", *_ratios([score for score in scores if score.input == kind])]
    return "\n".join(parts[1:])


def paper_table() -> str:
    """The paper's Table 1, quoted."""
    rows = [_row(method, *(cell.replace("/", " / ") for cell in row.split())) for method, row in PAPER_TABLE.items()]
    return "\n".join([*_header("2x / 4x / 8x / 16x", *PAPER_IMAGES), *rows])


def zoo_table(headers: Mapping[str, WeightsHeader]) -> str:
    """One row per shipped file: what it is, what it was trained on, what it scores."""
    names = ("file", "for", "guided by", "parameters", "steps", "minutes", "started from")
    rows = _header(*names, "Moebius", "Dolls > 9", "Cones", "Venus")
    regressing = ((name, header) for name, header in headers.items() if header.config.output == "depth")
    for name, header in sorted(regressing, key=lambda item: (item[1].variant, item[1].config.scale)):
        recipe = header.recipe
        scores = header.scores.get("middlebury_val", {}).get("float", {})
        parameters = sum(p.numel() for p in load_weights(zoo_path(name))[0].parameters())
        origin = Path(str(recipe.get("warm_start", "")))  # a checkpoint in the folder of its run, or a shipped network
        figures = [f"{scores[i]:.3f}" if i in scores else "-" for i in ("moebius", "dolls>9", "cones", "venus")]
        minutes = f"{recipe.get('training_minutes', 0):.0f}"
        origin_name = f"`{origin.parent.name or origin.name}`" if origin.name else "random weights"
        steps = f"{recipe.get('steps_done', 0):,}"
        guide = recipe.get("guided_by", "colour")
        rows.append(_row(f"`{name}`", header.variant, guide, f"{parameters:,}", steps, minutes, origin_name, *figures))
    return "\n".join(rows)


def insert(path: Path, mark: str, text: str) -> None:
    """Put text between ``<!-- begin MARK -->`` and ``<!-- end MARK -->`` of a document, which changes in one step.

    Raises:
        ConfigError: the document has no such marks, or cannot be read or written; it stays as it was.
    """
    before, after = _around(path, mark)
    target = path.resolve()
    with explained(path, "the table"), replaced(target) as temporary:
        temporary.write_text(f"{before}\n\n{text}\n\n{after}", encoding="utf-8")


def _around(path: Path, mark: str) -> tuple[str, str]:
    """A document up to its mark and from its mark on, both included."""
    begin, end = f"<!-- begin {mark} -->", f"<!-- end {mark} -->"
    try:
        content = path.read_text(encoding="utf-8") if path.is_file() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as text ({error}); expected a document with marks") from error
    before, found, rest = content.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ConfigError(f"{path}: no {begin} ... {end} in it; expected both marks; put them where the table belongs")
    return before + begin, end + after


def _insert_all(path: Path, tables: Mapping[str, str]) -> None:
    """Put each table at its mark; what cannot be kept there is printed, for it may have taken hours."""
    try:
        for mark, text in tables.items():
            insert(path, mark, text)
    except ConfigError:
        _print(*tables.values())
        raise


def _print(*tables: str) -> None:
    Console(width=200).print("\n\n".join(tables), markup=False, soft_wrap=True)


def _header(*names: str) -> list[str]:
    return [_row(*names), "|" + "---|" * len(names)]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(values: Mapping[int, float | None]) -> str:
    return " / ".join("-" if values.get(scale) is None else f"{values[scale]:.3f}" for scale in SCALES)


def _ratios(scores: Sequence[Score]) -> list[str]:
    """Mean over the cells of RMSE / MSG-Net's RMSE, for methods that have all of them."""
    names = ("mean of RMSE / MSG-Net's over the 16 cells", "cells below MSG-Net")
    lines = _header("", *names, "mean, result rounded to whole levels", "cells below")
    cells = [(image, scale, value) for image, row in MSG_FLOAT.items() for scale, value in row.items()]
    for method in dict.fromkeys(score.method for score in scores):
        own = {(s.image, s.scale): s for s in scores if s.method == method}
        if all((image, scale) in own for image, scale, _ in cells):
            plain = [own[image, scale].rmse / value for image, scale, value in cells]
            whole = [own[image, scale].whole / value for image, scale, value in cells]
            figures = (_mean_and_below(ratios) for ratios in (plain, whole))
            lines.append(_row(method, *(text for pair in figures for text in pair)))
    return lines


def _mean_and_below(ratios: Sequence[float]) -> tuple[str, str]:
    return f"{statistics.fmean(ratios):.3f}", f"{sum(ratio < 1 for ratio in ratios)} of {len(ratios)}"


def _methods() -> list[Method]:
    """The classical filters, and every shipped network for noise-free depth, a family as one row."""
    methods = [Method(name, BASELINES[name], SCALES) for name in FILTERS]
    for name, header in zoo().items():
        if header.variant == "clean":
            methods.append(method_of_weights(zoo_path(name)))
    return methods


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.accuracy", description=description_of(__doc__))
    parser.add_argument("--data", type=Path, help="validation images; needed for --document")
    parser.add_argument("--document", type=Path, help="put the tables of the paper's form between its marks")
    parser.add_argument("--zoo-readme", type=Path, help="put the table of shipped files between its marks")
    parser.add_argument("--threads", type=int, help="CPU threads")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.zoo_readme is not None:
        _insert_all(options.zoo_readme, {"zoo": zoo_table(zoo())})
    if options.document is not None:
        if options.data is None:
            raise ConfigError("--document needs --data, a folder with NAME_rgb.png and NAME_disparity.png")
        for mark in ("validation", "paper"):
            _around(options.document, mark)  # told now, not after the measurement
        scores = merged_families(evaluate(_methods(), read_protocol_images(options.data), SCALES))
        _insert_all(options.document, {"validation": validation_tables(scores), "paper": paper_table()})
    if options.zoo_readme is None and options.document is None:
        _print(zoo_table(zoo()))


if __name__ == "__main__":
    sys.exit(main())
