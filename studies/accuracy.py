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

from pagnet_ros.errors import ConfigError, PagnetError
from pagnet_ros.model.config import SCALES
from pagnet_ros.model.weights import WeightsHeader, load_weights
from pagnet_ros.model.zoo import zoo, zoo_path
from pagnet_ros.system.files import replaced
from pagnet_training.baselines import BASELINES
from pagnet_training.evaluate import INPUTS, MSG_FLOAT, Method, Score, evaluate, method_of_weights
from pagnet_training.json_file import explained
from pagnet_training.protocol import read_protocol_images
from studies.published import PAPER_IMAGES, PAPER_TABLE

__all__ = ["insert", "main", "paper_table", "validation_tables", "zoo_table"]

FILTERS = ("bicubic", "guided", "joint-bilateral")
KINDS = {"float": "kept in floating point", "rounded": "rounded to uint8"}


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
    rows = _header(
        "file",
        "for",
        "guided by",
        "parameters",
        "steps",
        "minutes",
        "started from",
        "Moebius",
        "Dolls > 9",
        "Cones",
        "Venus",
    )
    regressing = ((name, header) for name, header in headers.items() if header.config.output == "depth")
    for name, header in sorted(regressing, key=lambda item: (item[1].variant, item[1].config.scale)):
        recipe = header.recipe
        scores = header.scores.get("middlebury_val", {}).get("float", {})
        parameters = sum(p.numel() for p in load_weights(zoo_path(name))[0].parameters())
        origin = str(recipe.get("warm_start", "")).split("/")[-2:]
        figures = [f"{scores[i]:.3f}" if i in scores else "-" for i in ("moebius", "dolls>9", "cones", "venus")]
        minutes = f"{recipe.get('training_minutes', 0):.0f}"
        origin_name = f"`{origin[0]}`" if len(origin) == 2 else "random weights"
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


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.accuracy", description=__doc__)
    parser.add_argument("--data", type=Path, help="validation images; needed for --document")
    parser.add_argument("--document", type=Path, help="put the tables of the paper's form between its marks")
    parser.add_argument("--zoo-readme", type=Path, help="put the table of shipped files between its marks")
    parser.add_argument("--threads", type=int, help="CPU threads")
    options = parser.parse_args(arguments)
    if options.threads:
        torch.set_num_threads(options.threads)
    try:
        if options.zoo_readme is not None:
            _insert_all(options.zoo_readme, {"zoo": zoo_table(zoo())})
        if options.document is not None:
            if options.data is None:
                raise ConfigError("--document needs --data, a folder with NAME_rgb.png and NAME_disparity.png")
            for mark in ("validation", "paper"):
                _around(options.document, mark)  # told now, not after the measurement
            scores = evaluate(_methods(), read_protocol_images(options.data), SCALES)
            family = [s._replace(method=s.method.replace(f"-x{s.scale}-", "-")) for s in scores]
            _insert_all(options.document, {"validation": validation_tables(family), "paper": paper_table()})
        if options.zoo_readme is None and options.document is None:
            _print(zoo_table(zoo()))
    except PagnetError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
