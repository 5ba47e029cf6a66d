"""Whether a recording's depth lies on its colour images, as fields of a profile and as a sentence.

Frames pass through on their way to the fit; `pagnet_ros.core.alignment` looks at some of them, as the node would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from pagnet_ros.core.alignment.check import AlignmentCheck
from pagnet_ros.recordings.frames import RecordedFrame
from pagnet_ros.sensors import Evidence, SensorProfile

SOURCE = "fit: depth edges against colour edges"
NORMAL_95 = 1.96


class RegistrationCheck:
    """The offset of one recording."""

    def __init__(self) -> None:
        """Begin before the first frame."""
        self._alignment = AlignmentCheck()
        self._width = 0

    def watched(self, frames: Iterable[RecordedFrame]) -> Iterator[RecordedFrame]:
        """The frames, unchanged."""
        for frame in frames:
            self._alignment.look(frame.depth, frame.rgb)
            self._width = frame.rgb.shape[1]
            yield frame

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to tell the user: nothing, unless depth is off."""
        found = self._alignment.estimate
        if found is None or not found.is_off:
            return ()
        x, y = found.offset_px
        return (
            f"depth and colour are off: depth must be moved by ({x:+.1f}, {y:+.1f}) px of the colour image; noise and "
            "holes by brightness are read from the wrong places. Recalibrate depth to colour and record again; or "
            "let the node move depth by the offset, which the profile holds: registration:=sensor",
        )

    def noted(self, profile: SensorProfile) -> SensorProfile:
        """The profile with the offset, where one was found beyond doubt."""
        found = self._alignment.estimate
        if found is None or not found.is_off:
            return profile
        offset = found.offset_px
        fields = dict(zip(("registration_x_px", "registration_y_px"), offset, strict=True))
        evidence = {
            name: Evidence(
                low=round(value - NORMAL_95 * error, 2),
                high=round(value + NORMAL_95 * error, 2),
                samples=found.tiles,
                source=SOURCE,
            )
            for (name, value), error in zip(fields.items(), found.error_px, strict=True)
        }
        return replace(
            profile,
            registration_x_px=round(offset[0], 2),
            registration_y_px=round(offset[1], 2),
            registration_width=self._width,
            evidence={**profile.evidence, **evidence},
        )
