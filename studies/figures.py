"""``python -m studies.figures``: the paper's Fig. 3 for a weights file, one sheet per image.

A sheet has the colour image and the measured depth, then a row per stage: the attention map, and the mean magnitude
of the guidance features before and after it weighs them. Without ``--data`` the images are rendered texture traps:
patterns on flat surfaces, and depth edges that colour does not show.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from pagnet_ros.errors import ConfigError
from pagnet_ros.model.network import AttentionGuidance, PagNet
from pagnet_ros.model.weights import load_depth_weights
from pagnet_ros.model.zoo import weights_file
from pagnet_ros.sensors.camera import PinholeCamera
from pagnet_ros.simulation.render import Renderer
from pagnet_ros.simulation.scene import Scene
from pagnet_training.command import Arguments, command_line, description_of
from pagnet_training.json_file import write_picture
from pagnet_training.protocol import Case, ProtocolImage, make_case, network_upsampler, read_protocol_images

TRAPS = (4, 10, 16)


class StageMaps(NamedTuple):
    """What one stage sees of colour, ``[h, w]`` float32 each.

    Attributes:
        attention: the map, 0 to 1.
        guidance: mean magnitude of the guidance features.
        attended: the same once the map has weighed them.
    """

    attention: NDArray[np.float32]
    guidance: NDArray[np.float32]
    attended: NDArray[np.float32]


def attention_maps(net: PagNet, case: Case) -> list[StageMaps]:
    """One entry per stage.

    Raises:
        ConfigError: the network has no attention.
    """
    found: list[StageMaps] = []

    def record(module: nn.Module, args: tuple[Tensor, Tensor], output: Tensor) -> None:
        assert isinstance(module, AttentionGuidance)
        depth_features, guidance = args
        maps = (module.attention(depth_features)[0, 0], guidance[0].abs().mean(dim=0), output[0].abs().mean(dim=0))
        found.append(StageMaps(*(each.numpy() for each in maps)))

    blocks = [module for module in net.modules() if isinstance(module, AttentionGuidance)]
    if not blocks:
        raise ConfigError("this network has attention switched off; choose weights trained with attention")
    handles = [block.register_forward_hook(record) for block in blocks]
    network_upsampler(net)(case.low, case.rgb, net.scale)
    for handle in handles:
        handle.remove()
    return found


def texture_traps(size: tuple[int, int] = (240, 320)) -> list[ProtocolImage]:
    """Rendered scenes full of misleading texture, ``(H, W)`` pixels, their disparity spread over 40 to 220 levels."""
    images = []
    for seed in TRAPS:
        frame = Renderer(Scene.random(seed, "traps"))(PinholeCamera.from_fov(size[1], size[0]))
        disparity = 1 / frame.depth_m
        levels = 40 + 180 * (disparity - disparity.min()) / (disparity.max() - disparity.min())
        images.append(ProtocolImage(f"trap{seed}", frame.rgb, np.round(levels).astype(np.float32)))
    return images


def draw_sheet(path: Path, case: Case, stages: list[StageMaps]) -> None:
    """Write one sheet as a picture.

    Raises:
        ConfigError: it cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 2.4 * (1 + len(stages))), layout="constrained")
    axes: Any = figure.subplots(1 + len(stages), 3, squeeze=False)
    axes[0][0].imshow(case.rgb)
    axes[0][1].imshow(case.low, cmap="viridis")
    axes[0][2].imshow(case.truth, cmap="viridis")
    for place, title in zip(axes[0], ("colour", "measured depth", "truth"), strict=True):
        place.set_title(title, fontsize=9)
    for number, (row, maps) in enumerate(zip(axes[1:], stages, strict=True), 1):
        strongest = float(maps.guidance.max())
        row[0].imshow(maps.attention, cmap="magma", vmin=0, vmax=1)
        row[1].imshow(maps.guidance, cmap="magma", vmin=0, vmax=strongest)
        row[2].imshow(maps.attended, cmap="magma", vmin=0, vmax=strongest)
        for place, title in zip(row, ("attention", "guidance", "guidance, weighed"), strict=True):
            place.set_title(f"stage {number}: {title}", fontsize=9)
    for place in axes.flat:
        place.set_axis_off()
    write_picture(path, figure, dpi=80)


@command_line
def main(arguments: Arguments = None) -> None:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m studies.figures", description=description_of(__doc__))
    parser.add_argument("--weights", type=weights_file, required=True)
    parser.add_argument("--data", type=Path, help="folder with NAME_rgb.png and NAME_disparity.png instead of traps")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    options = parser.parse_args(arguments)
    net, header = load_depth_weights(options.weights)
    for image in texture_traps() if options.data is None else read_protocol_images(options.data):
        case = make_case(image, header.config.scale, rounded=False)
        draw_sheet(options.out / f"attention_{image.name}.png", case, attention_maps(net, case))


if __name__ == "__main__":
    sys.exit(main())
