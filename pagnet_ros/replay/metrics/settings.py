"""What the metrics take as a range band, an edge, a flying pixel, an obstacle: one validated dataclass."""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise

from pagnet_ros.errors import ConfigError

__all__ = ["UP_AXES", "MetricSettings"]

UP_AXES = ("camera", "pose")
COMMON = ("given", "measured")
MAX_CELLS = 50_000_000
_LIMITS: dict[str, tuple[float, float]] = {
    "edge_px": (0, 64),
    "edge_step": (0.001, 1),
    "edge_gap_px": (0, 64),
    "texture_levels": (1, 255),
    "texture_clear_px": (0, 64),
    "flying_px": (1, 32),
    "flying_margin_m": (0.0, 10),
    "flying_margin_relative": (0.0, 1),
    "ramp_px": (2, 128),
    "ramp_incidence_deg": (1, 89.9),
    "static_levels": (0, 255),
    "static_relative": (0.0, 1),
    "still_share": (0.0, 1),
    "align_cap_px": (1, 64),
    "voxel_m": (0.005, 10),
    "voxel_points": (1, 10_000),
    "min_height_m": (-100, 100),
    "max_height_m": (-100, 100),
    "obstacle_range_m": (0.1, 100),
    "camera_height_m": (-100, 100),
    "camera_pitch_deg": (-90, 90),
}


@dataclass(frozen=True)
class MetricSettings:
    """Every choice that a figure depends on. Pixels are those of the result.

    Attributes:
        common: which pixels the methods of a run are compared on: ``given`` (by all of them), or only those that are
            also ``measured``: their four surrounding input pixels are.
        range_edges_m: limits of the range bands, metres, rising; a band holds its lower limit.
        edge_px: how near a depth step counts as at the edge, Chebyshev distance in pixels, 0 to 64.
        edge_step: relative depth step from which two neighbouring pixels belong to two surfaces, 0.001 to 1.
        edge_gap_px: unknown pixels across which a step is still looked for, 0 to 64; each of them explains 1 % of
            slope.
        texture_levels: colour edge, grey levels per pixel from which a pixel is textured, 1 to 255.
        texture_clear_px: distance to depth steps from which texture has none near it, pixels, 0 to 64.
        flying_px: radius in which a flying pixel has no surface of its depth, pixels, 1 to 32.
        flying_margin_m: least distance of a flying pixel to every surface, metres, 0 to 10.
        flying_margin_relative: the same as a share of its depth, 0 to 1; the larger of the two counts.
        ramp_px: longest ramp between two surfaces that is judged without a reference, pixels, 2 to 128.
        ramp_incidence_deg: angle of view from which a ramp is too steep to be a surface, degrees, 1 to 89.9.
        static_levels: largest change of grey between two frames where a pixel is static, 0 to 255.
        static_relative: the same for measured depth, as a share of it, 0 to 1.
        still_share: share of textured pixels that are static when the camera stands still, 0 to 1.
        align_cap_px: distance between a depth edge and a colour edge beyond which it does not matter, pixels, 1 to 64.
        voxel_m: cell size of the voxel grid, metres, 0.005 to 10.
        voxel_points: points from which a cell is an obstacle, 1 to 10000.
        min_height_m: lower end of the height band of obstacles, metres above the floor.
        max_height_m: upper end, metres, above `min_height_m`.
        obstacle_range_m: distance to the camera up to which obstacles are marked, metres, 0.1 to 100.
        camera_height_m: height of the camera above the floor where `up` is ``camera``, metres.
        camera_pitch_deg: angle by which it looks down there, degrees, -90 to 90.
        up: where up is: ``camera`` (the camera is mounted as above, without roll) or ``pose`` (z of the frame that the
            poses of the recording lead to; frames without a pose have no obstacle metrics).
    """

    common: str = "given"
    range_edges_m: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0)
    edge_px: int = 3
    edge_step: float = 0.05
    edge_gap_px: int = 8
    texture_levels: float = 12.0
    texture_clear_px: int = 12
    flying_px: int = 8
    flying_margin_m: float = 0.05
    flying_margin_relative: float = 0.02
    ramp_px: int = 16
    ramp_incidence_deg: float = 80.0
    static_levels: float = 4.0
    static_relative: float = 0.02
    still_share: float = 0.8
    align_cap_px: int = 8
    voxel_m: float = 0.05
    voxel_points: int = 1
    min_height_m: float = 0.1
    max_height_m: float = 2.0
    obstacle_range_m: float = 3.0
    camera_height_m: float = 1.0
    camera_pitch_deg: float = 0.0
    up: str = "camera"

    def __post_init__(self) -> None:
        """Check every field; raise one `ConfigError` that lists all problems."""
        problems = [problem for name in _LIMITS if (problem := self._out_of_range(name))]
        edges = self.range_edges_m
        numbers = isinstance(edges, tuple) and all(_is_number(edge) and 0 <= edge <= 1e4 for edge in edges)
        if not numbers or not 2 <= len(edges) <= 65 or any(b <= a for a, b in pairwise(edges)):
            problems.append(f"range_edges_m={edges!r}, expected a tuple of 2 to 65 rising metres, 0 to 10000")
        if not problems and self.min_height_m >= self.max_height_m:
            problems.append(f"max_height_m={self.max_height_m!r}, expected above min_height_m={self.min_height_m!r}")
        if not problems and self.cells > MAX_CELLS:
            problems.append(
                f"voxel_m={self.voxel_m!r} within {self.obstacle_range_m} m and {self.min_height_m} to "
                f"{self.max_height_m} m of height makes {self.cells} cells, expected at most {MAX_CELLS}"
            )
        if self.common not in COMMON:
            problems.append(f"common={self.common!r}, expected one of {COMMON}")
        if self.up not in UP_AXES:
            problems.append(f"up={self.up!r}, expected one of {UP_AXES}")
        if problems:
            raise ConfigError("metric settings: " + "; ".join(problems))

    @property
    def cells(self) -> int:
        """Cells of the voxel grid."""
        wide, tall = self.grid_shape[1:], self.grid_shape[0]
        return wide[0] * wide[1] * tall

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """Cells of the voxel grid upwards, ahead and sideways."""
        side = 2 * (int(self.obstacle_range_m / self.voxel_m) + 1)
        return (int((self.max_height_m - self.min_height_m) / self.voxel_m) + 1, side, side)

    def _out_of_range(self, name: str) -> str | None:
        value, (low, high) = getattr(self, name), _LIMITS[name]
        whole = next(field.type == "int" for field in fields(self) if field.name == name)
        if _is_number(value) and low <= value <= high and not (whole and not isinstance(value, int)):
            return None
        return f"{name}={value!r}, expected {'a whole number, ' if whole else ''}{low:g} to {high:g}"


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
