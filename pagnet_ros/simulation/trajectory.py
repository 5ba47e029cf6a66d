"""A camera that moves smoothly and for ever: the pose as an analytic function of time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors.camera import FloatArray, look_at
from pagnet_ros.simulation.scene import Scene


@dataclass(frozen=True)
class LookAround:
    """A Lissajous sway around a viewpoint while the gaze wanders around a target.

    Attributes:
        eye: Middle of the camera's path [3], world metres.
        target: Middle of the gaze [3], world metres.
        sway_m: Amplitude of the camera's position [3], metres, in world axes.
        gaze_m: Amplitude of the gaze point [3], metres.
        period_s: Time of the slowest component, seconds, > 0.
        seed: Determines frequencies and phases.
    """

    eye: tuple[float, float, float]
    target: tuple[float, float, float]
    sway_m: tuple[float, float, float] = (0.25, 0.12, 0.08)
    gaze_m: tuple[float, float, float] = (0.5, 0.0, 0.2)
    period_s: float = 20.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.period_s) and self.period_s > 0):
            raise ConfigError(
                f"trajectory period is {self.period_s!r} s; expected a positive number of seconds; try 20"
            )

    @classmethod
    def around(cls, scene: Scene, *, seed: int = 0) -> LookAround:
        """A path around a scene's own viewpoint, scaled to the distance of what it looks at."""
        eye, target = scene.viewpoint[:3, 3], scene.look_target
        reach = float(np.linalg.norm(target - eye))
        ex, ey, ez = (float(value) for value in eye)
        tx, ty, tz = (float(value) for value in target)
        return cls(
            eye=(ex, ey, ez),
            target=(tx, ty, tz),
            sway_m=(0.10 * reach, 0.04 * reach, 0.03 * reach),
            gaze_m=(0.16 * reach, 0.0, 0.05 * reach),
            seed=seed,
        )

    def pose_at(self, t_s: float) -> FloatArray:
        """World-from-camera matrix [4, 4] at a time in seconds (any finite number).

        Raises:
            ConfigError: The time is not finite.
        """
        if not math.isfinite(t_s):
            raise ConfigError(f"time is {t_s!r}; expected finite seconds; check the clock that it was taken from")
        rng = np.random.default_rng([self.seed, 40487])
        rate = 2 * math.pi / self.period_s * np.array([1, 2, 3, 2, 1, 3]) * rng.choice([-1.0, 1.0], 6)
        wave = np.sin(rate * t_s + rng.uniform(0, 2 * math.pi, 6))
        eye = np.asarray(self.eye) + wave[:3] * self.sway_m
        target = np.asarray(self.target) + wave[3:] * self.gaze_m
        return look_at(eye, target)
