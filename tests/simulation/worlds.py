"""Small hand-made scenes with known answers."""

import numpy as np

from pagnet_ros.sensors import PinholeCamera
from pagnet_ros.simulation import Scene
from pagnet_ros.simulation.shading import ColorOptics, Lighting
from pagnet_ros.simulation.surfaces import Material, SurfaceBuilder

CAMERA = PinholeCamera(120.0, 120.0, 63.5, 47.5, 128, 96)
POSE = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])  # at the origin, looking along world y
GREY = Material(0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
QUIET = ColorOptics(blur_px=0.0, shot_noise=0.0, read_noise=0.0, vignette=0.0)
EVEN = Lighting(
    ambient=(0.5, 0.5, 0.5), sun=(0.3, 0.3, 0.3), sun_direction=(0.0, -0.8, 0.6), lamp=(0.0, 0.0, 0.0), shadows=False
)


def scene_of(builder: SurfaceBuilder, lighting: Lighting = EVEN, optics: ColorOptics = QUIET) -> Scene:
    """A scene around hand-placed surfaces, seen from ``POSE``."""
    return Scene(builder.build(), lighting, optics, POSE, np.array([0.0, 2.0, 0.0]), "hand-made", 0)


def slopes() -> tuple[np.ndarray, np.ndarray]:
    """Ray slopes x, y [96, 128] of ``CAMERA``."""
    v, u = np.mgrid[0:96, 0:128].astype(np.float64)
    return (u - CAMERA.cx) / CAMERA.fx, (v - CAMERA.cy) / CAMERA.fy
