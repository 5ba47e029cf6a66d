"""Weights -> ONNX files for ONNX Runtime and TensorRT, each compared with torch.

``python -m pagnet_ros.runtime.export_onnx``. The graph is the network alone
(`pagnet_ros.model.network.PagNet.forward`): normalised depth, centred colour and validity in, normalised depth out,
and log sigma where the network has it. Sizes stay free unless one is given. The weights file's header travels in the
file's metadata under ``pagnet``. Needs the ``onnx`` extra.
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
from typing import Any

import torch
from torch import Tensor, nn

from pagnet_ros.errors import ConfigError, PagnetError
from pagnet_ros.model.network import PagNet
from pagnet_ros.model.weights import HEADER_KEY, WeightsHeader, load_depth_weights
from pagnet_ros.model.zoo import zoo, zoo_path
from pagnet_ros.runtime.devices import PRECISIONS, choose_device
from pagnet_ros.runtime.onnx import INPUTS, PRECISION_KEY, OnnxNetwork
from pagnet_ros.system.files import replaced

__all__ = ["MOST_DIFFERENT", "difference_to_torch", "export_onnx", "main"]

MOST_DIFFERENT = {"fp32": 1e-4, "fp16": 2e-3}
"""Largest difference of any pixel to torch in float32, by the file's precision, in the frame's range."""


class _Exported(nn.Module):
    """The network with all inputs named and only tensors returned."""

    def __init__(self, network: PagNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, depth: Tensor, rgb: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        """See `PagNet.forward`."""
        return tuple(tensor for tensor in self.network(depth, rgb, valid) if tensor is not None)


def export_onnx(
    network: PagNet, header: WeightsHeader, target: Path, size: tuple[int, int] | None = None, precision: str = "fp32"
) -> None:
    """Write one network.

    Args:
        network: float32, on the CPU; stays as it is.
        header: of its weights.
        target: the ONNX file.
        size: ``(height, width)`` of the output, multiples of the scale; None leaves it free.
        precision: of the features between depth and depth, ``fp32`` or ``fp16``.

    Raises:
        ConfigError: size or precision do not fit, or the packages that export needs are not installed.
    """
    if precision not in MOST_DIFFERENT:
        raise ConfigError(f"precision {precision!r} cannot be exported; expected one of {', '.join(MOST_DIFFERENT)}")
    scale = network.scale
    height, width = size or (16 * scale, 20 * scale)
    if height % scale or width % scale or min(height, width) < 2 * scale:
        raise ConfigError(f"size {width}x{height} does not fit scale {scale}; expected multiples of it")
    outputs = ["depth_hr", "log_sigma"] if network.config.log_sigma else ["depth_hr"]
    free: dict[str, Any] | None = None
    if size is None:
        low = {2: torch.export.Dim("height", min=2, max=4096), 3: torch.export.Dim("width", min=2, max=4096)}
        high = {axis: scale * extent for axis, extent in low.items()}
        free = {"depth": low, "rgb": high, "valid": low}
    typed = deepcopy(network).eval().cast_features(PRECISIONS[precision])
    with _quiet():
        program: Any = torch.onnx.export(
            _Exported(typed),
            _example(scale, (height // scale, width // scale)),
            dynamo=True,
            dynamic_shapes=free,
            input_names=list(INPUTS),
            output_names=outputs,
            verbose=False,
        )
    program.model.metadata_props.update({HEADER_KEY: header.to_json(), PRECISION_KEY: precision})
    try:
        with replaced(target) as temporary:
            program.save(os.fspath(temporary), external_data=False)
    except OSError as error:
        raise ConfigError(
            f"{target} cannot be written ({error.strerror or error}); free some space, or name another folder"
        ) from error


def difference_to_torch(network: PagNet, path: Path, low_size: tuple[int, int]) -> float:
    """Largest difference of any pixel between a file in ONNX Runtime and the network in torch.

    Args:
        network: what the file was made of, float32.
        path: the file.
        low_size: ``(height, width)`` of the depth input to compare at.
    """
    inputs = _example(network.scale, low_size)
    run = OnnxNetwork(path).on(choose_device("cpu"))
    with torch.inference_mode():
        pairs = zip(run(*inputs), network(*inputs), strict=True)
        return max(float((ours - theirs).abs().max()) for ours, theirs in pairs if ours is not None)


def _example(scale: int, low_size: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    height, width = low_size
    depth = torch.rand(1, 1, height, width, generator=random)
    rgb = torch.rand(1, 3, scale * height, scale * width, generator=random) - 0.5
    return depth, rgb, (torch.rand(1, 1, height, width, generator=random) > 0.2).float()


@contextlib.contextmanager
def _quiet() -> Any:
    """Without the exporter's own reports; its errors still come as exceptions."""
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"ONNX export needs onnx and onnxscript ({error}); pip install 'pagnet_ros[onnx]'") from error
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pagnet_ros.runtime.export_onnx", description=__doc__.splitlines()[0]
    )
    parser.add_argument("weights", nargs="*", help="zoo names or weights files (default: the whole zoo)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for NAME.onnx")
    parser.add_argument("--size", type=_size, help="fix the output's size, as 640x480; default: any")
    parser.add_argument("--precision", choices=MOST_DIFFERENT, default="fp32", help="of the features; depth stays fp32")
    options = parser.parse_args(arguments)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        for name in options.weights or [name for name, header in zoo().items() if header.config.output == "depth"]:
            network, header = load_depth_weights(name if Path(name).suffix else zoo_path(name))
            network.requires_grad_(False)
            suffix = "" if options.precision == "fp32" else f"-{options.precision}"
            target = options.out / f"{header.name}{suffix}.onnx"
            export_onnx(network, header, target, options.size, options.precision)
            fixed = options.size and [tuple(side // network.scale for side in options.size)]
            worst = max(difference_to_torch(network, target, size) for size in fixed or [(13, 18), (30, 40)])
            sys.stdout.write(f"{target}: {target.stat().st_size / 1e6:.1f} MB, differs from torch by {worst:.1e}\n")
            most = MOST_DIFFERENT[options.precision]
            if not worst <= most:
                raise ConfigError(f"{target} differs from torch by {worst:.1e}, expected at most {most}")
    except (PagnetError, OSError) as error:
        sys.stderr.write(f"export_onnx: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
