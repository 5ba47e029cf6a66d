"""Folders of frames for the replay's tests."""

import cv2
import numpy as np
import pytest

from tests.replay.bags import MATRIX, color, depth_mm


@pytest.fixture
def frame_folder(tmp_path):
    """Make a numbered folder of so many frames, with intrinsics and poses (x = number)."""

    def make(count):
        folder = tmp_path / f"frames{count}"
        if folder.exists():
            return folder
        folder.mkdir()
        for k in range(count):
            cv2.imwrite(str(folder / f"frame-{k:06d}.color.png"), color(k)[..., ::-1])
            cv2.imwrite(str(folder / f"frame-{k:06d}.depth.png"), depth_mm(k))
            pose = np.eye(4)
            pose[0, 3] = k
            np.savetxt(folder / f"frame-{k:06d}.pose.txt", pose)
        np.savetxt(folder / "camera-intrinsics.txt", MATRIX)
        return folder

    return make
