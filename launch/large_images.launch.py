"""Prepares the environment in which DDS moves whole images; everything that is launched after it inherits that.

Include it before a camera driver (what already runs is not touched): the profile counts where images are published. It
sets the Fast DDS profile `config/dds/fastdds_large_images*.xml` and two malloc thresholds, each only where the user has
set none; DDS vendors other than Fast DDS are left alone. `pagnet_ros.system.transport` does the same for plain
processes.
"""

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, LogInfo, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.substitutions import LaunchConfiguration

CONFIG = Path(__file__).parent.parent / "config"
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "268435456", "MALLOC_TRIM_THRESHOLD_": "1073741824"}


def set_environment(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """One action per variable that is not set yet."""
    environ = context.environment
    added = {name: value for name, value in MALLOC.items() if name not in environ}
    fast_dds = "fastrtps" in environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp")
    if fast_dds and not any(name in environ for name in PROFILE_VARIABLES):
        shm = os.statvfs("/dev/shm") if Path("/dev/shm").is_dir() else None
        small = shm is None or shm.f_frsize * shm.f_blocks < 128 * 1024 * 1024
        profile = CONFIG / "dds" / f"fastdds_large_images{'_16mb' if small else ''}.xml"
        added |= dict.fromkeys(PROFILE_VARIABLES, str(profile))
    said = [LogInfo(msg=f"room for large images: {', '.join(sorted(added))}")] if added else []
    return [*said, *(SetEnvironmentVariable(name, value) for name, value in added.items())]


def generate_launch_description() -> LaunchDescription:
    """The argument that switches it, and the settings."""
    return LaunchDescription(
        [
            DeclareLaunchArgument(
                "large_images",
                default_value="true",
                choices=["true", "false"],
                description="give DDS room for whole images (Fast DDS profile, malloc) in what is started here",
            ),
            OpaqueFunction(function=set_environment, condition=IfCondition(LaunchConfiguration("large_images"))),
        ]
    )
