"""Draws the demo's picture: colour, coarse depth, bicubic, ours, and where there is truth, truth and errors. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PanelFrame", "common_rmse_m", "draw_panel"]

Image = NDArray[np.float32]
UNKNOWN_GREY = "#3a3a3a"


@dataclass(frozen=True)
class PanelFrame:
    """What the picture shows; depths in metres, NaN where unknown.

    Attributes:
        color: ``[H, W, 3]`` uint8.
        coarse: ``[h, w]`` the measured depth.
        bicubic: ``[H, W]`` bicubic up-sampling of it.
        ours: ``[H, W]`` the node's output.
        truth: ``[H, W]``, or None.
        name: of the network that ran.
        truth_name: what `truth` is.
    """

    color: NDArray[np.uint8]
    coarse: Image
    bicubic: Image
    ours: Image
    truth: Image | None
    name: str
    truth_name: str = "truth"


def common_rmse_m(frame: PanelFrame) -> tuple[float, float]:
    """RMSE against truth of ours and of bicubic, metres, over the pixels that both give and the truth knows.

    NaN where there is no truth.
    """
    if frame.truth is None:
        return float("nan"), float("nan")
    common = np.isfinite(frame.truth) & np.isfinite(frame.ours) & np.isfinite(frame.bicubic)
    if not common.any():
        return float("nan"), float("nan")
    ours = float(np.sqrt(np.mean((frame.ours[common] - frame.truth[common]) ** 2)))
    bicubic = float(np.sqrt(np.mean((frame.bicubic[common] - frame.truth[common]) ** 2)))
    return ours, bicubic


def draw_panel(frame: PanelFrame, path: Path) -> None:
    """Write the picture as PNG."""
    from matplotlib import colormaps
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height, width = frame.color.shape[:2]
    rows = 2 if frame.truth is None else 3
    figure = Figure(figsize=(15, 15 / 4 * height / width * rows + 0.35 * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, 4, squeeze=False)
    known = np.concatenate([image[np.isfinite(image)] for image in (frame.coarse, frame.ours)])
    low, high = np.percentile(known, (1, 99)) if known.size else (0.0, 1.0)
    style = {"cmap": colormaps["turbo"].with_extremes(bad=UNKNOWN_GREY), "vmin": low, "vmax": high}

    size = f"{frame.coarse.shape[1]}x{frame.coarse.shape[0]}"
    holes = 100 * float(np.mean(~np.isfinite(frame.coarse)))
    missing = 100 * float(np.mean(~np.isfinite(frame.ours)))
    titles = (
        f"colour {width}x{height}",
        f"measured depth {size}, {holes:.0f} % missing",
        "bicubic",
        f"pagnet_ros {frame.name}, {missing:.0f} % not believed (grey)",
    )
    y, x = _telling_crop(frame)
    for row, crop in ((axes[0], (slice(None), slice(None))), (axes[1], (y, x))):
        row[0].imshow(frame.color[crop])
        row[1].imshow(_crop_coarse(frame, crop), interpolation="nearest", **style)
        row[2].imshow(frame.bicubic[crop], interpolation="nearest", **style)
        last = row[3].imshow(frame.ours[crop], interpolation="nearest", **style)
    figure.colorbar(last, ax=axes[1, 3], label="depth, m", fraction=0.04)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=10)
    for axis in axes[1]:
        axis.set_title("the same, enlarged", fontsize=9, color="0.35")
    for axis in axes.flat:
        axis.set_axis_off()
    if frame.truth is not None:
        _draw_errors(figure, axes[2], frame, style)
    figure.savefig(path)


def _draw_errors(figure: Any, axes: Any, frame: PanelFrame, style: dict[str, Any]) -> None:
    from matplotlib import colormaps

    assert frame.truth is not None
    ours_m, bicubic_m = common_rmse_m(frame)
    scale = max(4 * bicubic_m if np.isfinite(bicubic_m) else 0.1, 1e-3)
    error_style = {"cmap": colormaps["magma"].with_extremes(bad=UNKNOWN_GREY), "vmin": 0.0, "vmax": scale * 1e3}
    axes[0].imshow(frame.truth, interpolation="nearest", **style)
    axes[0].set_title(frame.truth_name, fontsize=10)
    for axis, image, name, rmse in (
        (axes[2], frame.bicubic, "bicubic", bicubic_m),
        (axes[3], frame.ours, "pagnet_ros", ours_m),
    ):
        last = axis.imshow(np.abs(image - frame.truth) * 1e3, interpolation="nearest", **error_style)
        axis.set_title(f"error of {name}, RMSE {rmse * 1e3:.1f} mm", fontsize=10)
    figure.colorbar(last, ax=axes[3], label="error, mm", fraction=0.04)
    axis = axes[1]
    bins = np.linspace(0, scale * 1e3, 60)
    for image, name in ((frame.bicubic, "bicubic"), (frame.ours, "pagnet_ros")):
        error = np.abs(image - frame.truth)
        error = np.sort(error[np.isfinite(error)]) * 1e3
        share = [100 * (1 - np.searchsorted(error, edge) / max(error.size, 1)) for edge in bins]
        axis.plot(bins, share, label=name)
    axis.set(xlabel="error, mm", ylabel="pixels with a larger error, %", yscale="log")
    axis.legend(fontsize=9)
    axis.set_axis_on()


def _telling_crop(frame: PanelFrame) -> tuple[slice, slice]:
    """The window of a quarter of each side where bicubic is farthest from ours (or from truth)."""
    height, width = frame.color.shape[:2]
    reference = frame.ours if frame.truth is None else frame.truth
    error = np.abs(np.nan_to_num(frame.bicubic - reference))
    error = np.minimum(error, np.percentile(error, 99.5))
    window_y, window_x = height // 4, width // 4
    total = np.pad(error.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = (
        total[window_y:, window_x:]
        - total[:-window_y, window_x:]
        - total[window_y:, :-window_x]
        + total[:-window_y, :-window_x]
    )
    y, x = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return slice(int(y), int(y) + window_y), slice(int(x), int(x) + window_x)


def _crop_coarse(frame: PanelFrame, crop: tuple[slice, slice]) -> Image:
    """The coarse depth under a crop of the full size, pixels shown as the blocks they are."""
    height, width = frame.color.shape[:2]
    rows = np.arange(height) * frame.coarse.shape[0] // height
    columns = np.arange(width) * frame.coarse.shape[1] // width
    blocks: Image = frame.coarse[rows[:, None], columns[None, :]][crop]
    return blocks
