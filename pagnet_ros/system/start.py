"""How a process begins and ends: quiet on Ctrl-C from its first import on, one line where a library is missing.

Each executable is started through `start`, which imports the module of its `main` only then. The end is quick: with
torch loaded, Python's last garbage collection takes seconds, in which a second Ctrl-C would leave DDS's shared memory
behind, so that collection is left out and later signals are ignored.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from typing import Any, Final

from pagnet_ros.system.threads import wait_passively

_PACKAGES: Final = {"cv2": "opencv-python-headless", "yaml": "PyYAML"}
"""How pip calls what is imported by another name."""
_ROS: Final = (
    "rclpy",
    "rcl_interfaces",
    "lifecycle_msgs",
    "diagnostic_msgs",
    "sensor_msgs",
    "std_msgs",
    "rosgraph_msgs",
)


def start(module: str) -> int:
    """Import a module, run its `main`, and prepare the end of the process.

    Args:
        module: Name of a module with a function `main` that needs no argument and returns the exit status.

    Returns:
        The exit status: that of `main`; 0 after Ctrl-C; 1 where a library is missing, which is then on stderr.
    """
    # Nothing has begun while libraries are imported, and an exception amid the C++ of one would abort the process.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    wait_passively()  # before torch is imported
    try:
        main = importlib.import_module(module).main
        signal.signal(signal.SIGINT, _interrupt_once)
        return int(main() or 0)
    except KeyboardInterrupt:
        return 0
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing.startswith("pagnet"):
            raise
        sys.stderr.write(f"error: {_missing(missing)}\n")
        return 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.freeze()


def _interrupt_once(number: int, frame: Any) -> None:
    """The first Ctrl-C ends what runs; the next ones must not interrupt the cleaning up after it."""
    signal.signal(signal.SIGINT, lambda *_: None)
    raise KeyboardInterrupt


def _missing(name: str) -> str:
    if name in _ROS:
        return (
            f"Python cannot find {name}; expected ROS 2. Source its setup.bash in this shell first, or install the "
            "wheels: see With a camera in the README"
        )
    package = _PACKAGES.get(name, name)
    more = " (without an NVIDIA GPU its smaller CPU build: see Two commands in the README)" if name == "torch" else ""
    return f"Python cannot find {name}; expected it installed for {sys.executable}: pip install {package}{more}"
