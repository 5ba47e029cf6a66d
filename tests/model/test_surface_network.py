"""The network that chooses surfaces: sizes, precision, and that nothing far away matters."""

import pytest
import torch

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import SURFACE_SCALES, ModelConfig
from pagnet_ros.model.surface_network import SurfaceNetwork
from pagnet_ros.model.surfaces import ENTERING, LEAVING


def network(scale=4, seed=0):
    torch.manual_seed(seed)
    made = SurfaceNetwork(ModelConfig(scale=scale, channels=8, blocks=2, feature_stride=4, output="surfaces")).eval()
    torch.nn.init.normal_(made.head.weight, std=0.1)
    torch.nn.init.normal_(made.tint.weight, std=0.1)
    return made


@pytest.mark.parametrize("scale", SURFACE_SCALES)
@pytest.mark.parametrize("size", [(12, 16), (7, 9)])
def test_the_answer_has_the_size_of_the_colour_image(scale, size):
    high = (size[0] * scale, size[1] * scale)
    with torch.inference_mode():
        out = network(scale)(torch.rand(1, ENTERING, *size), torch.rand(1, 3, *high) - 0.5)
    assert out.shape == (1, LEAVING, *high)


def test_an_untrained_network_leaves_the_choice_to_distance_and_colour():
    made = SurfaceNetwork(ModelConfig.fast())
    assert not made(torch.rand(1, ENTERING, 6, 8), torch.rand(1, 3, 24, 32) - 0.5).any()


def test_half_precision_touches_the_features_only():
    made = network().cast_features(torch.bfloat16)
    assert made.head.weight.dtype == made.tint.weight.dtype == made.enter_depth[0].weight.dtype == torch.float32
    assert made.fuse.weight.dtype == torch.bfloat16
    assert made(torch.rand(1, ENTERING, 6, 8), torch.rand(1, 3, 24, 32) - 0.5).dtype == torch.float32


@pytest.mark.parametrize("scale", [1, 4])
def test_a_place_depends_on_its_receptive_field_only(scale):
    made = network(scale)
    entering, rgb = torch.rand(1, ENTERING, 96 * 4 // scale, 8), torch.rand(1, 3, 96 * 4, 8 * scale) - 0.5
    with torch.inference_mode():
        before = made(entering, rgb)
        entering[..., -1, :] += 3.0
        rgb[..., -1, :] += 0.5
        after = made(entering, rgb)
    assert not torch.equal(before[..., -8:, :], after[..., -8:, :])
    assert torch.equal(before[..., : -4 * 16, :], after[..., : -4 * 16, :])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"growth": 8}, "growth"),
        ({"scale": 3}, "scale=3"),
        ({"feature_stride": 1}, "feature_stride=1"),
        ({"output": "surface"}, "output='surface'"),
    ],
)
def test_configurations_that_make_no_sense_are_refused(change, text):
    with pytest.raises(ConfigError, match=text):
        ModelConfig.from_dict({**ModelConfig.fast().to_dict(), **change})


def test_the_papers_form_is_refused_by_name():
    with pytest.raises(ConfigError, match="output='depth'"):
        SurfaceNetwork(ModelConfig.rt())
