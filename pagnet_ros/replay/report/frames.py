"""Panels of single frames: colour, input, reference, every method's error and depth, with their scales.

Kept frames (`panels.Panel`) come in, HTML with pictures goes out; at most `MAX_PANELS` frames are drawn. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.replay.metrics import METRICS
from pagnet_ros.replay.panels import Panel, Snapshot, View
from pagnet_ros.replay.report.charts import short_number, ticks
from pagnet_ros.replay.report.markup import Html, Node, element, fragment
from pagnet_ros.replay.report.pictures import depth_picture, error_picture, picture_url, scale_stops
from pagnet_ros.replay.report.wording import in_words, pooled

__all__ = ["MAX_PANELS", "frame_panels"]

MAX_PANELS = 8
SMALL_PX = 200
"""Pictures below this size are enlarged with hard pixel edges."""

Depth = NDArray[np.float32]


def frame_panels(panels: Sequence[Panel], main: str, figure: str) -> Html | None:
    """Draw the frames.

    Args:
        panels: What `PanelCollector.panels` gave.
        main: The method judged.
        figure: Name of the figure that ranked the frames.

    Returns:
        One block a frame; None without frames.
    """
    if not panels:
        return None
    return fragment(_panel(panel, main, figure) for panel in panels[:MAX_PANELS])


def _panel(panel: Panel, main: str, figure: str) -> Html:
    frame = panel.frame
    shown_figures = frame.figures.get(main, {})
    value = pooled({figure: panel.value if math.isfinite(panel.value) else None}, figure)
    title = {"worst": "Worst", "median": "Median", "best": "Best", "sample": "A"}[panel.role] + " frame"
    about = f": {in_words(METRICS[figure])} of {main} {value}" if value else ""
    low, high = _depth_range(frame)
    limit = _error_limit(frame, main)
    others = [
        f"{in_words(METRICS[name])} {pooled(shown_figures, name)}"
        for name in ("rmse_edges_m", "flying_pixels", "false_obstacles", "coverage")
        if name in METRICS and _known(shown_figures, name)
    ]
    where = f"frame {frame.index} at {frame.time_s:.2f} s, depth stamp {_seconds(frame.stamp_ns)} s"
    has_reference = frame.whole.reference_m is not None
    (top, bottom), (left, right) = frame.window.rows, frame.window.columns
    return element(
        "section",
        element("h3", title, about),
        element("p", "; ".join([where, *others]), ".", class_="small soft"),
        _legends(low, high, limit, has_reference),
        _tiles(_whole_tiles(frame, main, (low, high), limit)),
        element(
            "p",
            f"Enlarged where {main} is farthest off: columns {left} to {right}, rows {top} to {bottom}.",
            class_="small soft",
        ),
        _tiles(_window_tiles(frame, main, (low, high), limit)),
    )


def _whole_tiles(frame: Snapshot, main: str, span: tuple[float, float], limit: float) -> Iterable[Html]:
    view = frame.whole
    yield from _inputs(view, span, "")
    if main in view.depths_m:
        yield _tile(depth_picture(view.depths_m[main], *span), f"depth of {main}")
    yield from _errors(frame, view, limit, "")


def _window_tiles(frame: Snapshot, main: str, span: tuple[float, float], limit: float) -> Iterable[Html]:
    view = frame.window
    yield from _inputs(view, span, ", enlarged")
    for name in _main_first(view.depths_m, main):
        yield _tile(depth_picture(view.depths_m[name], *span), f"depth of {name}, enlarged", name)
    yield from _errors(frame, view, limit, ", enlarged", only=main)


def _inputs(view: View, span: tuple[float, float], what: str) -> Iterable[Html]:
    missing = 100 * float(np.mean(~np.isfinite(view.measured_m)))
    yield _tile(view.rgb, f"colour{what}", "colour")
    yield _tile(depth_picture(view.measured_m, *span), f"input depth{what}, {missing:.0f} % missing", "input depth")
    if view.reference_m is not None:
        yield _tile(depth_picture(view.reference_m, *span), f"reference depth{what}", "reference")


def _errors(frame: Snapshot, view: View, limit: float, what: str, only: str = "") -> Iterable[Html]:
    against = view.measured_m if view.reference_m is None else view.reference_m
    word = "difference from the input of" if view.reference_m is None else "error of"
    for name, depth in view.depths_m.items():
        if only and name != only:
            continue
        figures = frame.figures.get(name, {})
        key = next((k for k in ("rmse_m", "consistency_m") if _known(figures, k)), "")
        value = f", {in_words(METRICS[key])} {pooled(figures, key)}" if key and not what else ""
        yield _tile(
            error_picture(depth, _fitted(against, depth), limit), f"{word} {name}{what}{value}", f"{word} {name}{value}"
        )


def _tiles(tiles: Iterable[Html]) -> Html:
    return element("div", tiles, class_="tiles")


def _tile(picture: NDArray[np.uint8], alt: str, caption: Node = None) -> Html:
    height, width = picture.shape[:2]
    small = "pixels" if max(height, width) < SMALL_PX else None
    image = element("img", src=picture_url(picture), alt=alt, width=width, height=height, class_=small)
    return element("figure", image, element("figcaption", alt if caption is None else caption), tabindex=0)


def _legends(low: float, high: float, limit: float, has_reference: bool) -> Html:
    what = "error, mm (− too near, + too far)" if has_reference else "difference from the input, mm"
    unknown = "unknown" if has_reference else "not measured"
    return element(
        "div",
        _legend("depth, m (grey: unknown)", "depth", low, high, f"Depth colours from {low:g} to {high:g} m"),
        _legend(
            f"{what}; grey: {unknown}, black: nothing given",
            "error",
            -1000 * limit,
            1000 * limit,
            f"Error colours from {-1000 * limit:g} to {1000 * limit:g} mm",
        ),
        class_="scales",
    )


def _legend(text: str, kind: str, low: float, high: float, description: str) -> Html:
    """A bar of colours with round numbers below it; the bar is cut into steps, so it needs no names of its own."""
    colors = scale_stops(kind, 60)
    bars = [element("rect", x=5 * i, y=0, width=5.3, height=9, fill=color) for i, color in enumerate(colors)]
    marks = [
        element(
            "text",
            _plus(value, kind),
            x=f"{300 * (value - low) / (high - low):.1f}",
            y=21,
            text_anchor=_anchor(value, low, high),
        )
        for value in ticks(low, high, 4)
    ]
    bar = element("svg", bars, marks, viewBox="0 0 302 25", role="img", aria_label=description)
    return element("figure", element("figcaption", text), bar)


def _anchor(value: float, low: float, high: float) -> str:
    share = (value - low) / (high - low)
    return "start" if share < 0.03 else "end" if share > 0.97 else "middle"


def _plus(value: float, kind: str) -> str:
    sign = "+" if kind == "error" and value > 0 else ""
    return f"{sign}{short_number(value)}".replace("-", "−")


def _depth_range(frame: Snapshot) -> tuple[float, float]:
    """What the depth colours of a frame span: the 1st to 99th percentile, rounded outwards."""
    images = [frame.whole.measured_m] + ([] if frame.whole.reference_m is None else [frame.whole.reference_m])
    known = np.concatenate([image[np.isfinite(image)] for image in images])
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, (1, 99))
    return math.floor(10 * low) / 10, max(math.ceil(10 * high), math.floor(10 * low) + 1) / 10


def _error_limit(frame: Snapshot, main: str) -> float:
    """Where the error colours end: the judged method's 97th percentile, rounded up to 1, 2 or 5 times a power of ten.

    Depth edges lie beyond it nearly always; with their errors in the span, surfaces would all look right.
    """
    view = frame.whole
    against = view.measured_m if view.reference_m is None else view.reference_m
    depth = view.depths_m.get(main)
    error = np.abs(depth - _fitted(against, depth)) if depth is not None else np.zeros(0, np.float32)
    error = error[np.isfinite(error)]
    wanted = max(float(np.percentile(error, 97)) if error.size else 0.0, 0.005)
    power = 10.0 ** math.floor(math.log10(wanted))
    return round(next(power * m for m in (1, 2, 5, 10) if power * m >= wanted * (1 - 1e-9)), 6)


def _fitted(against: Depth, depth: Depth) -> Depth:
    """The measurement or reference on the method's pixels (both views show the same part)."""
    if against.shape == depth.shape:
        return against
    rows = np.arange(depth.shape[0]) * against.shape[0] // depth.shape[0]
    columns = np.arange(depth.shape[1]) * against.shape[1] // depth.shape[1]
    return np.asarray(against[rows[:, None], columns[None, :]], dtype=np.float32)


def _main_first(names: Iterable[str], main: str) -> list[str]:
    return sorted(names, key=lambda name: name != main)


def _known(figures: Mapping[str, float], name: str) -> bool:
    return math.isfinite(figures.get(name, math.nan))


def _seconds(stamp_ns: int) -> str:
    return f"{stamp_ns // 10**9}.{stamp_ns % 10**9:09d}"
