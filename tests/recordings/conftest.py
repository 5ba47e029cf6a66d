"""Tiny recordings, written into the test's own folder."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

INTRINSICS = "20 0 11.5\n0 20 7.5\n0 0 1\n"


class FolderBuilder:
    """Writes folders of frames: colour 24x16, depth as told; frame k has depth 1000 + k in its corner."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def depth(self, k: int, shape=(16, 24)) -> np.ndarray:
        rows, columns = np.mgrid[: shape[0], : shape[1]]
        depth = (1000 + 5 * rows + 3 * columns).astype(np.uint16)
        depth[0, 0] = 1000 + k
        depth[-1, -1] = 0
        return depth

    def rgb(self, k: int, shape=(16, 24)) -> np.ndarray:
        rgb = np.zeros((*shape, 3), np.uint8)
        rgb[..., 0], rgb[..., 1], rgb[..., 2] = 200, 10 * k % 256, 30
        return rgb

    def write_rgb(self, path: Path, rgb: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), rgb[..., ::-1])
        return path

    def write_depth(self, path: Path, depth: np.ndarray) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), depth)
        return path

    def numbered(self, count=3, first=0, name="numbered", intrinsics=INTRINSICS) -> Path:
        folder = self.root / name
        folder.mkdir(parents=True)
        for k in range(first, first + count):
            self.write_rgb(folder / f"frame-{k:06d}.color.png", self.rgb(k))
            self.write_depth(folder / f"frame-{k:06d}.depth.png", self.depth(k))
            pose = np.eye(4)
            pose[0, 3] = k
            np.savetxt(folder / f"frame-{k:06d}.pose.txt", pose)
        if intrinsics:
            (folder / "camera-intrinsics.txt").write_text(intrinsics)
        return folder


@pytest.fixture
def build(tmp_path: Path) -> FolderBuilder:
    return FolderBuilder(tmp_path)
