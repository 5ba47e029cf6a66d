"""The demo's score: error of the node's output and of bicubic up-sampling where both give a depth. Pure."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from pagnet_ros.replay.pictures import Scene, draw_scene

__all__ = ["common_rmse_m", "draw_panel"]


def common_rmse_m(scene: Scene) -> dict[str, float]:
    """RMSE of each method, metres, over the pixels that all of them give and the reference knows; NaN without one."""
    if scene.reference_m is None:
        return dict.fromkeys(scene.depths_m, float("nan"))
    error = np.stack([depth - scene.reference_m for depth in scene.depths_m.values()])
    square = np.square(error[:, np.isfinite(error).all(axis=0)], dtype=np.float64)
    means = square.mean(axis=1) if square.size else np.full(len(error), np.nan)
    return dict(zip(scene.depths_m, np.sqrt(means).tolist(), strict=True))


def draw_panel(scene: Scene, path: Path) -> None:
    """Write the frame as PNG, each method's RMSE in its title."""
    rmse_m = common_rmse_m(scene) if scene.reference_m is not None else {}
    notes = {name: f", RMSE {1e3 * value:.1f} mm" for name, value in rmse_m.items()}
    draw_scene(dataclasses.replace(scene, notes=notes)).savefig(path, dpi=110)
