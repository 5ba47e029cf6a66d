"""A recording for the rerun viewer: colour, depths, point clouds and errors over time.

Evaluated frames go in one by one and are written at once, so
memory does not grow. Needs the rerun SDK, which is an extra of this package. Entities: ``world/camera`` (pose and
calibration) with ``color`` and ``depth/<method>``, which the viewer shows in space too, ``world/points/<method>`` in
the colours of the image for the judged method and the reference, ``metrics/<metric>/<method>``.
"""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import ConfigError
from pagnet_ros.messages.image import millimetres
from pagnet_ros.recordings.coarse import coarse_intrinsics
from pagnet_ros.replay.frame import ReplayFrame
from pagnet_ros.replay.metrics import FrameTruth
from pagnet_ros.replay.run import LEADING
from pagnet_ros.replay.run_options import MethodOutputs, Scores

INPUT, REFERENCE = "input", "reference"
JPEG_QUALITY = 90
FLUSH_S = 60.0

Depth = NDArray[np.float32]


class RerunLog:
    """A rerun recording in the making; a context manager. With three methods a frame of 640 x 480 costs about 2 MB."""

    def __init__(self, path: Path, main: str, points: int = 40_000) -> None:
        """Open the file.

        Args:
            path: Where to; replaced if it is there.
            main: The method judged, shown first.
            points: Most points of a cloud, at least 1; images are thinned evenly to that.

        Raises:
            ConfigError: The rerun SDK is not installed.
            OSError: The file cannot be written.
        """
        self._rr = _rerun()
        self._path, self._main, self._points = path, main, points
        self._first_ns: int | None = None
        self._named: set[tuple[str, str]] = set()
        self._stream = self._rr.RecordingStream("pagnet_ros_replay")
        self._stream.set_log_time_enabled(False)
        self._stream.set_log_tick_enabled(False)
        with self._written():
            self._stream.save(str(path), default_blueprint=self._blueprint())
            self._stream.log("world", self._rr.ViewCoordinates.RIGHT_HAND_Y_DOWN, static=True)

    def __enter__(self) -> RerunLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        # after an error the file is left for the caller to remove
        try:
            if kind is None:
                with self._written():
                    self._stream.flush(timeout_sec=FLUSH_S)
        finally:
            self._stream.disconnect()

    def on_frame(self, frame: ReplayFrame, truth: FrameTruth, outputs: MethodOutputs, scores: Scores) -> None:
        """Log one frame; without intrinsics there are no point clouds, without a pose the camera stays at the origin.

        Raises:
            OSError: The file cannot be written, as on a full disk.
        """
        if self._first_ns is None:
            self._first_ns = frame.recorded_ns
        intrinsics, pose, stream = frame.intrinsics, frame.pose, self._stream
        depths = {INPUT: truth.measured_m, **{name: output.depth_m for name, output in outputs.items()}}
        if truth.reference_m is not None:
            depths[REFERENCE] = truth.reference_m
        with self._written():
            stream.set_time("frame", sequence=frame.index)
            stream.set_time("time", duration=(frame.recorded_ns - self._first_ns) / 1e9)
            stream.set_time("stamp", timestamp=np.datetime64(frame.depth_stamp_ns, "ns"))
            self._log_camera(frame)
            for name, depth_m in depths.items():
                self._log_depth(name, depth_m, intrinsics, frame.rgb.shape)
                if intrinsics is not None and name in (self._main, REFERENCE):
                    self._log_points(name, depth_m, frame.rgb, intrinsics, pose)
            self._log_metrics(scores)
            stream.flush(timeout_sec=FLUSH_S)

    def _log_camera(self, frame: ReplayFrame) -> None:
        rr, stream, pose = self._rr, self._stream, frame.pose
        if pose is not None:
            stream.log("world/camera", rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]))
        if frame.intrinsics is not None:
            stream.log("world/camera/color", self._pinhole(frame.intrinsics, frame.rgb.shape))
        done, jpeg = cv2.imencode(".jpg", frame.rgb[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if done:
            stream.log("world/camera/color", rr.EncodedImage(contents=jpeg.tobytes(), media_type="image/jpeg"))

    def _pinhole(self, intrinsics: NDArray[np.float64], shape: tuple[int, ...]) -> Any:
        return self._rr.Pinhole(image_from_camera=intrinsics, width=shape[1], height=shape[0])

    def _log_depth(
        self, name: str, depth_m: Depth, intrinsics: NDArray[np.float64] | None, color_shape: tuple[int, ...]
    ) -> None:
        """A depth image as PNG in millimetres, 0 unknown: a fifth of the size of float metres."""
        done, png = cv2.imencode(".png", millimetres(depth_m))
        if done:
            entity = self._rr.EncodedDepthImage(png.tobytes(), media_type="image/png", meter=1000.0)
            self._stream.log(["world", "camera", "depth", name], entity)
        if intrinsics is not None:
            (h, w), (height, width) = depth_m.shape, color_shape[:2]
            own = coarse_intrinsics(intrinsics, width / w, height / h)
            self._stream.log(["world", "camera", "depth", name], self._pinhole(own, depth_m.shape))

    def _log_points(
        self,
        name: str,
        depth_m: Depth,
        rgb: NDArray[np.uint8],
        intrinsics: NDArray[np.float64],
        pose: NDArray[np.float64] | None,
    ) -> None:
        positions, colors = points_of(depth_m, rgb, intrinsics, self._points)
        if pose is not None:
            positions = (positions @ pose[:3, :3].T + pose[:3, 3]).astype(np.float32)
        self._stream.log(["world", "points", name], self._rr.Points3D(positions, colors=colors))

    def _log_metrics(self, scores: Scores) -> None:
        for method, values in scores.items():
            for metric in LEADING:
                value = values.get(metric, math.nan)
                if not math.isfinite(value):
                    continue
                path = ["metrics", metric, method]
                if (metric, method) not in self._named:
                    self._named.add((metric, method))
                    self._stream.log(path, self._rr.SeriesLines(names=method), static=True)
                self._stream.log(path, self._rr.Scalars(value))

    def _blueprint(self) -> Any:
        """What the viewer shows at first: the judged method's cloud, colour and depth, and the errors over time."""
        views = importlib.import_module("rerun.blueprint")
        part = self._rr.escape_entity_path_part(self._main)
        flat = views.Vertical(
            views.Spatial2DView(origin="world/camera/color", name="colour"),
            views.Spatial2DView(origin=f"world/camera/depth/{part}", name=f"depth of {self._main}"),
            views.Spatial2DView(origin=f"world/camera/depth/{INPUT}", name="input depth"),
        )
        solid = views.Spatial3DView(
            origin="world", contents=["world/camera/color/**", f"world/points/{part}"], name=f"points of {self._main}"
        )
        plots = [
            views.TimeSeriesView(origin=f"metrics/{metric}", name=metric)
            for metric in ("rmse_m", "consistency_m", "flying_pixels")
        ]
        return views.Blueprint(
            views.Vertical(
                views.Horizontal(solid, flat, column_shares=[2, 1]), views.Horizontal(*plots), row_shares=[3, 1]
            ),
            collapse_panels=True,
        )

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        """What the SDK raises when it cannot write, as the `OSError` it is."""
        try:
            yield
        except RuntimeError as error:
            raise OSError(f"{self._path.name}: {error}") from error


def points_of(
    depth_m: Depth, rgb: NDArray[np.uint8], intrinsics: NDArray[np.float64], most: int
) -> tuple[Depth, NDArray[np.uint8]]:
    """A coloured point cloud.

    Args:
        depth_m: `[H, W]` metres, NaN unknown.
        rgb: `[H, W, 3]` uint8.
        intrinsics: `[3, 3]`, pixel centres at whole numbers.
        most: Most points; every n-th row and column is taken to keep to it.

    Returns:
        `[n, 3]` positions in the optical frame (x right, y down, z ahead), metres, and `[n, 3]` colours.
    """
    step = max(1, math.ceil(math.sqrt(depth_m.size / most)))
    v, u = np.ix_(*(np.arange(step // 2, side, step) for side in depth_m.shape))
    z = depth_m[v, u]
    x, y = (u - intrinsics[0, 2]) / intrinsics[0, 0] * z, (v - intrinsics[1, 2]) / intrinsics[1, 1] * z
    known = np.isfinite(z)
    return np.stack([x[known], y[known], z[known]], axis=1).astype(np.float32), np.asarray(rgb[v, u][known])


def _rerun() -> Any:
    try:
        return importlib.import_module("rerun")
    except ImportError as error:
        raise ConfigError(
            f"--rerun needs the rerun SDK, which cannot be imported ({error}); expected the extra `rerun`: "
            "`pip install '.[rerun]'` in the checkout, or `pip install rerun-sdk`"
        ) from error
