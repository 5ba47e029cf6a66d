"""A node's process goes on whatever its callbacks raise, also where nothing can be said about it any more."""

import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.executors import SingleThreadedExecutor
from std_msgs.msg import String

from pagnet_ros.ros.running import spin


class Executor:
    """Callbacks that raise one after the other."""

    def __init__(self, *errors):
        self.context = SimpleNamespace(ok=lambda: True)
        self.left = list(errors)

    def spin_once(self, timeout_sec):
        raise self.left.pop(0)

    def get_nodes(self):
        return []


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


def test_a_message_that_rclpy_cannot_take_does_not_stop_the_next_ones(ros, monkeypatch):
    node = ros.rclpy.create_node("taker", context=ros.context)
    executor = SingleThreadedExecutor(context=ros.context)
    executor.add_node(node)
    heard, failed, ended = [], threading.Event(), threading.Event()
    take = executor._take_subscription

    def first_without_memory(subscription):
        if not failed.is_set():
            failed.set()
            raise MemoryError("failed to create array for field 'data'")
        return take(subscription)

    monkeypatch.setattr(executor, "_take_subscription", first_without_memory)
    node.create_subscription(String, "talk", heard.append, 10)
    talker = ros.node("talker").create_publisher(String, "talk", 10)
    logger = SimpleNamespace(error=lambda text: None, debug=lambda text: None)
    thread = threading.Thread(target=spin, args=(executor, logger, ended.is_set))
    thread.start()
    try:
        ros.wait_matched(talker)
        talker.publish(String(data="lost"))
        ros.wait_until(failed.is_set, what="the failure")
        talker.publish(String(data="heard"))
        ros.wait_until(lambda: any(message.data == "heard" for message in heard), what="the next message")
    finally:
        ended.set()
        thread.join(10.0)
        executor.shutdown()
        node.destroy_node()
