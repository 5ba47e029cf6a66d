"""The worker: newest job wins, an exception ends nothing, stop and drain end what they should."""

import threading
from concurrent.futures import Future

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from pagnet_ros.ros.node.inputs import LatestOnlyQueue
from pagnet_ros.ros.node.processing import Worker

TIMEOUT_S = 10.0


def test_queue_keeps_the_newest_and_says_what_it_replaced():
    box = LatestOnlyQueue()
    assert box.put(1) is False
    assert box.put(2) is True
    assert box.get() == 2
    assert box.put(3) is False


def test_closed_queue_gives_none_even_to_a_waiting_taker():
    box = LatestOnlyQueue()
    got = []
    taker = threading.Thread(target=lambda: got.append(box.get()))
    taker.start()
    box.close()
    taker.join(TIMEOUT_S)
    assert got == [None]


def test_step_is_built_and_run_in_one_thread():
    threads, done = [], threading.Event()

    def build():
        threads.append(threading.current_thread())

        def step(job):
            threads.append(threading.current_thread())
            done.set()

        return step

    queue = LatestOnlyQueue()
    worker = Worker(queue, on_error=pytest.fail)
    worker.start(build, lambda: True)
    queue.put("job")
    assert done.wait(TIMEOUT_S)
    assert worker.stop(TIMEOUT_S)
    assert threads[0] is threads[1] is not threading.current_thread()


def test_failure_to_build_reaches_the_caller_and_leaves_no_thread():
    def build():
        raise ValueError("no weights")

    queue = LatestOnlyQueue()
    worker = Worker(queue, on_error=pytest.fail, name="short_lived")
    with pytest.raises(ValueError, match="no weights"):
        worker.start(build, lambda: True)
    assert worker.stop(TIMEOUT_S)
    assert "short_lived" not in {thread.name for thread in threading.enumerate()}


def test_exception_in_a_step_is_handed_on_and_the_next_job_is_done():
    errors, done = [], threading.Event()

    def step(job):
        if job == "bad":
            raise RuntimeError("boom")
        done.set()

    told = threading.Event()

    def on_error(error):
        errors.append(error)
        told.set()

    queue = LatestOnlyQueue()
    worker = Worker(queue, on_error=on_error)
    worker.start(lambda: step, lambda: True)
    queue.put("bad")
    assert told.wait(TIMEOUT_S)
    queue.put("good")
    assert done.wait(TIMEOUT_S)
    worker.stop(TIMEOUT_S)
    assert [str(error) for error in errors] == ["boom"]


def test_drain_waits_for_a_job_that_was_only_just_taken():
    taken, release, ran = threading.Event(), threading.Event(), []
    queue = LatestOnlyQueue()
    worker = Worker(queue, on_error=pytest.fail)
    take = queue.get

    def take_and_pause():
        job = take()
        taken.set()
        assert release.wait(TIMEOUT_S)
        return job

    queue.get = take_and_pause
    worker.start(lambda: ran.append, lambda: True)
    queue.put("job")
    assert taken.wait(TIMEOUT_S)
    assert queue.drain(timeout_s=0.01) is False
    release.set()
    assert queue.drain(TIMEOUT_S)
    assert ran == ["job"]
    assert worker.stop(TIMEOUT_S)


def test_drain_drops_the_waiting_job_and_waits_for_the_running_one():
    entered, release, ran = threading.Event(), threading.Event(), []

    def step(job):
        entered.set()
        assert release.wait(TIMEOUT_S)
        ran.append(job)

    queue = LatestOnlyQueue()
    worker = Worker(queue, on_error=pytest.fail)
    worker.start(lambda: step, lambda: True)
    queue.put("running")
    assert entered.wait(TIMEOUT_S)
    queue.put("waiting")
    assert queue.drain(timeout_s=0.01) is False
    release.set()
    assert queue.drain(TIMEOUT_S)
    worker.stop(TIMEOUT_S)
    assert ran == ["running"]


def test_a_failure_that_cannot_be_reported_either_ends_nothing():
    done = threading.Event()

    def step(job):
        if job == "bad":
            raise MemoryError("in the step")
        done.set()

    def no_memory_to_say_so(error):
        raise MemoryError("in the report")

    queue = LatestOnlyQueue()
    worker = Worker(queue, on_error=no_memory_to_say_so)
    worker.start(lambda: step, lambda: True)
    queue.put("bad")
    assert queue.drain(TIMEOUT_S)
    queue.put("good")
    assert done.wait(TIMEOUT_S)
    assert worker.stop(TIMEOUT_S)


def test_a_step_that_takes_long_to_build_is_waited_for_whatever_class_the_timeout_has(monkeypatch):
    class OtherTimeoutError(Exception):
        """Before Python 3.11 `concurrent.futures.TimeoutError` is not the builtin one."""

    def result(self, timeout=None):
        if timeout is not None and not self.done():
            raise OtherTimeoutError
        return None

    monkeypatch.setattr(Future, "result", result)
    queue, looked, built = LatestOnlyQueue(), [], threading.Event()

    def build():
        assert built.wait(TIMEOUT_S)
        return lambda job: None

    def is_running():
        looked.append(True)
        if len(looked) == 3:  # it has waited twice
            built.set()
        return True

    worker = Worker(queue, on_error=pytest.fail)
    worker.start(build, is_running)
    assert built.is_set()
    assert worker.stop(TIMEOUT_S)


def test_a_step_that_is_still_being_built_does_not_hold_up_the_end():
    release = threading.Event()

    def build():
        assert release.wait(60)
        return pytest.fail

    worker = Worker(LatestOnlyQueue(), on_error=pytest.fail)
    worker.start(build, lambda: False)  # ROS is shut down meanwhile
    assert not worker.stop(timeout_s=60, building_s=0.01)
    assert not release.is_set()
    release.set()
    assert worker.stop(TIMEOUT_S, TIMEOUT_S)
