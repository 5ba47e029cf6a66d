"""Quality levels are compared on the same pixels."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.levels import _errors, main


def test_a_level_gains_nothing_by_leaving_out_what_is_difficult() -> None:
    truth = np.array([[1.0, 2.0, 3.0, np.nan]], np.float32)
    brave = np.array([[1.01, 2.01, 3.5, 1.0]], np.float32)
    timid = np.array([[1.01, 2.01, np.nan, 1.0]], np.float32)
    errors = _errors({"brave": brave, "timid": timid}, truth)
    assert errors["brave"] == pytest.approx((10.0, 1.0), rel=1e-4)
    assert errors["timid"] == pytest.approx((10.0, 2 / 3), rel=1e-4)
    assert np.isnan(_errors({"brave": brave, "blind": np.full_like(truth, np.nan)}, truth)["brave"][0])


def test_every_level_has_its_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scenes", "1", "--repeats", "1", "--width", "96", "--height", "64"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("network", "bicubic", "common"))
