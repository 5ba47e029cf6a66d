"""The environment in which DDS moves whole images: what a process that publishes or receives them needs at its start.

Fast DDS comes with 512 KiB of shared memory and silently loses most larger best-effort images; glibc returns every
large buffer to the system and pays page faults for the next one. `image_environment` says which variables mend both,
leaving alone what the user has set. `launch/large_images.launch.py` does the same for launch files. Needs no ROS.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Mapping
from pathlib import Path

from pagnet_ros.system.allocator import keep_freed_memory
from pagnet_ros.system.resources import config_path

_PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")  # up to Jazzy; from Kilted
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "268435456", "MALLOC_TRIM_THRESHOLD_": "1073741824"}
_SMALL_SHM_BYTES = 128 * 1024 * 1024
_SHM = Path("/dev/shm")
DOMAINS = range(1, 102)
"""Domains whose ports lie below those that Linux gives to clients; 0 is where robots are."""


def image_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables to add to a child's environment so that images arrive.

    Containers often have only 64 MB of shared memory, and get smaller segments.

    Args:
        environ: The environment the child will inherit; None for this process's.

    Returns:
        Variable name to value; only variables that `environ` does not hold. The DDS profile is left out as a whole
        where the user has a profile of their own or another DDS vendor than Fast DDS (RMW_IMPLEMENTATION).
    """
    environ = os.environ if environ is None else environ
    added = {name: value for name, value in _MALLOC.items() if name not in environ}
    own_profile = any(name in environ for name in _PROFILE_VARIABLES)
    fast_dds = "fastrtps" in environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if fast_dds and not own_profile:
        small = _size_bytes(_SHM) < _SMALL_SHM_BYTES
        profile = config_path(f"dds/fastdds_large_images{'_16mb' if small else ''}.xml")
        added |= dict.fromkeys(_PROFILE_VARIABLES, str(profile))
    return added


def prepare_process() -> None:
    """Let images pass through this process and its children; to be called before the first DDS participant.

    The allocator is told directly: its variables only reach a process that starts with them.
    """
    keep_freed_memory()
    os.environ.update(image_environment())


def enter_own_domain() -> None:
    """Set this process, hence its children, apart: images arrive, and no robot nearby is seen or disturbed.

    To be called before the first DDS participant. A domain or discovery range that the user has set stays.
    """
    prepare_process()
    domains = random.sample(DOMAINS, len(DOMAINS))
    os.environ.setdefault("ROS_DOMAIN_ID", str(next(filter(nobody_is_in, domains), domains[0])))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")


def nobody_is_in(domain: int) -> bool:
    """Whether no participant on this machine listens in a DDS domain, by the ports that DDSI-RTPS gives it.

    A participant's number, and so its port, grows with all that its process has made before.
    """
    return all(_is_free(7400 + 250 * domain + offset) for offset in (0, *range(10, 250, 2)))


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True


def _size_bytes(folder: Path) -> int:
    """Size of the file system a folder is on, bytes; 0 where there is none."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0
    return status.f_frsize * status.f_blocks
