from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from pagnet_ros.model import surfaces
from studies import reliability
from studies.reliability import Errors, fit, main, within
from tests.builders import small_surfaces


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reliability, "SCENES", 1)
    monkeypatch.setattr(reliability, "PATCH", 64)


def test_errors_of_a_normal_distribution_lie_within_sigma_as_they_should() -> None:
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.001, 0.1, 100_000).astype(np.float32)
    error = np.abs(sigma * rng.standard_normal(sigma.shape)).astype(np.float32)
    assert within(Errors(error, sigma, sigma)) == pytest.approx((0.683, 0.954), abs=0.005)


def test_the_fit_finds_the_constants_that_made_the_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    spread, width = 1e-3 * torch.rand(2, 40_000, generator=generator).square()
    error = (torch.randn(40_000, generator=generator) * (0.5 * spread + 3 * width).sqrt()).abs()
    monkeypatch.setattr(reliability, "_parts", lambda net, frame: torch.stack((error, spread, width)))
    assert fit([4], 1, "fast-sensor") == pytest.approx((0.5, 3.0), rel=0.15)


def test_the_parts_add_up_to_what_the_choice_says(monkeypatch: pytest.MonkeyPatch) -> None:
    (frame,) = reliability.simulated(4, 1)
    network, seen = small_surfaces(4), []
    choose = surfaces.choose

    def watched(*given: object, **named: object) -> surfaces.Choice:
        seen.append(choose(*given, **named))  # type: ignore[arg-type]
        return seen[-1]

    monkeypatch.setattr(surfaces, "choose", watched)
    monkeypatch.setattr(reliability, "EVERY", 1)
    _, spread, width = reliability._parts(network, frame)
    sigma = (surfaces.SPREAD_VARIANCE * spread + surfaces.WIDTH_VARIANCE * width).sqrt()
    expected = (seen[0].sigma / seen[0].depth).flatten()[torch.from_numpy(np.isfinite(frame.truth).ravel())]
    torch.testing.assert_close(sigma, expected[expected.isfinite()], rtol=1e-3, atol=1e-5)


def test_the_table_has_a_row_for_each_camera_and_the_picture_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    folder = tmp_path / "a_camera"
    folder.mkdir()
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}_depth_mm.png"), rng.integers(990, 1010, (64, 96)).astype(np.uint16))
        cv2.imwrite(str(folder / f"{number}_rgb.png"), rng.integers(0, 255, (64, 96, 3)).astype(np.uint8))
    picture = tmp_path / "out" / "curve.png"
    assert main([str(tmp_path), "--scales", "4", "--patches", "1", "--out", str(picture)]) == 0
    rows = capsys.readouterr().out
    assert "| simulated | " in rows
    assert "| a_camera | " in rows
    assert picture.stat().st_size > 1000
