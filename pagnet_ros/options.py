"""What a user sets of the up-sampler: what counts as measured, what to believe, how depth comes to lie on colour."""

from __future__ import annotations

from dataclasses import dataclass

from pagnet_ros.core import validity
from pagnet_ros.core.registration.setting import RegistrationSetting
from pagnet_ros.errors import ConfigError
from pagnet_ros.runtime.engine import FrameLimits

__all__ = ["UpsamplerOptions"]


@dataclass(frozen=True)
class UpsamplerOptions(validity.TrustOptions):
    """What counts as measured, and what to believe of the result (`TrustOptions`).

    Range limits and noise apply to metric depth only: uint16 input, and float32 input where `metric` is set.

    Attributes:
        metric: float32 input is in metres.
        min_depth_m: nearer measurements count as missing, metres, 0 to 100.
        max_depth_m: farther measurements count as missing, metres, above `min_depth_m`, to 1000.
        noise_per_m: the sensor's standard deviation is ``noise_floor_m + noise_per_m * z**2`` metres, 0 to 0.1 per
            metre; where the measurement is finer than the network's input, the result is held to it within this. The
            default is the Kinect's (Khoshelham and Elberink 2012).
        noise_floor_m: its constant part, metres, 0 to 1.
        registration: how depth comes to lie on the colour image: ``auto`` estimates the offset from the frames and
            mends it where it is beyond doubt, ``none`` leaves depth where it is, ``X,Y`` moves it by colour pixels.
        known_offset: where ``auto`` begins: ``(x, y)`` as shares of the colour image's width, -1 to 1.
    """

    metric: bool = False
    min_depth_m: float = 0.1
    max_depth_m: float = 10.0
    noise_per_m: float = 0.001425
    noise_floor_m: float = 0.0
    registration: str = "auto"
    known_offset: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        """Check every field; raise one `ConfigError` that lists all problems."""
        problems = []
        try:
            RegistrationSetting.parse(self.registration)
        except ConfigError as error:
            problems.append(str(error))
        known: object = self.known_offset
        if not isinstance(known, tuple) or len(known) != 2 or not all(validity.within(share, -1, 1) for share in known):
            problems.append(f"known_offset={known!r}, expected two numbers from -1 to 1")
        try:
            super().__post_init__()
        except ConfigError as error:
            problems.append(str(error))
        if not validity.is_flag(self.metric):
            problems.append(f"metric={self.metric!r}, expected true or false")
        if not validity.within(self.min_depth_m, 0, 100):
            problems.append(f"min_depth_m={self.min_depth_m!r}, expected 0 to 100")
        elif not validity.within(self.max_depth_m, self.min_depth_m, 1000) or self.max_depth_m == self.min_depth_m:
            problems.append(f"max_depth_m={self.max_depth_m!r}, expected above min_depth_m={self.min_depth_m} to 1000")
        if not validity.within(self.noise_per_m, 0, 0.1):
            problems.append(f"noise_per_m={self.noise_per_m!r}, expected 0 to 0.1")
        if not validity.within(self.noise_floor_m, 0, 1):
            problems.append(f"noise_floor_m={self.noise_floor_m!r}, expected 0 to 1")
        if problems:
            raise ConfigError("upsampler options: " + "; ".join(problems))

    def limits(self, metric: bool) -> FrameLimits:
        """The limits of a frame, metric or of an unknown unit."""
        if metric:
            return FrameLimits(self.min_depth_m, self.max_depth_m, self.noise_per_m, self.noise_floor_m)
        return FrameLimits(0.0, float("inf"), 0.0)
