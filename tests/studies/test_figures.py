from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import WeightsHeader, save_weights
from pagnet_training.protocol import make_case
from studies.figures import attention_maps, main, texture_traps

SMALL = ModelConfig(scale=4, channels=8, growth=4, convolutions=1, blocks=1, feature_stride=2)


def test_weighed_guidance_is_guidance_times_attention() -> None:
    torch.manual_seed(1)
    maps = attention_maps(PagNet(SMALL).eval(), make_case(texture_traps((32, 48))[0], 4, rounded=False))
    assert len(maps) == SMALL.stages
    for stage in maps:
        assert stage.attention.shape == (16, 24)
        assert 0 < stage.attention.min() < stage.attention.max() < 1
        np.testing.assert_allclose(stage.attended, stage.guidance * stage.attention, rtol=1e-5)


@pytest.mark.parametrize("attention", [True, False])
def test_the_command_draws_the_traps_or_says_that_there_is_no_attention(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], attention: bool
) -> None:
    config = ModelConfig(scale=2, channels=8, growth=4, convolutions=1, blocks=1, attention=attention)
    save_weights(tmp_path / "net.safetensors", PagNet(config), WeightsHeader("net", config))
    done = main(["--weights", str(tmp_path / "net.safetensors"), "--out", str(tmp_path / "out")])
    assert done == (0 if attention else 2)
    assert len(list((tmp_path / "out").glob("attention_trap*.png"))) == (3 if attention else 0)
    assert attention or "attention" in capsys.readouterr().err
