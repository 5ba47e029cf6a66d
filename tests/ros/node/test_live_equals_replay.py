"""Replay is live: one bag gives the same pairs and the same depths, bit for bit, through the node and offline."""

from collections import Counter

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")
pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.messages.image import depth_from_image, stamp_ns
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.replay import cli as replay
from pagnet_ros.replay.frame import SourceOptions
from pagnet_ros.replay.methods import NetworkMethod, make_baselines
from pagnet_ros.replay.results import read_results
from pagnet_ros.replay.run import evaluate
from pagnet_ros.replay.run_options import RunOptions
from pagnet_ros.replay.source import open_source
from pagnet_ros.ros.evaluator.node import Evaluator
from pagnet_ros.ros.node.node import PagnetNode
from pagnet_ros.ros.node.sensor_limits import options_of
from tests.replay.bags import START_NS, STEP_NS, camera_info, color, depth_mm, image, write

MS = 1_000_000
SIZE, COARSE = (96, 128), (24, 32)
# Colour after depth, by frame. Where colour is earlier, its pair is decided by the next one; no message decides two
# pairs, because of two at once the node computes the newer only.
OFFSETS_MS = (6, 3, 2, 1, 0, 2, -4, 3, 0, -5, 4, 0)
WEIGHTS = "fast-x4-sensor"
TOPICS = SourceOptions(depth="/cam/depth", color="/cam/color", reference="/cam/depth_reference")
TYPES = {"/cam/depth": Image, "/cam/color": Image, "/cam/camera_info": CameraInfo, "/cam/depth_reference": Image}
RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)


def recording():
    """Frames as recordings have them: offsets, colour late or lost, a stamp twice, and the whole begun anew."""
    dice = np.random.default_rng(7)
    at_ns = START_NS
    numbers = [*range(9), *range(3)]  # the stamps of the last three lie in the past, as in a looped bag
    for k, offset_ms in zip(numbers, OFFSETS_MS, strict=True):
        stamp_ns = START_NS + k * STEP_NS
        at_ns += STEP_NS
        depth = depth_mm(k, COARSE) + dice.integers(0, 4, COARSE, dtype=np.uint16) * (depth_mm(k, COARSE) > 0)
        depth = depth.astype(np.float32) / 1000 if k % 4 == 3 else depth.astype(np.uint16)
        shown = color(k, SIZE) + dice.integers(0, 30, (*SIZE, 3), dtype=np.uint8)
        messages = [("/cam/camera_info", camera_info(stamp_ns, SIZE))]
        messages += [("/cam/color", image(shown, stamp_ns + offset_ms * MS))]
        messages += [("/cam/depth_reference", image(depth_mm(k, SIZE), stamp_ns))]
        messages.insert(1 if k % 3 == 2 else 2, ("/cam/depth", image(depth, stamp_ns)))
        if k == 4:  # its colour frame is lost
            messages = [m for m in messages if m[0] != "/cam/color"]
        if k == 6:  # a driver that sends a frame twice
            messages.append(("/cam/depth", image(depth, stamp_ns)))
        for i, (topic, message) in enumerate(messages):
            yield topic, at_ns + i * MS, message


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    return write(tmp_path_factory.mktemp("live") / "bag", recording())


def bits(depth):
    """What makes two depth images equal to the last bit, NaN included."""
    return depth.shape, depth.dtype, depth.tobytes()


def offline(bag, settings):
    """(depth stamp, colour stamp, result) of every pair, without ROS."""
    upsampler = DepthUpsampler.from_zoo(
        WEIGHTS, device="cpu", precision=settings.precision, options=options_of(settings)
    )
    with open_source([bag], TOPICS) as source:
        return [(f.depth_stamp_ns, f.color_stamp_ns, upsampler(f.depth, f.rgb).depth) for f in source.frames()]


class Live:
    """The node, a listener on its output, and a player that waits for each result before it goes on."""

    def __init__(self, ros, precision, **parameters):
        self.ros = ros
        values = {"weights": WEIGHTS, "device": "cpu", "precision": precision, **parameters}
        remap = [word for topic in ("depth", "color") for word in ("-r", f"{topic}:=/cam/{topic}")]
        self.node = PagnetNode(
            context=ros.context,
            cli_args=["--ros-args", *remap],
            parameter_overrides=[Parameter(name, value=value) for name, value in values.items()],
        )
        assert self.node.trigger_configure().name == "SUCCESS"
        assert self.node.trigger_activate().name == "SUCCESS"
        self.colors = {}
        put = self.node._queue.put

        def remember(pair):
            self.colors.setdefault(pair.depth_stamp_ns, []).append(pair.color_stamp_ns)
            return put(pair)

        self.node._queue.put = remember
        ros.add(self.node)
        self.player = ros.node("player")
        self.out = ros.collect(self.player, Image, "/depth_hr", RELIABLE)

    def play(self, bag, listeners=1, also=lambda sent: True):
        """Publish the bag's own bytes; wait until each message is taken, and for the result of each pair.

        Args:
            bag: Path.
            listeners: How many nodes must be subscribed to depth and colour before anything is sent.
            also: What else must hold before the next message, given how many were sent by topic.
        """
        with Bag(bag) as opened:
            messages = list(opened.messages(tuple(TYPES)))
        publishers = {t: self.player.create_publisher(kind, t, RELIABLE) for t, kind in TYPES.items()}
        for topic in ("/cam/depth", "/cam/color", "/cam/camera_info"):
            self.ros.wait_matched(publishers[topic], listeners)
        self.ros.wait_until(self.node._outputs.wanted, what="a subscriber of depth_hr")
        self.sent = dict.fromkeys(TYPES, 0)
        for message in messages:
            topic = message.topic.name
            publishers[topic].publish(message.raw)
            self.sent[topic] += 1
            self.ros.wait_until(
                lambda: self._taken() and also(self.sent),
                what=f"{topic} {stamp_ns(deserialize_message(message.raw, TYPES[topic]))}",
            )

    def _taken(self):
        """Whether the node has seen all that was sent, and every pair's result has come back."""
        pairing = self.node._inputs._pairing.counts
        if (pairing.depth_in, pairing.color_in) != (self.sent["/cam/depth"], self.sent["/cam/color"]):
            return False
        return len(self.out.messages) == pairing.paired

    def _counts(self):
        return self.node.health.snapshot(0).counts

    def frames(self):
        """(depth stamp, colour stamp, result) of every frame that came out."""
        colors = {stamp: iter(list(found)) for stamp, found in self.colors.items()}
        return [(stamp_ns(m), next(colors[stamp_ns(m)]), depth_from_image(m)) for m in self.out.messages]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_live_and_offline_give_the_same_pairs_and_equal_depths(ros, bag, precision):
    live = Live(ros, precision)
    live.play(bag)
    expected = offline(bag, live.node.settings)
    found = live.frames()
    assert len(expected) == 11
    assert [frame[:2] for frame in found] == [frame[:2] for frame in expected]
    assert [bits(frame[2]) for frame in found] == [bits(frame[2]) for frame in expected]
    assert all(np.isfinite(frame[2]).mean() > 0.5 for frame in found)
    assert live._counts().get("superseded", 0) == 0


def test_the_comparison_would_notice_a_single_bit(ros, bag):
    live = Live(ros, "fp32", max_depth_m=1.9985)
    live.play(bag)
    found, expected = live.frames(), offline(bag, live.node.settings)
    assert [bits(frame[2]) for frame in found] == [bits(frame[2]) for frame in expected]
    other = DepthUpsampler.from_zoo(WEIGHTS, device="cpu", precision="fp32")
    with open_source([bag], TOPICS) as source:
        assert any(
            bits(other(f.depth, f.rgb).depth) != bits(e[2]) for f, e in zip(source.frames(), expected, strict=True)
        )


@pytest.mark.parametrize("with_reference", [False, True])
def test_the_evaluator_finds_the_metrics_of_the_replay(ros, bag, tmp_path, with_reference):
    out = tmp_path / "out"
    parameters = {"with_reference": with_reference, "out": str(out), "input_reliability": "reliable"}
    remap = {"depth": "/cam/depth", "color": "/cam/color", "reference": "/cam/depth_reference"}
    evaluator = Evaluator(
        tmp_path / "recording",
        context=ros.context,
        cli_args=["--ros-args", *(w for a, b in remap.items() for w in ("-r", f"{a}:={b}"))],
        parameter_overrides=[Parameter(name, value=value) for name, value in parameters.items()],
    )
    taken, record = Counter(), evaluator._writer.write

    def counting(connection, stamp_ns, raw):
        taken[connection.topic] += 1
        record(connection, stamp_ns, raw)

    evaluator._writer.write = counting
    ros.add(evaluator)
    live = Live(ros, "fp32")
    heard = {topic: topic for topic in TYPES if with_reference or topic != "/cam/depth_reference"}
    heard["/cam/camera_info"] = "/cam/color/camera_info"  # where it is recorded: the replay looks below an image
    live.play(bag, 2, lambda sent: all(taken[recorded] == sent[topic] for topic, recorded in heard.items()))
    ros.wait_until(lambda: taken["/depth_hr"] == len(live.out.messages), what="all results")
    words = [*evaluator.words(), "--json"]  # no report, which takes minutes to draw on a starved machine
    evaluator.destroy_node()
    assert replay.main(words) == replay.FINE
    found = read_results(out)

    upsampler = DepthUpsampler.from_zoo(WEIGHTS, device="cpu", precision="fp32", options=options_of(live.node.settings))
    options = RunOptions("reference" if with_reference else "none")
    methods = [NetworkMethod("depth_hr", upsampler, {}), *make_baselines(["bilinear", "bicubic"], options.pipeline)]
    with open_source([bag], TOPICS) as source:
        expected = evaluate(source, methods, options)
    assert found.counts.evaluated == expected.counts.evaluated == 11
    for method in ("depth_hr", "bicubic"):
        live, offline = found.method(method).metrics, expected.method(method).metrics
        assert {name: value for name, value in live.items() if "sigma" not in name} == {
            name: value for name, value in offline.items() if "sigma" not in name
        }
        assert all(value is None for name, value in live.items() if "sigma" in name)  # it is not on /depth_hr
        assert list(found.method(method).by_range) == list(expected.method(method).by_range)
    if with_reference:
        assert found.method("depth_hr").metrics["rmse_m"] > 0
