"""The simulated camera: what it publishes, how it keeps its rate, what it does when told to fail."""

import contextlib
import itertools
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.parameter import Parameter
from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.errors import ConfigError
from pagnet_ros.messages.image import color_from_image, depth_from_image, stamp_ns
from pagnet_ros.ros.players.simulated_camera import SimulatedCamera, main
from pagnet_ros.ros.players.simulated_frames import SimulatedCameraOptions, SimulatedView, loop_of_frames

ROOT = Path(__file__).parents[3]
SMALL = {"width": 96, "height": 64, "scale": 4, "style": "traps", "loop_s": 0.4}


def small(**options):
    return SimulatedCameraOptions(**{**SMALL, **options})


@pytest.fixture
def start(run_player):
    """Start a camera in a thread."""

    def begin(**options):
        overrides = [Parameter(name, value=value) for name, value in {**SMALL, **options}.items()]
        return run_player(lambda stop, **where: SimulatedCamera(stop, parameter_overrides=overrides, **where))

    return begin


@pytest.fixture
def seen(ros):
    probe = ros.node()
    topics = ("depth", "color", "depth_truth")
    collectors = {topic: ros.collect(probe, Image, topic, 200) for topic in topics}
    infos = ("depth/camera_info", "color/camera_info")
    return collectors | {topic: ros.collect(probe, CameraInfo, topic, 200) for topic in infos}


def test_publishes_coarse_depth_colour_truth_and_calibration_with_one_stamp(start, seen):
    start(sensor="clean")
    depth = seen["depth"].wait_for(1)[0]
    same = {name: c.wait_for_match(lambda m: abs(stamp_ns(m) - stamp_ns(depth)) < 10**6) for name, c in seen.items()}

    assert (depth.encoding, depth.width, depth.height) == ("16UC1", 24, 16)
    assert color_from_image(same["color"]).shape == (64, 96, 3)
    truth = depth_from_image(same["depth_truth"])
    assert (truth.shape, truth.dtype) == ((64, 96), np.float32)
    color_info, depth_info = same["color/camera_info"], same["depth/camera_info"]
    assert (color_info.width, color_info.height, depth_info.width, depth_info.height) == (96, 64, 24, 16)
    assert depth_info.k[0] == pytest.approx(color_info.k[0] / 4)
    assert depth_info.k[2] == pytest.approx((color_info.k[2] + 0.5) / 4 - 0.5)
    # A clean sensor sees the truth, up to edges and millimetres.
    blocks = truth.reshape(16, 4, 24, 4).transpose(0, 2, 1, 3).reshape(16, 24, 16)
    flat = np.ptp(blocks, axis=2) < 0.03
    assert flat.mean() > 0.3
    error_m = np.abs(depth_from_image(depth)[flat] / 1000 - blocks[flat].mean(axis=1))
    assert np.median(error_m) < 0.002
    assert np.quantile(error_m, 0.9) < 0.02


def test_the_scene_moves(start, seen):
    start(sensor="clean", rate_hz=20.0)
    depth = seen["depth_truth"].wait_for(6)

    assert np.nanmax(np.abs(depth_from_image(depth[5]) - depth_from_image(depth[0]))) > 0.005


def test_stamps_jitter_within_their_bound_and_colour_is_offset(start, seen):
    start(rate_hz=10.0, jitter_ms=20.0, color_offset_ms=7.0)
    depth, color = seen["depth"].wait_for(12), seen["color"].wait_for(12)

    by_frame = [(stamp_ns(c) - stamp_ns(d)) / 1e6 for d, c in zip(depth, color, strict=False)]
    assert all(-33.1 <= delta <= 47.1 for delta in by_frame)
    assert np.ptp(by_frame) > 1.0
    assert all(stamp_ns(b) > stamp_ns(a) for a, b in itertools.pairwise(depth))


def test_lost_messages_leave_single_streams_behind(ros, start, seen):
    camera = start(drop_rate=0.5, rate_hz=60.0)
    ros.wait_until(lambda: camera.published >= 60, 60.0, "60 frames")

    assert 10 <= len(seen["depth"].messages) <= 50
    assert {stamp_ns(m) for m in seen["depth"].messages} != {stamp_ns(m) for m in seen["color"].messages}


def test_unplugged_camera_falls_silent_and_comes_back(ros, start, seen):
    start(unplug_after_s=0.4, replug_after_s=0.6, rate_hz=20.0)

    def silence_ns():
        stamps = [stamp_ns(m) for m in list(seen["depth"].messages)]
        return max((b - a for a, b in itertools.pairwise(stamps)), default=0)

    ros.wait_until(lambda: silence_ns() > 0.5e9, what="a gap of 0.6 s, and frames after it")
    assert silence_ns() < 3e9


def test_same_seed_shows_the_same_frames():
    one, two, other = (SimulatedView(small(seed=s)).frame(3) for s in (5, 5, 6))

    np.testing.assert_array_equal(one.rgb, two.rgb)
    np.testing.assert_array_equal(one.depth, two.depth)
    assert (one.rgb != other.rgb).any()


def test_loop_swings_there_and_back_with_fresh_noise():
    view = SimulatedView(small(rate_hz=20.0, sensor="tof"))

    loop = loop_of_frames(view, lambda: False)

    assert len(loop) == view.loop_length() == 8
    for k in range(1, 4):
        assert loop[k].rgb is loop[8 - k].rgb
        np.testing.assert_array_equal(loop[k].truth_m, loop[8 - k].truth_m)
        assert (loop[k].depth != loop[8 - k].depth).any()
    assert np.nanmax(np.abs(loop[0].truth_m - loop[4].truth_m)) > 0.005


def test_loop_ends_early_when_stopped():
    asked = iter([False, False, True])

    assert len(loop_of_frames(SimulatedView(small(rate_hz=20.0)), lambda: next(asked))) == 3


def test_loop_is_as_long_as_memory_allows():
    view = SimulatedView(small(rate_hz=100.0, loop_s=100.0))
    assert view.loop_length() == 10_000

    huge = SimulatedCameraOptions(width=4096, height=4096, loop_s=100.0, rate_hz=30.0, style="traps")
    assert 2 <= SimulatedView(huge).loop_length() < 60


def test_too_slow_a_scene_is_rendered_beforehand_and_said(monkeypatch, start, seen):
    monkeypatch.setattr(SimulatedView, "is_fast_enough", lambda self, seconds: False)

    start(rate_hz=20.0, sensor="clean")
    truth = seen["depth_truth"].wait_for(20)

    first, later = (depth_from_image(truth[k]) for k in (0, 8))
    np.testing.assert_array_equal(first, later)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sensor": "tov"}, "sensor = 'tov': sensor profile 'tov' is not known; expected one of azure_kinect, clean"),
        ({"scale": 7}, r"scale = 7 does not divide 640x480; expected one of \[1, 2, 4"),
        ({"jitter_ms": 40.0}, r"jitter_ms = 40 at 15 Hz; expected less than 33.3"),
    ],
)
def test_options_that_do_not_fit_together(options, text):
    with pytest.raises(ConfigError, match=text):
        SimulatedCameraOptions(**options)


def test_bad_parameters_end_the_process_with_one_message(ros_environment, capsys):
    parameters = ["-p", "sensor:=tov", "-p", "rate_hz:=30", "-p", "widht:=640"]
    assert main(["simulated_camera", "--ros-args", *parameters]) == 1

    error = capsys.readouterr().err
    assert "sensor profile 'tov' is not known; expected one of" in error
    assert "unknown parameter 'widht'; did you mean 'width'?" in error


@pytest.mark.parametrize("arguments", [["-p", "foo"], ["--bogus"], ["--params-file", "/nowhere.yaml"]])
def test_what_ros_cannot_parse_is_one_message(ros_environment, capsys, arguments):
    assert main(["simulated_camera", "--ros-args", *arguments]) == 1

    assert capsys.readouterr().err.startswith("error: the arguments after --ros-args: ")


def test_a_parameter_of_rclpy_of_another_type_is_one_message(ros_environment, capsys):
    assert main(["simulated_camera", "--ros-args", "-p", "use_sim_time:=1"]) == 1

    assert capsys.readouterr().err.startswith("error: Trying to set parameter 'use_sim_time' to '1'")


def test_plain_arguments_are_refused(ros_environment, capsys):
    assert main(["simulated_camera", "--rate", "30"]) == 1

    assert "expected ROS parameters only" in capsys.readouterr().err


def test_a_second_ctrl_c_does_not_disturb_the_end(ros):
    seen = ros.collect(ros.node(), Image, "/depth", 100)
    parameters = [word for key, value in SMALL.items() for word in ("-p", f"{key}:={value}")]
    process = ros.start_process("pagnet_ros.ros.players.simulated_camera", "--ros-args", *parameters)
    try:
        seen.wait_for(2, timeout_s=90)
        process.send_signal(signal.SIGINT)
        for _ in range(20):  # people hold the keys down
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
                break
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert "terminate called" not in said
    assert "Traceback" not in said


def test_process_runs_and_ends_cleanly_by_ctrl_c(ros):
    seen = ros.collect(ros.node(), Image, "/sim/depth", 100)
    parameters = [word for key, value in SMALL.items() for word in ("-p", f"{key}:={value}")]

    with ros.process_until_signal(
        "pagnet_ros.ros.players.simulated_camera", "--ros-args", "-r", "__ns:=/sim", *parameters
    ):
        seen.wait_for(5, timeout_s=90)
