"""Conducts the demo: command line -> camera and node processes -> live line -> picture.

Runs in a DDS domain of its own, so that it neither sees nor disturbs a robot nearby, unless ROS_DOMAIN_ID is set.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pagnet_ros.demo.processes import Children
from pagnet_ros.errors import ConfigError, PagnetError
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.recordings.rgbd_topics import COMPRESSED, find_rgbd_topics
from pagnet_ros.replay.pictures import Scene, draw_scene
from pagnet_ros.system.files import replaced
from pagnet_ros.system.settings import Settings, add_flags, setting
from pagnet_ros.system.transport import enter_own_domain
from pagnet_ros.system.units import in_metres

if TYPE_CHECKING:
    from pagnet_ros.ros.demo_recorder import DemoFrame, DemoRecorder, StreamState

FIRST_OUTPUT_S = 120.0
SCORE_EVERY_S = 1.0


@dataclass(frozen=True)
class DemoOptions(Settings):
    """What the demo shows: a folder of frames, a bag, or without either a simulated camera. Each is a flag, too.

    Raises:
        ConfigError: values out of range, or that do not fit together; all problems in one message.
    """

    frames: str = setting("", "play this folder of recorded frames")
    bag: str = setting("", "play this bag (folder, .mcap, .db3, or a .bag of ROS 1)")
    depth: str = setting("", "the bag's depth topic (found if unambiguous)")
    color: str = setting("", "the bag's colour topic (found if unambiguous)")
    seconds: float = setting(20.0, "how long to watch after the first output, s", low=0.01, high=86400)
    rate: float = setting(
        0.0, "frames per second of frames without stamps or the simulated camera (15)", low=0, high=1000
    )
    downsample: int = setting(
        1, "make recorded frames coarser by this factor; the recording is then the truth", low=1, high=16
    )
    weights: str = setting("auto", "network: zoo name, file, or bicubic")
    sensor: str = setting("tof", "sensor profile of the simulated camera: shipped name or YAML path")
    out: str = setting("out/demo", "folder for the picture and the logs")

    def conflicts(self) -> Iterator[str]:
        """What does not fit together."""
        if self.frames and self.bag:
            yield "both --frames and --bag; expected at most one of them"
        if self.downsample > 1 and not self.frames:
            yield "--downsample without --frames; it makes recorded frames coarser"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 when outputs came, 1 with the reason on stderr, 130 after Ctrl-C before any came."""
    try:
        options = _parse(sys.argv[1:] if arguments is None else arguments)
        return _run(options)
    except PagnetError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"demo: {error}; expected room for a picture and logs; name another folder with --out", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: ended before the first output", file=sys.stderr)
        return 130


def _parse(arguments: Sequence[str]) -> DemoOptions:
    parser = argparse.ArgumentParser(prog="demo", description="Watch a coarse depth camera become sharp.")
    add_flags(parser, DemoOptions)
    return DemoOptions(**vars(parser.parse_args(arguments)))


@dataclass(frozen=True)
class _Source:
    """A camera to start: module, command line, its topics by stream, and which come compressed."""

    what: str
    module: str
    arguments: list[str]
    topics: dict[str, str]
    camera_info: str = "/color/camera_info"
    compressed: frozenset[str] = frozenset()


def _source(options: DemoOptions) -> _Source:
    """Which camera plays. Stamps are of the present, so that ages can be read off them."""
    topics = {"depth": "/depth", "color": "/color", "output": "/depth_hr"}
    rate = ["--hz", f"{options.rate:g}"] if options.rate else []
    if options.bag:
        with Bag(options.bag) as bag:
            found = find_rgbd_topics(bag, options.depth, options.color)
            compressed = frozenset(
                stream
                for stream, topic in (("depth", found.depth), ("color", found.color))
                if bag.topics[topic].msgtype == COMPRESSED
            )
        topics |= {"depth": found.depth, "color": found.color}
        arguments = [options.bag, "--loop", "--restamp", "now", "--wait", f"{FIRST_OUTPUT_S / 2:g}"]
        # once the node is there, so that results that the bag holds are left out
        arguments += ["--wait-for", "/pagnet_node", "--wait-topics", found.depth, found.color]
        info = found.camera_info or "/color/camera_info"
        return _Source(f"bag {options.bag}", "pagnet_ros.ros.players.bag_player", arguments, topics, info, compressed)
    if options.frames:
        arguments = [options.frames, "--loop", "--downsample", str(options.downsample), *rate]
        if options.downsample > 1:
            topics["truth"] = "/depth_reference"
        return _Source(f"frames {options.frames}", "pagnet_ros.ros.players.frame_player", arguments, topics)
    topics["truth"] = "/depth_truth"
    settings = {"sensor": options.sensor, "rate_hz": f"{options.rate or 15.0:.3f}"}
    arguments = ["--ros-args", *(word for key, value in settings.items() for word in ("-p", f"{key}:={value}"))]
    what = f"simulated {options.sensor} camera"
    return _Source(what, "pagnet_ros.ros.players.simulated_camera", arguments, topics)


def _node_arguments(options: DemoOptions, source: _Source) -> list[str]:
    settings = {"autostart": "true", "weights": options.weights}
    for stream in source.compressed:
        settings[f"{stream}_transport"] = source.topics[stream].rpartition("/")[2]
    words = ["--ros-args"]
    for key, value in settings.items():
        words += ["-p", f"{key}:={value}"]
    for stream in ("depth", "color"):
        words += ["-r", f"{stream}:={source.topics[stream]}"]
    return [*words, "-r", f"color/camera_info:={source.camera_info}", "-r", "depth_hr:=/depth_hr"]


def _run(options: DemoOptions) -> int:
    source = _source(options)
    Path(options.out).mkdir(parents=True, exist_ok=True)
    enter_own_domain()
    try:
        import rclpy
        from rclpy.executors import SingleThreadedExecutor

        from pagnet_ros.ros.demo_recorder import DemoRecorder
    except ImportError as error:
        raise ConfigError(
            f"{error}; expected ROS 2: source an install, or run `make demo`, which sets one up"
        ) from error

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"ROS 2 {os.environ.get('ROS_DISTRO', 'from wheels')}, domain {os.environ['ROS_DOMAIN_ID']}; {source.what}")
    rclpy.init(args=[], signal_handler_options=rclpy.signals.SignalHandlerOptions.NO)
    recorder = DemoRecorder(source.topics, compressed=source.compressed)
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    spinner = threading.Thread(target=_spin, args=(executor,), daemon=True)
    spinner.start()
    try:
        with Children(Path(options.out)) as children:
            children.start("node", "pagnet_ros.ros.node", _node_arguments(options, source))
            children.start("camera", source.module, source.arguments)
            show = _Show(options, recorder, children)
            show.wait_for_first_output()
            show.watch()
            frame = show.last_frame or recorder.newest_frame()
            state = recorder.state()
    finally:
        executor.shutdown(timeout_sec=2.0)
        spinner.join(timeout=2.0)
        recorder.destroy_node()
        rclpy.try_shutdown()
    return show.finish(frame, state)


def _spin(executor: Any) -> None:
    from rclpy.executors import ExternalShutdownException, ShutdownException

    try:
        executor.spin()
    except (ExternalShutdownException, ShutdownException):
        return


class _Show:
    """The live line, the scores, and the picture at the end."""

    def __init__(self, options: DemoOptions, recorder: DemoRecorder, children: Children) -> None:
        self._options = options
        self._recorder = recorder
        self._children = children
        self._bicubic: DepthUpsampler | None = None
        self._scores: list[tuple[float, float]] = []
        self._live = sys.stdout.isatty()
        self.last_frame: DemoFrame | None = None

    def wait_for_first_output(self) -> None:
        """Wait, or raise with what was seen instead."""
        deadline = time.monotonic() + FIRST_OUTPUT_S
        while not self._recorder.state().counts["output"]:
            self._children.check()
            if time.monotonic() > deadline:
                counts = self._recorder.state().counts
                raise ConfigError(
                    f"no output within {FIRST_OUTPUT_S:g} s; received so far: {counts}; expected depth and color above "
                    f"zero: see the logs in {self._options.out}"
                )
            time.sleep(0.05)

    def watch(self) -> None:
        """Show the live line until the time is over or Ctrl-C."""
        end = time.monotonic() + self._options.seconds
        next_score = next_line = time.monotonic()
        try:
            while time.monotonic() < end:
                self._children.check()
                if time.monotonic() >= next_score:
                    next_score = time.monotonic() + SCORE_EVERY_S
                    self._score()
                if time.monotonic() >= next_line:
                    next_line = time.monotonic() + (0.25 if self._live else 2.0)
                    self._line()
                time.sleep(0.05)
        except KeyboardInterrupt:
            pass
        if self._live:
            print()

    def _score(self) -> None:
        frame = self._recorder.newest_frame()
        if frame is None or (self.last_frame is not None and frame.stamp_ns == self.last_frame.stamp_ns):
            return
        self.last_frame = frame
        if frame.truth is not None:
            ours, bicubic = common_rmse_m(self._scene(frame)).values()
            self._scores.append((ours, bicubic))

    def _scene(self, frame: DemoFrame) -> Scene:
        if self._bicubic is None:
            import torch

            torch.set_num_threads(1)
            ratio = (frame.output.size / frame.depth.size) ** 0.5
            scale = next((s for s in (2, 4, 8, 16) if s >= 0.99 * ratio), 16)
            everything = UpsamplerOptions(metric=True, fill="all", remove_flying=False, noise_per_m=0.0)
            self._bicubic = DepthUpsampler.bicubic(scale, device="cpu", options=everything)
        coarse = in_metres(frame.depth)
        baseline = self._bicubic(frame.depth, frame.color).depth
        name = self._recorder.state().diagnostics.get("name", self._options.weights)
        return Scene(frame.color, coarse, frame.truth, {f"pagnet_ros {name}": frame.output, "bicubic": baseline})

    def _line(self) -> None:
        state = self._recorder.state()
        p50, p95 = np.percentile(state.latency_ms, (50, 95)) if state.latency_ms else (np.nan, np.nan)
        text = (
            f"in {state.rate_in_hz:4.1f} Hz  out {state.rate_out_hz:4.1f} Hz  newest output {state.age_ms:4.0f} ms old"
            f"  latency p50 {p50:.0f} p95 {p95:.0f} ms"
        )
        if self._scores:
            ours, bicubic = self._scores[-1]
            text += f"  RMSE {ours * 1e3:.1f} mm (bicubic {bicubic * 1e3:.1f})"
        print(f"\r{text}\x1b[K" if self._live else text, end="" if self._live else "\n", flush=True)

    def finish(self, frame: DemoFrame | None, state: StreamState) -> int:
        """Write the picture, say what was seen and where the picture is; the exit status."""
        print("messages received: " + ", ".join(f"{name} {count}" for name, count in state.counts.items()))
        if state.latency_ms:
            p50, p95, p99 = np.percentile(state.latency_ms, (50, 95, 99))
            print(f"stamp to arrival of the output: p50 {p50:.1f}, p95 {p95:.1f}, p99 {p99:.1f} ms")
        for key in ("upsample p50/p95/p99 [ms]", "total p50/p95/p99 [ms]", "count.pairs", "count.frames_out"):
            if key in state.diagnostics:
                print(f"node, {key}: {state.diagnostics[key]}")
        if frame is None:
            print(
                f"demo: no output could be matched with its inputs; see the logs in {self._options.out}",
                file=sys.stderr,
            )
            return 1
        if self._scores:
            ours, bicubic = (float(np.median(column)) * 1e3 for column in zip(*self._scores, strict=True))
            print(
                f"median RMSE against the truth: {ours:.1f} mm, bicubic {bicubic:.1f} mm ({len(self._scores)} frames)"
            )
        path = Path(self._options.out) / "panel.png"
        draw_panel(self._scene(frame), path)
        print(f"picture: {path.resolve()}")
        return 0


def common_rmse_m(scene: Scene) -> dict[str, float]:
    """RMSE of each method, metres, over the pixels that all of them give and the reference knows; NaN without one."""
    if scene.reference_m is None:
        return dict.fromkeys(scene.depths_m, float("nan"))
    error = np.stack([depth - scene.reference_m for depth in scene.depths_m.values()])
    square = np.square(error[:, np.isfinite(error).all(axis=0)], dtype=np.float64)
    means = square.mean(axis=1) if square.size else np.full(len(error), np.nan)
    return dict(zip(scene.depths_m, np.sqrt(means).tolist(), strict=True))


def draw_panel(scene: Scene, path: Path) -> None:
    """Write the frame as PNG, each method's RMSE above its error."""
    rmse_m = common_rmse_m(scene) if scene.reference_m is not None else {}
    notes = {name: f"RMSE {1e3 * value:.1f} mm" for name, value in rmse_m.items()}
    with replaced(path) as temporary:
        draw_scene(dataclasses.replace(scene, notes=notes)).savefig(temporary, format="png", dpi=110)
