"""One job from messages to a published depth map: decode, up-sample, encode, publish.

Owns the order of these steps and the answers to bad input: each is a named report and the next job is taken. Runs in
the worker's thread, which owns the up-sampler.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any

from pagnet_ros.errors import DeviceError, DeviceFailureError, InputError
from pagnet_ros.messages.image import MalformedMessageError
from pagnet_ros.messages.pair import PairReader
from pagnet_ros.pipeline import UpsampledDepth, UpsamplerOptions
from pagnet_ros.ros.names import TopicNames
from pagnet_ros.ros.node.inputs import Job
from pagnet_ros.ros.node.outputs import Outputs
from pagnet_ros.ros.node.registration_report import RegistrationReport
from pagnet_ros.ros.node.rungs import Rungs
from pagnet_ros.ros.parameters import NodeParameters
from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.system.health import Health

__all__ = ["FrameProcessor"]

_NS_PER_MS = 1e6
_MAX_AGE_NS = 3600 * 1_000_000_000


class FrameProcessor:
    """The worker's step. Call from one thread."""

    def __init__(
        self,
        rungs: Rungs,
        topics: TopicNames,
        outputs: Outputs,
        health: Health,
        reporter: Reporter,
        parameters: Callable[[], NodeParameters],
        options: Callable[[NodeParameters], UpsamplerOptions],
        camera_info: Callable[[], Any],
        now_ns: Callable[[], int],
        is_running: Callable[[], bool] = lambda: True,
        on_failure: Callable[[str], None] = lambda reason: None,
        on_done: Callable[[], None] = lambda: None,
    ) -> None:
        """Create.

        Args:
            rungs: The pipeline on its ladder.
            topics: For the reports.
            outputs: Where results go.
            health: Latencies, frames out.
            reporter: Problems.
            parameters: The node's present parameters (they may change between frames).
            options: The pipeline's options for some parameters.
            camera_info: Newest calibration of the colour camera, or None.
            now_ns: The node's clock, the one that stamps are compared with.
            is_running: False once ROS is shutting down, when publishing may fail and nobody need be told.
            on_failure: Told, with the reason, when the device has failed for good; no frame is computed after that.
            on_done: Called after each published frame.
        """
        self._rungs, self._outputs = rungs, outputs
        self._reader = PairReader(topics.depth, topics.color, reporter.report)
        self._health, self._reporter = health, reporter
        self._parameters, self._options = parameters, options
        self._camera_info, self._now_ns = camera_info, now_ns
        self._is_running, self._on_failure, self._on_done = is_running, on_failure, on_done
        self._registration = RegistrationReport(reporter)
        self._has_failed = False
        self._applied: NodeParameters | None = None

    def __call__(self, job: Job) -> None:
        """Process one pair; every failure is reported here."""
        if self._has_failed:
            return
        parameters = self._parameters()
        if parameters.lazy and not self._outputs.wanted():
            self._health.count("skipped_no_subscriber")
            return
        try:
            self._process(job, parameters)
        except MalformedMessageError as error:
            self._reporter.report(error.kind, str(error))
        except InputError as error:
            self._reporter.report("bad_frame", str(error))
        except DeviceFailureError as error:
            self._has_failed = True
            self._reporter.tell("device_failed", str(error), "error")
            self._on_failure(str(error))
        except DeviceError as error:
            self._reporter.report("device", str(error), "error")
        except Exception:
            if self._is_running():
                self._reporter.report("internal_error", traceback.format_exc(), "error")

    def _process(self, job: Job, parameters: NodeParameters) -> None:
        started = time.monotonic_ns()
        depth, rgb = self._reader.read(job.pair.depth, job.pair.color)
        decoded = time.monotonic_ns()
        if parameters is not self._applied:
            self._rungs.upsampler.options = self._options(parameters)
            self._rungs.set_budget(parameters.latency_budget_ms)
            self._applied = parameters
        is_first_of_its_size = self._rungs.prepare(depth, rgb)
        result = self._rungs(depth, rgb)
        if registrar := getattr(self._rungs.upsampler, "registrar", None):
            self._registration.look(registrar)
        limits = self._rungs.upsampler.options
        self._reader.report_range(depth, limits.min_depth_m, limits.max_depth_m)
        computed = time.monotonic_ns()
        frame_id = parameters.output_frame_id or job.pair.color.header.frame_id.lstrip("/")
        stamp = job.pair.depth.header.stamp
        message = self._outputs.encode(result.depth, stamp, frame_id, parameters.output_encoding)
        encoded = time.monotonic_ns()
        self._outputs.publish(message, self._camera_info())
        done = time.monotonic_ns()
        if not is_first_of_its_size:  # else its seconds would stand for what the next ones take
            self._record(job, result, (started, decoded, computed, encoded, done))
        self._health.saw("output", done)
        self._health.count("frames_out")
        self._on_done()

    def _record(self, job: Job, result: UpsampledDepth, times: tuple[int, int, int, int, int]) -> None:
        started, decoded, computed, encoded, done = times
        spans_ns = {
            "pair": job.paired_ns,
            "wait": started - job.received_ns,
            "convert": decoded - started,
            "upsample": computed - decoded,
            "encode": encoded - computed,
            "publish": done - encoded,
            "total": done - job.received_ns,
        }
        age_ns = self._now_ns() - job.pair.depth_stamp_ns
        if 0 <= age_ns < _MAX_AGE_NS:  # else the stamps are of another clock, as in a bag played without use_sim_time
            spans_ns |= {"age": age_ns, "receive": max(0, age_ns - spans_ns["total"] - job.paired_ns)}
        for stage, span_ns in spans_ns.items():
            self._health.record_ms(stage, span_ns / _NS_PER_MS)
        for stage, milliseconds in result.stage_ms.items():
            self._health.record_ms(stage, milliseconds)
        self._rungs.note(spans_ns["total"] / _NS_PER_MS)
