"""Rendered recordings with everything known: scene seed -> frames with exact depth, colour, pose and what light meets.

Seeds from `HELD_OUT` on belong to the judges (recovery, restoration): nothing is developed or trained on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.sensors import PinholeCamera, SensorMemory, SensorProfile, sense
from pagnet_ros.simulation import LookAround, RenderedFrame, Renderer, Scene
from pagnet_ros.system.units import NS_PER_S

HELD_OUT = 700_000

Image = NDArray[np.float32]


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
    """

    seed: int
    style: str = "mixed"
    size: tuple[int, int] = (240, 320)
    frames: int = 40
    moving: bool = True
    hz: float = 30.0

    @property
    def camera(self) -> PinholeCamera:
        """The camera of every frame, 60 degrees wide."""
        return PinholeCamera.from_fov(self.size[1], self.size[0], 60.0)


class TrueFrame(NamedTuple):
    """One frame before any sensor has seen it; images are ``[H, W]`` float32 but for colour.

    Attributes:
        stamp_ns: time of the frame.
        rgb: ``[H, W, 3]`` uint8.
        depth_m: along the optical axis, NaN where nothing is hit.
        albedo: reflectivity, 0 to 1.
        cos_incidence: cosine between ray and surface normal, 0 to 1.
        pose: ``[4, 4]`` float64 camera-to-world.
        camera: its intrinsics.
    """

    stamp_ns: int
    rgb: NDArray[np.uint8]
    depth_m: Image
    albedo: Image
    cos_incidence: Image
    pose: NDArray[np.float64]
    camera: PinholeCamera

    @classmethod
    def of(cls, frame: RenderedFrame, pose: NDArray[np.float64], stamp_ns: int = 0) -> TrueFrame:
        """A rendered frame, and from where it was seen."""
        return cls(stamp_ns, frame.rgb, frame.depth_m, frame.albedo, frame.cos_incidence, pose, frame.camera)

    @property
    def brightness(self) -> Image:
        """Mean of red, green and blue, 0 to 1."""
        return np.asarray(self.rgb.mean(axis=2, dtype=np.float32) / np.float32(255), np.float32)

    def seen(self, profile: SensorProfile, seed: int, factor: int = 1, memory: SensorMemory | None = None) -> Image:
        """Depth as a sensor delivers it, see `pagnet_ros.sensors.sense`; metres, NaN where it delivers nothing."""
        return sense(
            self.depth_m, self.camera, profile, seed, factor=factor, albedo=self.albedo,
            cos_incidence=self.cos_incidence, brightness=self.brightness, memory=memory,
        )  # fmt: skip


def true_frames(plan: SequencePlan) -> Iterator[TrueFrame]:
    """Render a sequence frame by frame; the same plan gives the same frames."""
    scene = Scene.random(plan.seed, plan.style)
    path = LookAround.around(scene, seed=plan.seed)
    renderer = Renderer(scene)
    for index in range(plan.frames):
        pose = path.pose_at(index / plan.hz if plan.moving else 0.0)
        frame = renderer(plan.camera, pose, noise_seed=index)
        yield TrueFrame.of(frame, pose, round((index + 1) * NS_PER_S / plan.hz))
