"""What was seen of a graph and a machine: the input of every rule.

Owns plain, frozen data. The listener of `pagnet_ros.ros.doctor` fills it in for the command line; a node may fill in
what
it knows of its own topics. What nobody looked at stays None or empty, and no rule speaks about it. Needs no ROS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

__all__ = [
    "CAMERA_INFO_TYPE",
    "COMPRESSED_TYPE",
    "IMAGE_TYPE",
    "Arrival",
    "CameraInfoFacts",
    "DepthFacts",
    "Endpoint",
    "ImageFacts",
    "Machine",
    "ManagedNode",
    "NodeFacts",
    "Observation",
    "Process",
    "Stream",
]

IMAGE_TYPE: Final = "sensor_msgs/msg/Image"
COMPRESSED_TYPE: Final = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO_TYPE: Final = "sensor_msgs/msg/CameraInfo"


@dataclass(frozen=True)
class Process:
    """A process of this machine that talks DDS.

    Attributes:
        pid: its id.
        uid: id of the user it runs as.
        segment_bytes: size of its largest shared-memory segment of Fast DDS, bytes; None if that cannot be seen.
        dds_profile: path in the variable that names a Fast DDS profile, as the process was started with it; empty if
            none is set or that cannot be read.
        profile_exists: whether that file can be found; meaningless without one.
    """

    pid: int
    uid: int
    segment_bytes: int | None = None
    dds_profile: str = ""
    profile_exists: bool = True


@dataclass(frozen=True)
class Endpoint:
    """One publisher or subscriber of a topic.

    Attributes:
        node: full name of its node; empty while DDS has not told it yet.
        type: such as "sensor_msgs/msg/Image".
        reliability: "reliable", "best_effort", or empty if not known.
        durability: "volatile", "transient_local", or empty if not known.
        deadline_ns: longest time between two messages that it offers or asks for, nanoseconds; None for no limit.
        here: whether it runs on this machine; None if not known.
        process: its process, where it runs on this machine and can be found.
    """

    node: str
    type: str
    reliability: str = ""
    durability: str = ""
    deadline_ns: int | None = None
    here: bool | None = None
    process: Process | None = None


@dataclass(frozen=True)
class Arrival:
    """One message's times, nanoseconds.

    Attributes:
        steady_ns: when it arrived, of a clock that never jumps.
        system_ns: when it arrived, of the machine's clock (since 1970).
        stamp_ns: its header.stamp.
        sim_ns: the newest time on /clock when it arrived; None without one.
    """

    steady_ns: int
    system_ns: int
    stamp_ns: int
    sim_ns: int | None = None


@dataclass(frozen=True)
class DepthFacts:
    """The values of one depth image, in its own unit (16UC1: steps of the driver's unit, 32FC1: as written).

    Attributes:
        zeros: share of pixels that are exactly 0.
        not_finite: share that are NaN or infinite.
        negative: share below 0.
        median: of the values above 0; None if there are none.
        p05: 5th percentile of them.
        p95: 95th percentile of them.
    """

    zeros: float
    not_finite: float
    negative: float
    median: float | None = None
    p05: float = 0.0
    p95: float = 0.0


@dataclass(frozen=True)
class ImageFacts:
    """One image, as its message describes it.

    Attributes:
        width: pixels; 0 if it could not be decoded.
        height: likewise.
        encoding: of an Image, or the format of a CompressedImage.
        bytes: size of its data.
        frame_id: of its header.
        checksum: of its data, to tell whether two images are the same to the bit.
        problem: name of what is wrong with the message ("truncated_data"), empty if it can be read.
        problem_text: the sentence that goes with it.
        spread: largest minus smallest value of a colour image, 0 to 255; None for depth.
        depth: its values, for a depth image that can be read.
    """

    width: int
    height: int
    encoding: str
    bytes: int
    frame_id: str
    checksum: int = 0
    problem: str = ""
    problem_text: str = ""
    spread: int | None = None
    depth: DepthFacts | None = None


@dataclass(frozen=True)
class CameraInfoFacts:
    """A camera_info.

    Attributes:
        width: of the image it describes as delivered (region of interest and binning applied), pixels.
        height: likewise.
        fx: focal length in x at that size, pixels; 0 for an uncalibrated camera.
        fy: in y.
        cx: principal point, pixels.
        cy: likewise.
        frame_id: of its header.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    frame_id: str


@dataclass(frozen=True)
class Stream:
    """A topic that is listened to.

    Attributes:
        name: what it is for: "depth", "color", "depth_info" or "color_info".
        topic: its full name.
        expected: the message type.
        publishers: who publishes it, under whatever type.
        subscribers: who else listens.
        arrivals: messages that came by a volatile, best-effort subscription, oldest first.
        latched: messages that came by a transient-local subscription.
        candidates: other topics of the expected type that are published.
        images: some of its images.
        info: its newest camera_info.
    """

    name: Literal["depth", "color", "depth_info", "color_info"]
    topic: str
    expected: str
    publishers: tuple[Endpoint, ...] = ()
    subscribers: tuple[Endpoint, ...] = ()
    arrivals: tuple[Arrival, ...] = ()
    latched: int = 0
    candidates: tuple[str, ...] = ()
    images: tuple[ImageFacts, ...] = ()
    info: CameraInfoFacts | None = None

    @property
    def is_image(self) -> bool:
        """Whether it carries images, not calibrations."""
        return self.name in ("depth", "color")


@dataclass(frozen=True)
class NodeFacts:
    """A running up-sampling node: what takes both images.

    Attributes:
        name: its full name.
        state: of its lifecycle ("active"), empty if it does not say.
        use_sim_time: that parameter; None if it does not say.
        slop_ms: that parameter, milliseconds; None if it does not say.
        max_late_ms: that parameter, milliseconds; None if it does not say.
        diagnostics_level: worst level of its own diagnostics: 0 OK, 1 warning, 2 error; None if none came.
        diagnostics: the sentence that goes with it.
        outputs: its publishers' topics, each with the publisher and who listens.
    """

    name: str
    state: str = ""
    use_sim_time: bool | None = None
    slop_ms: float | None = None
    max_late_ms: float | None = None
    diagnostics_level: int | None = None
    diagnostics: str = ""
    outputs: tuple[tuple[str, Endpoint, tuple[Endpoint, ...]], ...] = ()


@dataclass(frozen=True)
class ManagedNode:
    """A node that a Nav2 lifecycle manager looks after.

    Attributes:
        name: its full name.
        manager: the manager's.
        bond_timeout_s: how long the manager waits for its heartbeat, seconds; 0 for no bond at all.
        has_bond: whether the node takes part in /bond.
    """

    name: str
    manager: str
    bond_timeout_s: float
    has_bond: bool


@dataclass(frozen=True)
class Machine:
    """This machine and this environment.

    Attributes:
        uid: the user's id.
        shm_bytes: size of /dev/shm; 0 if there is none.
        shm_free_bytes: what is free of it.
        modules: Python packages that are needed and cannot be found.
        ros_error: why rclpy cannot be imported; empty if it can.
        gpu: name of a GPU that is there; empty if none is.
        torch: version of torch; empty if it is not installed.
        torch_cuda: whether torch can use the GPU; None if nobody tried.
        torch_reason: what torch says to that.
        compiler: path of a C++ compiler; empty if there is none.
        ros_wheels: version of the rclpy wheel in this environment; empty if there is none.
        ros_sourced: prefix of a sourced ROS 2; empty if none is.
        rmw: name of the middleware.
        dds_profile: path of the Fast DDS profile of this environment; empty if none is set.
        profile_exists: whether that file can be found; meaningless without one.
        receive_buffer_bytes: largest receive buffer the kernel gives a socket; None if not known.
    """

    uid: int = 0
    shm_bytes: int = 1 << 33
    shm_free_bytes: int = 1 << 33
    modules: tuple[str, ...] = ()
    ros_error: str = ""
    gpu: str = ""
    torch: str = "2"
    torch_cuda: bool | None = None
    torch_reason: str = ""
    compiler: str = "/usr/bin/c++"
    ros_wheels: str = ""
    ros_sourced: str = ""
    rmw: str = "rmw_fastrtps_cpp"
    dds_profile: str = ""
    profile_exists: bool = True
    receive_buffer_bytes: int | None = None


@dataclass(frozen=True)
class Observation:
    """Everything that was seen.

    Attributes:
        seconds: how long was watched.
        depth: the depth images.
        color: the colour images.
        depth_info: the depth camera's calibration.
        color_info: the colour camera's.
        nodes: full names of all nodes, each as often as it is there.
        consumers: nodes that take both images.
        managed: nodes that a Nav2 lifecycle manager looks after.
        clock_publishers: nodes that publish /clock.
        machine: this machine.
        domain: the ROS_DOMAIN_ID that was looked at.
        slop_ms: largest stamp difference of a pair, milliseconds, where no consumer says its own.
    """

    seconds: float = 0.0
    depth: Stream | None = None
    color: Stream | None = None
    depth_info: Stream | None = None
    color_info: Stream | None = None
    nodes: tuple[str, ...] = ()
    consumers: tuple[NodeFacts, ...] = ()
    managed: tuple[ManagedNode, ...] = ()
    clock_publishers: tuple[str, ...] = ()
    machine: Machine | None = None
    domain: int = 0
    slop_ms: float = 20.0

    @property
    def images(self) -> tuple[Stream, ...]:
        """The image streams that were watched, depth first."""
        return tuple(stream for stream in (self.depth, self.color) if stream is not None)

    @property
    def infos(self) -> tuple[Stream, ...]:
        """The camera_info streams that were watched, depth's first."""
        return tuple(stream for stream in (self.depth_info, self.color_info) if stream is not None)

    @property
    def streams(self) -> tuple[Stream, ...]:
        """All streams that were watched."""
        return (*self.images, *self.infos)

    def info_of(self, image: Stream) -> Stream | None:
        """The camera_info stream that belongs to an image stream."""
        return self.depth_info if image.name == "depth" else self.color_info
