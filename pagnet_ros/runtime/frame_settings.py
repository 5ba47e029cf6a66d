"""What a frame's computation depends on beside its images: the keys by which `pagnet_ros.runtime.engine` records.

A recording holds for all that its part of the computation reads, so each part is given only that: a change of a fill
policy must not record the network anew.
"""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import NamedTuple

from pagnet_ros.core.depth import WorkingSize
from pagnet_ros.core.validity import ValidityOptions


class FrameLimits(NamedTuple):
    """What bounds one frame's depth, in its unit.

    Attributes:
        minimum: smallest depth that counts as measured.
        maximum: largest depth that counts as measured.
        noise: the sensor's standard deviation is ``noise_floor + noise * depth**2`` (triangulation; Khoshelham and
            Elberink 2012).
        noise_floor: its constant part.
    """

    minimum: float
    maximum: float
    noise: float
    noise_floor: float = 0.0


class FrameSettings(NamedTuple):
    """Everything but its images that a frame's computation depends on."""

    size: WorkingSize
    rgb_size: tuple[int, int]
    limits: FrameLimits
    options: ValidityOptions


_UNREAD = float("nan")
"""Spoils every result that reads it after all; one object, so that two frames with it are equal."""


@lru_cache(maxsize=16)  # settings are checked as they are made, which would cost every frame a tenth of a millisecond
def for_network(frame: FrameSettings) -> FrameSettings:
    """Without what only the judgement of a result reads."""
    limits = FrameLimits(frame.limits.minimum, frame.limits.maximum, _UNREAD, _UNREAD)
    return frame._replace(limits=limits, options=ValidityOptions(estimate=frame.options.estimate))


@lru_cache(maxsize=16)
def for_mask(frame: FrameSettings) -> FrameSettings:
    """Without what only the network and its input read: noise counts where depth is as fine as the output, or finer."""
    finer = frame.size.pooled or frame.size.low == frame.rgb_size
    noise = (frame.limits.noise, frame.limits.noise_floor) if finer else (_UNREAD, _UNREAD)
    read = {field.name: getattr(frame.options, field.name) for field in fields(ValidityOptions)}
    limits = FrameLimits(frame.limits.minimum, frame.limits.maximum, *noise)
    return frame._replace(limits=limits, options=ValidityOptions(**{**read, "estimate": "surface"}))
