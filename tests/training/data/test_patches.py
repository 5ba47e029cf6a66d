from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pagnet_ros.core.depth import imresize
from pagnet_training.data.augment import Augmentation
from pagnet_training.data.folders import read_middlebury
from pagnet_training.data.images import make_image
from pagnet_training.data.patches import Patches, PatchStream, Source


def patches_of(root: Path, scale: int = 4, patch: int = 32, augmentation: Augmentation | None = None) -> Patches:
    images = read_middlebury(root / "pairs", [])
    return Patches([Source(images, 1.0)], scale, patch, 3, augmentation or Augmentation())


def test_patch_number_i_is_the_same_in_any_order_and_any_instance(data_root: Path) -> None:
    first, second = patches_of(data_root), patches_of(data_root)
    forward = [first[i] for i in range(12)]
    for i in reversed(range(12)):
        again = second[i]
        assert all(torch.equal(again[key], forward[i][key]) for key in again)


def test_patches_differ(data_root: Path) -> None:
    patches = patches_of(data_root)
    assert len({float(patches[i]["rgb"].sum()) for i in range(20)}) == 20


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_low_resolution_patch_equals_the_resized_image(scale: int) -> None:
    rng = np.random.default_rng(0)
    side = 64
    depth = rng.uniform(20, 200, (side, side)).astype(np.float32)
    image = make_image("whole", np.zeros((side, side, 3), np.uint8), depth)
    sample = Patches([Source([image], 1.0)], scale, side, 0, Augmentation.paper())[0]
    truth = sample["truth"][0] * sample["span"][0]
    low = sample["low"][0] * sample["span"][0]
    expected = imresize(truth.double(), (side // scale, side // scale))
    torch.testing.assert_close(low.double(), expected, atol=2e-3, rtol=0)


def test_everything_stays_in_its_documented_range(data_root: Path) -> None:
    patches = patches_of(data_root)
    for i in range(40):
        sample = patches[i]
        assert sample["low"].shape == (1, 8, 8)
        assert sample["rgb"].shape == (3, 32, 32)
        assert float(sample["low"].min()) >= -1e-4
        assert float(sample["low"].max()) <= 1 + 1e-4
        assert torch.isfinite(sample["truth"]).all()
        assert set(sample["measured"].unique().tolist()) <= {0.0, 1.0}


def test_hidden_measurements_are_marked_and_filled(data_root: Path) -> None:
    patches = patches_of(data_root, augmentation=Augmentation(holes=1.0, tilt=0, invert=0))
    samples = [patches[i] for i in range(10)]
    assert all(float(sample["measured"].min()) == 0 for sample in samples)
    assert all(torch.isfinite(sample["low"]).all() for sample in samples)


def test_holes_of_the_truth_are_unknown() -> None:
    depth = np.full((40, 40), 100.0, np.float32)
    depth[10:20, 10:20] = np.nan
    image = make_image("holed", np.zeros((40, 40, 3), np.uint8), depth)
    sample = Patches([Source([image], 1.0)], 2, 40, 0, Augmentation.paper())[0]
    assert float(1 - sample["known"].mean()) == pytest.approx(100 / 1600)
    assert float(sample["truth"].max() - sample["truth"].min()) == 0


def test_ranks_share_the_steps_patches_without_overlap() -> None:
    whole = list(PatchStream(3, 6, 4))
    assert whole == list(range(12, 24))
    dealt = [list(PatchStream(3, 6, 4, rank, 2)) for rank in range(2)]
    assert [len(part) for part in dealt] == [6, 6]
    for step in range(3):
        own = {i for part in dealt for i in part[2 * step : 2 * step + 2]}
        assert own == set(whole[4 * step : 4 * step + 4])


def test_a_stepped_patch_has_whole_levels_on_slanted_surfaces(data_root: Path) -> None:
    for share in (0.0, 1.0):
        patches = patches_of(data_root, augmentation=Augmentation(tilt=1.0, stepped=share))
        sample = patches[0]
        levels = sample["truth"] * sample["span"]
        apart = (levels - levels.flatten()[0]).numpy()
        whole = np.abs(apart - np.rint(apart)) < 1e-3
        assert whole.all() == (share == 1.0)
        assert np.ptp(apart) > 1
