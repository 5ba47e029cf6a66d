"""Tiny data and a tiny recipe; makes `pagnet_training` importable from the checkout where it is not installed."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]


def _import_from_checkout() -> None:
    if importlib.util.find_spec("pagnet_training") is not None:
        return
    folder = ROOT / "training"
    spec = importlib.util.spec_from_file_location(
        "pagnet_training", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["pagnet_training"] = module
    spec.loader.exec_module(module)


pytest.importorskip("lightning", reason="training needs Lightning: pip install '.[training]' in the checkout")
_import_from_checkout()

import torch  # noqa: E402

torch.set_num_threads(1)


def draw_scene(seed: int, height: int = 72, width: int = 88) -> tuple[np.ndarray, np.ndarray]:
    """Colour and 8-bit disparity of a few overlapping rectangles and discs, each of one colour and one depth."""
    rng = np.random.default_rng(seed)
    disparity = np.full((height, width), 40, np.uint8)
    rgb = np.full((height, width, 3), rng.integers(60, 200, 3), np.uint8)
    for level in sorted(rng.integers(50, 200, 6).tolist()):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        radius, colour = int(rng.integers(6, 20)), rng.integers(0, 255, 3).tolist()
        cv2.circle(disparity, centre, radius, level, -1)
        cv2.circle(rgb, centre, radius, colour, -1)
    return rgb, disparity


def write_pair(folder: Path, name: str, rgb: np.ndarray, disparity: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{name}_rgb.png"), rgb[..., ::-1])
    cv2.imwrite(str(folder / f"{name}_disparity.png"), disparity)


@pytest.fixture
def data_root(tmp_path: Path) -> Path:
    """A data root with two training pairs in ``pairs`` and one validation pair in ``val``."""
    return write_data(tmp_path / "data")


def write_data(root: Path) -> Path:
    for seed in (1, 2):
        write_pair(root / "pairs", f"scene{seed}", *draw_scene(seed))
    write_pair(root / "val", "scene9", *draw_scene(9))
    return root


RECIPE = """
name: tiny-x2
model: {scale: 2, channels: 8, growth: 4, convolutions: 1, blocks: 1, residual: true, mask_channel: true}
data:
  validation: val
  sources: [{kind: middlebury, path: pairs}]
patch: 16
batch: 4
steps: 8
precision: fp32
seed: 5
optimiser: {rate: 0.001, warmup: 2, schedule: cosine, clip: 1.0, ema: 0.9}
checkpoint_every: 1
validate_every: 4
"""


@pytest.fixture
def recipe_path(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


@pytest.fixture
def package_path(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH under which a new process finds both packages of this checkout."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "pagnet_training").symlink_to(ROOT / "training")
    (folder / "pagnet_ros").symlink_to(ROOT / "pagnet_ros")
    return folder
