"""What can be set on the node: the pipeline's options, and what only a node has. Needs no ROS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.set_pose import NOT_TURNED, pose_conflicts, set_pose
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.system.settings import setting


@dataclass(frozen=True)
class NodeParameters(UpsamplerOptions):
    """Every parameter of the node. The live ones may change at any time, the others are read at configure.

    Raises:
        ConfigError: types, ranges or combinations that cannot be; all problems in one message.
    """

    weights: str = setting("auto", "zoo name, .safetensors or .onnx file, auto (by the sensor) or bicubic (no network)")
    sensor: str = setting("", "sensor profile for range, noise and weights: shipped name or YAML path; empty: none")
    device: str = setting("auto", "where the network runs: auto, cpu, cuda or cuda:N")
    precision: str = setting("auto", "arithmetic of the network: auto, or one that the device offers")
    latency_budget_ms: float = setting(
        0.0,
        "time from arrival to publication, ms, beyond which quality is reduced; 0: any",
        low=0,
        high=60000,
        live=True,
    )
    sync: str = setting(
        "nearest", "nearest (own pairing), or message_filters' approximate or exact",
        choices=("nearest", "approximate", "exact"),
    )  # fmt: skip
    slop_ms: float = setting(20.0, "largest difference of the stamps of a pair, ms", low=0, high=10000, live=True)
    max_late_ms: float = setting(
        500.0, "how much later than its partner an image may come, ms", low=0, high=10000, live=True
    )
    queue_size: int = setting(60, "most images kept per topic while waiting for a partner", low=1, high=1000)
    depth_transport: str = setting("raw", "how depth comes", choices=("raw", "compressedDepth", "compressed"))
    color_transport: str = setting("raw", "how colour comes", choices=("raw", "compressed"))
    input_reliability: str = setting(
        "best_effort", "best_effort accepts every publisher", choices=("best_effort", "reliable")
    )
    output_reliability: str = setting(
        "reliable", "reliable serves every subscriber", choices=("reliable", "best_effort")
    )
    reproject: bool = setting(
        True,
        "draw depth of another frame or shape anew as the colour camera sees it, by calibrations and tf",
        live=True,
    )
    depth_pose_xyz: str = setting(
        "", "where the depth camera is in the colour camera's frame: X,Y,Z in m; empty: what tf says", live=True
    )
    depth_pose_xyzw: str = setting(
        NOT_TURNED, "how it is turned there: a quaternion X,Y,Z,W; beside depth_pose_xyz only", live=True
    )
    output_encoding: str = setting(
        "32FC1", "32FC1: m, NaN unknown; 16UC1: mm, 0 unknown", choices=("32FC1", "16UC1"), live=True
    )
    output_frame_id: str = setting("", "frame_id of the output; empty: the colour image's", live=True)
    points_voxel_m: float = setting(
        0.0, "edge of the voxels of which depth_hr/points has one point each, m; 0: one for each pixel, organised",
        low=0, high=1, live=True,
    )  # fmt: skip
    points_dense: bool = setting(False, "leave out of depth_hr/points what is unknown, instead of NaN", live=True)
    points_color: bool = setting(True, "give each of depth_hr/points the image's colour", live=True)
    lazy: bool = setting(True, "receive and compute nothing while nobody subscribes to an output", live=True)
    diagnostics_period_s: float = setting(1.0, "time between messages on /diagnostics, s", low=0.1, high=60)
    topic_timeout_s: float = setting(5.0, "silence of a topic that is reported, s", low=0.5, high=3600, live=True)
    report_period_s: float = setting(
        5.0, "least time between two reports of the same problem, s", low=0, high=3600, live=True
    )
    autostart: bool = setting(False, "configure and activate by itself, with retries")

    @property
    def depth_pose(self) -> NDArray[np.float64] | None:
        """``[4, 4]`` from the depth camera's frame to the colour camera's, as set; None where it is not."""
        return set_pose(self.depth_pose_xyz, self.depth_pose_xyzw)

    def conflicts(self) -> Iterator[str]:
        """What does not fit together."""
        yield from super().conflicts()
        yield from pose_conflicts(self.depth_pose_xyz, self.depth_pose_xyzw, self.reproject)
