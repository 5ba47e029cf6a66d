from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import WeightsHeader, save_weights
from pagnet_training.evaluate import BASELINES, Method, evaluate, main, method_of_weights
from pagnet_training.protocol import ProtocolImage, bicubic, make_case, read_protocol_images, rmse, self_ensemble

BICUBIC = {
    "moebius": (0.894, 1.349, 1.985, 2.863), "dolls": (0.943, 1.335, 1.881, 2.643),
    "dolls>9": (0.914, 1.304, 1.854, 2.623), "cones": (2.526, 3.846, 5.527, 7.650),
    "venus": (1.339, 1.940, 2.776, 3.917),
}  # fmt: skip


def scene(height: int = 67, width: int = 90) -> ProtocolImage:
    """Discs of one colour and one disparity each."""
    rows, columns = np.mgrid[:height, :width]
    disparity, rgb = np.full((height, width), 40, np.float32), np.full((height, width, 3), 90, np.uint8)
    for i, level in enumerate((60, 90, 130, 170)):
        inside = (rows - 9 - 14 * i) ** 2 + (columns - 15 - 19 * i) ** 2 < 130
        disparity[inside], rgb[inside] = level, (50 * i, 200 - 30 * i, 20 + 60 * i)
    return ProtocolImage("scene", rgb, disparity)


@pytest.mark.parametrize("index", range(4))
def test_bicubic_reproduces_the_published_figures(data_folder: Path, index: int) -> None:
    scale = (2, 4, 8, 16)[index]
    images = read_protocol_images(data_folder / "middlebury_val")
    scores = evaluate([Method("bicubic", bicubic, (scale,))], images, [scale], ["rounded"])
    assert {score.image for score in scores} == set(BICUBIC)
    for score in scores:
        assert score.rmse == pytest.approx(BICUBIC[score.image][index], abs=0.005)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_disparity_with_holes_is_refused_beside_what_else_is_wrong(tmp_path: Path, value: float) -> None:
    for name in ("fine", "torn", "lone"):
        cv2.imwrite(str(tmp_path / f"{name}_rgb.png"), scene().rgb)
    np.save(tmp_path / "fine_disparity.npy", scene().disparity)
    torn = scene().disparity.copy()
    torn[3, 4:7] = value
    np.savez(tmp_path / "torn_disparity.npz", torn)
    with pytest.raises(RecordingError, match=r"lone_disparity\.png(.|\n)*torn_disparity\.npz: 3 pixels are not finite"):
        read_protocol_images(tmp_path)
    for name in ("torn", "lone"):
        (tmp_path / f"{name}_rgb.png").unlink()
    assert [image.name for image in read_protocol_images(tmp_path)] == ["fine"]


def test_sizes_are_cropped_from_the_top_left() -> None:
    case = make_case(scene(), 8, rounded=True)
    assert case.truth.shape == (64, 88)
    assert case.low.shape == (8, 11)
    assert np.array_equal(case.low, np.round(case.low))
    assert np.array_equal(case.truth, scene().disparity[:64, :88])


def test_float_input_keeps_fractions() -> None:
    case = make_case(scene(), 4, rounded=False)
    assert not np.array_equal(case.low, np.round(case.low))


@pytest.mark.parametrize("name", sorted(BASELINES))
def test_baselines_reproduce_a_plane(name: str) -> None:
    low = np.full((8, 10), 77.0, np.float32)
    rgb = np.random.default_rng(0).integers(0, 255, (32, 40, 3), np.uint8)
    result = BASELINES[name](low, rgb, 4)
    assert result.shape == (32, 40)
    np.testing.assert_allclose(result, 77.0, atol=0.05)


def test_a_folder_of_images_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--weights", "some.safetensors"])
    assert "--data" in capsys.readouterr().err


def test_guided_methods_beat_nearest_where_colour_shows_the_edges() -> None:
    case = make_case(scene(96, 128), 4, rounded=False)
    error = {name: rmse(BASELINES[name](case.low, case.rgb, 4), case.truth) for name in ("nearest", "joint-bilateral")}
    assert error["joint-bilateral"] < error["nearest"]


def test_an_untrained_residual_network_scores_as_bicubic(tmp_path: Path) -> None:
    config = ModelConfig(scale=2, channels=4, growth=2, convolutions=1, blocks=1, residual=True)
    path = tmp_path / "fresh-x2-clean.safetensors"
    save_weights(path, PagNet(config), WeightsHeader("fresh-x2-clean", config))
    scores = evaluate([method_of_weights(path), Method("bicubic", bicubic, (2,))], [scene()], [2, 4], ["float"])
    assert [score.scale for score in scores] == [2, 2]
    assert scores[0].rmse == pytest.approx(scores[1].rmse, abs=1e-3)


def test_command_line_writes_table_json_and_pictures(
    data_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "scores.json"
    words = ["--data", str(data_root / "val"), "--scales", "2", "4", "--baselines", "nearest", "bicubic"]
    assert main([*words, "--json", str(out), "--pictures", str(tmp_path / "pictures")]) == 0
    printed = capsys.readouterr().out
    assert "bicubic" in printed
    assert "rounded" in printed
    assert "…" not in printed
    assert len(json.loads(out.read_text())) == 2 * 2 * 2
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 4


def test_unpaired_and_missized_files_are_listed_together(data_root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = data_root / "val"
    (folder / "lonely_rgb.png").write_bytes((folder / "scene9_rgb.png").read_bytes())
    np.save(folder / "small_disparity.npy", np.ones((3, 3)))
    (folder / "small_rgb.png").write_bytes((folder / "scene9_rgb.png").read_bytes())
    assert main(["--data", str(folder)]) == 2
    message = capsys.readouterr().err
    assert "lonely_disparity.png" in message
    assert "small_disparity.npy: (3, 3)" in message


def test_noise_is_on_every_methods_input_and_the_same_in_every_run() -> None:
    images = [scene()]
    method = Method("nearest", BASELINES["nearest"], (4,))
    clean, noisy, again = (evaluate([method], images, [4], ["float"], noise=noise)[0].rmse for noise in (0.0, 5.0, 5.0))
    assert noisy == again
    assert noisy**2 - clean**2 == pytest.approx(25.0, rel=0.25)


def test_a_self_ensemble_averages_what_depends_on_direction() -> None:
    rng = np.random.default_rng(4)
    low, rgb = rng.random((6, 8), np.float32), np.zeros((12, 16, 3), np.uint8)

    def ramp(low: np.ndarray, rgb: np.ndarray, scale: int) -> np.ndarray:
        nearest = np.repeat(np.repeat(low, scale, 0), scale, 1)
        return nearest + np.linspace(-1, 1, nearest.shape[1], dtype=np.float32)

    result = self_ensemble(ramp)(low, rgb, 2)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, np.repeat(np.repeat(low, 2, 0), 2, 1), atol=1e-6)


def test_a_result_less_than_half_a_level_off_is_exact_in_whole_levels() -> None:
    truth = scene()
    off = np.where(np.random.default_rng(0).uniform(size=truth.disparity.shape) < 0.5, 0.4, -0.4).astype(np.float32)
    nearly = Method("nearly", lambda low, rgb, scale: truth.disparity + off, (1,))
    (score,) = evaluate([nearly], [truth], [1], ["rounded"])
    assert score.rmse == pytest.approx(0.4, abs=1e-4)
    assert score.whole == 0


def test_an_error_picture_that_cannot_be_written_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ConfigError, match=r"scene_x2_bicubic\.png: the error picture cannot be written"):
        evaluate([Method("bicubic", bicubic, (2,))], [scene()], [2], ["float"], pictures=tmp_path / "file")
