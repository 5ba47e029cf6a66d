from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.sensors import SensorProfile
from pagnet_training.evaluate import Method
from studies.restoration import ObservedFrame, main, recorded, regions, restore, simulated
from studies.restorers import CLASSICAL, network
from studies.sequences import HELD_OUT, SequencePlan

SENSOR = SensorProfile("test", noise_floor_m=0.01, missing=0.1, hole_size_px=1.0, max_range_m=3.0)
PLAN = SequencePlan(HELD_OUT + 5, "clutter", (64, 96), frames=2)


def frame() -> ObservedFrame:
    truth = np.full((32, 48), 2.0, np.float32)
    truth[:, 24:] = 1.0
    truth[:4] = np.nan
    low = truth[::4, ::4].copy()
    low[2, 1] = np.nan
    return ObservedFrame(low, np.zeros((32, 48, 3), np.uint8), truth, "a")


def write_pair(folder: Path, size: tuple[int, int] = (32, 48), reference: bool = True) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    high = np.full((32, 48), 2000, np.uint16)
    high[:, 24:] = 1000
    cv2.imwrite(str(folder / "s_rgb.png"), rng.integers(0, 255, (32, 48, 3), np.uint8))
    cv2.imwrite(str(folder / "s_depth_lr_mm.png"), high[::4, ::4])
    if reference:
        cv2.imwrite(str(folder / "s_depth_hr_mm.png"), cv2.resize(high, size[::-1], interpolation=cv2.INTER_NEAREST))


def test_regions_follow_what_was_measured_and_where_the_truth_has_edges() -> None:
    masks = regions(frame())
    assert not masks["all"][:4].any()
    assert masks["holes"].sum() == 16
    assert masks["holes"][8:12, 4:8].all()
    assert np.array_equal(masks["measured"] | masks["holes"], masks["all"])
    assert set(np.flatnonzero(masks["edges"].any(0))) == set(range(20, 28))


def test_errors_are_pooled_by_region_and_kept_by_sequence() -> None:
    off = Method(
        "off",
        lambda low, rgb, scale: np.where(np.arange(48) < 24, 2.1, 1.0).astype(np.float32) + 0 * rgb[..., 0],
        (4, 8),
    )
    result = restore([off], [frame(), frame()._replace(sequence="b")])
    figures = result["methods"]["off"]["regions"]
    assert figures["all"]["rmse_mm"] == pytest.approx(100 * 0.5**0.5, rel=1e-3)
    assert figures["all"]["mae_mm"] == pytest.approx(50, rel=1e-3)
    assert figures["holes"] == {
        "rmse_mm": pytest.approx(100, rel=1e-3),
        "mae_mm": pytest.approx(100, rel=1e-3),
        "pixels": 32,
    }
    assert set(result["methods"]["off"]["sequences"]) == {"a", "b"}
    assert result["frames"] == 2
    json.dumps(result)


def test_a_method_that_leaves_pixels_open_is_refused() -> None:
    gap = Method("gap", lambda low, rgb, scale: np.full(rgb.shape[:2], np.nan, np.float32), (4, 8))
    with pytest.raises(ConfigError, match="gap left 1536 pixels of a unanswered"):
        restore([gap], [frame()])


def test_simulated_frames_are_seeded_hold_holes_and_ask_nothing_out_of_range() -> None:
    first, second = (list(simulated([PLAN], SENSOR, 4)) for _ in range(2))
    assert len(first) == 2
    assert first[0].low_m.shape == (16, 24)
    assert np.array_equal(first[1].low_m, second[1].low_m, equal_nan=True)
    assert 0.03 < np.isnan(first[0].low_m).mean() < 0.6
    assert not (first[0].truth_m > 3.0).any()


def test_every_classical_method_and_a_shipped_network_answer_everywhere() -> None:
    net = network("fast-x4-sensor")
    assert net.scales == (4,)
    result = restore([*CLASSICAL, net], simulated([PLAN], SENSOR, 4))
    assert len(result["methods"]) == len(CLASSICAL) + 1
    for entry in result["methods"].values():
        assert 0 < entry["regions"]["holes"]["mae_mm"] <= entry["regions"]["holes"]["rmse_mm"]


def test_folders_with_a_reference_are_read_and_others_refused(tmp_path: Path) -> None:
    write_pair(tmp_path / "good")
    (found,) = recorded(tmp_path / "good")
    assert found.truth_m.shape == (32, 48)
    assert found.low_m.max() == 2.0
    write_pair(tmp_path / "none", reference=False)
    with pytest.raises(RecordingError, match="no frame has a reference"):
        list(recorded(tmp_path / "none"))
    write_pair(tmp_path / "size", size=(16, 24))
    with pytest.raises(RecordingError, match=r"reference is \(16, 24\) and colour \(32, 48\)"):
        list(recorded(tmp_path / "size"))


def test_the_command_prints_a_table_and_writes_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pair(tmp_path / "phone")
    arguments = ["--profile", "tof_paper", "--sequences", "1", "--frames", "1", "--size", "64", "96", "--scale", "4"]
    assert main([*arguments, "--phone", str(tmp_path / "phone"), "--json", str(tmp_path / "r.json")]) == 0
    assert "joint bilateral" in capsys.readouterr().out
    assert set(json.loads((tmp_path / "r.json").read_text())) == {"tof_paper 4x", "phone"}
    assert main([]) == 2
    assert "--profile" in capsys.readouterr().err


def test_bicubic_on_the_real_phone_has_the_published_error(data_folder: Path) -> None:
    result = restore(CLASSICAL[:2], recorded(data_folder / "phone_tof"))
    assert result["methods"]["bicubic, nearest filling"]["regions"]["all"]["rmse_mm"] == pytest.approx(36.4, abs=0.05)
    assert result["methods"]["bilinear, nearest filling"]["regions"]["all"]["rmse_mm"] == pytest.approx(36.3, abs=0.1)
