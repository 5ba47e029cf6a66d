"""Weights -> ONNX files for ONNX Runtime and TensorRT, each compared with torch.

``python -m pagnet_ros.runtime.export_onnx``. Of a network that chooses surfaces the graph is everything between decoded
depth and chosen surface (`pagnet_ros.model.surface_network.choose_surfaces`), for one size of depth and colour. Of one
that regresses depth it is the network alone (`pagnet_ros.model.network.PagNet.forward`): normalised depth, centred
colour and validity in, normalised depth out, for any size unless one is given.
The weights file's header travels in the file's metadata under ``pagnet``. Needs the ``onnx`` extra.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from pagnet_ros.core.depth import working_size
from pagnet_ros.errors import ConfigError, PagnetError
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork, choose_surfaces
from pagnet_ros.model.surfaces import Choice
from pagnet_ros.model.weights import HEADER_KEY, WeightsHeader, load_weights
from pagnet_ros.model.zoo import weights_file, zoo
from pagnet_ros.runtime.devices import PRECISIONS, choose_device
from pagnet_ros.runtime.onnx import INPUTS, PRECISION_KEY, OnnxNetwork
from pagnet_ros.system.files import replaced

MOST_DIFFERENT = {"fp32": 1e-4, "fp16": 2e-3}
"""Largest difference of any pixel to torch in float32, by the file's precision, in the frame's range."""
MOST_FLIPPED = {"fp32": 1e-3, "fp16": 2e-2}
"""Largest share of pixels that may lie on another surface: where two are equally likely the last bits choose."""
FLIPPED_M = 1e-3
SURFACES_SIZE = (480, 640)
_LIMITS = (0.2, 2.5)


class _ExportedChoice(nn.Module):
    """The network and the choice after it; what may change between two frames comes as tensors."""

    def __init__(self, network: SurfaceNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, depth: Tensor, seen: Tensor, rgb: Tensor, colour: Tensor, limits: Tensor, mean: Tensor
    ) -> tuple[Tensor, ...]:
        """See `choose_surfaces`."""
        return tuple(choose_surfaces(self.network, depth, seen, rgb, colour, limits, mean=mean))


def export_onnx(
    network: PagNet | SurfaceNetwork,
    header: WeightsHeader,
    target: Path,
    size: tuple[int, int] | None = None,
    precision: str = "fp32",
    depth_size: tuple[int, int] | None = None,
) -> None:
    """Write one network.

    Args:
        network: float32, on the CPU; stays as it is.
        header: of its weights.
        target: the ONNX file.
        size: ``(height, width)`` of the output; None leaves it free, or takes 640x480 where surfaces are chosen. For a
            network that regresses depth a multiple of the scale.
        precision: of the features between depth and depth, ``fp32`` or ``fp16``.
        depth_size: ``(height, width)`` of the measured depth, where surfaces are chosen; None takes `size` over scale.

    Raises:
        ConfigError: size or precision do not fit, or the packages that export needs are not installed.
    """
    if precision not in MOST_DIFFERENT:
        raise ConfigError(f"precision {precision!r} cannot be exported; expected one of {', '.join(MOST_DIFFERENT)}")
    typed = deepcopy(network).eval().cast_features(PRECISIONS[precision])
    if isinstance(typed, SurfaceNetwork):
        graph = _graph_of_choice(typed, size or SURFACES_SIZE, depth_size)
    else:
        graph = _graph_of_regression(typed, size)
    with _quiet():
        program: Any = torch.onnx.export(
            graph.module,
            graph.example,
            dynamo=True,
            dynamic_shapes=graph.free,
            input_names=list(INPUTS[network.config.output]),
            output_names=graph.outputs,
            verbose=False,
            optimize=isinstance(network, PagNet),
        )
        if isinstance(network, SurfaceNetwork):
            # the exporter's own rules search a graph of so many nodes for minutes on a small board
            from onnxscript import optimizer

            optimizer.fold_constants(program.model)
            optimizer.remove_unused_nodes(program.model)
    program.model.metadata_props.update({HEADER_KEY: header.to_json(), PRECISION_KEY: precision})
    try:
        with replaced(target) as temporary:
            program.save(os.fspath(temporary), external_data=False)
    except OSError as error:
        raise ConfigError(
            f"{target} cannot be written ({error.strerror or error}); free some space, or name another folder"
        ) from error


class _Graph(NamedTuple):
    """What is exported: a module, images to trace it with, the names of its outputs, and which sizes stay free."""

    module: nn.Module
    example: tuple[Tensor, ...]
    outputs: list[str]
    free: dict[str, Any] | None


def _graph_of_choice(network: SurfaceNetwork, size: tuple[int, int], depth_size: tuple[int, int] | None) -> _Graph:
    images = _example_of_choice(network.scale, depth_size or _low(size, network.scale), size)
    example = (*images, torch.tensor(_LIMITS), torch.tensor(False))
    return _Graph(_ExportedChoice(network), example, ["depth_hr", *Choice._fields[1:]], None)


def _graph_of_regression(network: PagNet, size: tuple[int, int] | None) -> _Graph:
    scale = network.scale
    height, width = size or (16 * scale, 20 * scale)
    if height % scale or width % scale or min(height, width) < 2 * scale:
        raise ConfigError(f"size {width}x{height} does not fit scale {scale}; expected multiples of it")
    free = None
    if size is None:
        low = {2: torch.export.Dim("height", min=2, max=4096), 3: torch.export.Dim("width", min=2, max=4096)}
        free = {"depth": low, "rgb": {axis: scale * extent for axis, extent in low.items()}, "valid": low}
    return _Graph(network, _example(scale, (height // scale, width // scale)), ["depth_hr"], free)


class Difference(NamedTuple):
    """How far a file in ONNX Runtime is from the network in torch.

    Attributes:
        largest: of any pixel, in the frame's range; of chosen surfaces in metres, over those that do not differ by more
            than `FLIPPED_M`.
        flipped: share of pixels that lie on another surface, or have none in one of the two.
    """

    largest: float
    flipped: float = 0.0


def difference_to_torch(
    network: PagNet | SurfaceNetwork, path: Path, low_size: tuple[int, int], size: tuple[int, int] | None = None
) -> Difference:
    """Compare a file in ONNX Runtime with the network in torch.

    Args:
        network: what the file was made of, float32.
        path: the file.
        low_size: ``(height, width)`` of the depth input to compare at.
        size: of the output where surfaces are chosen; None is scale times `low_size`.
    """
    scale = network.scale
    run = OnnxNetwork(path).on(choose_device("cpu"))
    with torch.inference_mode():
        if isinstance(network, PagNet):
            inputs = _example(scale, low_size)
            return Difference(float((run(*inputs) - network(*inputs)).abs().max()))
        images = _example_of_choice(scale, low_size, size or (scale * low_size[0], scale * low_size[1]))
        apart = []
        for mean in (False, True):
            ours = run(*images, _LIMITS, mean=mean).depth
            theirs = choose_surfaces(network, *images, _LIMITS, mean=mean).depth
            apart.append(torch.where(ours.isnan() & theirs.isnan(), 0.0, (ours - theirs).abs().nan_to_num(torch.inf)))
        found = torch.cat(apart)
        same = found < FLIPPED_M
        return Difference(float(found[same].max()), 1 - float(same.float().mean()))


def _example(scale: int, low_size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    height, width = low_size
    depth = torch.rand(1, 1, height, width, generator=random)
    rgb = torch.rand(1, 3, scale * height, scale * width, generator=random) - 0.5
    return depth, rgb, (torch.rand(1, 1, height, width, generator=random) > 0.2).float()


def _example_of_choice(
    scale: int, depth_size: tuple[int, int], size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images for `choose_surfaces`: small surfaces side by side with noise and holes, some of them out of range."""
    random = torch.Generator().manual_seed(0)
    low, (high, width), _ = working_size(depth_size, size, scale)
    surfaces = torch.rand(1, 1, low[0] // 4 + 1, low[1] // 4 + 1, generator=random)
    depth = 0.5 + 2.5 * surfaces.repeat_interleave(4, 2).repeat_interleave(4, 3)[..., : low[0], : low[1]]
    depth = depth + 0.01 * torch.rand(1, 1, *low, generator=random)
    seen = torch.rand(1, 1, *low, generator=random) > 0.15
    rgb = torch.rand(1, 3, high, width, generator=random) - 0.5
    colour = rgb if (high, width) == size else torch.rand(1, 3, *size, generator=random) - 0.5
    return depth * seen, seen, rgb, colour


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the exporter's own reports; its errors still come as exceptions."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"ONNX export needs onnx and onnxscript ({error}); pip install '.[onnx]' in the checkout"
        ) from error
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _size(text: str) -> tuple[int, int]:
    width, x, height = text.partition("x")
    if not (x and width.isdigit() and height.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}, expected WIDTHxHEIGHT such as 640x480")
    return int(height), int(width)


def _compared(
    network: PagNet | SurfaceNetwork, path: Path, size: tuple[int, int] | None, depth_size: tuple[int, int] | None
) -> Difference:
    """The worst `difference_to_torch` at the sizes that a file is for."""
    if isinstance(network, SurfaceNetwork):
        size = size or SURFACES_SIZE
        return difference_to_torch(network, path, depth_size or _low(size, network.scale), size)
    lows = [(13, 18), (30, 40)] if size is None else [_low(size, network.scale)]
    return max(difference_to_torch(network, path, low) for low in lows)


def _low(size: tuple[int, int], scale: int) -> tuple[int, int]:
    return -(-size[0] // scale), -(-size[1] // scale)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pagnet_ros.runtime.export_onnx", description=__doc__.splitlines()[0]
    )
    parser.add_argument("weights", nargs="*", help="zoo names or weights files (default: the whole zoo)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for NAME.onnx")
    parser.add_argument("--size", type=_size, help="fix the output's size (default: any; 640x480 for fast-sensor)")
    parser.add_argument("--depth-size", type=_size, help="of the camera, for fast-sensor (default: size over scale)")
    parser.add_argument("--precision", choices=MOST_DIFFERENT, default="fp32", help="of the features; depth stays fp32")
    options = parser.parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for name in options.weights or zoo():
            network, header = load_weights(weights_file(name))
            suffix = "" if options.precision == "fp32" else f"-{options.precision}"
            target = options.out / f"{header.name}{suffix}.onnx"
            network.requires_grad_(False)
            export_onnx(network, header, target, options.size, options.precision, options.depth_size)
            found = _compared(network, target, options.size, options.depth_size)
            unit = "m" if isinstance(network, SurfaceNetwork) else "of the frame's range"
            said = f"differs from torch by {found.largest:.1e} {unit}"
            said += f", {100 * found.flipped:.3f} % of pixels on another surface" if unit == "m" else ""
            sys.stdout.write(f"{target}: {target.stat().st_size / 1e6:.1f} MB, {said}\n")
            most = MOST_DIFFERENT[options.precision], MOST_FLIPPED[options.precision]
            if not (found.largest <= most[0] and found.flipped <= most[1]):
                raise ConfigError(f"{target} {said}; expected at most {most[0]}, {100 * most[1]} %")
    except (PagnetError, OSError) as error:
        sys.stderr.write(f"export_onnx: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("export_onnx: stopped\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
