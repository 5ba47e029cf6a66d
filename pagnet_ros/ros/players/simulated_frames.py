"""The frames of a simulated camera: rendered as they are needed, or a loop of them rendered beforehand.

Pure (no ROS): options in, frames out. Data flows scene -> renderer -> depth sensor -> `SimulatedFrame`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors import PinholeCamera, SensorMemory, load_profile, sense, to_millimetres
from pagnet_ros.simulation import STYLES, LookAround, Renderer, Scene
from pagnet_ros.system.settings import Settings, setting

LIVE_SHARE = 0.6
MAX_LOOP_BYTES = 2 << 30


@dataclass(frozen=True)
class SimulatedCameraOptions(Settings):
    """What the simulated camera shows, and what goes wrong with it; each field is a ROS parameter.

    Raises:
        ConfigError: Everything that does not fit, in one message.
    """

    seed: int = setting(1, "which scene", low=0, high=2**31 - 1)
    style: str = setting("tabletop", "kind of scene", choices=STYLES)
    width: int = setting(640, "colour image width, px", low=16, high=8192)
    height: int = setting(480, "colour image height, px", low=16, high=8192)
    hfov_deg: float = setting(62.0, "horizontal field of view, degrees", low=10.0, high=150.0)
    scale: int = setting(4, "colour pixels per depth pixel", low=1, high=32)
    sensor: str = setting("tof", "depth sensor profile: shipped name or YAML path")
    depth_encoding: str = setting("16UC1", "millimetres, or metres", choices=("16UC1", "32FC1"))
    rate_hz: float = setting(15.0, "frames per second", low=0.1, high=240.0)
    loop_s: float = setting(4.0, "length of the loop where rendering is too slow for the rate, s", low=0.1, high=120.0)
    jitter_ms: float = setting(0.0, "largest random shift of each stamp, ms", low=0.0, high=1000.0)
    color_offset_ms: float = setting(
        0.0, "colour stamps are this much later than depth stamps, ms", low=-1000.0, high=1000.0
    )
    color_frame_id: str = setting("camera_color_optical_frame", "optical frame of the colour camera")
    depth_frame_id: str = setting("camera_color_optical_frame", "optical frame of the depth image")
    drop_rate: float = setting(0.0, "share of messages that get lost, each stream for itself", low=0.0, high=1.0)
    unplug_after_s: float = setting(0.0, "stop sending after this time, s; 0: never", low=0.0, high=1e6)
    replug_after_s: float = setting(0.0, "send again this long after that, s; 0: never", low=0.0, high=1e6)

    def conflicts(self) -> Iterator[str]:
        """What does not fit together."""
        try:
            load_profile(self.sensor)
        except ConfigError as error:
            yield f"sensor = {self.sensor!r}: {error}"
        if self.width % self.scale or self.height % self.scale:
            fits = [s for s in range(1, 33) if self.width % s == 0 and self.height % s == 0]
            yield f"scale = {self.scale} does not divide {self.width}x{self.height}; expected one of {fits}"
        if 2e-3 * self.jitter_ms >= 1.0 / self.rate_hz:
            most = 500.0 / self.rate_hz
            yield f"jitter_ms = {self.jitter_ms:g} at {self.rate_hz:g} Hz; expected less than {most:g}"


@dataclass(frozen=True)
class SimulatedFrame:
    """One frame.

    Attributes:
        depth: `[h, w]` uint16 millimetres (0 invalid) or float32 metres (NaN invalid): what the sensor delivers.
        rgb: `[H, W, 3]` uint8.
        truth_m: `[H, W]` float32 metres, NaN where the scene is empty.
    """

    depth: NDArray[np.uint16] | NDArray[np.float32]
    rgb: NDArray[np.uint8]
    truth_m: NDArray[np.float32]

    @property
    def nbytes(self) -> int:
        """Memory of the three arrays."""
        return self.depth.nbytes + self.rgb.nbytes + self.truth_m.nbytes


class SimulatedView:
    """A scene with an RGB-D camera in it that sways for ever.

    Attributes:
        color: Colour camera.
        depth: Depth camera, with the same view and larger pixels.
    """

    def __init__(self, options: SimulatedCameraOptions) -> None:
        scene = Scene.random(options.seed, options.style)
        self.color = PinholeCamera.from_fov(options.width, options.height, options.hfov_deg)
        self.depth = self.color.downscaled(options.scale)
        self._options = options
        self._renderer = Renderer(scene)
        self._path = LookAround.around(scene, seed=options.seed)
        self._profile = load_profile(options.sensor)
        self._memory = SensorMemory()
        self._next = 0

    def frame(self, number: int) -> SimulatedFrame:
        """Render frame `number` of a camera that never repeats itself; what persists does so from the one before."""
        if number != self._next:
            self._memory = SensorMemory()
        self._next = number + 1
        return self.frames_at(number / self._options.rate_hz, {number: self._memory})[0]

    def frames_at(self, time_s: float, numbers: Mapping[int, SensorMemory]) -> list[SimulatedFrame]:
        """Render one moment once, and sense it once per number (each with its own noise and state of the sensor)."""
        view = self._renderer(self.color, self._path.pose_at(time_s), noise_seed=min(numbers))
        frames = []
        for number, memory in numbers.items():
            depth = sense(
                view.depth_m, self.color, self._profile, self._options.seed * 1_000_003 + number,
                factor=self._options.scale, albedo=view.albedo, cos_incidence=view.cos_incidence,
                brightness=view.rgb.mean(axis=2, dtype=np.float32) / np.float32(255), memory=memory,
            )  # fmt: skip
            stored = to_millimetres(depth) if self._options.depth_encoding == "16UC1" else depth
            frames.append(SimulatedFrame(stored, view.rgb, view.depth_m))
        return frames

    def seconds_per_frame(self) -> float:
        """Measure how long a frame takes; the first one, which also fills caches, does not count."""
        self.frame(0)
        begin = time.perf_counter()
        self.frame(1)
        return time.perf_counter() - begin

    def is_fast_enough(self, seconds_per_frame: float) -> bool:
        """Whether rendering leaves enough of each period for everything else on the machine."""
        return seconds_per_frame <= LIVE_SHARE / self._options.rate_hz

    def loop_length(self) -> int:
        """Frames of the loop: even, at least 2, no more than memory should hold."""
        o = self._options
        bytes_per_view = o.width * o.height * (3 + 4) + 2 * 4 * (o.width // o.scale) * (o.height // o.scale)
        most = max(MAX_LOOP_BYTES // bytes_per_view, 1)
        return 2 * max(1, min(round(o.loop_s * o.rate_hz / 2), most))


def loop_of_frames(view: SimulatedView, stopped: Callable[[], bool]) -> list[SimulatedFrame]:
    """Render a closed loop: the camera swings along a piece of its path and back, without a jerk at the ends.

    Frame k and frame N - k see the same view, so N frames cost N / 2 + 1 renderings; the sensor's noise differs: what
    persists does so along the way there and, as it has no direction in time, from the end of the way back. Fewer frames
    come if stopped between two.
    """
    count = view.loop_length()
    half_s = count / view._options.rate_hz / 2
    there = SensorMemory()
    back = SensorMemory(there)
    frames: dict[int, SimulatedFrame] = {}
    for k in range(count // 2 + 1):
        if stopped():
            break
        numbers = {k: there} if k in (0, count // 2) else {k: there, count - k: back}
        time_s = half_s * (1 - math.cos(2 * math.pi * k / count)) / 2
        frames.update(zip(numbers, view.frames_at(time_s, numbers), strict=True))
    return [frames[k] for k in sorted(frames)]


def endless(view: SimulatedView, stopped: Callable[[], bool]) -> Iterator[SimulatedFrame]:
    """Frames rendered one after the other, for ever."""
    number = 0
    while not stopped():
        yield view.frame(number)
        number += 1
