"""What a user sets of the up-sampler: what counts as measured, what is published, how depth comes to lie on colour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pagnet_ros.core.alignment.offset import offset_px
from pagnet_ros.core.validity import ValidityOptions
from pagnet_ros.errors import ConfigError
from pagnet_ros.runtime.frame_settings import FrameLimits
from pagnet_ros.system.settings import setting

_NEAREST_M = 1e-4  # what is nearer than any camera measures is too near even where everything counts: REP 117's -inf


@dataclass(frozen=True)
class UpsamplerOptions(ValidityOptions):
    """What counts as measured, and which depth is published (`ValidityOptions`).

    Each field made by `setting` is a live parameter of the node, too. Range limits and noise apply to metric depth
    only: uint16 input, and float32 input where `metric` is set.

    Attributes:
        metric: float32 input is in metres.
        depth_unit_m: metres per count of uint16 depth; 0.001 is REP 118's millimetre, some cameras count in 0.0001.
        noise_floor_m: constant part of the sensor's standard deviation, metres, 0 to 1: it is ``noise_floor_m +
            noise_per_m * z**2``. Where the measurement is finer than the network's input, the result is held to it
            within this. The default of `noise_per_m` is the Kinect's (Khoshelham and Elberink 2012).
        known_offset: the alignment offset that the sensor profile tells, ``(x, y)`` as shares of the colour image's
            width, -1 to 1; used where `registration` is ``sensor``.

    Raises:
        ConfigError: values out of range; all problems in one message.
    """

    depth_unit_m: float = setting(0.001, "metres per count of 16UC1 depth", low=1e-6, high=1, live=True)
    min_depth_m: float = setting(0.1, "nearest depth that counts as measured, m", low=0, high=100, live=True)
    max_depth_m: float = setting(10.0, "farthest depth that counts as measured, m", low=0, high=1000, live=True)
    noise_per_m: float = setting(
        0.001425, "the sensor's standard deviation is this times depth squared, 1/m", low=0, high=0.1, live=True
    )
    registration: str = setting(
        "none",
        "how depth is moved to lie on colour: none, an offset X,Y in colour px, or sensor (the offset of its profile)",
        live=True,
    )
    metric: bool = False
    noise_floor_m: float = 0.0
    known_offset: tuple[float, float] = (0.0, 0.0)

    def conflicts(self) -> Iterator[str]:
        """What does not fit together."""
        if not self.min_depth_m < self.max_depth_m:
            yield (
                f"min_depth_m = {self.min_depth_m:g} and max_depth_m = {self.max_depth_m:g}; expected min_depth_m "
                "below max_depth_m"
            )
        if not 0 <= self.noise_floor_m <= 1:
            yield f"noise_floor_m = {self.noise_floor_m!r} is out of range; expected 0 to 1"
        if len(self.known_offset) != 2 or not all(-1 <= share <= 1 for share in self.known_offset):
            yield f"known_offset = {self.known_offset!r}; expected two numbers from -1 to 1"
        try:
            offset_px(self.registration, (0.0, 0.0), 1)
        except ConfigError as error:
            yield str(error)

    def limits(self, metric: bool) -> FrameLimits:
        """The limits of a frame, metric or of an unknown unit."""
        if metric:
            nearest = max(self.min_depth_m, _NEAREST_M)
            return FrameLimits(nearest, self.max_depth_m, self.noise_per_m, self.noise_floor_m)
        return FrameLimits(0.0, float("inf"), 0.0)
