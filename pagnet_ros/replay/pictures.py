"""Pictures of frames: colour, input, reference, and the depth and error of each method, in one figure.

Depths in metres come in, a matplotlib figure comes out. The replay's report, the comparison of cameras and the demo
draw their frames here.
"""

from __future__ import annotations

import base64
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Depth = NDArray[np.float32]
Area = tuple[slice, slice]

UNKNOWN, NOT_GIVEN = "0.47", "0.08"
COLUMNS, TILE_IN, SIDE_PX = (5, 4, 3), 3.2, 480


@dataclass(frozen=True)
class Scene:
    """One frame to draw; depths in metres, NaN where unknown.

    Attributes:
        rgb: ``[H, W, 3]`` uint8.
        measured_m: ``[h, w]``, what the methods were given.
        reference_m: ``[H, W]``, or None; errors are then differences from the input.
        depths_m: ``[H, W]`` by method; the first is the one judged.
        notes: what to say below the title of a method's error, such as its RMSE.
    """

    rgb: NDArray[np.uint8]
    measured_m: Depth
    reference_m: Depth | None
    depths_m: Mapping[str, Depth]
    notes: Mapping[str, str] = field(default_factory=dict)


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure that needs no display.

    Raises:
        ImportError: matplotlib is not installed.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_in, height_in), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw_scene(scene: Scene) -> Figure:
    """Draw a frame: the whole of it, then the window where the first method errs most, enlarged."""
    from matplotlib import colormaps

    error = {name: depth - _against(scene) for name, depth in scene.depths_m.items()}
    first = next(iter(scene.depths_m))
    whole, window = (slice(None), slice(None)), _telling_window(error[first])
    depths = _depths(scene, list(scene.depths_m))
    blocks: list[tuple[Area, list[tuple[str, NDArray[Any]]]]] = [
        (whole, [("colour", scene.rgb), *_depths(scene, [first]), *error.items()]),
        (window, [("colour, enlarged", scene.rgb), *depths]),
    ]
    columns = _columns([len(tiles) for _, tiles in blocks])
    rows = [(area, tiles[i : i + columns]) for area, tiles in blocks for i in range(0, len(tiles), columns)]
    ratio = scene.rgb.shape[0] / scene.rgb.shape[1]
    figure = new_figure(TILE_IN * columns, (TILE_IN * ratio + 0.25) * len(rows) + 0.8)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    low, high = _span(scene)
    limit = _error_limit(error[first])
    depth_style = {"cmap": colormaps["turbo"].with_extremes(bad=UNKNOWN), "vmin": low, "vmax": high}
    error_style = {"cmap": colormaps["RdBu_r"].with_extremes(bad=UNKNOWN), "vmin": -limit, "vmax": limit}
    shown: dict[str, Any] = {}
    for axis in axes.flat:
        axis.set_axis_off()
    for line, (area, tiles) in zip(axes, rows, strict=True):
        for axis, (title, image) in zip(line, tiles, strict=False):
            part = _thinned(image[area])
            if part.ndim == 3:
                axis.imshow(part, interpolation="nearest")
            elif image is error.get(title):
                shown["error, mm (below 0: too near)"] = axis.imshow(1e3 * part, interpolation="nearest", **error_style)
                _blacken(axis, _thinned(np.isnan(scene.depths_m[title])[area]))
                title = f"error of {title}\n{scene.notes.get(title, '')}".rstrip()  # noqa: PLW2901
            else:
                shown["depth, m"] = axis.imshow(part, interpolation="nearest", **depth_style)
            axis.set_title(label(title), fontsize=10)
    for title, image in shown.items():
        figure.colorbar(image, ax=axes, label=title, location="bottom", aspect=60, shrink=0.5, pad=0.01)
    return figure


def _columns(counts: list[int]) -> int:
    """How many columns leave the fewest places of these blocks of tiles empty."""
    return min(COLUMNS, key=lambda columns: sum(-count % columns for count in counts))


def picture_url(figure: Figure) -> str:
    """The figure as a `data:` URL of a WebP picture; the same scene gives the same bytes."""
    canvas: Any = figure.canvas
    canvas.draw()
    rgba = np.asarray(canvas.buffer_rgba())
    kind = "webp" if cv2.haveImageWriter("a.webp") else "png"
    _, data = cv2.imencode(f".{kind}", cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGR), [cv2.IMWRITE_WEBP_QUALITY, 80])
    return f"data:image/{kind};base64,{base64.b64encode(data.tobytes()).decode('ascii')}"


def _depths(scene: Scene, names: list[str]) -> list[tuple[str, Depth]]:
    (h, w), (height, width) = scene.measured_m.shape, scene.rgb.shape[:2]
    missing = 100 * float(np.mean(np.isnan(scene.measured_m)))
    tiles = [(f"input {w}x{h}, {missing:.0f} % missing", _repeated(scene.measured_m, (height, width)))]
    if scene.reference_m is not None:
        tiles.append(("reference", scene.reference_m))
    return [*tiles, *((f"depth of {name}", scene.depths_m[name]) for name in names)]


def _against(scene: Scene) -> Depth:
    """What errors are differences from."""
    height, width = scene.rgb.shape[:2]
    return _repeated(scene.measured_m, (height, width)) if scene.reference_m is None else scene.reference_m


def _repeated(depth: Depth, size: tuple[int, int]) -> Depth:
    return np.asarray(cv2.resize(depth, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT))


def _thinned(image: NDArray[Any]) -> NDArray[Any]:
    """At most `SIDE_PX` pixels a side, sampled, so that no surfaces mix."""
    step = -(-max(image.shape[:2]) // SIDE_PX)
    return image[step // 2 :: step, step // 2 :: step]


def _blacken(axis: Any, mask: NDArray[np.bool_]) -> None:
    """Where a method gave nothing."""
    from matplotlib.colors import ListedColormap

    axis.imshow(np.ma.masked_where(~mask, mask), interpolation="nearest", cmap=ListedColormap([NOT_GIVEN]))


def _span(scene: Scene) -> tuple[float, float]:
    """What the depth colours span: the 1st to 99th percentile, rounded outwards."""
    known = np.concatenate([d[np.isfinite(d)] for d in (scene.measured_m, _against(scene))])
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, (1, 99))
    return math.floor(10 * low) / 10, max(math.ceil(10 * high), math.floor(10 * low) + 1) / 10


def _error_limit(error: Depth) -> float:
    """Where the error colours end, in mm: the 97th percentile, rounded up to 1, 2 or 5 times a power of ten.

    Depth edges lie beyond it nearly always; with their errors in the span, surfaces would all look right.
    """
    known = np.abs(error[np.isfinite(error)])
    wanted = max(1e3 * float(np.percentile(known, 97)) if known.size else 0.0, 5.0)
    power = 10.0 ** math.floor(math.log10(wanted))
    return float(next(power * m for m in (1, 2, 5, 10) if power * m >= wanted * (1 - 1e-9)))


def _telling_window(error: Depth) -> Area:
    """The window, a quarter of each side, where errors add up to most; each is cut off at the 99.5th percentile."""
    size = tuple(max(side // 4, 1) for side in error.shape)
    known = np.abs(error[np.isfinite(error)])
    most = float(np.percentile(known, 99.5)) if known.size else 0.0
    sums = cv2.boxFilter(
        np.minimum(np.nan_to_num(np.abs(error), nan=0.0), most), cv2.CV_64F, size[::-1],
        anchor=(0, 0), normalize=False, borderType=cv2.BORDER_CONSTANT,
    )[: error.shape[0] - size[0] + 1, : error.shape[1] - size[1] + 1]  # fmt: skip
    top, left = np.unravel_index(int(np.argmax(sums)), sums.shape)
    return slice(int(top), int(top) + size[0]), slice(int(left), int(left) + size[1])


def visible(text: str) -> str:
    r"""Text with control, format and surrogate characters shown as ``\u202e`` instead of obeyed."""
    return "".join(
        char if char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs") else f"\\u{ord(char):04x}"
        for char in text
    )


def label(text: str) -> str:
    """Text that matplotlib draws as it stands, without its mathematics."""
    return visible(text).replace("$", r"\$")
