"""How well a value of a sensor profile is known: interval, sample count, source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors.curves import is_number, shown

Bound = float | tuple[float, ...] | None


@dataclass(frozen=True)
class Evidence:
    """What stands behind one field of a profile.

    Attributes:
        low: Lower end of the 95 % confidence interval, in the field's unit; one value per knot for a curve; None
            where it is not known, as for values from the literature.
        high: Its upper end, >= low.
        samples: Number of measurements behind it, >= 0; 0 where it was not measured here.
        source: How it is known: a fit, a publication, or "assumed".

    Raises:
        ConfigError: An interval that is none, or a negative count.
    """

    low: Bound = None
    high: Bound = None
    samples: int = 0
    source: str = ""

    def __post_init__(self) -> None:
        problems = []
        for name in ("low", "high"):
            value = getattr(self, name)
            if not isinstance(value, str) and isinstance(value, Sequence):
                object.__setattr__(self, name, tuple(value))
            if not all(is_number(entry) for entry in self._entries(name)):
                problems.append(f"{name}={shown(value)} (expected a finite number, or one per knot)")
        if not problems and not self._is_interval():
            problems.append(f"low={shown(self.low)}, high={shown(self.high)} (expected both, low not above high)")
        samples: object = self.samples
        if isinstance(samples, bool) or not isinstance(samples, int) or samples < 0:
            problems.append(f"samples={shown(samples)} (expected a whole number of 0 or more)")
        source: object = self.source
        if not isinstance(source, str):
            problems.append(f"source={shown(self.source)} (expected a text)")
        if problems:
            raise ConfigError("; ".join(problems))

    def knots(self) -> int | None:
        """Number of knots that the interval is given for; None for a single value or no interval."""
        return len(self.low) if isinstance(self.low, tuple) else None

    def _entries(self, name: str) -> tuple[object, ...]:
        value = getattr(self, name)
        if value is None:
            return ()
        return value if isinstance(value, tuple) else (value,)

    def _is_interval(self) -> bool:
        if (self.low is None) != (self.high is None) or isinstance(self.low, tuple) != isinstance(self.high, tuple):
            return False
        lows, highs = self._entries("low"), self._entries("high")
        return len(lows) == len(highs) and all(
            low <= high  # type: ignore[operator]  # numbers, as checked before
            for low, high in zip(lows, highs, strict=True)
        )
