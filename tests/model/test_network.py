"""The network's sizes, parameter counts and switches, against the paper and against independent formulas."""

import pytest
import torch
from torch import nn

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.config import SCALES, ModelConfig
from pagnet_ros.model.network import AttentionGuidance, Bicubic, GuidanceStream, PagNet, ResidualDenseNetwork, Stage
from pagnet_ros.model.planarity import planarity_gate
from pagnet_ros.model.resize import BicubicDownsample, BicubicUpsample

SMALL = {"channels": 8, "growth": 4, "convolutions": 2, "blocks": 3}
LOW = (6, 10)


def small(scale=4, **switches):
    return ModelConfig(scale=scale, **SMALL, **switches)


def inputs(scale, size=LOW, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    depth = torch.rand(batch, 1, *size, generator=generator)
    rgb = torch.rand(batch, 3, size[0] * scale, size[1] * scale, generator=generator) - 0.5
    return depth, rgb


def randomised(config, seed=0):
    """A network whose head is not zero, so that every part of it reaches the output."""
    torch.manual_seed(seed)
    model = PagNet(config).eval()
    nn.init.normal_(model.head.weight, std=0.05)
    return model


def paper_parameters(stages, c=64, g=32, convolutions=4, blocks=3):
    """Parameters of the paper's network, counted from its description rather than from the modules."""

    def conv(inputs, outputs, taps):
        return inputs * outputs * taps + outputs

    dense_block = sum(conv(c + i * g, g, 9) for i in range(convolutions)) + conv(c + convolutions * g, c, 1)
    rdn = blocks * dense_block + conv(blocks * c, c, 1) + conv(c, c, 9)
    attention = 2 * (conv(c, c // 2, 9) + conv(c // 2, 1, 9))
    stage = 2 * rdn + conv(c, 4 * c, 9) + conv(c, c, 9) + attention + conv(2 * c, c, 9)
    guidance = conv(3, c, 9) + (stages - 1) * (conv(c, c, 9) + conv(c, c, 4))
    return conv(1, c, 9) + guidance + stages * stage + conv(c, 1, 9)


@pytest.mark.parametrize(("scale", "total"), [(2, 1_246_531), (4, 2_543_429), (8, 3_840_327), (16, 5_137_225)])
def test_parameter_count_of_the_papers_network(scale, total):
    count = sum(parameter.numel() for parameter in PagNet(ModelConfig.paper(scale)).parameters())
    assert count == total
    assert count == paper_parameters(SCALES.index(scale) + 1)


def record_shapes(model, kinds):
    """Forward hooks on every module of the given kinds: a list of (module, input shapes, output shape or shapes)."""
    seen = []

    def hook(module, args, output):
        shapes = [tuple(o.shape) for o in output] if isinstance(output, list) else tuple(output.shape)
        seen.append((module, [tuple(a.shape) for a in args], shapes))

    for module in model.modules():
        if isinstance(module, kinds):
            module.register_forward_hook(hook)
    return seen


@pytest.mark.parametrize("scale", SCALES)
def test_every_intermediate_size_follows_the_paper(scale):
    model, (h, w), c, stages = PagNet(small(scale)), LOW, SMALL["channels"], SCALES.index(scale) + 1
    seen = record_shapes(model, (GuidanceStream, Stage, ResidualDenseNetwork, AttentionGuidance))
    entered = record_shapes(model.enter_depth, (nn.Sequential,))
    out = model(*inputs(scale, batch=2))

    def of(kind):
        return [(given, made) for module, given, made in seen if type(module) is kind]

    # 8x: IF3 at H, IF2 at H/2, IF1 at H/4, so the last level fits the first stage
    pyramid = [(2, c, h * scale // 2**i, w * scale // 2**i) for i in range(stages)]
    assert of(GuidanceStream) == [([(2, 3, h * scale, w * scale)], pyramid)]
    assert entered[0][2] == (2, c, h, w)
    ups = [(2, c, h * 2**i, w * 2**i) for i in range(stages + 1)]
    assert of(Stage) == [([ups[i], ups[i + 1]], ups[i + 1]) for i in range(stages)]
    # one residual dense network before the up-sampling and one after the fusion, in each stage
    assert [made for _, made in of(ResidualDenseNetwork)] == [s for i in range(stages) for s in (ups[i], ups[i + 1])]
    assert of(AttentionGuidance) == [([ups[i + 1]] * 2, ups[i + 1]) for i in range(stages)]
    assert out.shape == (2, 1, h * scale, w * scale)
    assert out.dtype == torch.float32


@pytest.mark.parametrize("scale", SCALES)
def test_feature_stride_2_keeps_every_dense_block_below_full_size(scale):
    model, (h, w) = PagNet(small(scale, feature_stride=2)), LOW
    seen = record_shapes(model, (ResidualDenseNetwork,))
    out = model(*inputs(scale))
    assert out.shape == (1, 1, h * scale, w * scale)
    assert max(made[-1] for _, _, made in seen) == w * scale // 2
    assert min(made[-1] for _, _, made in seen) == w


@pytest.mark.parametrize("scale", SCALES[1:])
def test_direct_upsampling_works_at_the_low_resolution_until_the_last_stage(scale):
    model, (h, w), c = PagNet(small(scale, progressive=False)), LOW, SMALL["channels"]
    seen = record_shapes(model, (Stage,))
    assert model(*inputs(scale)).shape == (1, 1, h * scale, w * scale)
    *early, last = [made for _, _, made in seen]
    assert early == [(1, c, h, w)] * (SCALES.index(scale))
    assert last == (1, c, h * scale, w * scale)


def test_attention_map_has_one_channel_between_0_and_1():
    attend = AttentionGuidance(8)
    attention = attend.attention(torch.randn(2, 8, 12, 9))
    assert attention.shape == (2, 1, 12, 9)
    assert bool(((attention > 0) & (attention < 1)).all())


def test_attention_comes_from_depth_features_and_multiplies_the_guidance():
    attend, features, guidance = AttentionGuidance(8), torch.randn(1, 8, 12, 9), torch.randn(1, 8, 12, 9)
    torch.testing.assert_close(attend(features, guidance), guidance * attend.attention(features))
    torch.testing.assert_close(attend(features, 2 * guidance), 2 * attend(features, guidance))
    assert not torch.allclose(attend(2 * features, guidance), attend(features, guidance))


def test_attention_sees_nine_pixels_along_each_axis():
    features = torch.zeros(1, 8, 31, 31)
    features[..., 15, 15] = 1
    attend = AttentionGuidance(8)
    moved = (attend.attention(features) != attend.attention(torch.zeros_like(features)))[0, 0].nonzero()
    assert moved.amin(0).tolist() == [11, 11]
    assert moved.amax(0).tolist() == [19, 19]


def test_without_attention_guidance_passes_unweighed():
    assert all(stage.attend is None for stage in PagNet(small(attention=False)).stages)


def test_both_inputs_reach_the_output():
    model, (depth, rgb) = randomised(small()), inputs(4)
    with torch.no_grad():
        out = model(depth, rgb)
        assert not torch.equal(out, model(depth + 0.1, rgb))
        assert not torch.equal(out, model(depth, -rgb))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("family", ["full", "rt"])
def test_an_untrained_residual_network_is_exactly_bicubic(scale, family):
    config = small(scale, residual=True, mask_channel=True) if family == "full" else ModelConfig.rt(scale)
    depth, rgb = inputs(scale)
    valid = torch.rand(1, 1, *LOW) > 0.3
    with torch.no_grad():
        expected = BicubicUpsample(scale)(depth)
        for mask in (None, valid, torch.zeros_like(valid)):
            assert torch.equal(PagNet(config)(depth, rgb, mask), expected)
        assert torch.equal(Bicubic(scale)(depth, rgb, valid), expected)


def test_the_mask_channel_is_read_and_none_means_all_measured():
    model, (depth, rgb) = randomised(small(residual=True, mask_channel=True)), inputs(4)
    everywhere = torch.ones_like(depth, dtype=torch.bool)
    with torch.no_grad():
        assert torch.equal(model(depth, rgb), model(depth, rgb, everywhere))
        assert not torch.equal(model(depth, rgb), model(depth, rgb, ~everywhere))


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_back_projection_brings_the_output_closer_to_the_measurement(scale):
    depth, rgb = inputs(scale, size=(12, 14))
    down = BicubicDownsample(scale)
    before = None
    for steps in (0, 1, 3):
        with torch.no_grad():
            out = randomised(small(scale, residual=True, back_projections=steps))(depth, rgb)
        inconsistency = (down(out) - depth).square().mean().item()
        assert before is None or inconsistency < 0.7 * before
        before = inconsistency


def test_back_projection_leaves_the_surroundings_of_holes_alone():
    depth, rgb = inputs(4, size=(12, 14))
    with torch.no_grad():
        plain = randomised(small(residual=True))(depth, rgb)
        held = randomised(small(residual=True, back_projections=2))(depth, rgb, torch.zeros_like(depth))
    assert torch.equal(plain, held)


def slanted_plane(height=12, width=16):
    rows, columns = torch.meshgrid(torch.arange(height) / 40.0, torch.arange(width) / 70.0, indexing="ij")
    return (0.2 + rows + columns)[None, None]


def test_the_planar_gate_is_shut_on_planes_and_open_at_edges_and_around_holes():
    depth = slanted_plane()
    assert planarity_gate(depth, None, 4).max() < 1e-3
    depth[..., 8:] += 0.3
    gate = planarity_gate(depth, None, 4)
    assert gate[..., 7 * 4 : 9 * 4].min() > 0.99
    assert gate[..., : 4 * 4].max() < 1e-3
    valid = torch.ones_like(depth)
    valid[..., 4, 2] = 0
    assert planarity_gate(slanted_plane(), valid, 4)[..., 4 * 4 : 5 * 4, 2 * 4 : 3 * 4].min() > 0.99


def test_with_the_planar_gate_texture_on_a_plane_leaves_it_bicubic():
    rgb = inputs(4, (12, 16))[1]
    free, gated = (randomised(small(residual=True, planar_gate=on)) for on in (False, True))
    depth = slanted_plane()
    base = free.bicubic_up(depth)
    inside = (..., slice(8, -8), slice(8, -8))
    with torch.inference_mode():
        assert (free(depth, rgb) - base)[inside].abs().max() > 1e-2
        assert (gated(depth, rgb) - base)[inside].abs().max() < 1e-3
        depth[..., 8:] += 0.3
        edge = (..., slice(8, -8), slice(31, 34))
        torch.testing.assert_close(gated(depth, rgb)[edge], free(depth, rgb)[edge], atol=2e-2, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_cast_features_leaves_what_depth_enters_and_leaves_by_in_float32(dtype):
    model = PagNet(small(residual=True, back_projections=1)).cast_features(dtype)
    assert {parameter.dtype for parameter in model.enter_depth.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in model.head.parameters()} == {torch.float32}
    assert {parameter.dtype for parameter in [*model.guidance.parameters(), *model.stages.parameters()]} == {dtype}
    assert {buffer.dtype for buffer in model.buffers()} == {torch.float32}


def test_an_untrained_network_of_half_precision_is_still_exactly_bicubic():
    depth, rgb = inputs(4)
    with torch.no_grad():
        out = PagNet(ModelConfig.rt(4)).cast_features(torch.bfloat16)(depth, rgb)
        assert out.dtype == torch.float32
        assert torch.equal(out, BicubicUpsample(4)(depth))


def test_frames_of_a_batch_do_not_mix():
    model, (depth, rgb) = randomised(small(residual=True, mask_channel=True)), inputs(4, batch=2)
    with torch.no_grad():
        together = model(depth, rgb)
        alone = model(depth[1:], rgb[1:])
    torch.testing.assert_close(together[1:], alone)


def test_the_same_seed_gives_the_same_network():
    first, second = (randomised(small(), seed=3).state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_bicubic_refuses_a_scale_it_has_not():
    with pytest.raises(ConfigError, match=r"scale=3, expected one of \(2, 4, 8, 16\)"):
        Bicubic(3)
