"""What is measured: networks by name, each on an engine, and a frame for them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from pagnet_ros.errors import DeviceError
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import Bicubic, PagNet
from pagnet_ros.model.surface_network import SurfaceNetwork, choose_surfaces
from pagnet_ros.model.weights import WeightsHeader, build_network, load_weights
from pagnet_ros.model.zoo import weights_file
from pagnet_ros.runtime.devices import PRECISIONS
from pagnet_ros.runtime.engine import Engine
from pagnet_ros.runtime.export_onnx import MOST_DIFFERENT, export_onnx
from pagnet_ros.runtime.onnx import OnnxNetwork
from pagnet_ros.sensors import PROFILES, PinholeCamera, sense, to_millimetres
from pagnet_ros.simulation import Renderer, Scene
from pagnet_training.roofline import Need, need_of

WAYS = {
    "cpu": ("native", "eager", "plain", "compiled", "onnx"),
    "cuda": ("graph", "compiled", "eager", "plain", "onnx"),
}
"""The engine's backends and, to compare with, ``plain``: torch as it comes, float32 in NCHW layout."""
FAMILIES: dict[str, Callable[[int], ModelConfig]] = {
    "paper": ModelConfig.paper,
    "full": ModelConfig.full,
    "mid": ModelConfig.mid,
    "rt": ModelConfig.rt,
    "fast": ModelConfig.fast,
    "wide": ModelConfig.wide,
}


def size_named(text: str) -> tuple[int, int]:
    """``640x480`` -> width and height.

    Raises:
        ValueError: not of that form.
    """
    width, height = (int(side) for side in text.split("x"))
    return width, height


def network_named(name: str) -> tuple[PagNet | SurfaceNetwork | Bicubic, WeightsHeader]:
    """A shipped network, a weights file, or ``full-x4`` and the like: a family's shape with random weights.

    ``bicubic-x4`` and the like are the baseline; of its header only the scale counts.
    """
    random = re.fullmatch(r"(\w+)-x(2|4|8|16)", name)
    if random and random[1] == "bicubic":
        return Bicubic(int(random[2])), WeightsHeader(name, ModelConfig(scale=int(random[2])))
    if random and random[1] in FAMILIES:
        torch.manual_seed(0)
        config = FAMILIES[random[1]](int(random[2]))
        network = build_network(config)
        nn.init.normal_(network.head.weight, std=0.01)  # a residual head starts at zero, and would hide every error
        return network.eval(), WeightsHeader(name, config)
    return load_weights(weights_file(name))


def need_named(name: str, low_size: tuple[int, int]) -> Need:
    """Operations and bytes of one frame of a network; bicubic takes 16 products for each pixel."""
    network, header = network_named(name)
    if isinstance(network, PagNet | SurfaceNetwork):
        return need_of(header.config, low_size)
    low, high = low_size[0] * low_size[1], low_size[0] * low_size[1] * network.scale**2
    return Need(2 * 16 * high / 1e9, low + high)


class PlainNetwork:
    """A network as torch runs it untouched, whatever the engine would do to it."""

    backend, precision, fallback_reason = "plain", "fp32", ""

    def __init__(self, network: PagNet | SurfaceNetwork | Bicubic) -> None:
        """Keep the network."""
        self.scale, self.chooses = network.scale, isinstance(network, SurfaceNetwork)
        self._network = network

    def on(self, device: torch.device, stream: int = 0) -> Callable[..., Any]:
        """The network as a function, see `pagnet_ros.runtime.onnx.OnnxNetwork.on`."""
        moved = self._network.eval().requires_grad_(False).to(device)
        return partial(choose_surfaces, moved) if isinstance(moved, SurfaceNetwork) else moved


def make_engine(name: str, way: str, precision: str, device: str, size: tuple[int, int] | None = None) -> Engine:
    """An engine that runs one network in one way; `size` is the output's, where an ONNX file has to know it.

    Raises:
        DeviceError: that way does not exist here, or not in this precision.
    """
    if precision not in {"plain": ("fp32",), "onnx": MOST_DIFFERENT}.get(way, PRECISIONS):
        raise DeviceError(f"{way} does not run in {precision}")
    network, header = network_named(name)
    prepared: Any = deepcopy(network)
    if way == "plain":
        prepared = PlainNetwork(network)
    elif way == "onnx":
        if isinstance(network, Bicubic):
            raise DeviceError(f"{name} is not exported to ONNX")
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "network.onnx"
            export_onnx(network, header, path, size if isinstance(network, SurfaceNetwork) else None, precision)
            prepared = OnnxNetwork(path)
            return Engine(prepared, device, precision)  # reads the file once more
    return Engine(prepared, device, precision, "auto" if way == "plain" else way)


def frame(size: tuple[int, int], scale: int) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """A simulated camera's depth and colour of ``(width, height)``, cut to multiples of the scale."""
    camera = PinholeCamera.from_fov(*size)
    seen = Renderer(Scene.random(7, "room"))(camera)
    coarse = sense(
        seen.depth_m, camera, PROFILES["tof"], 0, factor=scale, albedo=seen.albedo, cos_incidence=seen.cos_incidence
    )
    return to_millimetres(coarse), seen.rgb[: size[1] // scale * scale, : size[0] // scale * scale].copy()
