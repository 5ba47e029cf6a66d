"""One job from messages to a published depth map: decode, up-sample, encode, publish.

Owns the order of these steps and the answers to bad input: each is a named report and the next job is taken. Runs in
the worker's thread, which owns the up-sampler.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.errors import DeviceError, InputError
from pagnet_ros.health import Health
from pagnet_ros.messages.compressed import color_from_compressed, depth_from_compressed
from pagnet_ros.messages.image import MalformedMessageError, color_from_image, depth_from_image
from pagnet_ros.pipeline import UpsampledDepth, UpsamplerOptions
from pagnet_ros.ros.inputs import Job
from pagnet_ros.ros.names import TopicNames
from pagnet_ros.ros.outputs import Outputs
from pagnet_ros.ros.parameters import NodeParameters
from pagnet_ros.ros.reporter import Reporter

__all__ = ["FrameProcessor"]

_NS_PER_MS = 1e6
_MAX_AGE_NS = 3600 * 1_000_000_000


class _Upsampler(Protocol):
    options: UpsamplerOptions

    def __call__(self, depth: NDArray[Any], rgb: NDArray[np.uint8], /) -> UpsampledDepth: ...


class FrameProcessor:
    """The worker's step. Call from one thread."""

    def __init__(
        self,
        upsampler: _Upsampler,
        topics: TopicNames,
        outputs: Outputs,
        health: Health,
        reporter: Reporter,
        parameters: Callable[[], NodeParameters],
        options: Callable[[NodeParameters], UpsamplerOptions],
        camera_info: Callable[[], Any],
        now_ns: Callable[[], int],
        is_running: Callable[[], bool] = lambda: True,
    ) -> None:
        """Create.

        Args:
            upsampler: The pipeline.
            topics: For the reports.
            outputs: Where results go.
            health: Latencies, frames out.
            reporter: Problems.
            parameters: The node's present parameters (they may change between frames).
            options: The pipeline's options for some parameters.
            camera_info: Newest calibration of the colour camera, or None.
            now_ns: The node's clock, the one that stamps are compared with.
            is_running: False once ROS is shutting down, when publishing may fail and nobody need be told.
        """
        self._upsampler, self._topics, self._outputs = upsampler, topics, outputs
        self._health, self._reporter = health, reporter
        self._parameters, self._options = parameters, options
        self._camera_info, self._now_ns = camera_info, now_ns
        self._is_running = is_running
        self._applied: NodeParameters | None = None
        self._sizes: tuple[tuple[int, ...], tuple[int, ...]] | None = None

    def __call__(self, job: Job) -> None:
        """Process one pair; every failure is reported here."""
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
        except DeviceError as error:
            self._reporter.report("device", str(error), "error")
        except Exception:
            if self._is_running():
                self._reporter.report("internal_error", traceback.format_exc(), "error")

    def _process(self, job: Job, parameters: NodeParameters) -> None:
        started = time.monotonic_ns()
        depth = self._decode(job.pair.depth, self._topics.depth, _read_depth)
        rgb = self._decode(job.pair.color, self._topics.color, _read_color)
        self._check(depth, rgb)
        decoded = time.monotonic_ns()
        if parameters is not self._applied:
            self._upsampler.options = self._options(parameters)
            self._applied = parameters
        result = self._upsampler(depth, rgb)
        if result.is_empty:
            self._report_empty(depth, parameters)
        computed = time.monotonic_ns()
        frame_id = parameters.output_frame_id or job.pair.color.header.frame_id
        stamp = job.pair.depth.header.stamp
        message = self._outputs.encode(result.depth, stamp, frame_id, parameters.output_encoding)
        encoded = time.monotonic_ns()
        self._outputs.publish(message, self._camera_info())
        done = time.monotonic_ns()
        self._record(job, result, (started, decoded, computed, encoded, done))

    def _decode(self, message: Any, topic: str, read: Callable[[Any], NDArray[Any]]) -> NDArray[Any]:
        """Decode a message; a refusal names its topic."""
        try:
            return read(message)
        except MalformedMessageError as error:
            raise MalformedMessageError(error.kind, f"{topic}: {error}") from error

    def _check(self, depth: NDArray[Any], rgb: NDArray[np.uint8]) -> None:
        """Report what is odd about a decoded pair; refuse what cannot be up-sampled."""
        sizes = (depth.shape, rgb.shape[:2])
        if self._sizes is not None and sizes != self._sizes:
            self._reporter.report(
                "resolution_changed",
                f"resolution changed: depth {_size(self._sizes[0])} -> {_size(sizes[0])}, colour "
                f"{_size(self._sizes[1])} -> "
                f"{_size(sizes[1])}; going on with the new one",
                "info",
            )
        self._sizes = sizes
        if depth.shape[0] > rgb.shape[0] or depth.shape[1] > rgb.shape[1]:
            raise MalformedMessageError(
                "depth_larger_than_color",
                f"depth is {_size(depth.shape)}, colour {_size(rgb.shape)}; expected colour at least as large as "
                "depth in "
                "both axes. Are the topics swapped? Else subscribe to the full-size colour topic, or decimate depth",
            )
        if depth.dtype == np.float32:
            negative = np.count_nonzero((depth < 0.0) & (depth > -np.inf))
            if negative:
                self._reporter.report(
                    "negative_depth",
                    f"{self._topics.depth} has {negative} negative values; expected metres above 0, or NaN (REP 117). "
                    "They count as missing; check the driver's units",
                )

    def _report_empty(self, depth: NDArray[Any], parameters: NodeParameters) -> None:
        """Say why not one pixel could be believed."""
        scale = 1e-3 if depth.dtype == np.uint16 else 1.0
        measured = depth[np.isfinite(depth) & (depth > 0)] * scale
        limits = f"{parameters.min_depth_m:g} to {parameters.max_depth_m:g} m"
        if measured.size == 0:
            came = f"{self._topics.depth}: all {depth.size} depth values are 0 or not finite"
            mend = "check that the sensor is not covered, too near, or in bright sun"
        else:
            came = f"{self._topics.depth}: all depth values lie at {measured.min():g} to {measured.max():g} m"
            mend = "set min_depth_m and max_depth_m to the sensor's range"
            if depth.dtype == np.float32 and measured.min() > 100.0:
                mend = "these look like millimetres, and 32FC1 must be metres (REP 118): publish 16UC1 instead"
        self._reporter.report("no_valid_depth", f"{came}; expected some within {limits}. The output is all NaN; {mend}")

    def _record(self, job: Job, result: UpsampledDepth, times: tuple[int, int, int, int, int]) -> None:
        started, decoded, computed, encoded, done = times
        for stage, begin, end in (
            ("wait", job.received_ns, started),
            ("decode", started, decoded),
            ("upsample", decoded, computed),
            ("encode", computed, encoded),
            ("publish", encoded, done),
            ("total", job.received_ns, done),
        ):
            self._health.record_ms(stage, (end - begin) / _NS_PER_MS)
        for stage, milliseconds in result.stage_ms.items():
            self._health.record_ms(f"upsample.{stage}", milliseconds)
        age_ns = self._now_ns() - job.pair.depth_stamp_ns
        if 0 <= age_ns < _MAX_AGE_NS:  # else the stamps are of another clock, as in a bag played without use_sim_time
            self._health.record_ms("age", age_ns / _NS_PER_MS)
        self._health.saw("output", done)
        self._health.count("frames_out")


def _read_depth(message: Any) -> NDArray[Any]:
    return depth_from_image(message) if hasattr(message, "step") else depth_from_compressed(message)


def _read_color(message: Any) -> NDArray[Any]:
    return color_from_image(message) if hasattr(message, "step") else color_from_compressed(message)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} x {shape[0]}"
