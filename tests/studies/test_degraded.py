"""The evaluation protocol seen through a sensor profile."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import WeightsHeader, save_weights
from pagnet_ros.sensors import load_profile
from pagnet_training.evaluate import method_of_weights
from pagnet_training.protocol import ProtocolImage, make_case
from studies.degraded import degraded_case, main, score
from studies.degraded_sheet import main as sheet
from studies.restorers import CLASSICAL

PAPER = load_profile("kinect_paper")


def scene(height: int = 96, width: int = 128) -> ProtocolImage:
    """A board before a wall, each of one colour; one corner has level 0."""
    disparity, rgb = np.full((height, width), 60, np.float32), np.full((height, width, 3), 90, np.uint8)
    disparity[20:70, 30:90], rgb[20:70, 30:90] = 140, (200, 60, 40)
    disparity[-8:, -8:] = 0
    return ProtocolImage("scene", rgb, disparity)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    config = ModelConfig(scale=4, channels=4, growth=2, convolutions=1, blocks=1, residual=True, mask_channel=True)
    path = tmp_path / "fresh-x4-clean.safetensors"
    save_weights(path, PagNet(config), WeightsHeader("fresh-x4-clean", config))
    return path


def test_holes_lie_along_edges_and_are_the_same_in_every_run() -> None:
    case, again = (degraded_case(scene(), 4, PAPER) for _ in range(2))
    assert np.array_equal(case.low, again.low, equal_nan=True)
    hole = ~np.isfinite(case.low)
    assert hole[4:6, 8:22].mean() > 0.6
    assert 0.02 < hole.mean() < 0.5


def test_a_level_of_zero_is_measured_like_any_other() -> None:
    dark = ProtocolImage("dark", np.full((64, 64, 3), 90, np.uint8), np.zeros((64, 64), np.float32))
    assert np.isfinite(degraded_case(dark, 4, PAPER).low).mean() > 0.85


def test_outside_holes_the_input_is_that_of_the_protocol() -> None:
    case, clean = degraded_case(scene(), 4, PAPER), make_case(scene(), 4, rounded=False)
    seen = np.isfinite(case.low)
    inner = seen.copy()
    inner[:2], inner[-2:], inner[:, :2], inner[:, -2:] = False, False, False, False
    np.testing.assert_allclose(case.low[inner], clean.low[inner], atol=0.5)


def test_noise_of_the_papers_time_of_flight_setting_is_five_levels() -> None:
    flat = ProtocolImage("flat", np.full((256, 256, 3), 90, np.uint8), np.full((256, 256), 100, np.float32))
    low = degraded_case(flat, 4, load_profile("tof_paper")).low
    assert low.std() == pytest.approx(5.0, rel=0.1)


def test_a_profile_in_metres_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'kinect_v1' measures metres.*such as kinect_paper"):
        degraded_case(scene(), 4, load_profile("kinect_v1"))


def test_every_method_answers_everywhere_and_regions_make_up_the_whole(weights: Path) -> None:
    methods = [*CLASSICAL, method_of_weights(weights)]
    scores = score(methods, [scene()], [4, 8], PAPER)
    assert {s.scale for s in scores if s.method == "fresh-x4-clean"} == {4}
    found = {(s.method, s.region): s.rmse for s in scores if s.scale == 4}
    assert np.isfinite(list(found.values())).all()
    for method in methods:
        parts = [found[method.name, region] for region in ("all", "holes", "outside")]
        assert min(parts[1:]) <= parts[0] <= max(parts[1:])


def test_command_line_gives_a_table_by_region(
    data_root: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "--data",
        str(data_root / "val"),
        "--scales",
        "4",
        "--sensor",
        "kinect_paper",
        "--weights",
        str(weights),
    ]
    assert main([*arguments, "--json", str(tmp_path / "s.json")]) == 0
    printed = capsys.readouterr().out
    assert "kinect_paper, 4x" in printed
    assert "joint bilateral" in printed
    assert {entry["region"] for entry in json.loads((tmp_path / "s.json").read_text())} == {"all", "holes", "outside"}
    assert main(["--data", str(data_root / "val"), "--sensor", "kinect_papper"]) == 2
    assert "did you mean 'kinect_paper'" in capsys.readouterr().err


def test_a_sheet_is_a_small_picture(data_root: Path, weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "sheet.png"
    assert sheet(["--data", str(data_root / "val"), "--rows", f"kinect_paper={weights}", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"\x89PNG")
    assert out.stat().st_size < 300_000


@pytest.mark.parametrize(("row", "said"), [("kinect_paper", "expected PROFILE=WEIGHTS"), ("tof_paper=", "PROFILE=")])
def test_a_sheets_rows_are_checked(
    row: str, said: str, data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sheet(["--data", str(data_root / "val"), "--rows", row, "--out", str(tmp_path / "s.png")]) == 2
    assert said in capsys.readouterr().err
