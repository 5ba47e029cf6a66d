"""Rules on the machine and the environment: shared memory, the GPU, a compiler, which ROS, which DDS profile."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from pagnet_ros.diagnosis.finding import Fault, rule
from pagnet_ros.diagnosis.observation import Observation
from pagnet_ros.diagnosis.rules.rates import PROFILE_MEND

MIB: Final = 1 << 20
DEFAULT_SEGMENT_BYTES: Final = 512 * 1024
"""Shared memory of a Fast DDS participant without a profile."""
_LEAST_SHM: Final = 120 * MIB
_LEAST_FREE: Final = 64 * MIB
_LEAST_BUFFER: Final = 2 * MIB


@rule(
    "warning",
    mend="Give the container more: docker run --shm-size=512m (or --ipc=host). Until then use the profile "
    "config/dds/fastdds_large_images_16mb.xml.",
)
def small_shm(seen: Observation) -> Iterator[Fault]:
    """/dev/shm is so small that few images fit through it, as in containers by default."""
    machine = seen.machine
    if machine.shm_bytes < _LEAST_SHM:
        came = f"{machine.shm_bytes / MIB:.0f} MiB" if machine.shm_bytes else "there is none"
        yield Fault("/dev/shm", came, f"at least {_LEAST_SHM / MIB:.0f} MiB")


@rule(
    "error",
    mend="Remove what processes that were killed have left there (fastdds shm clean, or delete /dev/shm/fastrtps_* "
    "while no node runs), and see what else fills it (du -h /dev/shm).",
)
def full_shm(seen: Observation) -> Iterator[Fault]:
    """/dev/shm is nearly full, so DDS cannot hand images over and processes may end with a bus error."""
    machine = seen.machine
    if machine.shm_bytes >= _LEAST_SHM and machine.shm_free_bytes < _LEAST_FREE:
        came = f"{machine.shm_free_bytes / MIB:.0f} of {machine.shm_bytes / MIB:.0f} MiB are free"
        yield Fault("/dev/shm", came, f"at least {_LEAST_FREE / MIB:.0f} MiB")


@rule(
    "warning",
    mend="Install a torch that fits the driver (pytorch.org names the index for its CUDA; on a Jetson NVIDIA's own "
    "wheel), or give the container the GPU (--gpus all).",
)
def torch_without_gpu(seen: Observation) -> Iterator[Fault]:
    """There is a GPU, and torch cannot use it, so everything runs on the CPU at a fraction of the speed."""
    machine = seen.machine
    if machine.gpu and machine.torch and machine.torch_cuda is False:
        why = f" ({machine.torch_reason})" if machine.torch_reason else ""
        yield Fault("torch", f"torch {machine.torch} cannot use {machine.gpu}{why}", "torch with CUDA for this driver")


@rule(
    "warning",
    mend="Install one: apt install g++. Without it torch runs the network on the CPU, five times slower.",
)
def no_compiler(seen: Observation) -> Iterator[Fault]:
    """There is no C++ compiler and no usable GPU, so the network runs on the CPU by torch instead of as C++."""
    machine = seen.machine
    if not machine.compiler and not machine.torch_cuda:
        yield Fault("c++", "there is no C++ compiler on PATH", "c++, g++ or clang++")


@rule(
    "error", mend="Install what is missing with pip into the Python that runs the node (README.md names the command)."
)
def missing_module(seen: Observation) -> Iterator[Fault]:
    """A Python package that the node needs is not installed for this Python."""
    machine = seen.machine
    if machine.modules:
        names = " ".join(machine.modules)
        mend = f"pip install {names}, into the Python that runs the node ({sys.executable})."
        yield Fault("Python packages", f"cannot be found: {names}", "all that the node imports", mend)


@rule(
    "error",
    mend="Source a ROS 2 (. /opt/ros/<distro>/setup.bash) with the Python it was built for, or install the wheels "
    "where no ROS 2 is installed: pip install '.[jazzy]' in the checkout.",
)
def no_ros(seen: Observation) -> Iterator[Fault]:
    """ROS 2 (rclpy) cannot be imported, so the graph cannot be looked at and the node cannot start."""
    machine = seen.machine
    if machine.ros_error:
        yield Fault("rclpy", machine.ros_error, "a ROS 2 that this Python can import")


@rule(
    "error",
    mend="Use one of them: open a shell that sources no ROS 2 for the wheels, or uninstall the wheels (pip uninstall "
    "ros-rclpy) and use the sourced one.",
)
def mixed_ros(seen: Observation) -> Iterator[Fault]:
    """ROS 2 wheels are installed here while another ROS 2 is sourced: libraries of both mix in one process."""
    machine = seen.machine
    if machine.ros_wheels and machine.ros_sourced:
        came = f"the wheel ros-rclpy {machine.ros_wheels} is installed, and {machine.ros_sourced} is sourced"
        yield Fault("ROS 2", came, "one ROS 2")


@rule("warning", mend=PROFILE_MEND)
def dds_profile_missing(seen: Observation) -> Iterator[Fault]:
    """A camera publishes large images without a DDS profile: best effort at either end loses most of them."""
    for stream in seen.images:
        size = stream.largest_bytes
        asked = {subscriber.reliability for subscriber in stream.subscribers}
        for endpoint in stream.publishers:
            process, both_reliable = endpoint.process, endpoint.reliability == "reliable" and asked == {"reliable"}
            if process is None or process.segment_bytes is None or both_reliable:
                continue
            if size > DEFAULT_SEGMENT_BYTES and process.segment_bytes < 2 * size:
                yield Fault(
                    stream.topic,
                    f"its publisher {endpoint.node or 'of unknown name'} (process {process.pid}) sends images "
                    f"of {size / 1024:.0f} KiB through {process.segment_bytes / 1024:.0f} KiB of shared memory",
                    "room for several whole images, which the DDS profile gives",
                )


@rule(
    "error",
    mend="Correct the path in FASTRTPS_DEFAULT_PROFILES_FILE and FASTDDS_DEFAULT_PROFILES_FILE; Fast DDS says nothing.",
)
def dds_profile_not_found(seen: Observation) -> Iterator[Fault]:
    """The variable that names a DDS profile points to a file that is not there, which Fast DDS ignores in silence."""
    machine = seen.machine
    if machine.dds_profile and not machine.profile_exists and "fastrtps" in machine.rmw:
        yield Fault("DDS profile", f"there is no file {machine.dds_profile}", "an existing profile")
    for stream in seen.images:
        for process in dict.fromkeys(e.process for e in stream.publishers if e.process is not None):
            if process.dds_profile and not process.profile_exists:
                came = f"its publisher (process {process.pid}) names {process.dds_profile}, which is not there"
                yield Fault(stream.topic, came, "an existing profile")


@rule(
    "warning",
    mend="sudo sysctl -w net.core.rmem_max=8388608 net.ipv4.ipfrag_high_thresh=134217728 (and in /etc/sysctl.d).",
)
def small_receive_buffer(seen: Observation) -> Iterator[Fault]:
    """Large images come from another machine, and the kernel's receive buffers are too small for one."""
    limit = seen.machine.receive_buffer_bytes
    if limit is None or limit >= _LEAST_BUFFER:
        return
    for stream in seen.images:
        size = stream.largest_bytes
        if size > limit and any(e.here is False for e in stream.publishers):
            came = f"images have {size / 1024:.0f} KiB, net.core.rmem_max is {limit / 1024:.0f} KiB"
            yield Fault(stream.topic, came, f"at least {_LEAST_BUFFER / MIB:.0f} MiB")
