"""From the newest pair of messages to a published depth map, in the one thread that uses the device.

Reads top to bottom: `Worker` takes pairs out of a latest-only queue, `FrameProcessor` decodes, up-samples, encodes and
publishes one of them, and answers bad input, lack of memory, a device that failed, and frames that take too long.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from pagnet_ros.core.alignment.check import AlignmentCheck
from pagnet_ros.core.degradation import Degradation, LevelChange
from pagnet_ros.errors import (
    DeviceError,
    DeviceFailureError,
    DeviceLostError,
    InputError,
    MessageError,
    OutOfMemoryError,
)
from pagnet_ros.messages.pair import PairReader
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler, UpsampledDepth
from pagnet_ros.ros.node.inputs import LatestOnlyQueue, MessagePair
from pagnet_ros.ros.node.outputs import Outputs
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.node.reprojecting import Reprojecting
from pagnet_ros.system.units import NS_PER_MS

if TYPE_CHECKING:
    from pagnet_ros.ros.node.node import PagnetNode

T = TypeVar("T")
_MAX_AGE_NS: Final = 3600 * 1_000_000_000
_REBUILD_PERIOD_NS: Final = 60_000_000_000
"""A device that fails again within this is not worth another try."""


class Worker(Generic[T]):
    """Runs one step per item of a queue in its own thread, which an exception in a step never ends."""

    def __init__(
        self, queue: LatestOnlyQueue[T], on_error: Callable[[Exception], None], name: str = "pagnet_worker"
    ) -> None:
        """`on_error` is told, in the worker's thread, of any exception that a step lets through."""
        self._queue, self._on_error, self._name = queue, on_error, name
        self._thread: threading.Thread | None = None
        self._built: Future[None] = Future()

    def start(self, build_step: Callable[[], Callable[[T], None]], is_running: Callable[[], bool]) -> None:
        """Start the thread, build the step in it (that loads the network), and wait until it is built or nobody waits.

        Raises:
            Exception: Whatever `build_step` raised; the thread has ended then.
        """
        self._thread = threading.Thread(target=self._run, args=(build_step,), name=self._name, daemon=True)
        self._thread.start()
        while is_running():
            if futures.wait([self._built], timeout=0.2).done:
                return self._built.result()

    def stop(self, timeout_s: float = 30.0, building_s: float = 5.0) -> bool:
        """End the thread after the running step; false if it outlasts the timeout.

        A step that is still being built is waited for `building_s`: what is never used may take minutes, as a compiler
        does, and ROS's launch kills a process 10 s after Ctrl-C.
        """
        self._queue.close()
        if self._thread is None or self._thread is threading.current_thread():
            return True
        self._thread.join(timeout_s if self._built.done() else building_s)
        return not self._thread.is_alive()

    def _run(self, build_step: Callable[[], Callable[[T], None]]) -> None:
        try:
            step = build_step()
        except BaseException as error:
            self._built.set_exception(error)
            return
        self._built.set_result(None)
        while (item := self._queue.get()) is not None:
            try:
                step(item)
            except Exception as error:
                with suppress(Exception):  # without memory nothing can be said either, and the next item is worked on
                    self._on_error(error)
                time.sleep(0.001)  # a step that fails at once must not take the GIL from the callbacks


@lru_cache(maxsize=4)
def _with_uncertainty(options: UpsamplerOptions, asked: bool) -> UpsamplerOptions:
    """The options with what is made for the layers beside the depth, or without."""
    return replace(options, uncertainty=asked)


class FrameProcessor:
    """The worker's step. Call from one thread."""

    def __init__(
        self,
        node: PagnetNode,
        upsampler: DepthUpsampler,
        outputs: Outputs,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """The node tells parameters, calibrations and the time; their present values are asked for each frame."""
        self.degradation = Degradation(upsampler.levels)
        self._node, self._upsampler, self._outputs, self._steady_ns = node, upsampler, outputs, steady_ns
        self._health, self._reporter = node.health, node.reporter
        topics = outputs.topics
        align = Reprojecting(node, topics, upsampler.device)
        self._reader = PairReader(topics.depth, topics.color, self._reporter.report, align=align)
        self._alignment = AlignmentCheck()
        self._rebuilt_ns = -_REBUILD_PERIOD_NS
        self._has_failed = False

    def __call__(self, pair: MessagePair) -> None:
        """Process one pair; every failure is reported here."""
        if self._has_failed:
            return
        settings = self._node.settings
        if settings.lazy and not self._outputs.wanted():
            self._health.count("skipped_no_subscriber")
            return
        try:
            self._process(pair, settings)
        except MessageError as error:
            self._reporter.report(error.kind, str(error))
        except InputError as error:
            self._reporter.report("bad_frame", str(error))
        except DeviceFailureError as error:
            self._has_failed = True
            self._reporter.log("device_failed", str(error), "error")
            self._node.fail(str(error))
        except DeviceError as error:
            self._reporter.report("device", str(error), "error")
        except Exception:
            if self._node.is_running():
                self._reporter.report("internal_error", traceback.format_exc(limit=-8), "error")

    def _process(self, pair: MessagePair, settings: NodeParameters) -> None:
        started = time.monotonic_ns()
        options = self._upsampler.options = _with_uncertainty(self._node.options, self._outputs.layers_wanted())
        self._reader.depth_unit_m = options.depth_unit_m
        depth, rgb = self._reader.read(pair.depth.message, pair.color.message)
        if self._reader.unaligned:
            self._reporter.keep("frame_ids_differ")
        decoded = time.monotonic_ns()
        is_first_of_its_size = self._prepare(depth, rgb)
        result = self._upsample(depth, rgb)
        computed = time.monotonic_ns()
        header = pair.depth.message.header
        frame_id = (settings.output_frame_id or pair.color.message.header.frame_id).lstrip("/")  # tf2 knows no slash
        message = self._outputs.encode(result.depth, header.stamp, frame_id, settings.output_encoding)
        encoded = time.monotonic_ns()
        self._outputs.publish(message, result, self._node.camera_info)
        self._outputs.points.publish(message.header, result.depth, rgb, self._node.camera_info, settings)
        done = time.monotonic_ns()
        if not is_first_of_its_size:  # else its seconds would stand for what the next ones take
            self._record(pair, result, (started, decoded, computed, encoded, done))
        self._health.tick("output", done)
        self._health.count("frames_out")
        if result.disagreeing:
            self._health.count("measurements_contested", result.disagreeing)
        self._node.on_frame_done()
        self._reader.report_range(depth, options.min_depth_m, options.max_depth_m)
        if options.registration == "none":
            self._check_alignment(depth, rgb, options)

    def _record(self, pair: MessagePair, result: UpsampledDepth, times: tuple[int, int, int, int, int]) -> None:
        """Note what each stage took, and whether that calls for another quality level."""
        started, decoded, computed, encoded, done = times
        first_ns, received_ns = sorted((pair.depth.arrived_ns, pair.color.arrived_ns))
        spans_ns = {
            "pair": received_ns - first_ns,
            "wait": started - received_ns,
            "convert": decoded - started,
            "upsample": computed - decoded,
            "encode": encoded - computed,
            "publish": done - encoded,
            "total": done - received_ns,
        }
        age_ns = self._node.now_ns() - pair.depth_stamp_ns
        if 0 <= age_ns < _MAX_AGE_NS:  # else the stamps are of another clock, as in a bag played without use_sim_time
            spans_ns |= {"age": age_ns, "receive": max(0, age_ns - (done - first_ns))}
        for stage, span_ns in spans_ns.items():
            self._health.record_ms(stage, span_ns / NS_PER_MS)
        for stage, milliseconds in result.stage_ms.items():
            self._health.record_ms(stage, milliseconds)
        self.degradation.set_budget(self._node.settings.latency_budget_ms)
        if change := self.degradation.note(self._steady_ns(), spans_ns["total"] / NS_PER_MS):
            self._change_level(change)

    def _prepare(self, depth: NDArray[Any], rgb: NDArray[np.uint8]) -> bool:
        """Run a frame of a new size once on a GPU; whether that took place. What fails here fails in the call too."""
        try:
            return self._upsampler.prepare(depth, rgb)
        except (DeviceError, InputError):
            return False

    def _upsample(self, depth: NDArray[Any], rgb: NDArray[np.uint8]) -> UpsampledDepth:
        """One frame at the present quality level, or at the first below it that has the memory.

        Raises:
            InputError: Arrays that break the depth contract.
            OutOfMemoryError: Not even the last level has the memory.
            DeviceFailureError: The device failed, and again when built anew, or is lost to this process.
        """
        while True:
            try:
                result = self._upsampler(depth, rgb)
            except OutOfMemoryError as error:
                change = self.degradation.fail(self._steady_ns())
                if change is None:
                    raise
                self._change_level(change, str(error))
                continue
            except DeviceLostError:
                raise
            except DeviceFailureError as error:
                result = self._rebuilt(error, depth, rgb)
            self._health.count(f"level.{self.degradation.level}")
            return result

    def _change_level(self, change: LevelChange, reason: str = "") -> None:
        self._upsampler.level = change.after
        if reason:
            why = f"{reason}. The better level is tried again later"
        elif change.is_down:
            budget_ms = self.degradation.budget_ms
            why = f"frames took {change.cost_ms:.0f} ms, expected at most latency_budget_ms = {budget_ms:g}"
        else:
            why = f"there is time again; frames took {change.cost_ms:.0f} ms"
        text = f"{change.before} -> {change.after}: {why}"
        self._reporter.log("quality_level", text, "warn" if change.is_down else "info")

    def _rebuilt(self, error: DeviceFailureError, depth: NDArray[Any], rgb: NDArray[np.uint8]) -> UpsampledDepth:
        """The same frame again with new engines; raises where that was just tried, or fails too."""
        now_ns = self._steady_ns()
        if now_ns - self._rebuilt_ns < _REBUILD_PERIOD_NS:
            raise error
        self._rebuilt_ns = now_ns
        self._reporter.log("device_failed", f"{error}. The engine is built anew", "error")
        self._upsampler.rebuild()
        try:
            return self._upsampler(depth, rgb)
        except InputError:
            raise
        except Exception as again:
            raise DeviceFailureError(f"{error}. A new engine failed too: {again}") from again

    def _check_alignment(self, depth: NDArray[Any], rgb: NDArray[np.uint8], options: UpsamplerOptions) -> None:
        """Warn, where it is sure, that depth lies beside the colour image. Nothing is moved: the user decides."""
        found = self._alignment.look(depth, rgb, options.min_depth_m, options.max_depth_m)
        if found is not None and found.is_off:
            x, y = found.offset_px
            self._reporter.report(
                "alignment",
                f"depth seems to lie off the colour image by {found}; expected none. Recalibrate depth to colour, or "
                f"move depth by setting registration:='{x:.1f},{y:.1f}'",
            )
