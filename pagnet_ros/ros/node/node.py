"""The lifecycle node: stamped depth and colour in, up-sampled depth and its calibration out.

What lives in each state. Configured: the up-sampler in its worker thread, publishers, timers. Active: the
subscriptions. A frame's way is `inputs` (newest pair) -> `processing` (in the worker's thread) -> `outputs`; `monitor`
and `diagnostics` look on. Executable: `pagnet_node`.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Final

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import ClockChange, JumpThreshold
from rclpy.duration import Duration

from pagnet_ros.errors import ConfigError, DeviceError
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.ros.compat import after_parameters_are_set
from pagnet_ros.ros.diagnostics import COLOR_TOPIC, DEPTH_TOPIC, summarise
from pagnet_ros.ros.names import resolve_topics
from pagnet_ros.ros.node.between_frames import BetweenFrames
from pagnet_ros.ros.node.inputs import Inputs, LatestOnlyQueue, MessagePair
from pagnet_ros.ros.node.lifecycle import ManagedNode
from pagnet_ros.ros.node.loading import choose_weights, load_upsampler
from pagnet_ros.ros.node.monitor import TopicMonitor
from pagnet_ros.ros.node.outputs import Outputs
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.node.processing import FrameProcessor, Worker
from pagnet_ros.ros.node.sensor_limits import ANY_SENSOR, options_of, sensor_limits
from pagnet_ros.ros.parameters import declare, read
from pagnet_ros.ros.reporter import Reporter
from pagnet_ros.ros.running import START_ERRORS, init_ros_alone, run_node
from pagnet_ros.system.health import Health
from pagnet_ros.system.settings import fields_of
from pagnet_ros.system.start import start
from pagnet_ros.system.transport import prepare_process

_CHECK_PERIOD_S: Final = 1.0
_RECENT_S: Final = 10.0
_LIVE: Final = {field.name for field in fields_of(NodeParameters) if field.metadata["live"]}
_FACTS: Final = ("name", "device", "precision", "backend")


class PagnetNode(ManagedNode):
    """Depth up-sampling as a managed node; see README for topics and parameters.

    Attributes:
        settings: The present parameters.
        options: What follows from them, and from the sensor, for the pipeline.
        health: Counters, rates and latencies since configure.
        reporter: What the node tells its user.
    """

    def __init__(self, *, load: Callable[[NodeParameters], DepthUpsampler] = load_upsampler, **kwargs: Any) -> None:
        """Declare the parameters; everything else waits for configure, when `load` runs in the worker's thread."""
        super().__init__("pagnet_node", **kwargs)
        self._load = load
        self._bad_overrides = declare(self, NodeParameters, fixed=("autostart",))
        self.settings = self._read_or_default()
        self._sensor = ANY_SENSOR
        self.options = UpsamplerOptions(metric=True)
        self.health = Health()
        self.reporter = Reporter(self.get_logger(), self.health, self.settings.report_period_s)
        self._worker: Worker[MessagePair] | None = None
        self._queue: LatestOnlyQueue[MessagePair] = LatestOnlyQueue()
        self._processor: FrameProcessor | None = None
        self._outputs: Outputs | None = None
        self._inputs: Inputs | None = None
        self._monitor: TopicMonitor | None = None
        self._diagnosis: BetweenFrames | None = None
        self._jump: Any = None
        self._timers_of_state: list[Any] = []
        self._facts: dict[str, str] = {}
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        after_parameters_are_set(self, self._apply_parameters)
        self.add_on_set_parameters_callback(self._check_parameters)
        if self.settings.autostart:
            self.start_by_itself()
        else:
            self.get_logger().info(f"waiting: ros2 lifecycle set {self.get_fully_qualified_name()} configure")

    # What a frame needs of its node; called in the worker's thread

    @property
    def camera_info(self) -> Any:
        """Newest calibration of the colour camera, or None."""
        inputs = self._inputs
        return None if inputs is None else inputs.calibrations.color

    @property
    def depth_info(self) -> Any:
        """Newest calibration of the depth camera, or None."""
        inputs = self._inputs
        return None if inputs is None else inputs.calibrations.depth

    def lookup(self, target: str, source: str) -> Any:
        """The transform ``[4, 4]`` between two frames, metres, or why there is none."""
        inputs = self._inputs
        return "the node is not active" if inputs is None else inputs.transforms.lookup(target, source)

    def now_ns(self) -> int:
        """The node's clock, nanoseconds."""
        return int(self.get_clock().now().nanoseconds)

    def is_running(self) -> bool:
        """False once ROS is shutting down."""
        return bool(self.context.ok())

    def on_frame_done(self) -> None:
        """A frame was published: a good moment for what would delay one."""
        if (diagnosis := self._diagnosis) is not None:
            diagnosis.frame_done()

    # What lives in the states

    def _configure(self) -> None:
        if self._bad_overrides:
            raise ConfigError("; ".join(self._bad_overrides.values()))
        self.failure = ""
        settings = self.settings = read(self, NodeParameters)
        self._sensor = sensor_limits(settings.sensor)
        self.options = options_of(settings, self._sensor)
        if note := choose_weights(settings, self._sensor)[1]:
            self.get_logger().info(note)
        self.health = Health()
        self.reporter = reporter = Reporter(self.get_logger(), self.health, settings.report_period_s)
        topics = resolve_topics(self, settings.depth_transport, settings.color_transport)
        outputs = self._outputs = Outputs(self, topics, settings, reporter, self._follow_demand)
        self._diagnosis = BetweenFrames(self._publish_diagnostics, round(settings.diagnostics_period_s * 1e9))

        def build_step() -> FrameProcessor:
            upsampler = self._load(settings)
            self._facts = {name: str(getattr(upsampler, name)) for name in _FACTS}
            if upsampler.gpu_problem:
                self.get_logger().warn(upsampler.gpu_problem)
            if upsampler.fallback_reason:
                self.get_logger().info(upsampler.fallback_reason)
            self._processor = FrameProcessor(self, upsampler, outputs)
            return self._processor

        self._queue = LatestOnlyQueue()
        self._worker = Worker(self._queue, lambda error: reporter.report("internal_error", repr(error), "error"))
        self._worker.start(build_step, self.is_running)
        self._timers_of_state = [
            self.create_timer(settings.diagnostics_period_s, self._diagnosis.due, clock=self._steady),
            self.create_timer(_CHECK_PERIOD_S, self._check_topics, clock=self._steady),
        ]

    def _activate(self) -> None:
        assert self._outputs is not None  # by the lifecycle
        if self.failure:
            raise DeviceError(f"{self.failure}; expected a working device; clean up and configure again")
        self._inputs = Inputs(self, self._outputs.topics, self.settings, self.health, self.reporter, self._queue)
        self._inputs.open_images()  # also where nobody wants them yet: what DDS refuses is told now
        if not self._outputs.wanted() and self.settings.lazy:
            self._inputs.close_images()
        self._monitor = TopicMonitor(self._inputs, self.health, self.reporter)
        backward = JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=True)
        self._jump = self.get_clock().create_jump_callback(backward, post_callback=self._on_jump)

    def _deactivate(self) -> None:
        self._unsubscribe()
        if not self._queue.drain():
            self.get_logger().warn("the running frame did not end within 30 s; it will not be published")

    def _unsubscribe(self) -> None:
        if self._jump is not None:
            self._jump.unregister()
            self._jump = None
        if self._inputs is not None:
            self._inputs.close()  # kept for the running frame, which is published with its calibration
        self._monitor = None

    def _release(self) -> None:
        self._unsubscribe()
        for timer in self._timers_of_state:
            self.destroy_timer(timer)
        self._timers_of_state = []
        if self._worker is not None and not self._worker.stop():
            self.get_logger().warn("the worker did not end in time; leaving it behind")
        self._worker = self._processor = self._inputs = self._diagnosis = None
        if self._outputs is not None:
            self._outputs.close()
        self._outputs = None
        self._sensor = ANY_SENSOR

    def _failing(self) -> None:
        self._publish_diagnostics()  # the last for now

    def _entered(self) -> str:
        self._follow_demand()
        if self._outputs is None:
            return ""
        t, f = self._outputs.topics, self._facts
        return (
            f"{t.depth} + {t.color} + {t.color_info} -> {t.output}; weights {f.get('name')} on {f.get('device')} "
            f"({f.get('precision')}), slop {self.settings.slop_ms:g} ms"
        )

    def _follow_demand(self, may_close: bool = False) -> None:
        """Receive images while somebody wants the output. Called when a subscriber comes or goes, and once a second.

        Only then it `may_close`: not at once, for subscribers that come and go.
        """
        inputs, outputs = self._inputs, self._outputs
        if self.state != "active" or inputs is None or outputs is None or self._monitor is None:
            return
        if outputs.wanted() or not self.settings.lazy:
            if not inputs.receives_images:
                inputs.examination.restart()
                self._guarded("subscribing", inputs.open_images)
        elif may_close:
            inputs.close_images()

    # Parameters

    def _read_or_default(self) -> NodeParameters:
        try:
            return read(self, NodeParameters)
        except ConfigError:  # each value is sound, but not their combination; configure reads them again, and says so
            return NodeParameters(autostart=bool(self.get_parameter("autostart").value))

    def _check_parameters(self, parameters: list[Any]) -> SetParametersResult:
        try:
            after = read(self, NodeParameters, {p.name: p.value for p in parameters})
            options_of(after, self._sensor)
        except ConfigError as error:
            return SetParametersResult(successful=False, reason=str(error))
        fixed = [name for name in self.settings.changed(after) if name not in _LIVE]
        if fixed and self.state in ("inactive", "active"):
            lifecycle = f"ros2 lifecycle set {self.get_fully_qualified_name()}"
            first = f"{lifecycle} deactivate, " if self.state == "active" else ""
            return SetParametersResult(
                successful=False,
                reason=f"{', '.join(fixed)} cannot change while the node is {self.state}; expected unconfigured. Do "
                f"{first}{lifecycle} cleanup, set it, {lifecycle} configure",
            )
        return SetParametersResult(successful=True)

    def _apply_parameters(self, parameters: list[Any]) -> None:
        for parameter in parameters:
            self._bad_overrides.pop(parameter.name, None)
        try:
            settings = read(self, NodeParameters)
            self.options = options_of(settings, self._sensor)
        except ConfigError:  # unsound from the start, not yet mended; configure says so
            return
        self.settings = settings
        self.reporter.set_period(settings.report_period_s)
        if self._inputs is not None:
            self._inputs.apply(settings)
        self._follow_demand()

    # Timers and clock

    def _on_jump(self, jump: Any) -> None:
        if self._inputs is not None:
            self._inputs.clear()
        is_backward = jump.clock_change == ClockChange.ROS_TIME_NO_CHANGE
        what = "time went backwards (a looped bag?)" if is_backward else "use_sim_time was changed"
        self.reporter.report("clock_jump", f"{what}; waiting frames are dropped", "info")

    def _check_topics(self) -> None:
        self._follow_demand(may_close=True)
        monitor, inputs = self._monitor, self._inputs
        if monitor is not None and inputs is not None:
            self._guarded("topic check", lambda: monitor.check(self.settings))
            self._guarded("calibration", inputs.calibrations.ask_for_latched)
            self._guarded("transforms", inputs.transforms.follow)

    def _publish_diagnostics(self) -> None:
        self._guarded("diagnostics", self._diagnose)

    def _diagnose(self) -> None:
        wanted = self._outputs is not None and (self._outputs.wanted() or not self.settings.lazy)
        status = summarise(
            self.health.snapshot(time.monotonic_ns()),
            self.reporter.recent(max(_RECENT_S, 2 * self.settings.report_period_s)),
            {"state": self.state, **self._topic_facts(), **self._facts, **self._quality_facts()},
            active=self.state == "active",
            wanted=wanted,
            failure=self.failure,
        )
        status.name = f"{self.get_fully_qualified_name().lstrip('/')}: depth_hr"
        status.hardware_id = self._facts.get("device", "")
        array = DiagnosticArray(status=[status])
        array.header.stamp = self.get_clock().now().to_msg()
        self._diagnostics.publish(array)

    def _topic_facts(self) -> dict[str, str]:
        """What it takes once somebody listens: nobody can see that in the graph while the node is idle."""
        if self._outputs is None:
            return {}
        return {DEPTH_TOPIC: self._outputs.topics.depth, COLOR_TOPIC: self._outputs.topics.color}

    def _quality_facts(self) -> dict[str, str]:
        processor = self._processor
        if processor is None:
            return {}
        budget = f"{self.settings.latency_budget_ms:g}" if self.settings.latency_budget_ms else "any"
        level, best = processor.degradation.level, processor.degradation.levels[0]
        return {"quality level": level, "best quality level": best, "latency budget [ms]": budget}

    def _guarded(self, what: str, act: Callable[[], None]) -> None:
        """Nothing a timer does may end the executor."""
        try:
            act()
        except Exception as error:
            if self.context.ok():
                self.reporter.report("internal_error", f"{what}: {type(error).__name__}: {error}", "error")


def main(args: list[str] | None = None) -> int:
    """Run the node until Ctrl-C or SIGTERM.

    Args:
        args: Command line with --ros-args; None for the process's own.

    Returns:
        Exit status: 0, also after Ctrl-C; 1 where the command line cannot be carried out, which is then on stderr.
    """
    # For `ros2 run`; launch files have set it. Fast DDS reads it at init, and loses large images without.
    prepare_process()
    try:
        init_ros_alone("pagnet_node --ros-args -p device:=cpu", args)
        run_node(PagnetNode)
    except START_ERRORS as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(start("pagnet_ros.ros.node.node"))
