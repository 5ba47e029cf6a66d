"""Sensors whose parameters are known, and recordings of held-out scenes made with them: what a fit is judged by.

Five profiles that differ in kind: noise constant, quadratic, quantised, of free form, persistent; holes anywhere, at
edges, in shadows, on dark or slanted surfaces. Each is simulated in two ways: by `pagnet_ros.simulation.sense`, whose
form the fit assumes, and by `independent_sensor`, which shares only the size of the noise and the probability of holes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pagnet_ros.recordings.frames import RecordedFrame
from pagnet_ros.sensors import (
    SensorMemory,
    SensorProfile,
    axial_sigma,
    missing_probability,
    structured_light_shadow,
    to_millimetres,
)
from pagnet_ros.sensors.curves import on_curve
from pagnet_training.sensors.images import edge_mask
from studies.independent_sensor import FAMILIES, KERNELS, SHAPES, IndependentSensor, Manner
from studies.regions import distance_to
from studies.sequences import HELD_OUT, SequencePlan, TrueFrame, true_frames

Image = NDArray[np.float32]
STYLES = ("room", "clutter", "tabletop")
FIRST_SEED = HELD_OUT + 20_000
POSE_NOISE_RAD = 0.0005
POSE_NOISE_M = 0.001

KNOWN: tuple[SensorProfile, ...] = (
    SensorProfile(
        "constant",
        min_range_m=0.2,
        max_range_m=8.0,
        noise_floor_m=0.004,
        depth_step_m=0.001,
        missing=0.04,
        hole_size_px=1.0,
    ),
    SensorProfile(
        "stereo",
        reduction="nearest",
        min_range_m=0.3,
        max_range_m=8.0,
        noise_floor_m=0.001,
        noise_quadratic_per_m=0.0022,
        noise_correlation_px=1.0,
        lateral_px=0.4,
        depth_step_m=0.001,
        missing=0.01,
        missing_far=0.25,
        missing_edge_curve=((0.0, 0.6), (1.0, 0.4), (2.0, 0.2), (4.0, 0.0)),
        hole_size_px=2.0,
    ),
    SensorProfile(
        "structured light",
        reduction="nearest",
        min_range_m=0.4,
        max_range_m=6.0,
        noise_floor_m=0.002,
        noise_quadratic_per_m=0.0024,
        noise_z0_m=0.3,
        noise_correlation_px=0.7,
        noise_persistence=0.3,
        noise_fixed=0.2,
        lateral_px=0.5,
        depth_step_m=0.001,
        disparity_step_px=0.125,
        shadow_side="left",
        missing=0.01,
        missing_far=0.15,
        missing_brightness_curve=((0.0, 0.3), (0.15, 0.05), (0.3, 0.0)),
        missing_edge=0.3,
        edge_width_px=1.0,
        hole_size_px=2.0,
        hole_persistence=0.8,
    ),
    SensorProfile(
        "time of flight",
        min_range_m=0.2,
        max_range_m=7.0,
        noise_range_curve=((0.5, 0.003), (1.5, 0.005), (3.0, 0.013), (5.0, 0.030), (7.0, 0.055)),
        noise_brightness_curve=((0.0, 2.2), (0.3, 1.2), (0.6, 0.9), (1.0, 0.8)),
        depth_step_m=0.001,
        flying=0.7,
        footprint_px=0.5,
        missing_range_curve=((0.5, 0.0), (3.0, 0.03), (7.0, 0.2)),
        missing_brightness_curve=((0.0, 0.25), (0.2, 0.06), (0.5, 0.0)),
        missing_angle_curve=((0.0, 0.0), (0.9, 0.02), (1.4, 0.3)),
        hole_size_px=0.8,
        hole_persistence=0.5,
    ),
    SensorProfile(
        "persistent",
        reduction="nearest",
        min_range_m=0.3,
        max_range_m=9.0,
        noise_floor_m=0.003,
        noise_quadratic_per_m=0.0012,
        noise_tail=0.08,
        noise_correlation_px=1.5,
        noise_persistence=0.5,
        depth_step_m=0.001,
        missing_range_curve=((0.3, 0.15), (1.0, 0.03), (4.0, 0.06), (8.0, 0.3)),
        missing_edge_curve=((0.0, 0.5), (2.0, 0.25), (5.0, 0.0)),
        hole_size_px=3.0,
        hole_persistence=0.9,
    ),
)


@dataclass(frozen=True)
class Recording:
    """A recording made by a known sensor.

    Attributes:
        profile: the sensor.
        plan: the scene and the camera's path.
        manner: how the independent simulator goes about it; None for the profile's own simulator.
    """

    profile: SensorProfile
    plan: SequencePlan
    manner: Manner | None

    @property
    def name(self) -> str:
        """For tables."""
        kind = "profile" if self.manner is None else f"{self.manner.family}, {self.manner.shape}"
        motion = "moving" if self.plan.moving else "still"
        return f"{self.profile.name}, seed {self.plan.seed} ({self.plan.style}, {motion}), {kind}"

    def frames(self) -> Iterator[RecordedFrame]:
        """What a recorder would have stored: millimetres, colour, intrinsics, poses (inexact in the second way)."""
        memory, dice = SensorMemory(), np.random.default_rng([self.plan.seed, 5])
        other = IndependentSensor(self.manner, self.plan.seed) if self.manner else None
        for index, frame in enumerate(true_frames(self.plan)):
            pose = frame.pose
            if other is not None:
                depth = np.where(in_range(self.profile, frame), frame.depth_m, np.float32(np.nan))
                seen = other.observe(depth, sigma_map(self.profile, frame), missing_map(self.profile, frame))
                pose = pose @ _small_motion(dice) if self.plan.moving else pose
            else:
                seen = frame.seen(self.profile, self.plan.seed * 1000 + index, memory=memory)
            yield RecordedFrame(
                name=f"{index:06d}",
                stamp_ns=frame.stamp_ns,
                color_stamp_ns=frame.stamp_ns,
                depth=to_millimetres(seen),
                rgb=frame.rgb,
                intrinsics=self.plan.camera.matrix,
                pose=pose,
            )


def _small_motion(dice: np.random.Generator) -> NDArray[np.float64]:
    """What an estimated pose may be off by: half a milliradian and a millimetre per axis."""
    motion = np.eye(4)
    motion[:3, :3] = cv2.Rodrigues(dice.normal(0, POSE_NOISE_RAD, 3))[0]
    motion[:3, 3] = dice.normal(0, POSE_NOISE_M, 3)
    return motion


def recordings(
    seeds: int = 3,
    frames: int = 40,
    size: tuple[int, int] = (240, 320),
    *,
    independent: bool,
    first_seed: int = FIRST_SEED,
) -> list[Recording]:
    """Every known profile with so many scenes; the first of each is seen by a camera that stands still."""
    made = []
    for number, profile in enumerate(KNOWN):
        for seed in range(seeds):
            style = STYLES[(number + seed) % len(STYLES)]
            plan = SequencePlan(first_seed + 100 * number + seed, style, size, frames, moving=seed > 0)
            kind = (number + seed) % 3
            manner = Manner(
                FAMILIES[kind],
                KERNELS[(number + 2 * seed) % 3],
                frames_averaged=1 + number % 2,
                shape=SHAPES[(2 * number + seed) % 3],
                hole_size_px=5.0 + 2.0 * kind,
            )
            made.append(Recording(profile, plan, manner if independent else None))
    return made


def sigma_map(profile: SensorProfile, frame: TrueFrame) -> Image:
    """``[H, W]`` standard deviation of the noise that a profile gives a frame, metres."""
    return np.asarray(axial_sigma(profile, *_conditions(frame)).numpy(), np.float32)


def missing_map(profile: SensorProfile, frame: TrueFrame) -> Image:
    """``[H, W]`` probability that a pixel in range is missing; edges count by Euclidean distance."""
    chance = missing_probability(profile, *_conditions(frame)).numpy()
    distance = distance_to(edge_mask(frame.depth_m, profile.edge_jump))
    curve = profile.missing_edge_curve
    if not curve and profile.missing_edge > 0:
        curve = ((0.0, profile.missing_edge), (profile.edge_width_px, profile.missing_edge))
    if curve:
        at_edge = on_curve(curve, torch.from_numpy(distance)).numpy()
        chance = np.maximum(chance, np.where(distance <= curve[-1][0], at_edge, 0))
    if profile.shadow_side != "none":
        depth = torch.from_numpy(np.ascontiguousarray(frame.depth_m))[None]
        dark = structured_light_shadow(depth, frame.camera.fx, profile.baseline_m, profile.shadow_side)[0].numpy()
        chance = np.where(dark, np.float32(1.0), chance)
    return np.asarray(chance, np.float32)


def in_range(profile: SensorProfile, frame: TrueFrame) -> NDArray[np.bool_]:
    """``[H, W]`` whether the sensor reports such depths at all."""
    return (frame.depth_m >= profile.min_range_m) & (frame.depth_m <= profile.max_range_m)


def _conditions(frame: TrueFrame) -> tuple[torch.Tensor, ...]:
    maps = (frame.depth_m, frame.albedo, frame.cos_incidence, frame.brightness)
    return tuple(torch.from_numpy(np.ascontiguousarray(values)) for values in maps)
