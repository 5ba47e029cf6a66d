"""What a style decides of a scene, and how every style ends: camera, lights and colour camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pagnet_ros.sensors.camera import FloatArray, look_at
from pagnet_ros.simulation import palette
from pagnet_ros.simulation.palette import Rng
from pagnet_ros.simulation.shading import ColorOptics, Lighting
from pagnet_ros.simulation.surfaces import SurfaceBuilder, Surfaces


@dataclass(frozen=True)
class Layout:
    """What a style decides; ``Scene.random`` adds the names."""

    surfaces: Surfaces
    lighting: Lighting
    optics: ColorOptics
    viewpoint: FloatArray
    look_target: FloatArray


def finish(b: SurfaceBuilder, rng: Rng, eye: np.ndarray, target: np.ndarray, lamp: np.ndarray) -> Layout:
    """The built scene, seen from ``eye`` towards ``target`` and lit around ``lamp``, world points [3]."""
    pose = look_at(eye, target, rng.normal(0, 0.03))
    pose.setflags(write=False)
    target = np.array(target, dtype=np.float64)
    target.setflags(write=False)
    return Layout(b.build(), palette.lighting(rng, lamp, target), palette.optics(rng), pose, target)
