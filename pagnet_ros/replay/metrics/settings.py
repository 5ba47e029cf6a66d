"""What the metrics take as a range band, an edge, a flying pixel, an obstacle: one validated dataclass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from pagnet_ros.system.settings import Settings, setting

MAX_CELLS = 50_000_000


@dataclass(frozen=True)
class MetricSettings(Settings):
    """Every choice that a metric depends on. Pixels are those of the result.

    Raises:
        ConfigError: values out of range; all problems in one message.
    """

    common: str = setting(
        "given", "pixels that methods are compared on: given by all, or also measured: the four input pixels around",
        choices=("given", "measured"),
    )  # fmt: skip
    range_edges_m: tuple[float, ...] = setting(
        (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 10.0), "limits of the range bands, m, rising; a band holds its lower limit"
    )
    edge_px: int = setting(3, "how near a depth step counts as at the edge, Chebyshev distance, px", low=0, high=64)
    edge_step: float = setting(0.05, "relative depth step between two surfaces", low=0.001, high=1)
    edge_gap_px: int = setting(
        8, "unknown pixels across which a step is looked for; each explains 1 % of slope", low=0, high=64
    )
    texture_levels: float = setting(12.0, "rise of grey per px from which a pixel is textured", low=1, high=255)
    texture_clear_px: int = setting(
        12, "distance to depth steps from which texture has none near it, px", low=0, high=64
    )
    flying_px: int = setting(8, "radius in which a flying pixel has no surface of its depth, px", low=1, high=32)
    flying_margin_m: float = setting(0.05, "least distance of a flying pixel to every surface, m", low=0, high=10)
    flying_margin_relative: float = setting(
        0.02, "the same as a share of its depth; the larger of the two counts", low=0, high=1
    )
    ramp_px: int = setting(16, "longest ramp between two surfaces that is judged, px", low=2, high=128)
    ramp_incidence_deg: float = setting(
        80.0, "angle of view from which a ramp is too steep to be a surface, degrees", low=1, high=89.9
    )
    static_levels: float = setting(4.0, "largest change of grey where a pixel is static", low=0, high=255)
    static_relative: float = setting(0.02, "the same for measured depth, as a share of it", low=0, high=1)
    still_share: float = setting(
        0.8, "share of textured pixels that are static when the camera stands still", low=0, high=1
    )
    align_cap_px: int = setting(
        8, "distance between a depth edge and a colour edge beyond which it does not matter, px", low=1, high=64
    )
    voxel_m: float = setting(0.05, "cell size of the voxel grid, m", low=0.005, high=10)
    voxel_points: int = setting(1, "points from which a cell is an obstacle", low=1, high=10_000)
    min_height_m: float = setting(0.1, "lower end of the obstacles' height band, m above the floor", low=-100, high=100)
    max_height_m: float = setting(2.0, "its upper end, m", low=-100, high=100)
    obstacle_range_m: float = setting(3.0, "distance to the camera up to which obstacles count, m", low=0.1, high=100)
    camera_height_m: float = setting(1.0, "height of the camera above the floor, m", low=-100, high=100)
    camera_pitch_deg: float = setting(0.0, "angle by which it looks down, degrees", low=-90, high=90)
    up: str = setting(
        "camera",
        "where up is: camera (mounted as above, without roll), or pose (z of the frame that poses lead to; frames "
        "without a pose have no obstacle metrics)",
        choices=("camera", "pose"),
    )

    def conflicts(self) -> Iterator[str]:
        """What does not fit together."""
        edges = self.range_edges_m
        if not (
            2 <= len(edges) <= 65 and edges[0] >= 0 and edges[-1] <= 1e4 and all(a < b for a, b in pairwise(edges))
        ):
            yield f"range_edges_m = {edges!r}; expected 2 to 65 rising metres, 0 to 10000"
        if self.min_height_m >= self.max_height_m:
            yield f"max_height_m = {self.max_height_m!r}; expected above min_height_m = {self.min_height_m!r}"
        elif self.cells > MAX_CELLS:
            yield (
                f"voxel_m = {self.voxel_m!r} within {self.obstacle_range_m} m and {self.min_height_m} to "
                f"{self.max_height_m} m of height makes {self.cells} cells; expected at most {MAX_CELLS}"
            )

    @property
    def cells(self) -> int:
        """Cells of the voxel grid."""
        tall, ahead, sideways = self.grid_shape
        return tall * ahead * sideways

    @property
    def grid_shape(self) -> tuple[int, int, int]:
        """Cells of the voxel grid upwards, ahead and sideways."""
        side = 2 * (int(self.obstacle_range_m / self.voxel_m) + 1)
        return (int((self.max_height_m - self.min_height_m) / self.voxel_m) + 1, side, side)
