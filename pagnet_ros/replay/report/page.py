"""The report as one HTML file that needs nothing else: no network, no script, no other file.

Owns the order of the sections and the writing of the file. Data flows from `Results` and the kept frames through the
sections into one page. The same results give the same bytes. Its size is bounded: at most `frames.MAX_PANELS` frames
with at most 8 + 2 x methods pictures each of at most `pictures.MAX_PICTURE_BYTES`, and charts of at most the timeline's
bins.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pagnet_ros.replay.panels import Panel
from pagnet_ros.replay.report import curves, facts, frames, summary
from pagnet_ros.replay.report.markup import Html, element, fragment
from pagnet_ros.replay.results import Results

__all__ = ["ranking_figure", "render", "write_report"]

# Nothing may be loaded and nothing may run, whatever stands in the page.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def ranking_figure(mode: str) -> str:
    """The figure by which frames are called worst, median and best in a mode of `Results`."""
    return "consistency_m" if mode == "none" else "rmse_m"


def render(results: Results, panels: Sequence[Panel] = ()) -> str:
    """The page.

    Args:
        results: Of a run, or read again from its JSON.
        panels: The kept frames; without them the page has no pictures of frames.

    Returns:
        HTML.
    """
    sections = _sections(results, panels)
    links = element("nav", [element("a", title, href=f"#{name}") for name, title, _ in sections], aria_label="Contents")
    body = [
        element("section", element("h2", title), content, id=name) if title else content
        for name, title, content in sections
    ]
    page = element(
        "html",
        element(
            "head",
            element("meta", charset="utf-8"),
            element("meta", http_equiv="Content-Security-Policy", content=POLICY),
            element("meta", name="viewport", content="width=device-width,initial-scale=1"),
            element("title", f"Depth quality of {', '.join(results.recording.paths)}"),
            element("link", rel="icon", href="data:,"),
            Html(f"<style>\n{_style()}</style>"),
        ),
        "\n",
        element("body", element("main", summary.head(results), links, body)),
        lang="en",
    )
    return f"<!doctype html>\n{page}\n"


def write_report(path: str | os.PathLike[str], results: Results, panels: Sequence[Panel] = ()) -> int:
    """Write the page; a file half written is removed.

    Args:
        path: The file; replaced if it is there.
        results: Of a run.
        panels: The kept frames.

    Returns:
        Its size in bytes.

    Raises:
        OSError: It cannot be written, as on a full disk.
    """
    target = Path(path)
    partial = target.with_name(f".{target.name}.partial")
    data = render(results, panels).encode("utf-8")
    try:
        partial.write_bytes(data)
        partial.replace(target)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    return len(data)


def _style() -> str:
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8")


def _sections(results: Results, panels: Sequence[Panel]) -> list[tuple[str, str, Html]]:
    """(anchor, title, content) of every section that has something to say."""
    charts = [chart for chart in (curves.latency(results), curves.pairing_offset(results)) if chart is not None]
    listed: list[tuple[str, str, Html | None]] = [
        ("methods", "All methods", summary.summary_table(results)),
        ("distance", "By distance", curves.by_range(results)),
        ("frames", "Frames", frames.frame_panels(panels, results.main, ranking_figure(results.mode))),
        ("time", "Over time", curves.over_time(results)),
        ("sigma", "Predicted error", curves.calibration(results)),
        (
            "latency",
            "Latency and pairing",
            fragment(
                facts.latency_table(results),
                element("div", charts, class_="charts") if charts else None,
                facts.pairing_facts(results),
            ),
        ),
        ("trouble", "What could not be read", facts.trouble(results)),
        ("provenance", "Where this comes from", facts.provenance(results)),
        ("definitions", "What the figures mean", facts.definitions(results)),
        ("all", "All figures", summary.full_table(results)),
    ]
    return [(name, title, content) for name, title, content in listed if content is not None]
