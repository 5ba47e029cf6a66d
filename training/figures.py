"""``python -m pagnet_training.figures``: the paper's Fig. 3 for a weights file, as pictures.

Per stage: the attention map, and the mean magnitude of the guidance features before and after it weighs them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pagnet_ros.depth import Normalisation
from pagnet_ros.errors import ConfigError, PagnetError
from pagnet_ros.network import AttentionGuidance, PagNet
from pagnet_ros.weights import load_weights
from pagnet_training.protocol import Case, make_case, read_protocol_images

__all__ = ["attention_figures", "main"]


def attention_figures(net: PagNet, case: Case) -> dict[str, Tensor]:
    """Attention maps and guidance magnitudes of every stage, ``[h, w]`` each, named for files."""
    found: dict[str, Tensor] = {}

    def record(stage: int) -> Any:
        def hook(module: nn.Module, args: tuple[Tensor, Tensor], output: Tensor) -> None:
            assert isinstance(module, AttentionGuidance)
            depth_features, guidance = args
            found[f"stage{stage}_attention"] = module.attention(depth_features)[0, 0]
            found[f"stage{stage}_guidance"] = guidance[0].abs().mean(dim=0)
            found[f"stage{stage}_guidance_attended"] = output[0].abs().mean(dim=0)

        return hook

    blocks = [module for module in net.modules() if isinstance(module, AttentionGuidance)]
    if not blocks:
        raise ConfigError("this network has attention switched off; choose weights trained with attention")
    handles = [block.register_forward_hook(record(i + 1)) for i, block in enumerate(blocks)]
    depth = torch.from_numpy(case.low)[None, None]
    rgb = torch.from_numpy(case.rgb.copy()).permute(2, 0, 1)[None].float() / 255 - 0.5
    with torch.inference_mode():
        net(Normalisation.of(depth).apply(depth), rgb)
    for handle in handles:
        handle.remove()
    return found


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m pagnet_training.figures", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with NAME_rgb.png and NAME_disparity.png")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    options = parser.parse_args(arguments)
    try:
        net, header = load_weights(options.weights)
        options.out.mkdir(parents=True, exist_ok=True)
        for image in read_protocol_images(options.data):
            figures = attention_figures(net, make_case(image, header.config.scale, rounded=False))
            for name, values in figures.items():
                span = 1.0 if name.endswith("attention") else float(values.max())
                levels = np.clip(values.numpy() * (255 / max(span, 1e-9)), 0, 255).astype(np.uint8)
                coloured = cv2.applyColorMap(levels, cv2.COLORMAP_VIRIDIS)
                cv2.imwrite(str(options.out / f"{image.name}_{name}.png"), coloured)
    except PagnetError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
