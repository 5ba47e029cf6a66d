"""Rendered recordings with everything known: scene seed -> frames with exact depth, colour, pose and what light meets.

Seeds from `HELD_OUT` on belong to the judges (recovery, restoration): nothing is developed or trained on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors import PinholeCamera
from pagnet_ros.simulation import STYLES, LookAround, Renderer, Scene
from pagnet_ros.system.units import NS_PER_S

__all__ = ["HELD_OUT", "SequencePlan", "TrueFrame", "true_frames"]

HELD_OUT = 700_000


@dataclass(frozen=True)
class SequencePlan:
    """What to render.

    Attributes:
        seed: scene and camera path, >= 0; from `HELD_OUT` on for everything that judges.
        style: a style of `Scene.random`, or ``mixed``.
        size: ``(height, width)`` in pixels, even sides of at least 16.
        frames: how many, >= 1.
        moving: whether the camera moves; else it stands still.
        hz: frames per second, > 0.
        hfov_deg: horizontal field of view.
    """

    seed: int
    style: str = "mixed"
    size: tuple[int, int] = (240, 320)
    frames: int = 40
    moving: bool = True
    hz: float = 30.0
    hfov_deg: float = 60.0

    def __post_init__(self) -> None:
        """Check every field; raise one `ConfigError` that lists all problems."""
        problems = []
        if self.seed < 0:
            problems.append(f"seed={self.seed!r}, expected 0 or more")
        if self.style not in STYLES:
            problems.append(f"style={self.style!r}, expected one of {', '.join(STYLES)}")
        if min(self.size) < 16:
            problems.append(f"size={self.size!r}, expected sides of at least 16 pixels")
        if self.frames < 1:
            problems.append(f"frames={self.frames!r}, expected 1 or more")
        if not self.hz > 0:
            problems.append(f"hz={self.hz!r}, expected more than 0")
        if problems:
            raise ConfigError("rendered sequence: " + "; ".join(problems))

    @property
    def camera(self) -> PinholeCamera:
        """The camera of every frame."""
        return PinholeCamera.from_fov(self.size[1], self.size[0], self.hfov_deg)


class TrueFrame(NamedTuple):
    """One frame before any sensor has seen it.

    Attributes:
        stamp_ns: time of the frame.
        rgb: ``[H, W, 3]`` uint8.
        depth_m: ``[H, W]`` float32 along the optical axis, NaN where nothing is hit.
        albedo: ``[H, W]`` float32 reflectivity, 0 to 1.
        cos_incidence: ``[H, W]`` float32 cosine between ray and surface normal, 0 to 1.
        pose: ``[4, 4]`` float64 camera-to-world.
    """

    stamp_ns: int
    rgb: NDArray[np.uint8]
    depth_m: NDArray[np.float32]
    albedo: NDArray[np.float32]
    cos_incidence: NDArray[np.float32]
    pose: NDArray[np.float64]


def true_frames(plan: SequencePlan) -> Iterator[TrueFrame]:
    """Render a sequence frame by frame; the same plan gives the same frames."""
    scene = Scene.random(plan.seed, plan.style)
    path = LookAround.around(scene, seed=plan.seed)
    renderer = Renderer(scene)
    for index in range(plan.frames):
        pose = path.pose_at(index / plan.hz if plan.moving else 0.0)
        frame = renderer(plan.camera, pose, noise_seed=index)
        stamp_ns = round((index + 1) * NS_PER_S / plan.hz)
        yield TrueFrame(stamp_ns, frame.rgb, frame.depth_m, frame.albedo, frame.cos_incidence, pose)
