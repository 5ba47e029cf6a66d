"""How a process of one node runs: from a ready ROS to its end.

Nothing that a message brings may end a process: an exception that leaves a callback, one of rclpy's own as well, is
logged, and the executor goes on. rclpy 7.1 raises for a `/clock` with negative seconds, for a parameter of unknown
type, and for a lifecycle request out of sequence.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.logging import get_logging_directory
from rclpy.utilities import remove_ros_args

from pagnet_ros.errors import ConfigError, PagnetError

START_ERRORS: Final = (PagnetError, ParameterException)
"""What a user has to mend when a node cannot be made; the second is rclpy's, for what it declares: use_sim_time:=1."""
_PAUSE_S: Final = 0.01
"""Rest after an exception, so that one that comes back at once does not take the whole processor."""
_REPORT_PERIOD_S: Final = 5.0
_POLL_S: Final = 0.2
_SIGNAL_POLL_S: Final = 1.0
"""How long a signal that rclpy does not handle may wait: Python's handlers run in the main thread alone."""


def init_ros(arguments: list[str] | None = None) -> None:
    """Start ROS with a command line; where no log file can be written (no home, no room), without one.

    A terminal that is closed ends the process as SIGTERM does, from here on.

    Args:
        arguments: Command line with the program's name first; `sys.argv` if None.

    Raises:
        ConfigError: What ROS does not understand in it.
    """
    words = list(sys.argv if arguments is None else arguments)
    try:
        folder = Path(get_logging_directory())
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        sys.stderr.write(f"no log file is written: {error}; expected a folder to write to: set ROS_LOG_DIR\n")
        words[1:1] = ["--ros-args", "--disable-external-lib-logs", "--"]
    try:
        rclpy.init(args=words)
    except ExternalShutdownException:
        raise
    except Exception as error:  # rclpy's own classes for this are private
        raise ConfigError(f"the arguments after --ros-args: {error}") from error
    in_main_thread = threading.current_thread() is threading.main_thread()  # where alone Python allows it
    if in_main_thread and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else somebody wants it to live on
        signal.signal(signal.SIGHUP, _end_at_hangup)


def _end_at_hangup(number: int, frame: FrameType | None) -> None:
    """Killed by it, a process leaves its shared memory in /dev/shm, tens of megabytes. A shell may send it twice."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    os.kill(os.getpid(), signal.SIGTERM)


def init_ros_alone(example: str, arguments: list[str] | None = None) -> None:
    """Start ROS as `init_ros` does, for a program that takes nothing but ROS arguments.

    Args:
        example: A command line that would do, for the message.
        arguments: Command line with the program's name first; `sys.argv` if None.

    Raises:
        ConfigError: What ROS does not understand in it, and what is not for ROS.
    """
    init_ros(arguments)
    try:
        refuse_plain(remove_ros_args(sys.argv if arguments is None else arguments)[1:], example)
    except ConfigError:
        rclpy.try_shutdown()
        raise


def refuse_plain(words: Sequence[str], example: str) -> None:
    """Refuse words that are not for ROS, instead of running without what they ask for.

    Raises:
        ConfigError: There are some; the message has the example.
    """
    if words:
        raise ConfigError(f"arguments {' '.join(words)!r}; expected ROS parameters only, as in `{example}`")


def run_node(make_node: Callable[[], Any]) -> None:
    """Make a node and spin it until Ctrl-C, SIGTERM or SIGHUP; then shut ROS down, which `init_ros` has started."""
    node = None
    executor = SingleThreadedExecutor()
    try:
        node = make_node()
        executor.add_node(node)
        spin(executor, node.get_logger())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except Exception:
        if rclpy.ok():  # else a signal has shut ROS down under a callback: no error of the node's
            raise
    finally:
        if node is not None:
            node.destroy_node()
        executor.shutdown()
        rclpy.try_shutdown()


def spin(executor: Any, logger: Any, until: Callable[[], bool] | None = None) -> None:
    """Run callbacks until ROS is shut down; what one of them raises is logged, and the next one is run.

    Args:
        executor: A single-threaded executor with its nodes.
        logger: Of the node, for what callbacks raise; the same line at most once in five seconds.
        until: Asked after each callback, and five times a second; true ends it. None for never.

    Raises:
        KeyboardInterrupt: Ctrl-C.
        ExternalShutdownException: ROS was shut down by a signal.
    """
    said: dict[str, float] = {}
    timeout_s = _SIGNAL_POLL_S if until is None else _POLL_S
    while executor.context.ok() and not (until is not None and until()):
        try:
            executor.spin_once(timeout_sec=timeout_s)
        except ExternalShutdownException:
            raise
        except Exception as error:
            if not executor.context.ok():
                return
            with suppress(Exception):  # without memory nothing can be said either, and the node goes on all the same
                line = f"{type(error).__name__}: {error}"[:500]
                now = time.monotonic()
                if now - said.get(line, -_REPORT_PERIOD_S) >= _REPORT_PERIOD_S:
                    said = {kept: at for kept, at in said.items() if now - at < _REPORT_PERIOD_S} | {line: now}
                    logger.error(f"[internal_error] a callback failed and the node goes on: {line}")
                    logger.debug(traceback.format_exc())
            _free_what_failed(executor)
            time.sleep(_PAUSE_S)


def _free_what_failed(executor: Any) -> None:
    """Let the executor wait again for what it was taking when that raised.

    rclpy 7.1 marks a subscription, timer or service as taken, and its callback group as busy, and forgets to undo both
    where the taking itself raises, as without memory for a message: nothing of the group would ever be called again.
    """
    for node in executor.get_nodes():
        for entity in (*node.subscriptions, *node.timers, *node.services, *node.clients, *node.guards, *node.waitables):
            entity._executor_event = False
            if getattr(entity.callback_group, "_active_entity", None) is not None:
                entity.callback_group._active_entity = None
