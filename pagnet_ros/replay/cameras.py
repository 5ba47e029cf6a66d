"""Compares methods camera by camera: networks beside plain interpolation, on the same pixels of real recordings.

Each recording is made coarser, and is itself the truth. Folders of frames come in; a Markdown page with a table per
scale, and a picture of each camera's worst frame, come out. Pipeline, metrics and pictures are those of the replay.

    python -m pagnet_ros.replay.cameras FOLDER... --scale 2,4,8 --out docs
"""

from __future__ import annotations

import argparse
import dataclasses
import io
import itertools
import math
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from pagnet_ros.errors import ConfigError, PagnetError
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.recordings.bags import BagMessage
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.recordings.layouts import detect_layout
from pagnet_ros.replay.files import OutputError
from pagnet_ros.replay.frame import ReplayFrame, SourceOptions
from pagnet_ros.replay.highlights import Ranking
from pagnet_ros.replay.methods import Method, make_baselines, make_networks
from pagnet_ros.replay.metrics import METRICS, Metric, MetricSettings
from pagnet_ros.replay.pictures import Scene, draw_scene
from pagnet_ros.replay.run import answers, evaluate, main_method
from pagnet_ros.replay.run_options import RunOptions
from pagnet_ros.replay.source import FolderSource
from pagnet_ros.system.files import replaced

BASE, SIMPLE = "bilinear", ("bilinear", "nearest")
COLUMNS = (
    "rmse_common_m", "mae_common_m", "rmse_flat_common_m", "rmse_rest_common_m", "flying_common", "coverage",
    "false_obstacles", "missed_obstacles", "rmse_holes_m", "coverage_holes", "flicker_m",
)  # fmt: skip
WON = ("rmse_common_m", "mae_common_m")
SETTINGS = MetricSettings(common="measured", flying_px=3, flying_margin_m=0.02)
PICTURE_DPI = 90

Values = dict[str, float | None]


@dataclass
class Comparison:
    """What was found out.

    Attributes:
        main: the method judged.
        values: metrics by scale, camera and method.
        skipped: why a folder was left out, by name.
        pictures: file names of the worst frames by camera.
    """

    main: str
    values: dict[int, dict[str, dict[str, Values]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, str] = field(default_factory=dict)


class _Camera(FolderSource):
    """The first frames of a folder; where it has no calibration, one with a field of view of 53 degrees."""

    def __init__(self, path: Path, frames: int) -> None:
        super().__init__(open_frames(path), SourceOptions(use_reference=False))
        self._limit = frames

    def frames(
        self, tap: Callable[[BagMessage], None] | None = None, only: Collection[int] | None = None
    ) -> Iterator[ReplayFrame]:
        for frame in itertools.islice(super().frames(tap, only), self._limit):
            height, width = frame.rgb.shape[:2]
            nominal = np.array([[width, 0, (width - 1) / 2], [0, width, (height - 1) / 2], [0, 0, 1]], np.float64)
            yield dataclasses.replace(frame, intrinsics=nominal if frame.intrinsics is None else frame.intrinsics)


def compare_cameras(
    folders: Sequence[Path],
    scales: Sequence[int],
    methods: Sequence[Method],
    pipeline: UpsamplerOptions,
    *,
    frames: int = 4,
    pictures: Path | None = None,
    progress: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Run every method on every camera at every scale.

    Args:
        folders: of frames, or folders of such folders.
        scales: by how much the recordings are made coarser.
        methods: what to compare; one of them is called "bilinear".
        pipeline: what counts as measured.
        frames: how many of each folder, its first.
        pictures: folder for the worst frame of each camera at the middle scale; None for none.
        progress: told what is done next.

    Raises:
        ConfigError: no folder holds frames of one size.
    """
    found = Comparison(main_method(methods))
    cameras = _cameras(folders, found.skipped)
    for scale in scales:
        options = RunOptions(scale=scale, pipeline=pipeline, metrics=SETTINGS)
        for camera in cameras:
            progress(f"{camera.name} {scale}x")
            ranking = Ranking(found.main, "self")
            with _Camera(camera, frames) as source:
                results = evaluate(source, methods, options, [ranking])
            rows = {method.name: {name: method.metrics.get(name) for name in COLUMNS} for method in results.methods}
            if not any(camera.glob("*pose*")):  # unrelated views: nothing in them stands still
                rows = {name: {**row, "flicker_m": None} for name, row in rows.items()}
            found.values.setdefault(scale, {})[camera.name] = rows
            if pictures is not None and scale == _pictured(scales):
                name = f"camera_{camera.name}.jpg"
                with _Camera(camera, frames) as source:
                    given = next(answers(source, methods, options, [ranking.chosen()[0].number]))
                truth = given.truth
                depths = {name: given.outputs[name].depth_m for name in (found.main, BASE) if name in given.outputs}
                figure = draw_scene(Scene(truth.rgb, truth.measured_m, truth.reference_m, depths))
                picture = io.BytesIO()  # Pillow itself does not look whether a disk took all of it
                figure.savefig(picture, format="jpg", dpi=PICTURE_DPI, pil_kwargs={"quality": 80})
                with _written(pictures / name) as file:
                    file.write_bytes(picture.getvalue())
                found.pictures[camera.name] = name
    return found


def _pictured(scales: Sequence[int]) -> int:
    """The scale of the pictures."""
    return scales[len(scales) // 2]


def page(found: Comparison, command: str) -> str:
    """The comparison as Markdown."""
    metrics = [METRICS[name] for name in COLUMNS]
    scales = list(found.values)
    listed = " or ".join(filter(None, (", ".join(map(str, scales[:-1])), str(scales[-1]))))
    lines = [INTRODUCTION.format(command=command, main=found.main, scales=listed)]
    for scale, cameras in found.values.items():
        count = f"{len(cameras)} camera{'s' * (len(cameras) > 1)}"
        lines += [f"## {scale}x\n", f"Geometric mean over {count}, of {BASE}'s; coverage as it is.\n"]
        heads = [metric.label for metric in metrics]
        lines += _table(["method", *heads, "won, RMSE", "won, MAE"], _summary(cameras, metrics))
        rows = [
            [camera, method, *(metric.shown(values[metric.name]) for metric in metrics)]
            for camera, methods in cameras.items()
            for method, values in methods.items()
        ]
        units = [f"{metric.label} [{metric.shown_unit}]" for metric in metrics]
        lines += ["", *_table(["camera", "method", *units], rows), ""]
    if found.skipped:
        lines += ["Left out:\n", *(f"- {name}: {why}" for name, why in found.skipped.items()), ""]
    if found.pictures:
        lines += [f"## The worst frame of each camera, by RMSE of {found.main} at {_pictured(scales)}x\n"]
        lines += ["Grey: unknown; black in an error: the method gives nothing there.\n"]
        lines += [f"{camera}:\n\n![{camera}](images/{name})\n" for camera, name in found.pictures.items()]
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 0, 2 with the reason on stderr, or 130 after Ctrl-C."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        return _run(_parser().parse_args(words), words, console)
    except PagnetError as error:
        console.print(f"cameras: {error}", markup=False)
        return 2
    except KeyboardInterrupt:
        console.print("cameras: stopped")
        return 130


def _run(given: argparse.Namespace, words: Sequence[str], console: Console) -> int:
    pipeline = UpsamplerOptions(metric=True, registration="none")
    methods = [
        *_networks(given.weights, pipeline, given.device, given.precision),
        *make_networks(["bicubic"], pipeline, given.device, given.precision),
        *make_baselines(["bilinear", "nearest", "joint-bilateral"], pipeline),
    ]
    images = None
    if given.out is not None:
        images = given.out / "images"
        try:
            images.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{images}: cannot be made: {error.strerror or error}; name another --out") from error
    found = compare_cameras(
        given.folders, given.scale, methods, pipeline, frames=given.frames, pictures=images,
        progress=lambda text: console.print(text, markup=False),
    )  # fmt: skip
    text = page(found, shlex.join(["python", "-m", "pagnet_ros.replay.cameras", *words]))
    if given.out is None:
        Console(soft_wrap=True, highlight=False).print(text, markup=False)
    else:
        with _written(given.out / "cameras.md") as file:
            file.write_text(text, encoding="utf-8")
    return 0


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """A file to write that takes its place when whole."""
    try:
        with replaced(path) as temporary:
            yield temporary
    except OSError as error:
        raise OutputError(
            f"{path}: writing failed ({error.strerror or error}); free some space, or name another file"
        ) from error


def _networks(weights: Sequence[str], pipeline: UpsamplerOptions, device: str, precision: str) -> list[Method]:
    """The networks, each once for every estimate that the pipeline can give; what is no network, once."""
    methods: list[Method] = []
    for estimate in ("surface", "mean"):
        for method in make_networks(weights, dataclasses.replace(pipeline, estimate=estimate), device, precision):
            if method.kind == "network":
                method.name += f" ({estimate})"
            if all(method.name != other.name for other in methods):
                methods.append(method)
    return methods


def _cameras(folders: Sequence[Path], skipped: dict[str, str]) -> list[Path]:
    """The folders whose depth and colour have one size, by name."""
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise ConfigError(f"{folder} is no folder; expected a folder of frames, or of such folders")
        own = detect_layout(folder) is not None
        for path in [folder] if own else sorted(entry for entry in folder.iterdir() if entry.is_dir()):
            try:
                first = next(_Camera(path, 1).frames(), None) if detect_layout(path) is not None else None
            except PagnetError as error:
                skipped[path.name] = str(error)
                continue
            if first is None:
                skipped[path.name] = "no frames that can be read"
            elif first.depth.shape != first.rgb.shape[:2]:
                (h, w), (height, width) = first.depth.shape, first.rgb.shape[:2]
                skipped[path.name] = f"depth {w}x{h} and colour {width}x{height}; expected depth that lies on colour"
            else:
                found.append(path)
    if not found:
        raise ConfigError(f"{', '.join(map(str, folders))}: no frames whose depth lies on colour at its size")
    return found


def _summary(cameras: dict[str, dict[str, Values]], metrics: Sequence[Metric]) -> list[list[str]]:
    """One row a method: its mean over the cameras, and how many of them it won against plain interpolation."""
    rows = []
    for method in next(iter(cameras.values())):
        cells = [method]
        for metric in metrics:
            pairs = [(rows_of[method][metric.name], rows_of[BASE][metric.name]) for rows_of in cameras.values()]
            known = [(value, base) for value, base in pairs if value is not None and base is not None]
            if metric.is_share:
                cells.append(f"{metric.shown(float(np.mean([v for v, _ in known])))} %" if known else "–")
            else:
                extra = 0.0 if metric.unit == "m" else 1.0  # counts may be zero
                ratios = [
                    math.log((v + extra) / (base + extra)) for v, base in known if base + extra > 0 and v + extra > 0
                ]
                cells.append(f"{math.exp(float(np.mean(ratios))):.3f}" if ratios else "–")
        for name in WON:
            won = [_beats(rows_of, method, name) for rows_of in cameras.values()]
            cells.append("–" if method in SIMPLE else f"{sum(won)} of {len(won)}")
        rows.append(cells)
    return rows


def _beats(rows: dict[str, Values], method: str, name: str) -> bool:
    """Whether a method is better than every simple one."""
    value, simple = rows[method][name], [rows[other][name] for other in SIMPLE]
    return value is not None and all(other is None or value < other for other in simple)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', ' ') for cell in cells)} |"

    return [line(heads), "|" + "---|" * len(heads), *(line(row) for row in rows)]


def _scales(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}; expected whole numbers such as 2,4,8") from error


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cameras", description="Compare methods on real recordings, camera by camera."
    )
    add = parser.add_argument
    add("folders", nargs="+", type=Path, metavar="DIR", help="folders of frames, or folders of such folders")
    add("--scale", type=_scales, default=[2, 4, 8], metavar="N,N", help="how much coarser the input is (default 2,4,8)")
    add("--weights", nargs="+", default=["auto"], metavar="NAME", help="networks, as the replay takes them")
    add("--frames", type=int, default=4, metavar="N", help="frames of each folder, its first (default 4)")
    add("--device", default="auto", help="where networks run: auto, cpu, cuda, cuda:N")
    add("--precision", default="auto", help="what they compute in: auto, fp32, bf16, fp16")
    add("--out", type=Path, metavar="DIR", help="write DIR/cameras.md and DIR/images/; else the page is printed")
    return parser


INTRODUCTION = """# Cameras: is it better than plain interpolation?

For those who choose a method for a real camera: errors, and invented and missed obstacles, on real recordings. At each
scale the first table sums up over the cameras, the second has each of them; pictures are at the end. Written by

```bash
{command}
```

- **Truth and input**: the recorded depth is the truth; what a sensor with pixels {scales} times as large would have
  seen is the input ([replay.md](replay.md), mode self).
- **Methods**: the judged one is {main}; `node-bicubic` goes through the same path without a network; bilinear, nearest
  and joint-bilateral are filters that fill the same holes.
- **Same pixels**: errors are over those that every method gives and whose four surrounding input pixels are measured.
  What one method leaves out, mostly hard pixels at edges, counts for none. Coverage, obstacles and holes are of all
  that a method gives.
- **Columns**: [metrics.md](metrics.md), with `common=measured`, `flying_px=3` and `flying_margin_m=0.02`. A camera is
  won where a method is better than both bilinear and nearest. Without a calibration obstacles are counted for a field
  of view of 53 degrees; flicker needs consecutive frames.
"""


if __name__ == "__main__":
    sys.exit(main())
