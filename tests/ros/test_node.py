"""The node over real DDS: what it publishes, its lifecycle, its parameters and its way with bad input."""

import threading
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from builtin_interfaces.msg import Time
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2

from pagnet_ros.errors import WeightsError
from pagnet_ros.messages.image import depth_from_image, fill_depth_image
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.ros.node import PagnetNode

MS = 1_000_000
START_NS = 1_700_000_000_000_000_000
RELIABLE = QoSProfile(depth=50, reliability=ReliabilityPolicy.RELIABLE)


def stamp(nanoseconds):
    return Time(sec=nanoseconds // 10**9, nanosec=nanoseconds % 10**9)


def nanoseconds(message):
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec


def depth_message(at_ns, shape=(24, 32), value=2.0):
    message = Image()
    message.header.stamp, message.header.frame_id = stamp(at_ns), "depth_optical"
    values = np.full(shape, value, np.float32) if np.isscalar(value) else value
    fill_depth_image(message, values, "32FC1")
    return message


def color_message(at_ns, shape=(96, 128)):
    message = Image(height=shape[0], width=shape[1], encoding="rgb8", step=3 * shape[1])
    message.header.stamp, message.header.frame_id = stamp(at_ns), "color_optical"
    message.data.frombytes(np.full((*shape, 3), 128, np.uint8).tobytes())
    return message


def info_message(shape=(96, 128)):
    height, width = shape
    k = [100.0, 0.0, (width - 1) / 2, 0.0, 100.0, (height - 1) / 2, 0.0, 0.0, 1.0]
    p = [100.0, 0.0, (width - 1) / 2, 0.0, 0.0, 100.0, (height - 1) / 2, 0.0, 0.0, 0.0, 1.0, 0.0]
    message = CameraInfo(height=height, width=width, k=k, p=p)
    message.header.frame_id = "color_optical"
    return message


class Rig:
    """A node under test, a camera that feeds it, and ears on its outputs."""

    def __init__(self, ros, *, activate=True, listen=True, feed_depth=True, load=None, cli_args=None, **parameters):
        self.ros = ros
        parameters = {"weights": "bicubic", "device": "cpu", "report_period_s": 0.0, **parameters}
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        extra = {} if load is None else {"load": load}
        self.log = []
        self.node = PagnetNode(context=ros.context, parameter_overrides=overrides, cli_args=cli_args, **extra)
        self._listen_to_reports()
        if activate:
            assert self.node.trigger_configure().name == "SUCCESS"
            self._listen_to_reports()
            assert self.node.trigger_activate().name == "SUCCESS"
        ros.add(self.node)
        self.camera = ros.node("camera")
        self.depth = self.camera.create_publisher(Image, "depth", RELIABLE) if feed_depth else None
        self.color = self.camera.create_publisher(Image, "color", RELIABLE)
        self.info = self.camera.create_publisher(CameraInfo, "color/camera_info", RELIABLE)
        self.out = ros.collect(self.camera, Image, "depth_hr", RELIABLE) if listen else None
        self.out_info = ros.collect(self.camera, CameraInfo, "depth_hr/camera_info", RELIABLE) if listen else None
        if activate:
            self.wait_matched()

    def _listen_to_reports(self):
        """Keep the log's lines, whatever the level."""
        keep = self.log.append
        self.node._reporter._logger = SimpleNamespace(info=keep, warn=keep, error=keep)

    def wait_matched(self):
        for publisher in (self.depth, self.color, self.info):
            self.ros.wait_matched(publisher)
        if self.out is not None:
            self.ros.wait_until(
                lambda: self.node.count_subscribers("depth_hr") >= 1 and self.node._outputs.wanted(), what="our ears"
            )

    def send(self, at_ns, color_offset_ns=0, **kwargs):
        """Send a depth frame and its colour, colour first so that the pair is complete with the depth frame."""
        self.color.publish(color_message(at_ns + color_offset_ns))
        self.depth.publish(depth_message(at_ns, **kwargs))

    def wait_log(self, kind):
        """Wait for a report of a kind and return it."""
        return self.ros.wait_until(
            lambda: next((line for line in list(self.log) if f"[{kind}]" in line), None), what=f"a report [{kind}]"
        )

    def counts(self):
        return self.node._health.snapshot(0).counts

    def send_until_output(self, count=1):
        """Send calibration and frames until that many outputs came; each frame waits for the one before."""
        for index in range(count):
            self.info.publish(info_message())
            self.ros.wait_until(lambda: self.node._inputs.camera_info is not None, what="camera_info")
            self.send(START_NS + index * 33 * MS)
            self.out.wait_for(index + 1)
        return self.out.messages[-1]


def test_output_has_the_depth_stamp_the_color_frame_and_exactly_the_color_size(ros):
    rig = Rig(ros)
    rig.info.publish(info_message())
    ros.wait_until(lambda: rig.node._inputs.camera_info is not None)
    rig.send(START_NS + 7, color_offset_ns=3 * MS, value=2.5)
    out = rig.out.wait_for(1)[0]
    info = rig.out_info.wait_for(1)[0]
    assert (out.height, out.width, out.encoding) == (96, 128, "32FC1")
    assert nanoseconds(out) == START_NS + 7
    assert out.header.frame_id == "color_optical"
    assert info.header == out.header
    assert (info.height, info.width) == (96, 128)
    np.testing.assert_allclose(depth_from_image(out), 2.5, rtol=1e-4)


def test_output_equals_the_pipeline_called_directly(ros):
    rig = Rig(ros)
    rng = np.random.default_rng(1)
    depth = rng.uniform(1.0, 3.0, (24, 32)).astype(np.float32)
    depth[5:9, 5:9] = np.nan
    rig.send(START_NS, value=depth)
    out = depth_from_image(rig.out.wait_for(1)[0])
    from pagnet_ros.ros.sensor_limits import options_of

    direct = DepthUpsampler.bicubic(device="cpu", options=options_of(rig.node._settings))
    expected = direct(depth, np.full((96, 128, 3), 128, np.uint8)).depth
    np.testing.assert_array_equal(out, expected)


def test_millimetres_in_give_metres_out_and_millimetres_where_asked(ros):
    rig = Rig(ros, output_encoding="16UC1")
    message = Image()
    fill_depth_image(message, np.full((24, 32), 1.5, np.float32), "16UC1")
    message.header.stamp = stamp(START_NS)
    rig.color.publish(color_message(START_NS))
    rig.depth.publish(message)
    out = rig.out.wait_for(1)[0]
    assert out.encoding == "16UC1"
    assert np.abs(depth_from_image(out).astype(int) - 1500).max() <= 1


def test_compressed_inputs_are_read_from_image_transports_topics(ros):
    rig = Rig(ros, activate=False, color_transport="compressed", depth_transport="compressedDepth")
    depth = rig.camera.create_publisher(CompressedImage, "depth/compressedDepth", RELIABLE)
    color = rig.camera.create_publisher(CompressedImage, "color/compressed", RELIABLE)
    assert rig.node.trigger_configure().name == "SUCCESS"
    assert rig.node.trigger_activate().name == "SUCCESS"
    ros.wait_matched(depth)
    ros.wait_matched(color)
    ros.wait_until(rig.node._outputs.wanted)
    for publisher, suffix, pixels, form, prefix in (
        (color, ".jpg", np.full((96, 128, 3), 90, np.uint8), "rgb8; jpeg compressed bgr8", b""),
        (depth, ".png", np.full((24, 32), 1500, np.uint16), "16UC1; compressedDepth png", bytes(12)),
    ):
        message = CompressedImage(format=form)
        message.header.stamp = stamp(START_NS)
        message.data.frombytes(prefix + cv2.imencode(suffix, pixels)[1].tobytes())
        publisher.publish(message)
    np.testing.assert_allclose(depth_from_image(rig.out.wait_for(1)[0]), 1.5, rtol=1e-3)


def test_second_layout_carries_the_same_image(ros):
    rig = Rig(ros, listen=False)
    rect = ros.collect(rig.camera, Image, "depth_hr/image_rect", RELIABLE)
    ros.wait_until(rig.node._outputs.wanted)
    rig.send(START_NS)
    assert nanoseconds(rect.wait_for(1)[0]) == START_NS


def test_nothing_is_computed_until_somebody_subscribes(ros):
    rig = Rig(ros, listen=False)
    rig.send(START_NS)
    ros.wait_until(lambda: rig.counts().get("skipped_no_subscriber"), what="a skipped frame")
    assert "frames_out" not in rig.counts()
    out = ros.collect(rig.camera, Image, "depth_hr", RELIABLE)
    ros.wait_until(rig.node._outputs.wanted)
    rig.send(START_NS + 33 * MS)
    assert nanoseconds(out.wait_for(1)[0]) == START_NS + 33 * MS


def test_busy_worker_takes_the_newest_pair_and_counts_the_rest(ros):
    entered, release = threading.Event(), threading.Event()

    def load(parameters):
        inner = DepthUpsampler.bicubic(device="cpu")

        class Slow:
            name, device, precision, options = "slow", "cpu", "fp32", inner.options

            def __call__(self, depth, rgb):
                entered.set()
                assert release.wait(20.0)
                return inner(depth, rgb)

        return Slow()

    rig = Rig(ros, load=load)
    rig.send(START_NS)
    assert entered.wait(20.0)
    for index in range(1, 6):
        rig.send(START_NS + index * 33 * MS)
        ros.wait_until(lambda index=index: rig.counts().get("pairs") == index + 1, what=f"pair {index + 1}")
    release.set()
    stamps = [nanoseconds(message) for message in rig.out.wait_for(2)]
    assert stamps == [START_NS, START_NS + 5 * 33 * MS]
    assert rig.counts()["superseded"] == 4


def test_of_several_pairs_decided_at_once_the_newest_is_computed(ros):
    rig = Rig(ros, slop_ms=100.0)
    for index in range(3):
        rig.depth.publish(depth_message(START_NS + index * 33 * MS))
    ros.wait_until(lambda: len(rig.node._inputs._pairing._depth) == 3, what="three waiting frames")
    rig.color.publish(color_message(START_NS + 66 * MS))
    assert nanoseconds(rig.out.wait_for(1)[0]) == START_NS + 66 * MS
    assert rig.counts()["superseded"] == 2


@pytest.mark.parametrize("sync", ["nearest", "approximate", "exact"])
def test_looped_bag_loses_at_most_one_pair(ros, sync):
    if sync != "nearest":
        pytest.importorskip("message_filters", reason="ROS's message_filters is not installed")
    rig = Rig(ros, sync=sync)
    sent = 0
    for loop in range(3):
        for index in range(8):
            rig.send(START_NS + index * 33 * MS, color_offset_ns=0 if sync == "exact" else 2 * MS)
            sent += 1
            ros.wait_until(
                lambda sent=sent, loop=loop: rig.counts().get("pairs", 0) >= sent - 2 - loop,
                what=f"pairs of {sent} sent",
            )
    ros.wait_until(lambda: rig.counts().get("pairs", 0) >= sent - 2, what=f"{sent - 2} of {sent} pairs")
    assert rig.counts()["backward_stamps"] == 4


def test_backward_clock_under_sim_time_drops_waiting_frames(ros):
    rig = Rig(ros, use_sim_time=True)
    clock = rig.camera.create_publisher(Clock, "/clock", 10)
    ros.wait_matched(clock, 2 if rig.camera.get_parameter("use_sim_time").value else 1)

    def tick_until(second, seen):
        def tick():
            clock.publish(Clock(clock=Time(sec=second)))
            return seen()

        ros.wait_until(tick, what=f"the clock at {second} s")

    tick_until(100, lambda: rig.node.get_clock().now().nanoseconds == 100 * 10**9)
    rig.depth.publish(depth_message(START_NS))
    ros.wait_until(lambda: len(rig.node._inputs._pairing._depth) == 1, what="a waiting frame")
    tick_until(50, lambda: rig.node.get_clock().now().nanoseconds == 50 * 10**9)
    rig.wait_log("clock_jump")
    assert len(rig.node._inputs._pairing._depth) == 0


def test_changed_resolution_is_told_and_goes_on(ros):
    rig = Rig(ros)
    rig.send(START_NS)
    rig.out.wait_for(1)
    rig.color.publish(color_message(START_NS + 33 * MS, (48, 64)))
    rig.depth.publish(depth_message(START_NS + 33 * MS))
    assert (rig.out.wait_for(2)[1].height, rig.out.messages[1].width) == (48, 64)
    assert "colour 128 x 96 -> 64 x 48; going on" in rig.wait_log("resolution_changed")


def damaged(**changes):
    message = depth_message(START_NS)
    for name, value in changes.items():
        setattr(message, name, value)
    return message


BAD_DEPTH = [
    (damaged(encoding="64FC1"), "unknown_encoding", "unknown depth encoding '64FC1'"),
    (damaged(encoding="rgb8"), "unknown_encoding", "topics swapped"),
    (damaged(step=7), "wrong_step", "step 7; expected at least 128"),
    (damaged(height=25), "truncated_data", "expected step x height"),
    (damaged(height=0), "empty_image", "empty image"),
    (damaged(header=color_message(0).header), "zero_stamp", "header.stamp 0"),
    (depth_message(START_NS, shape=(200, 300)), "depth_larger_than_color", "Are the topics swapped"),
    (depth_message(START_NS, value=0.0), "no_valid_depth", "0 or not finite"),
    (depth_message(START_NS, value=np.inf), "no_valid_depth", "0 or not finite"),
    (depth_message(START_NS, value=1500.0), "no_valid_depth", "look like millimetres"),
    (depth_message(START_NS, value=-1.0), "negative_depth", "768 negative values"),
]


@pytest.mark.parametrize(("message", "kind", "says"), BAD_DEPTH, ids=lambda v: v if isinstance(v, str) else "")
def test_bad_depth_is_named_counted_and_survived(ros, message, kind, says):
    rig = Rig(ros)
    rig.color.publish(color_message(START_NS))
    rig.depth.publish(message)
    line = rig.wait_log(kind)
    assert says in line
    assert rig.counts()[f"problem.{kind}"] >= 1
    rig.send(START_NS + 33 * MS)
    good = rig.out.wait_for_match(lambda m: nanoseconds(m) == START_NS + 33 * MS)
    assert np.isfinite(depth_from_image(good)).all()


def test_all_invalid_depth_is_published_as_nan(ros):
    rig = Rig(ros)
    rig.send(START_NS, value=np.nan)
    assert np.isnan(depth_from_image(rig.out.wait_for(1)[0])).all()


def test_big_endian_depth_is_read(ros):
    rig = Rig(ros)
    message = Image(height=24, width=32, encoding="16UC1", is_bigendian=1, step=64)
    message.header.stamp = stamp(START_NS)
    message.data.frombytes(np.full((24, 32), 1500, ">u2").tobytes())
    rig.color.publish(color_message(START_NS))
    rig.depth.publish(message)
    np.testing.assert_allclose(depth_from_image(rig.out.wait_for(1)[0]), 1.5, rtol=1e-3)


def test_storm_of_bad_messages_leaves_the_node_working(ros):
    rig = Rig(ros)
    rng = np.random.default_rng(5)
    encodings = ["16UC1", "32FC1", "rgb8", "", "nonsense", "mono8"]
    for _ in range(200):
        for publisher in (rig.depth, rig.color):
            message = Image(
                height=int(rng.integers(0, 40)),
                width=int(rng.integers(0, 40)),
                encoding=encodings[rng.integers(len(encodings))],
                is_bigendian=int(rng.integers(0, 2)),
                step=int(rng.integers(0, 160)),
            )
            message.data.frombytes(rng.bytes(int(rng.integers(0, 4000))))
            message.header.stamp = stamp(START_NS + int(rng.integers(0, 50)) * MS)
            publisher.publish(message)
    rig.send(START_NS + 10**9)
    rig.out.wait_for_match(lambda m: nanoseconds(m) == START_NS + 10**9)
    assert "problem.internal_error" not in rig.counts()


def test_missing_camera_info_is_told_and_images_still_come(ros):
    rig = Rig(ros)
    rig.send(START_NS)
    rig.out.wait_for(1)
    assert "no camera_info on /color/camera_info" in rig.wait_log("no_camera_info")
    assert not rig.out_info.messages


def test_camera_info_of_half_the_size_is_scaled_about_pixel_centres(ros):
    rig = Rig(ros)
    rig.info.publish(info_message((48, 64)))
    ros.wait_until(lambda: rig.node._inputs.camera_info is not None)
    rig.send(START_NS)
    info = rig.out_info.wait_for(1)[0]
    assert (info.width, info.k[0], info.k[2]) == (128, 200.0, pytest.approx(63.5))


def test_topic_of_another_type_is_named_with_its_publisher(ros):
    rig = Rig(ros, activate=False, feed_depth=False, topic_timeout_s=0.5)
    ros.foreign_node("lidar").create_publisher(PointCloud2, "depth", 1)
    assert rig.node.trigger_configure().name == "SUCCESS"
    rig._listen_to_reports()
    assert rig.node.trigger_activate().name == "SUCCESS"
    line = rig.wait_log("wrong_type")
    assert "/depth is published as sensor_msgs/msg/PointCloud2 (by /lidar); expected sensor_msgs/msg/Image" in line
    assert "These Image topics exist: /color" in line


def test_topic_that_this_process_uses_with_another_type_is_refused_by_name(ros):
    rig = Rig(ros, activate=False, feed_depth=False)
    rig.camera.create_publisher(PointCloud2, "depth", 1)
    said = []
    assert rig.node.trigger_configure().name == "SUCCESS"
    rig.node.get_logger = lambda: SimpleNamespace(error=said.append, info=said.append)
    assert rig.node.trigger_activate().name == "FAILURE"
    assert "cannot subscribe to /depth as Image" in said[0]
    assert rig.node._state == "inactive"


def test_silent_topic_lists_what_there_is_to_subscribe(ros):
    rig = Rig(ros, activate=False, feed_depth=False, topic_timeout_s=0.5)
    assert rig.node.trigger_configure().name == "SUCCESS"
    rig._listen_to_reports()
    assert rig.node.trigger_activate().name == "SUCCESS"
    line = rig.wait_log("no_publisher")
    assert "no message on /depth" in line
    assert "/color" in line
    assert "Remap with depth:=<topic>" in line


def test_frames_that_never_pair_are_told_with_their_offset(ros):
    rig = Rig(ros, topic_timeout_s=0.5, slop_ms=5.0)
    feeding = threading.Event()

    def feed():
        at = START_NS
        while not feeding.wait(0.03):
            rig.send(at, color_offset_ns=12 * MS)
            at += 100 * MS

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        line = rig.wait_log("never_pairs")
    finally:
        feeding.set()
        thread.join()
    assert "+12.0 ms from depth; expected within slop_ms = 5. Set slop_ms above 12" in line


def test_publisher_with_weaker_qos_is_told(ros):
    rig = Rig(ros, activate=False, input_reliability="reliable")
    rig.camera.create_publisher(Image, "depth", QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT))
    assert rig.node.trigger_configure().name == "SUCCESS"
    rig._listen_to_reports()
    assert rig.node.trigger_activate().name == "SUCCESS"
    line = rig.wait_log("incompatible_qos")
    assert "a publisher on /depth offers incompatible QoS (reliability" in line
    assert "input_reliability:=best_effort" in line


def test_subscriber_that_asks_for_more_than_is_offered_is_told(ros):
    rig = Rig(ros, output_reliability="best_effort", listen=False)
    ros.collect(rig.camera, Image, "depth_hr", RELIABLE)
    assert "a subscriber of /depth_hr asks for incompatible QoS" in rig.wait_log("incompatible_qos_output")


def test_lifecycle_runs_round_twice(ros):
    rig = Rig(ros)
    for index in range(2):
        rig.send(START_NS + index * 33 * MS)
        rig.out.wait_for(index + 1)
        assert rig.node.trigger_deactivate().name == "SUCCESS"
        assert rig.node.trigger_cleanup().name == "SUCCESS"
        assert rig.node.trigger_configure().name == "SUCCESS"
        assert rig.node.trigger_activate().name == "SUCCESS"
        rig.wait_matched()
    assert rig.node.trigger_shutdown().name == "SUCCESS"
    assert not [t for t in threading.enumerate() if t.name == "pagnet_worker"]


def test_failed_configure_says_why_and_can_be_tried_again(ros):
    calls = []

    def load(parameters):
        calls.append(1)
        if len(calls) == 1:
            raise WeightsError("weights file x.safetensors is foreign; expected one of ours; train or download one")
        return DepthUpsampler.bicubic(device="cpu")

    rig = Rig(ros, activate=False, load=load)
    assert rig.node.trigger_configure().name == "FAILURE"
    assert not [t for t in threading.enumerate() if t.name == "pagnet_worker"]
    assert rig.node.trigger_configure().name == "SUCCESS"


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ({"weights": "no-such-network"}, "no-such-network"),
        ({"weights": "missing.safetensors"}, "missing.safetensors"),
        ({"device": "cuda:77"}, "cuda:77"),
        ({"precision": "fp16"}, "precision 'fp16' is not supported on cpu; expected auto, fp32 or bf16"),
        ({"precision": "int4"}, "precision 'int4'"),
        ({"slop_msec": 5.0}, "unknown parameter 'slop_msec'; did you mean 'slop_ms'?"),
        ({"slop_ms": -1.0}, "slop_ms = -1.0 is out of range; expected 0 to 10000"),
        ({"fill": "everywhere"}, "fill = 'everywhere'; expected one of none, near, all"),
        ({"weights": 3}, "weights = 3 is a int; expected a str"),
        ({"min_depth_m": 5.0, "max_depth_m": 2.0}, "expected min_depth_m below max_depth_m"),
        ({"sync": "exact"}, "message_filters"),
    ],
)
def test_bad_configuration_fails_with_a_reason_and_the_node_lives(ros, monkeypatch, parameters, says):
    monkeypatch.setitem(__import__("sys").modules, "message_filters", None)
    rig = Rig(ros, activate=False, **parameters)
    said = []
    monkeypatch.setattr(rig.node, "get_logger", lambda: SimpleNamespace(error=said.append, info=lambda line: None))
    rig.node.trigger_configure()
    if rig.node._state == "inactive":
        rig.node.trigger_activate()
    assert any(says in line for line in said), said
    assert rig.node._state in ("unconfigured", "inactive")


def test_foreign_weights_file_is_refused_by_name(ros, tmp_path):
    path = tmp_path / "foreign.safetensors"
    path.write_bytes(b"\x08\0\0\0\0\0\0\0{}      garbage")
    rig = Rig(ros, activate=False, weights=str(path))
    said = []
    rig.node.get_logger = lambda: SimpleNamespace(error=said.append)
    assert rig.node.trigger_configure().name == "FAILURE"
    assert "foreign.safetensors" in said[0]
    assert "Traceback" not in said[0]


@pytest.mark.parametrize(
    ("published", "parameters", "mend"),
    [
        (CompressedImage, {}, "Set depth_transport:=compressedDepth"),
        (Image, {"depth_transport": "compressedDepth"}, "Set depth_transport:=raw"),
    ],
)
def test_wrong_transport_is_told_with_the_parameter_to_set(ros, published, parameters, mend):
    topic = "depth/compressedDepth" if parameters else "depth"
    rig = Rig(ros, activate=False, feed_depth=False, **parameters)
    ros.foreign_node("driver").create_publisher(published, topic, 1)
    assert rig.node.trigger_configure().name == "SUCCESS"
    rig._listen_to_reports()
    assert rig.node.trigger_activate().name == "SUCCESS"
    assert mend in rig.wait_log("wrong_type")


def test_a_sensor_profile_narrows_what_the_node_believes(ros, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("min_range_m: 0.5\nmax_range_m: 2.0\n")
    rig = Rig(ros, sensor=str(path), fill="none")
    rig.info.publish(info_message())
    ros.wait_until(lambda: rig.node._inputs.camera_info is not None)
    rig.send(START_NS, value=2.5)
    assert np.isnan(depth_from_image(rig.out.wait_for(1)[0])).all()
    rig.send(START_NS + 100 * MS, value=1.5)
    assert np.isfinite(depth_from_image(rig.out.wait_for(2)[1])).all()


def test_a_sensor_that_is_not_there_fails_with_its_name(ros):
    rig = Rig(ros, activate=False, sensor="kinekt")
    assert rig.node.trigger_configure().name == "FAILURE"


def test_no_configuration_ends_in_silent_bicubic(ros, monkeypatch):
    from pagnet_ros.ros import loading as module

    def missing(*args, **kwargs):
        raise WeightsError("no shipped network is called so")

    monkeypatch.setattr(module.DepthUpsampler, "from_zoo", missing)
    rig = Rig(ros, activate=False, weights="auto")
    assert rig.node.trigger_configure().name == "FAILURE"


def test_live_parameters_act_at_once(ros):
    rig = Rig(ros)
    rig.send(START_NS)
    assert rig.out.wait_for(1)[0].encoding == "32FC1"
    result = rig.node.set_parameters(
        [
            Parameter("output_encoding", value="16UC1"),
            Parameter("output_frame_id", value="elsewhere"),
            Parameter("slop_ms", value=40),
            Parameter("max_depth_m", value=1.5),
        ]
    )
    assert all(r.successful for r in result), result
    rig.send(START_NS + 100 * MS, color_offset_ns=35 * MS)
    out = rig.out.wait_for(2)[1]
    assert (out.encoding, out.header.frame_id) == ("16UC1", "elsewhere")
    assert (depth_from_image(out) == 0).all()


def test_fixed_parameters_are_refused_with_the_way_to_change_them(ros):
    rig = Rig(ros)
    result = rig.node.set_parameters([Parameter("weights", value="rt-x4-clean")])[0]
    assert not result.successful
    assert "ros2 lifecycle set /pagnet_node deactivate, ros2 lifecycle set /pagnet_node cleanup" in result.reason
    assert rig.node.get_parameter("weights").value == "bicubic"
    rig.node.trigger_deactivate()
    rig.node.trigger_cleanup()
    assert rig.node.set_parameters([Parameter("queue_size", value=3)])[0].successful


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("slop_ms", -2.0, "out of range"),
        ("fill", "maybe", "expected one of none, near, all"),
        ("max_depth_m", 0.05, "expected min_depth_m below max_depth_m"),
        ("lazy", "yes", ""),
    ],
)
def test_bad_values_are_refused_at_run_time(ros, name, value, says):
    rig = Rig(ros)
    before = rig.node.get_parameter(name).value
    result = rig.node.set_parameters([Parameter(name, value=value)])[0]
    assert not result.successful
    assert says in result.reason
    assert rig.node.get_parameter(name).value == before


def test_qos_can_be_overridden_by_parameter(ros):
    rig = Rig(ros, listen=False, **{"qos_overrides./depth_hr.publisher.reliability": "best_effort"})
    info = rig.camera.get_publishers_info_by_topic("/depth_hr")
    ros.wait_until(lambda: rig.camera.get_publishers_info_by_topic("/depth_hr"))
    info = rig.camera.get_publishers_info_by_topic("/depth_hr")
    assert info[0].qos_profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_autostart_becomes_active_by_itself_and_retries(ros, monkeypatch):
    from pagnet_ros.ros import node as module

    monkeypatch.setattr(module, "_RETRY_S", 0.05)
    calls = []

    def load(parameters):
        calls.append(1)
        if len(calls) < 3:
            raise WeightsError("not yet there")
        return DepthUpsampler.bicubic(device="cpu")

    rig = Rig(ros, activate=False, load=load, autostart=True)
    ros.wait_until(lambda: rig.node._state == "active", what="the active state")
    assert len(calls) == 3
    rig.wait_matched()
    rig.send(START_NS)
    rig.out.wait_for(1)


def test_remapped_color_takes_its_camera_info_and_outputs_along(ros):
    remaps = ["--ros-args", "-r", "color:=/cam/color/image_raw", "-r", "depth_hr:=/sharp/depth", "-r", "__ns:=/robot"]
    rig = Rig(ros, activate=False, listen=False, cli_args=remaps)
    assert rig.node.trigger_configure().name == "SUCCESS"
    topics = rig.node._outputs.topics
    assert topics.depth == "/robot/depth"
    assert topics.color == "/cam/color/image_raw"
    assert topics.color_info == "/cam/color/camera_info"
    assert topics.output_info == "/sharp/depth/camera_info"
    assert topics.output_rect == "/sharp/depth/image_rect"


def test_explicit_remap_of_camera_info_wins(ros):
    remaps = ["--ros-args", "-r", "color:=/cam/rgb", "-r", "color/camera_info:=/other/info"]
    rig = Rig(ros, activate=False, listen=False, cli_args=remaps, color_transport="compressed")
    assert rig.node.trigger_configure().name == "SUCCESS"
    assert rig.node._outputs.topics.color_info == "/other/info"
    assert rig.node._outputs.topics.color == "/cam/rgb/compressed"
