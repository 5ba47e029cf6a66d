"""Write what every shipped network makes of one small rendered frame: ``python tests/training/make_golden.py``.

Run it when weights are exported anew, and only then: `test_zoo.py` compares with these files.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from pagnet_ros.core.depth import pick_pixels
from pagnet_ros.model.surface_network import SurfaceNetwork, choose_surfaces
from pagnet_ros.model.surfaces import as_range_of_one
from pagnet_ros.model.weights import load_weights
from pagnet_ros.model.zoo import zoo, zoo_path
from pagnet_ros.sensors.camera import PinholeCamera
from pagnet_ros.simulation.render import Renderer
from pagnet_ros.simulation.scene import Scene
from pagnet_training.protocol import Case, ProtocolImage, make_case, network_upsampler

FOLDER = Path(__file__).parent / "golden"
FRAME = FOLDER / "frame.npz"


def render_frame() -> ProtocolImage:
    """A small cluttered scene as colour and disparity in whole levels."""
    frame = Renderer(Scene.random(31, "tabletop"))(PinholeCamera.from_fov(192, 128))
    disparity = 1 / frame.depth_m
    levels = 40 + 180 * (disparity - disparity.min()) / (disparity.max() - disparity.min())
    return ProtocolImage("golden", frame.rgb, np.round(levels).astype(np.float32))


def load_frame() -> ProtocolImage:
    """The stored frame, so that a change of the renderer does not change what the networks are compared on."""
    with np.load(FRAME, allow_pickle=False) as content:
        return ProtocolImage("golden", content["rgb"], content["disparity"].astype(np.float32))


def run_shipped(name: str) -> tuple[Case | None, np.ndarray]:
    """The case of a shipped network's scale, and its output in levels; of one that chooses surfaces, in metres."""
    net, header = load_weights(zoo_path(name))
    if isinstance(net, SurfaceNetwork):
        return None, _run_surfaces(net)
    case = make_case(load_frame(), header.config.scale, rounded=False)
    return case, network_upsampler(net)(case.low, case.rgb, header.config.scale)


def _run_surfaces(net: SurfaceNetwork) -> np.ndarray:
    """The frame's disparity as depth from 0.9 to 5 metres, made coarser by picking pixels, a hole in it."""
    frame = load_frame()
    high = torch.from_numpy(200.0 / frame.disparity)[None, None]
    low = pick_pixels(high, (high.shape[-2] // net.scale, high.shape[-1] // net.scale))
    low[..., 2:4, 3:6] = 0.0
    rgb = as_range_of_one(torch.from_numpy(frame.rgb).permute(2, 0, 1)[None])
    with torch.inference_mode():
        return choose_surfaces(net, low, low > 0, rgb, rgb, (0.0, math.inf)).depth[0, 0].numpy()


def main() -> None:
    """Write every file."""
    torch.set_num_threads(1)
    FOLDER.mkdir(exist_ok=True)
    if not FRAME.exists():
        image = render_frame()
        np.savez_compressed(FRAME, rgb=image.rgb, disparity=image.disparity.astype(np.uint8))
    for name in zoo():
        _, result = run_shipped(name)
        np.savez_compressed(FOLDER / f"{name}.npz", levels=result[::4, ::4].astype(np.float32))


if __name__ == "__main__":
    main()
