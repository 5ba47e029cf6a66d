"""Faults of cameras, clocks and neighbours that a running node has to live through."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.faults.rig import NODE, FaultError, Process, Rig, fault

DICE = random.Random(0)
SILENCE_S = 2.5
STORM_S = 5.0


@fault("camera stopped (SIGSTOP)", says=("silent_topic",))
def _stopped(rig: Rig) -> float:
    rig.camera.signal(signal.SIGSTOP)
    time.sleep(SILENCE_S)
    rig.camera.signal(signal.SIGCONT)
    return rig.wait_for_camera()


@fault("camera killed (SIGKILL) and started again", says=("no_publisher|silent_topic",))
def _killed(rig: Rig) -> float:
    rig.camera.end(signal.SIGKILL)
    time.sleep(SILENCE_S)
    rig.start_camera()
    return rig.wait_for_camera()


@fault("camera back at another size, and at its own again", says=("resolution_changed",))
def _resized(rig: Rig) -> float:
    rig.camera.end()
    rig.start_camera(size="320x240")
    larger = rig.wait_for_output(rig.wait_for_camera(), width=320)
    rig.set(size="160x120")
    rig.wait_for_output(larger, width=160)
    return rig.wait_for_camera()


@fault("depth alone", says=("silent_topic",))
def _depth_alone(rig: Rig) -> float:
    return _wrong(rig, streams="depth")


@fault("colour alone", says=("silent_topic",))
def _color_alone(rig: Rig) -> float:
    return _wrong(rig, streams="color")


@fault("stamps to and fro by 2 s")
def _fro(rig: Rig) -> float:
    return _wrong(rig, stamps="fro")


@fault("stamps of colour an hour behind", says=("never_pairs",))
def _apart(rig: Rig) -> float:
    return _wrong(rig, stamps="apart")


@fault("stamps frozen", says=("frozen_stamps|never_pairs",))
def _frozen(rig: Rig) -> float:
    return _wrong(rig, stamps="frozen")


@fault("stamps of zero", says=("zero_stamp",))
def _zero(rig: Rig) -> float:
    return _wrong(rig, stamps="zero")


def _wrong(rig: Rig, **how: str) -> float:
    """Let the camera do something wrong for a while."""
    right = {"streams": "both", "stamps": "now"}
    rig.set(**how)
    time.sleep(SILENCE_S)
    rig.set(**{name: right[name] for name in how})
    return time.monotonic()


@fault("/clock paused, an hour back, before zero, gone", says=("clock_jump",))
def _clock(rig: Rig) -> float:
    rig.set(clock="run")
    rig.set(NODE, use_sim_time=True)
    rig.wait_for_output(time.monotonic())
    for kind in ("paused", "run", "back", "negative"):
        rig.set(clock=kind)
        time.sleep(1.0)
    rig.set(clock="none")
    rig.set(NODE, use_sim_time=False)
    return time.monotonic()


@fault("a bag of half a second looped 20 times")
def _bag(rig: Rig) -> float:
    bag = rig.folder / "loop"
    if not bag.exists():
        _write_bag(bag)
    rig.set(streams="none")
    player = Process(rig.folder / "player.log", "pagnet_ros.ros.players.bag_player", str(bag), "--loop")
    begin = rig.wait_for_output(time.monotonic())
    rig.take_outputs()
    time.sleep(20 * 0.5)
    frames = len(rig.take_outputs())
    player.end()
    rig.set(streams="both")
    if frames < 20 or begin <= 0:
        raise FaultError(f"{frames} outputs in 20 rounds of 15 frames; expected one a round")
    return rig.wait_for_camera()


def _write_bag(path: Any) -> None:
    """Half a second of 15 frames at 30 Hz, all stamps of long ago."""
    from rosbags.rosbag2 import StoragePlugin, Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    rng = np.random.default_rng(0)
    images = {
        "/depth": ("16UC1", rng.integers(500, 4000, (30, 40), np.uint16)),
        "/color": ("rgb8", rng.integers(0, 255, (120, 160, 3), np.uint8)),
    }
    image, header, stamp = (
        store.types[name] for name in ("sensor_msgs/msg/Image", "std_msgs/msg/Header", "builtin_interfaces/msg/Time")
    )
    with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for topic, (encoding, pixels) in images.items():
            connection = writer.add_connection(topic, "sensor_msgs/msg/Image", typestore=store)
            for k in range(15):
                at_ns = 10**18 + k * 33_000_000
                message = image(
                    header(stamp(at_ns // 10**9, at_ns % 10**9), "camera"), pixels.shape[0], pixels.shape[1],
                    encoding, 0, pixels.strides[0], pixels.reshape(-1).view(np.uint8),
                )  # fmt: skip
                writer.write(connection, at_ns, store.serialize_cdr(message, "sensor_msgs/msg/Image"))


@fault("20 subscribers that come and go for 5 s")
def _subscribers(rig: Rig) -> float:
    return _neighbour(rig, "subscribers", lambda: rig.listener.count_subscribers("/depth_hr") > 5)


@fault("bytes that are no messages on every input for 5 s")
def _bytes(rig: Rig) -> float:
    return _neighbour(rig, "bytes", lambda: rig.listener.count_publishers("/depth") > 1)


def _neighbour(rig: Rig, what: str, is_there: Callable[[], bool]) -> float:
    neighbour = Process(rig.folder / "neighbour.log", "benchmarks.faults.neighbours", what)
    rig.wait_for(what, is_there)
    time.sleep(STORM_S)
    neighbour.end()
    return time.monotonic()


@fault("parameters set without pause for 5 s, every other one refused")
def _parameters(rig: Rig) -> float:
    good = (("slop_ms", 15.0), ("fill", "all"), ("max_depth_m", 8.0), ("lazy", False), ("output_encoding", "16UC1"))
    bad = (("slop_ms", -1.0), ("fill", "everywhere"), ("max_depth_m", "far"), ("weights", "none"), ("lazy", 3))
    end, count = time.monotonic() + STORM_S, 0
    while time.monotonic() < end:
        taken, refused = rig.set_results(NODE, [DICE.choice(good), DICE.choice(bad)])
        if refused.successful or not taken.successful:
            raise FaultError(f"{taken} of a good parameter, {refused} of a bad one")
        count += 2
    rig.set(NODE, slop_ms=20.0, fill="near", max_depth_m=10.0, lazy=True, output_encoding="32FC1")
    if count < 20:
        raise FaultError(f"only {count} answers in {STORM_S:g} s")
    return time.monotonic()


@fault("50 lifecycle requests, in and out of sequence")
def _lifecycle(rig: Rig) -> float:
    from lifecycle_msgs.msg import State, Transition
    from lifecycle_msgs.srv import ChangeState, GetState

    def change(label: str) -> None:
        request = ChangeState.Request(transition=Transition(label=label))
        rig.ask(ChangeState, f"/{NODE}/change_state", request)

    for _ in range(50):
        change(DICE.choice(("configure", "activate", "deactivate", "cleanup", "nonsense")))
    for _ in range(3):
        now = rig.ask(GetState, f"/{NODE}/get_state", GetState.Request()).current_state.id
        if now == State.PRIMARY_STATE_ACTIVE:
            break
        change("activate" if now == State.PRIMARY_STATE_INACTIVE else "configure")
    return time.monotonic()


@fault("a second node of the same name", says=("duplicate_node_names",))
def _namesake(rig: Rig) -> float:
    words = ("--ros-args", "-r", "depth_hr:=other", "-p", "weights:=bicubic")
    other = Process(rig.folder / "other.log", "pagnet_ros.ros.node", *words)
    try:
        rig.said(("duplicate_node_names",), 30.0)
    finally:
        other.end()
    return time.monotonic()


@fault("node stopped for 2.5 s (SIGSTOP)")
def _node_stopped(rig: Rig) -> float:
    rig.node.signal(signal.SIGSTOP)
    time.sleep(SILENCE_S)
    rig.node.signal(signal.SIGCONT)
    back = time.monotonic()
    rig.wait_for_output(back)
    time.sleep(0.5)
    rig.take_outputs()
    time.sleep(0.5)
    late = [output.age_ms for output in rig.take_outputs()]
    if not late or min(late) > 500.0:
        raise FaultError(f"outputs are {min(late, default=0):.0f} ms old half a second later: a backlog")
    return back
