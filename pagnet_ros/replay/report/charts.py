"""Line charts as SVG inside the page: text stays text, colours follow the page's light or dark scheme.

Owns axes, ticks and marks. Numbers come in, one `svg` element with a description comes out. Drawn in a box of 360 x 220
units, about the width of a phone, so that the page can put several side by side where there is room. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pagnet_ros.replay.report.markup import Html, element, fragment

__all__ = ["Line", "line_chart", "short_number", "ticks"]

WIDTH, HEIGHT = 360, 220
LABEL, LEFT, RIGHT, TOP, BOTTOM = 11, 48, 352, 10, 184


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: What it is, shown where the pointer rests on it.
        x: Where its points lie, ascending.
        y: Their values; None breaks the line.
        style: Class of its colour and dashes, `s0` to `s9`.
        low: Lower rim of a band around it, or empty.
        high: Upper rim.
        marks: Whether points are marked; few points should be.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float | None]
    style: str
    low: Sequence[float] = ()
    high: Sequence[float] = ()
    marks: bool = False


@dataclass(frozen=True)
class _Axis:
    """A linear axis: values from low to high are drawn from start to stop."""

    low: float
    high: float
    start: float
    stop: float

    def at(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(max(share, -0.05), 1.05) * (self.stop - self.start)


def line_chart(
    description: str,
    lines: Sequence[Line],
    *,
    x_label: str,
    y_label: str,
    x_names: Sequence[str] = (),
    from_zero: bool = True,
    diagonal: bool = False,
) -> Html:
    """Draw lines.

    Args:
        description: What the chart shows, for those who cannot see it.
        lines: At least one; those without a value are left out.
        x_label: What x is, with its unit.
        y_label: What y is, with its unit.
        x_names: Names of the whole numbers 0, 1, ... on the x axis, in place of ticks.
        from_zero: Whether y begins at 0.
        diagonal: Whether to draw where x equals y.

    Returns:
        The chart; a sentence where no line has a value.
    """
    lines = [line for line in lines if any(y is not None for y in line.y)]
    if not lines:
        return element("p", "No values to draw.", class_="none")
    x_axis, y_axis = _axes(lines, x_names, from_zero, diagonal)
    return element(
        "svg",
        element("title", description),
        _y_grid(y_axis),
        _x_ticks(x_axis, x_names),
        element("text", y_label, x=LABEL, y=TOP + (BOTTOM - TOP) / 2, class_="label", transform=_turned())
        if y_label
        else None,
        element("text", x_label, x=(LEFT + RIGHT) / 2, y=HEIGHT - 4, class_="label"),
        _diagonal(x_axis, y_axis) if diagonal else None,
        (_band(line, x_axis, y_axis) for line in lines if line.low),
        (_path(line, x_axis, y_axis) for line in reversed(lines)),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        aria_label=description,
        class_="chart",
    )


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round values in [low, high], at most `most + 1` of them, 1, 2, 2.5 or 5 times a power of ten apart."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m * most >= span * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def short_number(value: float) -> str:
    """A number of at most three or four significant digits, without trailing zeros."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "–"
    if abs(value) >= 10_000:
        return f"{value / 1000:.3g}k" if abs(value) < 999_500 else f"{value / 1e6:.3g}M"
    digits = max(0, 2 - math.floor(math.log10(abs(value)) + 1e-9))
    text = f"{value:.{min(digits, 6)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _axes(lines: Sequence[Line], x_names: Sequence[str], from_zero: bool, diagonal: bool) -> tuple[_Axis, _Axis]:
    xs = [x for line in lines for x in line.x]
    ys = [y for line in lines for y in (*line.y, *line.low, *line.high) if y is not None and math.isfinite(y)]
    if diagonal:
        top = max(*xs, *ys, 1e-9) * 1.05
        return _Axis(0.0, top, LEFT, RIGHT), _Axis(0.0, top, BOTTOM, TOP)
    x_low, x_high = (-0.4, len(x_names) - 0.6) if x_names else (min(xs), max(xs))
    y_low, y_high = min(ys), max(ys)
    if from_zero:
        y_low, y_high = min(y_low, 0.0), max(y_high, 0.0)
    room = 0.06 * (y_high - y_low) or max(abs(y_high), 1.0) * 0.1
    y_axis = _Axis(y_low - (0.0 if from_zero and y_low == 0 else room), y_high + room, BOTTOM, TOP)
    return _Axis(x_low, x_high if x_high > x_low else x_low + 1.0, LEFT, RIGHT), y_axis


def _y_grid(axis: _Axis) -> Html:
    parts: list[Html] = []
    for value in ticks(axis.low, axis.high):
        y = _px(axis.at(value))
        kind = "axis" if value == 0 else "grid"
        parts.append(element("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, class_=kind))
        parts.append(element("text", short_number(value), x=LEFT - 5, y=_px(axis.at(value) + 3.5), class_="tick y"))
    return fragment(parts)


def _x_ticks(axis: _Axis, names: Sequence[str]) -> Html:
    at = list(enumerate(names)) if names else [(value, short_number(value)) for value in ticks(axis.low, axis.high)]
    parts = [element("line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM, class_="axis")]
    for value, name in at:
        x = _px(axis.at(value))
        parts.append(element("line", x1=x, x2=x, y1=BOTTOM, y2=BOTTOM + 4, class_="axis"))
        parts.append(element("text", name, x=x, y=BOTTOM + 16, class_="tick"))
    return fragment(parts)


def _diagonal(x_axis: _Axis, y_axis: _Axis) -> Html:
    return element(
        "line", x1=LEFT, y1=BOTTOM, x2=_px(x_axis.at(x_axis.high)), y2=_px(y_axis.at(x_axis.high)), class_="ideal"
    )


def _path(line: Line, x_axis: _Axis, y_axis: _Axis) -> Html:
    """The line, broken where a value is missing, and its marks."""
    commands: list[str] = []
    marks: list[Html] = []
    pen = "M"
    for x, y in zip(line.x, line.y, strict=True):
        if y is None or not math.isfinite(y):
            pen = "M"
            continue
        commands.append(f"{pen}{_px(x_axis.at(x))} {_px(y_axis.at(y))}")
        pen = "L"
        if line.marks or len(line.x) == 1:
            tip = element("title", f"{line.name}: {short_number(y)}")
            marks.append(element("g", tip, element("circle", cx=_px(x_axis.at(x)), cy=_px(y_axis.at(y)), r=2.6)))
    return element(
        "g", element("title", line.name), element("path", d="".join(commands)), marks, class_=f"line {line.style}"
    )


def _band(line: Line, x_axis: _Axis, y_axis: _Axis) -> Html:
    upper = [f"{_px(x_axis.at(x))} {_px(y_axis.at(y))}" for x, y in zip(line.x, line.high, strict=True)]
    lower = [f"{_px(x_axis.at(x))} {_px(y_axis.at(y))}" for x, y in zip(line.x, line.low, strict=True)]
    return element("path", d="M" + "L".join([*upper, *reversed(lower)]) + "Z", class_=f"band {line.style}")


def _turned() -> str:
    return f"rotate(-90 {LABEL} {_px(TOP + (BOTTOM - TOP) / 2)})"


def _px(value: float) -> str:
    """A coordinate to a tenth of a unit."""
    return f"{value:.1f}".removesuffix(".0")
