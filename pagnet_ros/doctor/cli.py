"""Command line of the doctor: watch, judge, print.

    python -m pagnet_ros.doctor --depth /camera/depth --color /camera/color
    ros2 run pagnet_ros doctor --json

ROS is imported here, late: where it cannot be, the machine's findings still come.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pagnet_ros.diagnosis import diagnose
from pagnet_ros.diagnosis.machine import look_at_machine
from pagnet_ros.diagnosis.observation import Machine, Observation
from pagnet_ros.doctor.report import as_json, print_report

HEALTHY, FINDINGS, USAGE, INTERRUPTED = 0, 1, 2, 130
_EXIT_CODES = """exit codes:
  0    nothing found
  1    something found
  2    wrong usage
  130  stopped by Ctrl-C"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine a graph and this machine.

    Args:
        arguments: command line; None for the process's own. What follows --ros-args goes to ROS.

    Returns:
        Exit status: 0 nothing found, 1 something found, 2 wrong usage, 130 stopped by Ctrl-C.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser().parse_args(_without_ros_arguments(words))
        machine = look_at_machine()
        seen = _watch(options, machine, words)
        findings = diagnose(seen)
    except _UsageError as error:
        sys.stderr.write(f"doctor: {error}\n")
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    if options.json:
        sys.stdout.write(as_json(seen, findings))
    else:
        print_report(seen, findings, sys.stdout)
    return FINDINGS if findings else HEALTHY


class _UsageError(Exception):
    """What was asked for makes no sense to ROS."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="doctor",
        description="Watches the topics of a depth camera and this machine for a few seconds; says what is wrong, and "
        "how to mend it.",
        epilog=_EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--depth", metavar="TOPIC", default="", help="depth images; default: what a running node takes")
    parser.add_argument("--color", metavar="TOPIC", default="", help="colour images; likewise")
    parser.add_argument(
        "--depth-info",
        metavar="TOPIC",
        default="",
        help="the depth camera's camera_info; default: what a running node takes, else beside the image",
    )
    parser.add_argument("--color-info", metavar="TOPIC", default="", help="the colour camera's; likewise")
    parser.add_argument("--seconds", metavar="S", type=_seconds, default=5.0, help="how long to watch (default: 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _seconds(text: str) -> float:
    with suppress(ValueError):
        if 0.1 <= (value := float(text)) <= 3600:
            return value
    raise argparse.ArgumentTypeError(f"{text!r}; expected 0.1 to 3600 seconds")


def _without_ros_arguments(words: list[str]) -> list[str]:
    """The words that are not ROS's: those from each --ros-args up to a -- are left out."""
    kept: list[str] = []
    for_ros = False
    for word in words:
        if word == "--ros-args":
            for_ros = True
        elif for_ros and word == "--":
            for_ros = False
        elif not for_ros:
            kept.append(word)
    return kept


def _watch(options: Any, machine: Machine, words: list[str]) -> Observation:
    """What is seen; of the machine only where ROS is not to be had."""
    if machine.ros_error:
        return Observation(machine=machine)
    import rclpy
    from rclpy.executors import ExternalShutdownException

    from pagnet_ros.errors import ConfigError
    from pagnet_ros.ros.doctor import Options, watch
    from pagnet_ros.ros.running import init_ros
    from pagnet_ros.system.transport import prepare_process

    prepare_process()
    has_begun = False
    try:
        init_ros(words)
        has_begun = True
        wanted = Options(options.depth, options.color, options.depth_info, options.color_info, options.seconds)
        return watch(wanted, machine)
    except ExternalShutdownException as error:
        raise KeyboardInterrupt from error
    except Exception as error:
        if has_begun and not rclpy.ok():  # a signal has shut ROS down meanwhile
            raise KeyboardInterrupt from error
        # rclpy has no public classes for arguments, names and types that it refuses
        if isinstance(error, ConfigError) or type(error).__module__.startswith("rclpy"):
            raise _UsageError(" ".join(str(error).split())) from error
        raise
    finally:
        rclpy.try_shutdown()
