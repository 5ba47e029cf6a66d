"""A node's process goes on whatever its callbacks raise, also where nothing can be said about it any more."""

from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from pagnet_ros.ros.running import spin


class Executor:
    """Callbacks that raise one after the other."""

    def __init__(self, *errors):
        self.context = SimpleNamespace(ok=lambda: True)
        self.left = list(errors)

    def spin_once(self, timeout_sec):
        raise self.left.pop(0)


def test_what_callbacks_raise_is_logged_once_and_the_next_one_runs():
    said = []
    executor = Executor(ValueError("odd"), ValueError("odd"), KeyError("other"))
    spin(executor, SimpleNamespace(error=said.append, debug=lambda text: None), until=lambda: not executor.left)
    assert [line.rpartition("goes on: ")[2] for line in said] == ["ValueError: odd", "KeyError: 'other'"]


def test_without_memory_for_a_line_of_the_log_the_next_callback_runs_all_the_same():
    def no_memory(text):
        raise MemoryError

    executor = Executor(MemoryError(), MemoryError(), MemoryError())
    spin(executor, SimpleNamespace(error=no_memory, debug=no_memory), until=lambda: not executor.left)
    assert not executor.left
