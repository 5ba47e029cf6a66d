from __future__ import annotations

import numpy as np
import pytest

from pagnet_training.evaluate import BASELINES
from studies.texture import PATTERNS, main, texture_case, texture_copying


@pytest.mark.parametrize("seed", range(len(PATTERNS)))
def test_planes_have_strong_patterns_and_no_depth_edge(seed: int) -> None:
    case = texture_case(seed, 4)
    assert np.abs(np.diff(case.truth, axis=1)).max() < 2
    assert case.rgb.std() > 15
    assert case.low.shape == (case.truth.shape[0] // 4, case.truth.shape[1] // 4)


def test_bicubic_copies_no_texture_and_joint_bilateral_does() -> None:
    assert texture_copying(BASELINES["bicubic"], 4, range(4)).ratio == pytest.approx(1.0)
    assert texture_copying(BASELINES["joint-bilateral"], 4, range(4)).ratio > 1.5


def test_the_table_tells_how_much_is_copied(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("studies.texture.SIZE", (48, 64))
    assert main(["--scales", "4", "--baselines", "bicubic"]) == 0
    assert "1.00" in capsys.readouterr().out
    assert main(["--weights", "absent.safetensors"]) == 2
    assert "absent" in capsys.readouterr().err
