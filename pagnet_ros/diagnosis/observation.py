"""What was seen of a graph and a machine: plain, frozen data, the input of every rule.

What nobody looked at stays None, empty or at a healthy default, and no rule speaks about it. The doctor fills it in by
`pagnet_ros.ros.doctor`; the node fills in what it knows of its own topics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pagnet_ros.core.stamps import Arrival

IMAGE_TYPE: Final = "sensor_msgs/msg/Image"
COMPRESSED_TYPE: Final = "sensor_msgs/msg/CompressedImage"
CAMERA_INFO_TYPE: Final = "sensor_msgs/msg/CameraInfo"


@dataclass(frozen=True)
class Process:
    """A process of this machine that talks DDS."""

    pid: int
    uid: int  # the user it runs as
    segment_bytes: int | None = None  # size of its largest shared-memory segment of Fast DDS; None if not seen
    dds_profile: str = ""  # Fast DDS profile that its environment names; empty if none, or that cannot be read
    profile_exists: bool = True


@dataclass(frozen=True)
class Endpoint:
    """One publisher or subscriber of a topic."""

    node: str  # full name; empty while DDS has not told it yet
    type: str  # such as "sensor_msgs/msg/Image"
    reliability: str = ""  # "reliable", "best_effort", or empty if not known
    durability: str = ""  # "volatile", "transient_local", or empty if not known
    deadline_ns: int | None = None  # longest time between two messages, offered or asked for; None for no limit
    here: bool | None = None  # whether it runs on this machine; None if not known
    process: Process | None = None  # where it runs on this machine and can be found


@dataclass(frozen=True)
class DepthFacts:
    """The values of one depth image, in its own unit (16UC1: steps of the driver's unit, 32FC1: as written)."""

    zeros: float  # share of pixels that are exactly 0
    not_finite: float  # share
    negative: float  # share
    median: float | None = None  # of the values above 0; None if there are none
    p05: float = 0.0  # 5th percentile of them
    p95: float = 0.0


@dataclass(frozen=True)
class ImageFacts:
    """One image, as its message describes it."""

    width: int  # pixels; 0 if it could not be decoded
    height: int
    encoding: str  # of an Image, or the format of a CompressedImage
    bytes: int  # size of its data
    frame_id: str
    checksum: int = 0  # of its data, to tell whether two images are the same to the bit
    problem: str = ""  # name of what is wrong with the message, such as "truncated_data"; empty if it can be read
    problem_text: str = ""
    spread: int | None = None  # largest minus smallest value of a colour image, 0 to 255; None for depth
    depth: DepthFacts | None = None  # of a depth image that can be read


@dataclass(frozen=True)
class CameraInfoFacts:
    """A camera_info, for the image as it is delivered (region of interest and binning applied); pixels."""

    width: int
    height: int
    fx: float  # 0 for an uncalibrated camera
    fy: float
    cx: float
    cy: float
    frame_id: str


@dataclass(frozen=True)
class Stream:
    """A topic that is listened to."""

    name: Literal["depth", "color", "depth_info", "color_info"]
    topic: str
    expected: str  # the message type
    publishers: tuple[Endpoint, ...] = ()  # under whatever type
    subscribers: tuple[Endpoint, ...] = ()  # others than this
    arrivals: tuple[Arrival, ...] = ()  # messages by a volatile, best-effort subscription, oldest first
    latched: int = 0  # messages by a transient-local subscription
    candidates: tuple[str, ...] = ()  # other topics of the expected type that are published
    images: tuple[ImageFacts, ...] = ()  # some of its images
    info: CameraInfoFacts | None = None  # the newest

    @property
    def is_image(self) -> bool:
        """Whether it carries images, not calibrations."""
        return self.name in ("depth", "color")

    @property
    def typed(self) -> tuple[Endpoint, ...]:
        """Who publishes it with the expected type."""
        return tuple(endpoint for endpoint in self.publishers if endpoint.type == self.expected)

    @property
    def largest_bytes(self) -> int:
        """Size of the largest image; 0 without any."""
        return max((image.bytes for image in self.images), default=0)


@dataclass(frozen=True)
class NodeFacts:
    """A running up-sampling node: what takes both images. Its parameters are None where it does not say."""

    name: str
    state: str = ""  # of its lifecycle; empty if it does not say
    use_sim_time: bool | None = None
    slop_ms: float | None = None
    max_late_ms: float | None = None
    depth_unit_m: float | None = None  # metres per count of 16UC1
    max_depth_m: float | None = None  # farthest depth that counts as measured
    reproject: bool | None = None  # whether it may draw depth anew for the colour camera
    has_pose: bool = False  # whether it is told where the depth camera is: it then does so whatever the frames are
    has_reprojected: bool = False  # whether its diagnostics say that it did
    diagnostics_level: int | None = None  # worst of its own diagnostics: 0 OK, 1 warning, 2 error; None if none came
    diagnostics: str = ""  # the sentence that goes with it
    outputs: tuple[tuple[str, Endpoint, tuple[Endpoint, ...]], ...] = ()  # topic, publisher, who listens


@dataclass(frozen=True)
class BondState:
    """A node that a Nav2 lifecycle manager looks after."""

    name: str
    manager: str
    bond_timeout_s: float  # how long the manager waits for its heartbeat; 0 for no bond at all
    has_bond: bool  # whether the node takes part in /bond


@dataclass(frozen=True)
class Machine:
    """This machine and this environment; healthy by default."""

    uid: int | None = None  # the user's; None if not known
    shm_bytes: int = 1 << 33  # size of /dev/shm; 0 if there is none
    shm_free_bytes: int = 1 << 33
    modules: tuple[str, ...] = ()  # Python packages that are needed and cannot be found
    ros_error: str = ""  # why rclpy cannot be imported; empty if it can
    gpu: str = ""  # name of a GPU that is there
    torch: str = "2"  # its version; empty if it is not installed
    torch_cuda: bool | None = None  # whether torch can use the GPU; None if nobody tried
    torch_reason: str = ""  # what torch says to that
    compiler: str = "/usr/bin/c++"  # path of a C++ compiler; empty if there is none
    ros_wheels: str = ""  # version of the rclpy wheel in this environment; empty if there is none
    ros_sourced: str = ""  # prefix of a sourced ROS 2; empty if none is
    rmw: str = "rmw_fastrtps_cpp"  # the middleware
    dds_profile: str = ""  # path of the Fast DDS profile of this environment; empty if none is set
    profile_exists: bool = True
    receive_buffer_bytes: int | None = None  # largest the kernel gives a socket; None if not known


@dataclass(frozen=True)
class Observation:
    """Everything that was seen."""

    seconds: float = 0.0  # how long was watched
    depth: Stream | None = None
    color: Stream | None = None
    depth_info: Stream | None = None
    color_info: Stream | None = None
    nodes: tuple[str, ...] = ()  # full names of all nodes, each as often as it is there
    consumers: tuple[NodeFacts, ...] = ()  # nodes that take both images
    managed: tuple[BondState, ...] = ()
    clock_publishers: tuple[str, ...] = ()  # nodes that publish /clock
    machine: Machine = Machine()
    domain: int = 0  # the ROS_DOMAIN_ID that was looked at
    slop_ms: float = 20.0  # largest stamp difference of a pair where no consumer says its own

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
