"""Faults of the device, injected below the real node and pipeline: told by name, answered, recovered from."""

import threading
from types import SimpleNamespace

import pytest
import torch

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.parameter import Parameter

from pagnet_ros.core.degradation import BICUBIC, LEVELS, NETWORK
from pagnet_ros.messages.image import stamp_ns
from pagnet_ros.model.config import ModelConfig
from pagnet_ros.model.network import PagNet
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.ros.node import lifecycle
from pagnet_ros.runtime import engine_pool
from pagnet_ros.runtime.engine import Engine
from tests.ros.node.node_rig import START_NS, Rig

FRAME_NS = 33_000_000
OUT_OF_MEMORY = "CUDA out of memory. Tried to allocate 2.00 GiB"
FAILURE = "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"
LOST = "CUDA error: an illegal memory access was encountered"


class FaultyDevice:
    """Faults for the engines' forward passes, in the order they will run; shared by all of them."""

    def __init__(self, monkeypatch):
        self.faults, self.built, self.ran_in = [], 0, set()
        device = self

        class FaultyEngine(Engine):
            def __init__(self, network, device_name, precision, *arguments, **keywords):
                device.built += 1
                device.raise_next("build")
                super().__init__(network, device_name, precision, backend="eager")
                forward = self._forward

                def faulty(*tensors):
                    device.ran_in.add(threading.current_thread().name)
                    device.raise_next("run")
                    return forward(*tensors)

                self._forward = faulty

        monkeypatch.setattr(engine_pool, "Engine", FaultyEngine)

    def raise_next(self, where):
        if self.faults and self.faults[0][0] == where:
            _, error = self.faults.pop(0)
            if error is not None:
                raise error


def load(parameters):
    config = ModelConfig(scale=4, channels=8, growth=4, convolutions=2, blocks=1, residual=True, mask_channel=True)
    up = DepthUpsampler("small", {4: lambda: PagNet(config)}, device="cpu", precision="fp32")
    up.warm_up((24, 32), (96, 128))
    return up


class Cameras(Rig):
    """A node on a device that can be made to fail, a camera, and its diagnostics."""

    def __init__(self, ros, **parameters):
        super().__init__(ros, load=load, diagnostics_period_s=0.1, **parameters)
        self.sent = 0
        self.diagnostics = ros.collect(self.camera, DiagnosticArray, "/diagnostics")

    def send_next(self):
        """Send one pair; returns its stamp."""
        at_ns = START_NS + self.sent * FRAME_NS
        self.sent += 1
        self.send(at_ns)
        return at_ns

    def answered(self):
        """Send one pair and wait for its output; returns the quality level that gave it."""
        before, count = self.counts(), len(self.out.messages) + 1
        at_ns = self.send_next()
        assert stamp_ns(self.out.wait_for(count)[-1]) == at_ns
        (level,) = (n for n, count in self.counts().items() if n.startswith("level.") and count != before.get(n))
        return level.removeprefix("level.")

    def wait_status(self, accept):
        return self.ros.wait_until(
            lambda: next((s for m in list(self.diagnostics.messages) for s in m.status if accept(s)), None),
            what="the status",
        )


def values(status):
    return {pair.key: pair.value for pair in status.values}


@pytest.fixture
def device(monkeypatch):
    return FaultyDevice(monkeypatch)


def test_out_of_memory_falls_a_level_says_so_and_loses_no_frame(ros, device):
    rig = Cameras(ros)
    assert rig.answered() == NETWORK
    device.faults = [("run", torch.OutOfMemoryError(OUT_OF_MEMORY))]
    assert rig.answered() == BICUBIC
    said = [line for line in rig.log if "[quality_level]" in line]
    assert [line.split(":")[0] for line in said] == [f"[quality_level] {NETWORK} -> {BICUBIC}"]
    assert "ran out of memory" in said[0]
    status = rig.wait_status(lambda s: values(s).get("quality level") == BICUBIC)
    assert status.level == bytes([1])
    assert values(status)["best quality level"] == NETWORK


def test_memory_that_comes_back_brings_the_network_back(ros, device, monkeypatch):
    rig, now = Cameras(ros), [0]
    monkeypatch.setattr(rig.node._processor, "_steady_ns", lambda: now[0])
    device.faults = [("run", torch.OutOfMemoryError(OUT_OF_MEMORY))]
    assert rig.answered() == BICUBIC
    level = BICUBIC
    for _ in range(40):
        now[0] += 10**9
        level = rig.answered()
        if level == NETWORK:
            break
    assert level == NETWORK
    rig.wait_status(lambda s: values(s).get("quality level") == NETWORK)


def test_memory_that_runs_out_on_the_cpu_is_answered_alike(ros, device):
    rig = Cameras(ros)
    device.faults = [("run", RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"))]
    assert rig.answered() == BICUBIC


def test_device_error_in_mid_run_gets_a_new_engine_and_loses_no_frame(ros, device):
    rig = Cameras(ros)
    assert rig.answered() == NETWORK
    built = device.built
    device.faults = [("run", torch.AcceleratorError(FAILURE))]
    assert rig.answered() == NETWORK
    assert device.built == built + 1
    line = next(line for line in rig.log if "[device_failed]" in line)
    assert "EXECUTION_FAILED" in line
    assert "built anew" in line
    rig.wait_status(lambda s: s.level == bytes([2]) and "EXECUTION_FAILED" in s.message)


@pytest.mark.parametrize("where", ["build", "run"])
def test_device_that_stays_broken_ends_in_error_processing_with_the_reason(ros, device, where):
    rig = Cameras(ros)
    assert rig.answered() == NETWORK
    said = []
    rig.node.get_logger = lambda: SimpleNamespace(info=said.append, warn=said.append, error=said.append)
    device.faults = [("run", torch.AcceleratorError(FAILURE)), (where, torch.AcceleratorError(FAILURE))]
    rig.send_next()
    ros.wait_until(lambda: rig.node.state == "unconfigured", what="error processing")
    assert any("the device failed" in line and "EXECUTION_FAILED" in line for line in said)
    assert rig.node._state_machine.current_state[1] == "unconfigured"
    assert not [t for t in threading.enumerate() if t.name == "pagnet_worker"]
    status = rig.wait_status(lambda s: s.level == bytes([2]) and "A new engine failed too" in s.message)
    assert "EXECUTION_FAILED" in status.message
    assert rig.node.trigger_configure().name == "SUCCESS"
    assert rig.node.trigger_activate().name == "SUCCESS"
    rig.wait_matched()
    assert rig.answered() == NETWORK


def test_a_device_lost_to_the_process_is_not_tried_again_and_the_node_asks_for_a_new_process(ros, device):
    rig = Cameras(ros)
    assert rig.answered() == NETWORK
    built = device.built
    device.faults = [("run", torch.AcceleratorError(LOST))]
    rig.send_next()
    ros.wait_until(lambda: rig.node.state == "unconfigured", what="error processing")
    assert device.built == built
    rig.wait_status(lambda s: s.level == bytes([2]) and "restart the process" in s.message)


def test_a_device_that_failed_while_inactive_is_not_activated_in_silence(ros, device):
    rig = Cameras(ros)
    assert rig.node.trigger_deactivate().name == "SUCCESS"
    said = []
    rig.node.get_logger = lambda: SimpleNamespace(info=said.append, warn=said.append, error=said.append)
    rig.node.fail("cuda:0 failed")
    assert rig.node.trigger_activate().name == "FAILURE"
    assert "cuda:0 failed" in said[-1]
    assert rig.node.trigger_cleanup().name == "SUCCESS"
    assert rig.node.trigger_configure().name == "SUCCESS"
    assert rig.node.trigger_activate().name == "SUCCESS"


def test_under_autostart_a_broken_device_is_tried_again_by_itself(ros, device, monkeypatch):
    monkeypatch.setattr(lifecycle, "_RETRY_S", 0.05)
    rig = Cameras(ros, autostart=True)
    broken = torch.AcceleratorError(FAILURE)
    device.faults = [("run", broken), ("build", broken), ("build", broken)]
    rig.send_next()
    ros.wait_until(lambda: not device.faults and rig.node.state == "active", what="the node to come back")
    rig.wait_matched()
    assert rig.answered() == NETWORK


def test_budget_that_cannot_be_met_walks_down_and_back_up(ros, device, monkeypatch):
    rig = Cameras(ros, latency_budget_ms=0.001)
    now = [0]
    monkeypatch.setattr(rig.node._processor, "_steady_ns", lambda: now[0])
    seen = []
    for _ in range(25):
        now[0] += FRAME_NS
        seen.append(rig.answered())
    assert list(dict.fromkeys(seen)) == list(LEVELS)
    assert rig.node.set_parameters([Parameter("latency_budget_ms", value=10000.0)])[0].successful
    for _ in range(10):
        now[0] += 10**9
        seen.append(rig.answered())
    assert seen[-1] == NETWORK
    assert sum("[quality_level]" in line for line in rig.log) == rig.counts()["problem.quality_level"]


def test_the_device_is_only_touched_by_the_worker(ros, device):
    rig = Cameras(ros)
    for _ in range(3):
        rig.answered()
    assert device.ran_in == {"pagnet_worker"}
