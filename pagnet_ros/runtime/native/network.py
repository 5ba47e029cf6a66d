"""A `PagNet` as a `Program`: which convolution reads and writes which feature map.

The mathematics is that of `pagnet_ros.model.network`. Two things differ in form, not in value: each attention map is
computed as one 9x9 convolution (its two branches are linear, so they add up to one: a column of nine taps for each
horizontal tap, then nine shifted sums), and a stride-2 convolution is a 1x1 over the four phases of its input.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from pagnet_ros.model.network import (
    AttentionGuidance,
    PagNet,
    ResidualDenseBlock,
    ResidualDenseNetwork,
    Stage,
    stage_sizes,
)
from pagnet_ros.model.planarity import planarity_gate
from pagnet_ros.model.resize import pad_mirrored
from pagnet_ros.runtime.native.library import Library, NativeUnavailableError
from pagnet_ros.runtime.native.program import FeatureMap, Op, Program
from pagnet_ros.runtime.recent import Recent

KEPT_SIZES = 2


class NativePagNet:
    """Runs like the network it was made of, for one frame at a time. Use from one thread at a time."""

    def __init__(self, network: PagNet, library: Library, *, bf16: bool) -> None:
        """Keep the network's weights by reference; they are packed when the first frame's size is known.

        Args:
            network: on the CPU, float32.
            library: the compiled kernels.
            bf16: compute features in bfloat16 instead of float32.

        Raises:
            NativeUnavailableError: this CPU or this configuration cannot, or something in the network is not what
                `PagNet` makes of its configuration.
        """
        refuse_unknown_parts(network, lambda: PagNet(network.config))
        if bf16 and not library.has_bf16:
            raise NativeUnavailableError("this CPU has no bfloat16 instructions for it")
        if bf16 and network.config.growth % 2:
            raise NativeUnavailableError(f"growth is {network.config.growth}, expected an even number for bfloat16")
        self.scale = network.scale
        self._network = network
        self._library = library
        self._bf16 = bf16
        self._frames: Recent[tuple[int, int], _Frame] = Recent(KEPT_SIZES)

    def __call__(self, depth: Tensor, rgb: Tensor, valid: Tensor | None = None) -> Tensor:
        """As `PagNet.forward`, for one image; `rgb` may also be uint8, 0 to 255, of any strides.

        The result lies in memory that the next call writes over.
        """
        size = (depth.shape[-2], depth.shape[-1])
        with torch.inference_mode():
            frame = self._frames.get(size, lambda: _Frame(self._network, self._library, size, bf16=self._bf16))
            predicted = frame.run(depth, rgb, valid, torch.get_num_threads())[None, None]
            if frame.base is not None:
                gate = planarity_gate(depth, valid, self.scale)
                predicted = torch.addcmul(frame.base[None, None], gate, predicted)
            return self._network.back_project(predicted, depth, valid)


def refuse_unknown_parts(network: nn.Module, plain_of: Callable[[], nn.Module]) -> None:
    """Check that a network computes what its configuration says: the program reads weights by name, and runs no module.

    Args:
        network: the one to run.
        plain_of: what makes another one of its configuration.

    Raises:
        NativeUnavailableError: a subclass, or a module of another type or size, with a hook, or a `forward` of its own.
    """
    with torch.device("meta"):
        plain = plain_of()
    known, found = dict(plain.named_modules()), dict(network.named_modules())
    for name in [*found, *(known.keys() - found.keys())]:
        ours, theirs = known.get(name), found.get(name)
        if type(ours) is not type(theirs):
            came, expected = (each and type(each).__name__ for each in (theirs, ours))
            raise NativeUnavailableError(f"{name or 'the network'} is a {came}, expected a {expected}")
        assert theirs is not None
        if theirs._forward_hooks or theirs._forward_pre_hooks or "forward" in vars(theirs):
            raise NativeUnavailableError(f"{name or 'the network'} has a hook or a forward of its own, expected none")
    for name, weight in plain.state_dict().items():
        if weight.shape != (came_shape := network.state_dict()[name].shape):
            raise NativeUnavailableError(f"{name} has shape {tuple(came_shape)}, expected {tuple(weight.shape)}")


class _Frame:
    """The program for one size of frame, and where its inputs and outputs lie.

    Attributes:
        image: ``[s*h, s*w]``, normalised depth.
        base: the bicubic base, where it is still to be added to what the planar gate lets through.
    """

    def __init__(self, network: PagNet, library: Library, size: tuple[int, int], *, bf16: bool) -> None:
        config = network.config
        self._program = program = Program(library, pairs=bf16)
        self._mask = config.mask_channel
        self._depth = program.map(size, 2 if self._mask else 1, pairs=False)
        sizes = [(size[0] * ratio, size[1] * ratio) for ratio in stage_sizes(config)]
        high = (size[0] * config.scale, size[1] * config.scale)
        self._high = high
        self._mirrored: FeatureMap | None = None
        self.image = torch.empty(high)
        self.base = torch.empty(high) if config.planar_gate else None

        pyramid = self._add_guidance(network, sizes[-1])
        features = program.map(size, config.channels)
        add_conv(program, [self._depth], network.enter_depth, features)
        for stage, level, stage_size in zip(network.stages, network.guidance_level, sizes, strict=True):
            assert isinstance(stage, Stage)
            refined = _add_stage(program, stage, features, pyramid[level], stage_size)
            program.release(features)
            features = refined
        self._add_head(network, features, size)

    def _add_guidance(self, network: PagNet, fine: tuple[int, int]) -> list[FeatureMap]:
        program, stride = self._program, network.config.feature_stride
        unshuffled = program.map(fine, 3 * stride**2)
        program.colour(unshuffled, stride)
        features = program.map(fine, network.config.channels)
        add_conv(program, [unshuffled], network.guidance.enter, features)
        program.release(unshuffled)
        pyramid = [features]
        for down in network.guidance.down:
            assert isinstance(down, nn.Sequential)
            size = features.size
            generic = program.map(size, network.config.channels)
            add_conv(program, [features], down[0], generic)
            half = (size[0] // 2, size[1] // 2)
            phases = program.map(half, 4 * network.config.channels)
            program.split(generic, phases, 2)
            features = program.map(half, network.config.channels)
            weight, bias = weights_of(down[1])
            program.conv([phases], weight.permute(0, 2, 3, 1).flatten(1)[..., None, None], bias, features)
            program.release(generic, phases)
            pyramid.append(features)
        return pyramid

    def _add_head(self, network: PagNet, features: FeatureMap, size: tuple[int, int]) -> None:
        program, config = self._program, network.config
        if config.residual:
            self._mirrored = program.map((size[0] + 4, size[1] + 4), 1, pairs=False)
            inside = FeatureMap(self._mirrored.cells[2:-2, :, 2:-2], False)
            base = program.map(size, config.scale**2, pairs=False)
            program.conv([inside], network.bicubic_up.kernel, None, base)
            program.spread(base, self.image if self.base is None else self.base, config.scale, add=False)
        out = program.map(features.size, config.feature_stride**2, pairs=False)
        weight, bias = weights_of(network.head)
        program.conv([features], weight, bias, out, exact=True)
        program.spread(out, self.image, config.feature_stride, add=config.residual and self.base is None)

    def run(self, depth: Tensor, rgb: Tensor, valid: Tensor | None, threads: int) -> Tensor:
        """Fill `image` and `base`."""
        values = self._depth.values()
        values[:, 0] = depth[0, 0]
        if self._mask:
            values[:, 1] = 1.0 if valid is None else valid[0, 0]
        if self._mirrored is not None:
            self._mirrored.values()[:, 0] = pad_mirrored(depth, 2)[0, 0]
        image = rgb[0] if rgb.dtype == torch.uint8 else rgb[0].float()
        if tuple(image.shape) != (3, *self._high):
            raise ValueError(f"colour is {list(image.shape)}, expected {[3, *self._high]}")
        point_at_colour(self._program.operations[0], image)
        self._program.run(threads)
        return self.image


def point_at_colour(op: Op, image: Tensor) -> None:
    """Let a program's colour operation read ``[3, H, W]``, uint8 or float32, of any strides."""
    op.weights = image.data_ptr()
    op.eight_bit = image.dtype == torch.uint8
    op.step_c, op.step_y, op.step_x = image.stride()


def weights_of(module: nn.Module) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a convolution."""
    assert isinstance(module, nn.Conv2d)
    return module.weight, module.bias


def add_conv(
    program: Program,
    sources: list[FeatureMap],
    layer: nn.Module,
    target: FeatureMap,
    residual: FeatureMap | None = None,
    factors: Tensor | None = None,
) -> None:
    """A convolution, or a generic one (followed by a ReLU), of the network."""
    relu = isinstance(layer, nn.Sequential)
    weight, bias = weights_of(layer[0] if isinstance(layer, nn.Sequential) else layer)
    program.conv(sources, weight, bias, target, relu=relu, residual=residual, factors=factors)


def add_upsample(program: Program, layer: nn.Sequential, source: FeatureMap, size: tuple[int, int]) -> FeatureMap:
    """A convolution and a pixel shuffle to `size`; the source may be written over afterwards."""
    weight, bias = weights_of(layer[0])
    factor = size[0] // source.size[0]
    channels = weight.shape[0] // factor**2
    order = torch.arange(weight.shape[0]).view(channels, factor**2).T.reshape(-1)  # to (phase, channel)
    phases = program.map(source.size, weight.shape[0])
    program.conv([source], weight[order], None if bias is None else bias[order], phases)
    target = program.map(size, channels)
    program.interleave(phases, target, factor)
    program.release(source, phases)
    return target


def _add_stage(
    program: Program, stage: Stage, features: FeatureMap, guidance: FeatureMap, size: tuple[int, int]
) -> FeatureMap:
    up = _add_dense_network(program, stage.refine_depth, features)
    channels = stage.fuse.out_channels
    if isinstance(stage.upsample, nn.Sequential):
        up = add_upsample(program, stage.upsample, up, size)
    factors = add_attention(program, stage.attend, up) if stage.attend is not None else None
    guide = program.map(size, channels)
    add_conv(program, [guidance], stage.enter_guidance, guide, factors=factors)
    fused = program.map(size, channels)
    add_conv(program, [up, guide], stage.fuse, fused)
    program.release(up, guide)
    result = _add_dense_network(program, stage.refine_fused, fused)
    program.release(fused)
    return result


def _add_dense_network(program: Program, dense: ResidualDenseNetwork, x: FeatureMap) -> FeatureMap:
    channels = dense.smooth.out_channels
    outputs: list[FeatureMap] = []
    for block in dense.blocks:
        assert isinstance(block, ResidualDenseBlock)
        before = outputs[-1] if outputs else x
        growth = len(block.layers) * _growth(block)
        grown = program.map(x.size, growth)
        for i, layer in enumerate(block.layers):
            done = i * _growth(block)
            seen = [before, grown.channels(0, done)] if done else [before]
            add_conv(program, seen, layer, grown.channels(done, _growth(block)))
        outputs.append(program.map(x.size, channels))
        add_conv(program, [before, grown], block.fuse, outputs[-1], residual=before)
        program.release(grown)
    fused = program.map(x.size, channels)
    add_conv(program, outputs, dense.fuse, fused)
    program.release(*outputs)
    result = program.map(x.size, channels)
    add_conv(program, [fused], dense.smooth, result, residual=x)
    program.release(fused)
    return result


def _growth(block: ResidualDenseBlock) -> int:
    layer = block.layers[0]
    assert isinstance(layer, nn.Sequential)
    return int(weights_of(layer[0])[0].shape[0])


def add_attention(program: Program, attend: AttentionGuidance, features: FeatureMap) -> Tensor:
    """The attention map ``[height, width]``: both branches as one convolution of 9x9 taps."""
    (v1, v1_bias), (v2, v2_bias) = (weights_of(layer) for layer in attend.vertical_first)
    (h1, h1_bias), (h2, h2_bias) = (weights_of(layer) for layer in attend.horizontal_first)
    assert v1_bias is not None
    assert v2_bias is not None
    assert h1_bias is not None
    assert h2_bias is not None
    v1, v2, h1, h2 = (weight.detach().double() for weight in (v1, v2, h1, h2))
    columns = torch.einsum("mk,mcj->kcj", v2[0, :, 0, :], v1[:, :, :, 0])
    columns += torch.einsum("mj,mck->kcj", h2[0, :, :, 0], h1[:, :, 0, :])
    taps = program.map(features.size, columns.shape[0], pairs=False)
    program.conv([features], columns[..., None], v2[0, :, 0, :].T @ v1_bias.double(), taps)
    # the second branch's inner bias counts only for the rows that exist
    reach = columns.shape[2] // 2
    per_tap = h2[0, :, :, 0].T @ h1_bias.double()
    height = features.size[0]
    rows = torch.full((height,), float(v2_bias + h2_bias), dtype=torch.float64)
    for j, value in enumerate(per_tap):
        inside = torch.arange(height) + j - reach
        rows += torch.where((inside >= 0) & (inside < height), value, 0.0)
    factors = torch.empty(features.size)
    program.attention(taps, rows.float(), factors)
    program.release(taps)
    return factors
