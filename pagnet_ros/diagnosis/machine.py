"""Looks at this machine and environment: shared memory, GPU, compiler, which ROS. Changes nothing, needs no ROS."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pagnet_ros.diagnosis.observation import Machine

PROFILE_VARIABLES: Final = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
COMPILERS: Final = ("c++", "g++", "clang++")
NEEDED: Final = {
    "cv2": "opencv-python-headless",
    "numpy": "numpy",
    "rich": "rich",
    "safetensors": "safetensors",
    "torch": "torch",
    "yaml": "PyYAML",
}
"""Modules the node imports, and what pip calls them."""
_ROS_MODULES: Final = ("rclpy", "sensor_msgs.msg", "diagnostic_msgs.msg", "lifecycle_msgs.srv", "rcl_interfaces.srv")
_TORCH_SECONDS: Final = 60
_ASK_TORCH: Final = (
    "import torch\nable = torch.cuda.is_available()\nprint(able)\nprint('built without CUDA' if torch.version.cuda is "
    "None and torch.version.hip is None else '')\nif not able:\n    torch.zeros(1).cuda()\n"
)


def look_at_machine(
    environ: Mapping[str, str] | None = None, root: Path = Path("/"), *, with_torch: bool = True
) -> Machine:
    """Look once. Takes a second or two where there is a GPU, because torch is asked for it in a process of its own.

    Args:
        environ: the environment the node would start in; None for this process's.
        root: where /dev and /proc are.
        with_torch: whether torch is asked.
    """
    environ = os.environ if environ is None else environ
    shm_bytes, free_bytes = _file_system_bytes(root / "dev/shm")
    gpu = _gpu(root)
    torch = _version("torch")
    torch_cuda, reason = _ask_torch() if gpu and torch and with_torch else (None, "")
    profile = next((environ[name] for name in PROFILE_VARIABLES if environ.get(name)), "")
    return Machine(
        uid=os.getuid(),
        shm_bytes=shm_bytes,
        shm_free_bytes=free_bytes,
        modules=tuple(name for module, name in NEEDED.items() if importlib.util.find_spec(module) is None),
        ros_error=_ros_error(),
        gpu=gpu,
        torch=torch,
        torch_cuda=torch_cuda,
        torch_reason=reason,
        compiler=next((found for name in COMPILERS if (found := shutil.which(name, path=environ.get("PATH")))), ""),
        ros_wheels=_version("ros-rclpy"),
        ros_sourced=_sourced(environ.get("AMENT_PREFIX_PATH", "")),
        rmw=environ.get("RMW_IMPLEMENTATION", "rmw_fastrtps_cpp"),
        dds_profile=profile,
        profile_exists=Path(profile).is_file(),
        receive_buffer_bytes=_number(root / "proc/sys/net/core/rmem_max"),
    )


def _file_system_bytes(folder: Path) -> tuple[int, int]:
    """Size of the file system a folder is on, and what is free of it, bytes; 0 where there is none."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return 0, 0
    return status.f_frsize * status.f_blocks, status.f_frsize * status.f_bavail


def _gpu(root: Path) -> str:
    """Name of an NVIDIA GPU that the kernel knows of; a container sees it here also where it was not given one."""
    for information in sorted((root / "proc/driver/nvidia/gpus").glob("*/information")):
        try:
            lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        return next((line.partition(":")[2].strip() for line in lines if line.startswith("Model")), "an NVIDIA GPU")
    return "an NVIDIA GPU" if any((root / "dev" / name).exists() for name in ("nvidia0", "nvhost-gpu")) else ""


def _ask_torch() -> tuple[bool | None, str]:
    """Whether torch can use a GPU, and what it says if not."""
    command = [sys.executable, "-c", _ASK_TORCH]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TORCH_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)
    able, _, built = done.stdout.partition("\n")
    if able.strip() == "True":
        return True, ""
    said = done.stderr.strip().splitlines()
    return False, built.strip() or (said[-1] if said else "")


def _ros_error() -> str:
    """Why ROS cannot be imported, empty if it can."""
    try:
        for module in _ROS_MODULES:
            importlib.import_module(module)
    except Exception as error:  # a library that does not load raises whatever it likes
        return f"{type(error).__name__}: {error}"
    return ""


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _sourced(ament_prefix_path: str) -> str:
    """The sourced prefix that holds rclpy."""
    prefixes = [Path(prefix) for prefix in ament_prefix_path.split(os.pathsep) if prefix]
    return next((str(prefix) for prefix in prefixes if (prefix / "share/rclpy/package.xml").is_file()), "")


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
