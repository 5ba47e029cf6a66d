"""A room of planes, seen by an exact camera: recordings for fits whose truth is known, made without any simulator."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from pagnet_ros.recordings.frames import RecordedFrame

HEIGHT, WIDTH, FOCAL = 120, 160, 140.0
MATRIX = np.array([[FOCAL, 0, (WIDTH - 1) / 2], [0, FOCAL, (HEIGHT - 1) / 2], [0, 0, 1.0]])
PERIOD_NS = 33_333_333

Sensor = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def room(x_m: float = 0.0) -> np.ndarray:
    """True depth [H, W] of a slanted wall, a floor and three boards, from a camera moved sideways."""
    v, u = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    a, b = (u - MATRIX[0, 2]) / FOCAL, (v - MATRIX[1, 2]) / FOCAL
    wall = (3.4 + 0.35 * x_m) / (1 - 0.35 * a)  # z = 3.4 + 0.35 x
    with np.errstate(divide="ignore"):
        floor = np.where(b > 0, 0.75 / b, np.inf)
    depth = np.minimum(wall, floor)
    for z, left, right, top, bottom in (
        (1.3, -0.75, -0.25, -0.3, 0.35),
        (1.9, 0.2, 0.75, -0.6, 0.2),
        (2.6, -0.3, 0.1, -1.2, -0.2),
    ):
        inside = (a * z + x_m >= left) & (a * z + x_m <= right) & (b * z >= top) & (b * z <= bottom)
        depth = np.where(inside & (z < depth), z, depth)
    return depth


def texture(x_px: float = 0.0) -> np.ndarray:
    """Colour [H, W, 3] with a pattern that moves by so many pixels."""
    rng = np.random.default_rng(11)
    wide = cv2.GaussianBlur(rng.uniform(0, 255, (HEIGHT, 3 * WIDTH, 3)).astype(np.float32), (0, 0), 3)
    wide = np.clip((wide - wide.mean()) * 8 + 128, 0, 255)
    shift = np.array([[1, 0, -WIDTH + x_px], [0, 1, 0]], np.float64)
    return cv2.warpAffine(wide, shift, (WIDTH, HEIGHT)).astype(np.uint8)


def gaussian(sigma: Callable[[np.ndarray], np.ndarray] | float, missing: float = 0.0) -> Sensor:
    """A sensor with white noise and single missing pixels."""

    def sense(depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        size = sigma(depth) if callable(sigma) else sigma
        seen = depth + size * rng.standard_normal(depth.shape)
        seen[rng.uniform(size=depth.shape) < missing] = np.nan
        return seen

    return sense


def record(
    sensor: Sensor, frames: int = 14, *, step_m: float = 0.0, poses: bool = True, reference: bool = False, seed: int = 1
) -> Iterator[RecordedFrame]:
    """A recording; the camera moves by `step_m` to the right from frame to frame."""
    rng = np.random.default_rng(seed)
    for index in range(frames):
        depth = room(index * step_m)
        pose = np.eye(4)
        pose[0, 3] = index * step_m
        yield RecordedFrame(
            name=f"{index:06d}",
            stamp_ns=(index + 1) * PERIOD_NS,
            color_stamp_ns=(index + 1) * PERIOD_NS,
            depth=sensor(depth, rng).astype(np.float32),
            rgb=texture(-index * step_m * FOCAL / 3.0),
            intrinsics=MATRIX,
            pose=pose if poses else None,
            reference=depth.astype(np.float32) if reference else None,
        )


def write_folder(frames: Iterable[RecordedFrame], path: Path) -> Path:
    """Frames as a new folder of numbered files, depth in millimetres."""
    path.mkdir()
    np.savetxt(path / "camera-intrinsics.txt", MATRIX)
    for index, frame in enumerate(frames):
        millimetres = np.nan_to_num(np.rint(frame.depth * 1000)).astype(np.uint16)
        cv2.imwrite(str(path / f"frame-{index:06d}.depth.png"), millimetres)
        cv2.imwrite(str(path / f"frame-{index:06d}.color.png"), frame.rgb[..., ::-1])
        if frame.pose is not None:
            np.savetxt(path / f"frame-{index:06d}.pose.txt", frame.pose)
    return path
