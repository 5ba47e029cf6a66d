"""The shape of a network: what is refused, and that it survives a weights file's header."""

import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import ModelConfig


def test_all_problems_of_a_configuration_are_listed_at_once():
    with pytest.raises(ConfigError) as caught:
        ModelConfig(scale=3, channels=7, growth=0, blocks=9, feature_stride=3, residual="yes")
    for part in ("scale=3", "channels=7", "even", "growth=0", "blocks=9", "feature_stride=3", "residual='yes'"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"scale": 4.0},
        {"scale": "4"},
        {"scale": [4]},
        {"feature_stride": 2.0},
        {"feature_stride": True},
        {"channels": 64.0},
        {"channels": True},
        {"attention": 1},
        {"growth": None},
    ],
)
def test_a_value_of_the_wrong_type_is_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        ModelConfig.from_dict(values)


def test_an_unknown_key_is_refused_with_the_nearest_known_name():
    with pytest.raises(ConfigError, match="unknown key 'chanels', did you mean 'channels'"):
        ModelConfig.from_dict({"chanels": 32, "scale": 4})


def test_the_planar_gate_needs_the_residual():
    with pytest.raises(ConfigError, match="planar_gate=True with residual=False"):
        ModelConfig(planar_gate=True)


@pytest.mark.parametrize("config", [ModelConfig.paper(8), ModelConfig.full(2), ModelConfig.rt(16)])
def test_a_configuration_survives_its_plain_values(config):
    assert ModelConfig.from_dict(config.to_dict()) == config


def test_a_file_of_0_1_0_names_an_output_that_is_gone():
    config = ModelConfig.rt(4)
    assert ModelConfig.from_dict({**config.to_dict(), "log_sigma": False}) == config
    with pytest.raises(ConfigError, match="log_sigma is no longer an output, expected false"):
        ModelConfig.from_dict({**config.to_dict(), "log_sigma": True})
