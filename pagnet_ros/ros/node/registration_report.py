"""Says once when depth turns out to lie off the colour image, by how much, and what is done about it.

Owns the last offset that was said. Looks at the up-sampler after each frame; lines go to the reporter. No ROS import.
"""

from __future__ import annotations

from pagnet_ros.core.registration.registrar import Registrar
from pagnet_ros.ros.reporter import Reporter

__all__ = ["RegistrationReport"]

KIND = "registration"


class RegistrationReport:
    """Watches one up-sampler's registration. Call from the worker's thread."""

    def __init__(self, reporter: Reporter) -> None:
        """Begin with depth where it belongs."""
        self._reporter = reporter
        self._said = (0.0, 0.0)

    def look(self, registrar: Registrar) -> None:
        """Look once, after a frame; a change of the estimated offset is said, one that the user made is not."""
        offset, found = registrar.offset_px, registrar.estimate
        if offset == self._said:
            return
        self._said = offset
        if found is None or found.doubts:
            return
        x, y = offset
        if offset == (0.0, 0.0):
            text = f"depth lies on the colour image again: {found}. It is not moved any more"
            self._reporter.tell(KIND, text, "info")
            return
        text = (
            f"depth and colour are off by {found}, expected none; depth is now moved by ({x:+.1f}, {y:+.1f}) px. "
            f"Recalibrate depth to colour; registration:='{x:.1f},{y:.1f}' keeps this, registration:=none undoes it"
        )
        self._reporter.tell(KIND, text)
