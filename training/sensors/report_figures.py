"""The pictures of a fit's report, as matplotlib figures. Pure: nothing is shown, nothing is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pagnet_training.sensors.arithmetic import FittedCurve
from pagnet_training.sensors.realism import simulated_frame
from pagnet_training.sensors.tallies import CELLS

if TYPE_CHECKING:
    from pagnet_training.sensors.fit import FitResult


Array = NDArray[np.float64]
_MEASURED, _FITTED, _OTHER = "#1f4e79", "#c55a11", "#999999"


def _figure(columns: int, rows: int = 1, height: float = 3.4) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * columns, height * rows), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def _band(axes: Any, curve: FittedCurve, scale: float = 1.0, label: str = "fitted") -> None:
    axes.fill_between(curve.x, scale * curve.low, scale * curve.high, color=_FITTED, alpha=0.25, linewidth=0)
    axes.plot(curve.x, scale * curve.y, color=_FITTED, label=label)


def noise(result: FitResult) -> Any:
    """Sigma by depth, and its factors."""
    fit = result.noise
    figure, axes = _figure(3)
    left = axes[0, 0]
    error = 1000 * np.abs(np.stack([fit.sigma - fit.low, fit.high - fit.sigma]))
    left.errorbar(fit.z, 1000 * fit.sigma, error, fmt="o", markersize=4, color=_MEASURED, label="measured")
    _band(left, fit.base, 1000, "profile's curve")
    beyond = np.linspace(0.5 * fit.z[0], 1.3 * fit.z[-1], 100)
    floor, quadratic, z0 = fit.form
    left.plot(beyond, 1000 * (floor + quadratic * (beyond - z0) ** 2), "--", color=_FITTED, linewidth=1, label="form")
    left.set(xlabel="depth, m", ylabel="sigma, mm", ylim=(0, 1.6 * 1000 * float(fit.sigma.max())), title="by depth")
    left.legend()
    for place, name, curve, scale in (
        (axes[0, 1], "brightness", fit.brightness, 1.0),
        (axes[0, 2], "angle of incidence, degrees", fit.angle, float(np.degrees(1.0))),
    ):
        place.axhline(1.0, color=_OTHER, linewidth=0.6)
        if curve is None:
            place.text(0.5, 0.5, "no notable influence", ha="center", transform=place.transAxes)
        else:
            _band(place, curve._replace(x=scale * curve.x))
            place.plot(scale * curve.x, curve.y, "o", markersize=4, color=_MEASURED)
        place.set(xlabel=name, ylabel="factor of sigma")
    return figure


def missing(result: FitResult) -> Any:
    """Missing rate by depth, brightness, angle and distance to an edge."""
    fit, edges, places = result.missing, result.edges, result.collector.middles()
    figure, axes = _figure(2, 2)
    first = axes[0, 0]
    _band(first, fit.rate)
    first.plot(fit.rate.x, fit.rate.y, "o", markersize=4, color=_MEASURED)
    first.set(xlabel="depth, m", ylabel="missing", ylim=(0, None))
    seen = result.collector.tallies.total("interior", CELLS)
    gone = result.collector.tallies.total("interior_missing", CELLS)
    for place, label, axis, x in (
        (axes[0, 1], "brightness", 1, places[0]),
        (axes[1, 0], "angle of incidence, degrees", 2, np.degrees(places[1])),
    ):
        others = tuple(a for a in range(3) if a != axis)
        n, m = seen.sum(others), gone.sum(others)
        good = n > 0.002 * n.sum()
        place.plot(x[good], m[good] / n[good], "o-", markersize=4, color=_MEASURED)
        place.set(xlabel=label, ylabel="missing", ylim=(0, None))
    last = axes[1, 1]
    names = ("near object left", "near object right", "near object above", "near object below")
    reach = np.arange(edges.by_side.shape[-1])
    for direction, name in enumerate(names):
        line = last.plot(reach + 0.5, edges.by_side[1, direction], linewidth=1, label=name)[0]
        last.plot(-reach - 0.5, edges.by_side[0, direction], linewidth=1, color=line.get_color())
    if edges.missing is not None:
        last.plot(edges.missing.x, edges.missing.y, color=_FITTED, linewidth=2.5, label="fitted, without the shadow")
        last.plot(-edges.missing.x, edges.missing.y, color=_FITTED, linewidth=2.5)
    last.axvline(0, color=_OTHER, linewidth=0.6)
    last.set(xlabel="pixels from an edge (right: background)", ylabel="missing", ylim=(0, 1))
    last.legend(fontsize=8)
    return figure


def frames(result: FitResult) -> Any:
    """Colour, the measured frame, the depth behind it, and the simulated frame."""
    moment = result.samples[-1]
    view, scene = moment.view, moment.scene
    simulated = simulated_frame(moment, result.profile, 1)
    figure, axes = _figure(2, 2, 3.9)
    low, high = np.nanquantile(view.z, [0.01, 0.99])
    panels: tuple[tuple[str, Any], ...] = (
        ("colour", view.rgb),
        ("measured", view.z),
        ("probable depth", scene.z),
        ("simulated", simulated),
    )
    for place, (name, image) in zip(axes.flat, panels, strict=True):
        if image.ndim == 3:
            place.imshow(image)
        else:
            shown = place.imshow(image, vmin=low, vmax=high, cmap="turbo", interpolation="nearest")
            figure.colorbar(shown, ax=place, label="m")
        missed = "" if image.ndim == 3 else f" ({float(np.isnan(image).mean()):.1%} missing)"
        place.set_title(name + missed)
        place.set_axis_off()
    return figure


def bias(result: FitResult) -> Any:
    """Mean error by depth."""
    fit = result.bias
    assert fit is not None
    figure, axes = _figure(1)
    place = axes[0, 0]
    place.plot(fit.z, 1000 * fit.mean, ".", color=_MEASURED, label="measured")
    _band(place, fit.curve, 1000, "slow part")
    if fit.wiggle_m.known:
        wave = fit.wiggle_m.value * np.sin(2 * np.pi * fit.z / fit.period_m + fit.phase_rad)
        place.plot(
            fit.z, 1000 * (np.interp(fit.z, fit.curve.x, fit.curve.y) + wave), color="black", linewidth=0.8, label="all"
        )
    place.set(xlabel="depth, m", ylabel="bias, mm")
    place.legend()
    return figure
