"""Playing bags: bytes, order, times, loops, clock, and what cannot be played."""

import signal
import threading
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")
pytest.importorskip("rosbags", reason="the rosbags library is not installed")

import itertools

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from sensor_msgs.msg import Image
from std_msgs.msg import String

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.messages.image import stamp_ns
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.recordings.cdr import TF
from pagnet_ros.ros.players import bag_player
from pagnet_ros.ros.players.bag_player import BagPlayer, BagPlayerOptions, main, message_class, parse_arguments
from tests.replay import bags
from tests.ros.players.played import START_NS, STEP_NS, image

ROOT = Path(__file__).parents[3]
TEXT = "std_msgs/msg/String"


@pytest.fixture
def bag_path(tmp_path):
    """10 images 20 ms apart, and a text after each."""
    messages = []
    for k in range(10):
        messages.append(("/depth", START_NS + k * STEP_NS, image(k)))
        messages.append(("/chat", START_NS + k * STEP_NS + 1, bags.text(f"text {k}")))
    return bags.write(tmp_path / "bag", messages)


def stamps(messages):
    return [stamp_ns(m) for m in messages]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_every_message_arrives_unchanged_and_in_order(ros, play, tmp_path, storage):
    path = bags.write(
        tmp_path / "b", [("/depth", START_NS + k * STEP_NS, image(k)) for k in range(10)], storage=storage
    )
    seen = ros.collect(ros.node(), Image, "/depth", 50)

    player = play(path)
    messages = seen.wait_for(10)

    assert stamps(messages) == [START_NS + k * STEP_NS for k in range(10)]
    assert [m.data[0] for m in messages] == list(range(10))
    assert all((m.encoding, m.step, m.header.frame_id) == ("16UC1", 16, "optical") for m in messages)
    ros.wait_until(lambda: not player.thread.is_alive())
    assert player.published == 10


def test_a_player_waits_for_the_subscriptions_of_one_node_alone(ros, play, bag_path):
    recorder = ros.collect(ros.node("recorder"), Image, "/depth", 50)
    player = play(bag_path, wait_for="/the_node", wait_topics=("/depth",), wait_s=60.0)
    ros.wait_until(lambda: player.count_subscribers("/depth") == 1, what="the recorder, which is not waited for")
    assert player.published == 0
    seen = ros.collect(ros.node("the_node"), Image, "/depth", 50)
    assert len(seen.wait_for(10)) == 10
    assert len(recorder.messages) == 10


@pytest.mark.parametrize("named", ["/depth", "/depth/compressedDepth"])
def test_the_node_waited_for_needs_no_slash_and_its_topics_may_have_their_transports_suffix(ros, play, tmp_path, named):
    path = bags.write(tmp_path / "b", [("/depth/compressedDepth", START_NS, image(0)), ("/chat", START_NS, image(1))])
    player = play(path, wait_for="the_node", wait_topics=(named,), wait_s=60.0)
    awaited, node = player._awaited()
    assert ([each.topic_name for each in awaited], node) == (["/depth/compressedDepth"], "/the_node")
    seen = ros.collect(ros.node("the_node"), Image, "/depth/compressedDepth", 50)
    assert seen.wait_for(1)


def test_a_wait_that_is_given_up_says_for_what(ros, play, bag_path, capfd):
    player = play(bag_path, wait_for="/the_node", wait_topics=("/depth",), wait_s=0.3)
    ros.wait_until(lambda: not player.thread.is_alive())
    said = capfd.readouterr().err
    assert "waiting for /the_node to subscribe to /depth, 0.3 s at most" in said
    assert "/the_node has not subscribed to /depth within 0.3 s" in said
    assert "playing" in said


@pytest.fixture
def with_result(tmp_path):
    """Ten images of a camera, and what a node published for each."""
    topics = ("/depth", "/depth_hr")
    return bags.write(
        tmp_path / "run", [(name, START_NS + k * STEP_NS, image(k)) for k in range(10) for name in topics]
    )


def test_the_recorded_result_of_the_node_that_runs_is_left_out_and_named(ros, play, with_result, capfd):
    probe = ros.node("the_node", namespace="/robot")
    probe.create_publisher(Image, "/depth_hr", 10)
    result = ros.collect(probe, Image, "/depth_hr", 50)
    depth = ros.collect(probe, Image, "/depth", 50)

    player = play(with_result, wait_for="/robot/the_node", wait_topics=("/depth",))
    depth.wait_for(10)
    ros.wait_until(lambda: not player.thread.is_alive())

    assert player.topics == ["/depth"]
    assert player.published == 10
    assert not result.messages
    assert probe.count_publishers("/depth_hr") == 1
    assert "left out what /robot/the_node publishes itself: /depth_hr; --topics plays it" in capfd.readouterr().err


def test_it_is_played_where_it_is_asked_for(ros, play, with_result):
    probe = ros.node("the_node")
    probe.create_publisher(Image, "/depth_hr", 10)
    result = ros.collect(probe, Image, "/depth_hr", 50)
    play(with_result, wait_for="/the_node", topics=("/depth_hr",))
    assert len(result.wait_for(10)) == 10


def test_a_bag_of_nothing_but_the_result_of_the_node_that_runs_is_an_error(ros, opened, tmp_path):
    path = bags.write(tmp_path / "b", [("/depth_hr", START_NS, image(0)), ("/depth_hr", START_NS + STEP_NS, image(1))])
    ros.node("the_node").create_publisher(Image, "/depth_hr", 10)
    options = BagPlayerOptions(wait_for="/the_node")
    player = ros.add(BagPlayer(opened.enter_context(Bag(path)), options, threading.Event(), context=ros.context))
    with pytest.raises(RecordingError, match=r"/the_node publishes all that it holds \(/depth_hr\); nothing to play"):
        player.play()


def test_topics_select_what_is_played(ros, play, bag_path):
    probe = ros.node()
    seen = ros.collect(probe, Image, "/depth", 50)

    player = play(bag_path, topics=("depth",))
    seen.wait_for(10)

    assert player.topics == ["/depth"]
    assert probe.count_publishers("/chat") == 0


def test_start_and_duration_cut_out_a_piece(ros, play, bag_path):
    seen = ros.collect(ros.node(), Image, "/depth", 50)

    player = play(bag_path, topics=("/depth",), start_s=0.04, duration_s=0.06)
    ros.wait_until(lambda: not player.thread.is_alive())

    assert stamps(seen.wait_for(3)) == [START_NS + k * STEP_NS for k in (2, 3, 4)]
    assert player.published == 3


def test_loop_sends_stamps_backward(ros, play, bag_path):
    seen = ros.collect(ros.node(), Image, "/depth", 100)

    play(bag_path, topics=("/depth",), loop=True, rate=4.0)
    got = stamps(seen.wait_for(25))

    assert got[:10] == [START_NS + k * STEP_NS for k in range(10)]
    assert got[10:20] == got[:10]


def test_clock_runs_with_the_recording_and_jumps_back_in_a_loop(ros, play, bag_path):
    clock_msgs = pytest.importorskip("rosgraph_msgs.msg")
    probe = ros.node()
    clock = ros.collect(probe, clock_msgs.Clock, "/clock", 1000)
    ros.collect(probe, Image, "/depth", 50)

    play(bag_path, topics=("/depth",), loop=True, clock_hz=200.0)

    def times():
        return [m.clock.sec * 10**9 + m.clock.nanosec for m in list(clock.messages)]

    ros.wait_until(lambda: any(b < a for a, b in zip(times(), times()[1:], strict=False)), what="a backward /clock")
    got = times()
    assert all(START_NS <= t <= START_NS + 11 * STEP_NS for t in got)
    backward = [k for k, (a, b) in enumerate(itertools.pairwise(got)) if b < a]
    assert got[backward[0] + 1] < START_NS + 2 * STEP_NS


def test_the_clock_of_a_recorded_simulation_is_played_and_not_that_of_its_recorder(ros, play, tmp_path):
    clock_msgs = pytest.importorskip("rosgraph_msgs.msg")
    recorded_ns, kinds = 1_700_000_000_000_000_000, bags.STORE.types
    messages = []
    for k in range(5):
        time = kinds["builtin_interfaces/msg/Time"](*divmod(START_NS + k * STEP_NS, 10**9))
        messages.append(("/clock", recorded_ns + k * STEP_NS, kinds["rosgraph_msgs/msg/Clock"](time)))
        messages.append(("/depth", recorded_ns + k * STEP_NS, image(k)))
    probe = ros.node()
    clock, seen = ros.collect(probe, clock_msgs.Clock, "/clock", 1000), ros.collect(probe, Image, "/depth", 50)
    path = bags.write(tmp_path / "b", messages)

    play(path, clock_hz=200.0)

    stamped = stamps(seen.wait_for(5))
    times = [m.clock.sec * 10**9 + m.clock.nanosec for m in clock.wait_for(5)]
    assert times == stamped
    assert play(path, wait=False, restamp="now").topics == ["/depth"]


def test_restamping_moves_stamps_to_the_present_and_keeps_their_distances(ros, play, bag_path):
    probe = ros.node()
    seen = ros.collect(probe, Image, "/depth", 50)
    before_ns = probe.get_clock().now().nanoseconds

    play(bag_path, topics=("/depth",), restamp="now", rate=0.5)
    messages = seen.wait_for(10)

    got = stamps(messages)
    assert before_ns < got[0] < probe.get_clock().now().nanoseconds
    assert {b - a for a, b in itertools.pairwise(got)} == {2 * STEP_NS}
    assert [m.data[0] for m in messages] == list(range(10))


def test_restamping_moves_transforms_with_the_images(ros, play, tmp_path, monkeypatch):
    # The wheels have no tf2_msgs: another type stands for it in DDS, and the bytes are those of a TFMessage.
    made_class = bag_player.message_class
    monkeypatch.setattr(bag_player, "message_class", lambda name: String if name == TF else made_class(name))
    moved = bags.tf_static(0.1)
    moved.transforms[0].header.stamp.sec, moved.transforms[0].header.stamp.nanosec = divmod(START_NS, 10**9)
    path = bags.write(tmp_path / "b", [("/depth", START_NS, image(0)), ("/tf", START_NS + 1, moved)])
    probe, transforms = ros.node(), []
    seen = ros.collect(probe, Image, "/depth", 50)
    probe.create_subscription(String, "/tf", transforms.append, 10, raw=True)

    play(path, restamp="now")

    (sent,) = stamps(seen.wait_for(1))
    ros.wait_until(lambda: transforms, what="the transform")
    (transform,) = bags.STORE.deserialize_cdr(transforms[0], TF).transforms
    assert transform.header.stamp.sec * 10**9 + transform.header.stamp.nanosec == sent > START_NS


def test_restamping_leaves_a_stamp_that_was_never_set(ros, play, tmp_path):
    path = bags.write(tmp_path / "b", [("/depth", START_NS, bags.image(np.ones((6, 8), np.uint16), 0))])
    seen = ros.collect(ros.node(), Image, "/depth", 50)

    play(path, restamp="now")

    assert stamps(seen.wait_for(1)) == [0]


def test_restamping_moves_stamps_of_another_clock_than_the_recorders_to_the_present_too(ros, play, tmp_path):
    recorded_ns = 1_700_000_000_000_000_000
    path = bags.write(tmp_path / "b", [("/depth", recorded_ns + k * STEP_NS, image(k)) for k in range(5)])
    probe = ros.node()
    seen = ros.collect(probe, Image, "/depth", 50)
    before_ns = probe.get_clock().now().nanoseconds

    play(path, restamp="now")
    got = stamps(seen.wait_for(5))

    assert before_ns < got[0] < probe.get_clock().now().nanoseconds
    assert {b - a for a, b in itertools.pairwise(got)} == {STEP_NS}


def with_foreign_type(tmp_path):
    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("float32 x", "robot_msgs_of_nobody/msg/Speed"))
    speed = store.types["robot_msgs_of_nobody/msg/Speed"](1.5)
    return bags.write(tmp_path / "b", [("/depth", START_NS, image(0)), ("/speed", START_NS + 1, speed)], store=store)


def test_topics_of_types_that_are_not_installed_are_left_out_and_named(ros, play, tmp_path):
    player = play(with_foreign_type(tmp_path), wait=False)

    assert player.topics == ["/depth"]
    assert list(player.skipped) == ["/speed"]
    assert "robot_msgs_of_nobody/msg/Speed is not installed here; install the ROS package" in player.skipped["/speed"]


def test_asking_for_such_a_topic_is_an_error(ros, play, tmp_path):
    with pytest.raises(
        RecordingError, match=r"cannot play /speed: type robot_msgs_of_nobody/msg/Speed is not installed"
    ):
        play(with_foreign_type(tmp_path), topics=("/speed",))


def test_a_type_named_in_a_bag_imports_nothing_that_has_no_messages(tmp_path, monkeypatch):
    (tmp_path / "innocent").mkdir()
    (tmp_path / "innocent/__init__.py").write_text("raise SystemExit('it ran')")
    (tmp_path / "msg_of_nobody.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(str(tmp_path))

    for msgtype in ("innocent/msg/X", "msg_of_nobody/msg/X", "os/msg/path"):
        with pytest.raises(RecordingError, match="is not installed here"):
            message_class(msgtype)
    assert message_class("std_msgs/msg/String") is String


def test_starting_past_the_end_is_an_error(ros, play, bag_path):
    with pytest.raises(RecordingError, match=r"nothing to play from 60 s on; it is 0.180 s long"):
        play(bag_path, start_s=60.0)


def test_a_loop_over_nothing_ends(ros, play, bag_path):
    # The first text comes a nanosecond after the first image: nothing of /chat is left in this piece.
    player = play(bag_path, wait=False, topics=("/chat",), loop=True, duration_s=1e-9)

    ros.wait_until(lambda: not player.thread.is_alive())
    assert player.published == 0


def test_damage_on_the_way_is_raised_after_what_was_readable(ros, tmp_path):
    path = bags.write(tmp_path / "b", [("/depth", START_NS + k * 10**6, image(k)) for k in range(3)], storage="sqlite3")
    file = path / "b.db3"
    with Bag(path) as bag:
        reader = bag._readers[0]
        whole = reader.messages

        def breaks(*arguments):
            messages = whole(*arguments)
            yield next(messages)
            yield next(messages)
            raise OSError("Input/output error")

        reader.messages = breaks
        player = ros.add(BagPlayer(bag, BagPlayerOptions(), threading.Event(), context=ros.context))
        with pytest.raises(RecordingError, match=r"damaged after 2 readable messages.*Input/output error"):
            player.play()
        assert player.published == 2
    assert file.exists()


def test_what_is_odd_about_a_bag_is_said_before_it_plays_and_what_was_hidden_after(ros, play, tmp_path, capfd):
    path = bags.write(tmp_path / "bag", [("/depth", START_NS + k * 1_000_000, image(k)) for k in range(300)])
    (file,) = path.glob("*.mcap")
    content = bytearray(file.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 512] = bytes(512)
    file.write_bytes(content)
    metadata = path / "metadata.yaml"
    metadata.write_text(metadata.read_text().replace("message_count: 300", "message_count: 301"))
    seen = ros.collect(ros.node(), Image, "/depth", 500)
    player = play(path)
    seen.wait_for(1)
    ros.wait_until(lambda: not player.thread.is_alive())
    said = capfd.readouterr().err
    assert "metadata.yaml promises 301 messages, its files hold 300" in said
    assert f"{player.published} of the 300 messages its index promises are readable" in said


def test_restamping_and_a_clock_contradict_each_other():
    with pytest.raises(ConfigError, match="restamp now together"):
        BagPlayerOptions(restamp="now", clock_hz=40.0)


def test_command_line_follows_ros2_bag_play():
    words = [
        "/a/bag",
        "-r",
        "2",
        "-l",
        "--start-offset",
        "3",
        "--playback-duration",
        "4",
        "--clock",
        "--topics",
        "/a",
        "/b",
    ]
    given, options = parse_arguments(words)

    assert given.bag == "/a/bag"
    assert options == BagPlayerOptions(
        rate=2.0, loop=True, start_s=3.0, duration_s=4.0, clock_hz=40.0, topics=("/a", "/b")
    )


def test_errors_are_one_line_and_status_one(ros_environment, tmp_path, capsys):
    assert main(["bag_player", str(tmp_path / "absent")]) == 1

    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'absent'}: nothing there; expected a bag folder")


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_process_plays_under_remapped_names_and_ends_cleanly_by_signal(ros, bag_path, sign):
    probe = ros.node()
    seen = ros.collect(probe, Image, "/camera/depth", 50)
    chat = ros.collect(probe, String, "/chat", 50)

    words = (str(bag_path), "--loop", "--ros-args", "-r", "/depth:=/camera/depth")
    with ros.process_until_signal("pagnet_ros.ros.players.bag_player", *words, sign=sign):
        seen.wait_for(12, timeout_s=60)
        chat.wait_for(3)


def test_process_lists_topics(ros, bag_path):
    out, err = ros.start_process("pagnet_ros.ros.players.bag_player", str(bag_path), "--list").communicate(timeout=60)

    assert out.split() == ["/chat", "std_msgs/msg/String", "10", "/depth", "sensor_msgs/msg/Image", "10"]
    assert not err
