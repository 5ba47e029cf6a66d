"""The live counterpart of the replay: scores what a running node publishes, while any player or camera feeds it.

Owns the subscriptions, a thread that evaluates, and what the operator sees of it on /diagnostics. Messages flow into a
`replay.live.LiveSource`; figures, report and JSON come from the code of the offline replay. Executable: `evaluate`.

    ros2 run pagnet_ros evaluate --ros-args -r depth:=/camera/depth -r color:=/camera/color -p out:=out/live
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any, Final

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.clock import Clock, ClockType
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from pagnet_ros.errors import PagnetError, RecordingError
from pagnet_ros.replay.frame import ReplayFrame
from pagnet_ros.replay.live import RESULT, LiveResult, LiveSource
from pagnet_ros.replay.methods import make_baselines
from pagnet_ros.replay.metrics import METRICS, FrameTruth
from pagnet_ros.replay.outputs import OutputOptions, ReplayOutputs
from pagnet_ros.replay.results import Results
from pagnet_ros.replay.run import Figures, Outputs, RunOptions, evaluate
from pagnet_ros.ros.diagnostics import Summary, diagnostic_array
from pagnet_ros.ros.evaluator.parameters import read_evaluator_parameters
from pagnet_ros.ros.names import resolve_topics
from pagnet_ros.ros.qos import image_qos, overriding_options
from pagnet_ros.ros.running import spin
from pagnet_ros.system.transport import prepare_process
from pagnet_ros.system.units import NS_PER_S

__all__ = ["Evaluator", "main"]

RECENT_FRAMES: Final = 100
_IDLE_CHECK_S: Final = 0.1


class Evaluator(Node):
    """Subscribes to inputs and result of the node, and scores the result until `finish`."""

    def __init__(self, **kwargs: Any) -> None:
        """Read the parameters and subscribe.

        Args:
            kwargs: For `rclpy.node.Node`.

        Raises:
            ConfigError: Parameters that do not fit, all in one message.
            RecordingError: Results are there already, and `force` is false.
        """
        super().__init__("evaluator", **kwargs)
        self.parameters = parameters = read_evaluator_parameters(self)
        topics = self._topics()
        self.source = LiveSource(topics, slop_ms=parameters.slop_ms, queue_size=parameters.queue_size)
        self.ended = threading.Event()
        self._recent = RecentFigures()
        self._options = RunOptions("reference" if parameters.with_reference else "none", metrics=parameters.metrics)
        self._methods = [
            LiveResult(self.source, {"topic": topics[RESULT]}),
            *make_baselines([n for n in parameters.baselines if n != "none"], self._options.pipeline),
        ]
        self._failure: BaseException | None = None
        self._results: Results | None = None
        self._written: list[Path] = []
        self._last_ns = 0
        for stream, kind in self._types(topics).items():
            self._listen(stream, topics[stream], kind)
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        steady = Clock(clock_type=ClockType.STEADY_TIME)
        self.create_timer(parameters.diagnostics_period_s, self.publish_diagnostics, clock=steady)
        self.create_timer(_IDLE_CHECK_S, self._check_end, clock=steady)
        self._outputs = self._open_outputs()
        self._thread = threading.Thread(target=self._evaluate, name="evaluate", daemon=True)
        self._thread.start()
        self.get_logger().info(
            f"scoring {topics[RESULT]} for {topics['depth']} + {topics['color']}"
            + (f" against {topics['reference']}" if "reference" in topics else ", without a reference")
        )

    def finish(self) -> tuple[Results, list[Path]]:
        """Evaluate what has come, write the results where `out` says, and end.

        Returns:
            The results and the files written.

        Raises:
            RecordingError: Not a single frame could be evaluated, or the results cannot be written.
        """
        self.source.close()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        assert self._results is not None
        return self._results, self._written

    def publish_diagnostics(self) -> None:
        """Publish the recent figures."""
        name = f"{self.get_fully_qualified_name().lstrip('/')}: depth quality"
        summary = self._recent.summary(self.parameters.with_reference)
        try:
            self._diagnostics.publish(diagnostic_array(summary, self.get_clock().now().to_msg(), name, ""))
        except Exception:
            if self.context.ok():  # else a signal has shut ROS down meanwhile; the results are still wanted
                raise

    def destroy_node(self) -> None:
        """End the thread before the node goes."""
        self.source.close()
        self._thread.join()
        super().destroy_node()

    def _topics(self) -> dict[str, str]:
        parameters = self.parameters
        names = resolve_topics(self, parameters.depth_transport, parameters.color_transport)
        topics = {"depth": names.depth, "color": names.color, "camera_info": names.color_info, RESULT: names.output}
        if parameters.with_reference:
            topics["reference"] = self.resolve_topic_name("reference")
        return topics

    def _types(self, topics: dict[str, str]) -> dict[str, Any]:
        packed = {
            "depth": self.parameters.depth_transport != "raw",
            "color": self.parameters.color_transport != "raw",
        }
        kinds = {stream: CompressedImage if packed.get(stream, False) else Image for stream in topics}
        return {**kinds, "camera_info": CameraInfo}

    def _listen(self, stream: str, topic: str, kind: Any) -> None:
        def take(message: Any) -> None:
            if stream != "camera_info":
                self._last_ns = time.monotonic_ns()
            self.source.take(stream, message)

        qos = image_qos(self.parameters.input_reliability, depth=10)
        self.create_subscription(kind, topic, take, qos, qos_overriding_options=overriding_options())

    def _open_outputs(self) -> ReplayOutputs | None:
        if not self.parameters.out:
            return None
        options = OutputOptions(Path(self.parameters.out).expanduser(), force=self.parameters.force)
        return ReplayOutputs(options, self._options.resolved(self.parameters.with_reference), RESULT, {})

    def _evaluate(self) -> None:
        """The evaluating thread: everything from the first frame to the written results."""
        try:
            if self._outputs is None:
                self._results = evaluate(self.source, self._methods, self._options, [self._recent], self._progress)
                return
            with self._outputs as outputs:
                observers = [self._recent, *outputs.observers]
                results = evaluate(self.source, self._methods, self._options, observers, self._progress)
                self._written = outputs.finish(results)
            self._results = results
        except BaseException as error:  # raised again by `finish`, in the caller's thread
            self._failure = error
        finally:
            self.ended.set()

    def _progress(self, done: int) -> None:
        if self.parameters.frames and done >= self.parameters.frames:
            self.source.close()

    def _check_end(self) -> None:
        """Close the source after silence, where that is asked for."""
        idle_s = self.parameters.idle_s
        if idle_s and self._last_ns and time.monotonic_ns() - self._last_ns > idle_s * NS_PER_S:
            self.source.close()


class RecentFigures:
    """The figures of the latest frames, for people who look on; an observer of the run. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: deque[Figures] = deque(maxlen=RECENT_FRAMES)
        self._count = 0

    def on_frame(self, frame: ReplayFrame, truth: FrameTruth, outputs: Outputs, figures: Figures) -> None:
        """Keep one frame's figures."""
        with self._lock:
            self._frames.append(figures)
            self._count += 1

    def means(self) -> dict[str, dict[str, float]]:
        """Mean of each figure over the latest frames that have it, by method and name."""
        with self._lock:
            frames = list(self._frames)
        values: dict[str, dict[str, list[float]]] = {}
        for frame in frames:
            for method, figures in frame.items():
                for name, value in figures.items():
                    if np.isfinite(value):
                        values.setdefault(method, {}).setdefault(name, []).append(value)
        return {m: {n: float(np.mean(v)) for n, v in row.items()} for m, row in values.items()}

    def summary(self, with_reference: bool) -> Summary:
        """One sentence and every figure."""
        means, count = self.means(), self._count
        if not count:
            return Summary(1, f"no frame scored yet; expected depth, color and {RESULT} of the same stamps", {})
        name = "rmse_m" if with_reference else "consistency_m"
        texts = [f"{method} {1e3 * row[name]:.1f}" for method, row in means.items() if name in row]
        text = f"{METRICS[name].label}, mm, mean of the last {min(count, RECENT_FRAMES)} frames: {', '.join(texts)}"
        values = {"frames": str(count)}
        for method, row in means.items():
            values |= {f"{method}/{figure}": f"{value:.6g}" for figure, value in row.items()}
        return Summary(0, text if texts else f"{count} frames, none of which could be scored", values)


def main(args: list[str] | None = None) -> int:
    """Score until Ctrl-C, SIGTERM, `frames` frames or `idle_s` of silence; then write the results.

    Args:
        args: Command line with --ros-args; None for the process's own.

    Returns:
        Exit status: 0; 1 with the reason on stderr where parameters do not fit; 2 where nothing could be evaluated.
    """
    prepare_process()  # for `ros2 run`; launch files have set it
    try:
        rclpy.init(args=args)
    except Exception as error:  # rclpy's own classes for this are private
        sys.stderr.write(f"evaluate: the arguments after --ros-args: {error}\n")
        return 1
    node: Evaluator | None = None
    try:
        node = Evaluator()
        _spin_until_ended(node)
        return _finish(node)
    except PagnetError as error:
        sys.stderr.write(f"evaluate: {error}\n")
        return 2 if isinstance(error, RecordingError) else 1
    finally:
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()


def _spin_until_ended(node: Evaluator) -> None:
    executor = SingleThreadedExecutor()
    try:
        executor.add_node(node)
        spin(executor, node.get_logger(), until=node.ended.is_set)
    except (KeyboardInterrupt, ExternalShutdownException):
        return


def _finish(node: Evaluator) -> int:
    results, written = node.finish()
    if written:
        sys.stdout.write(f"written: {', '.join(str(path) for path in written)}\n")
    else:
        sys.stdout.write(results.to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
