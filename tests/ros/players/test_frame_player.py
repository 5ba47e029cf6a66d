"""Playing folders of frames: topics, stamps, loops, coarser depth, errors."""

import itertools
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from sensor_msgs.msg import CameraInfo, Image

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.messages.image import color_from_image, depth_from_image, stamp_ns
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.ros.players import frame_player
from pagnet_ros.ros.players.frame_player import FramePlayer, FramePlayerOptions, main, parse_arguments

ROOT = Path(__file__).parents[3]


def depth_of(k):
    rows, columns = np.mgrid[:16, :24]
    return (1000 + 100 * k + rows + columns).astype(np.uint16)


def rgb_of(k):
    return np.full((16, 24, 3), (200, 10 * k, 30), np.uint8)


@pytest.fixture
def folder(tmp_path):
    """6 frames of 24x16, numbered from 4."""
    path = tmp_path / "frames"
    path.mkdir()
    for k in range(4, 10):
        assert cv2.imwrite(str(path / f"frame-{k:06d}.depth.png"), depth_of(k))
        assert cv2.imwrite(str(path / f"frame-{k:06d}.color.png"), rgb_of(k)[..., ::-1])
    (path / "camera-intrinsics.txt").write_text("20 0 11.5\n0 20 7.5\n0 0 1\n")
    return path


@pytest.fixture
def play(run_player):
    """Start playing a folder in a thread."""

    def start(path, hz=None, **options):
        options = FramePlayerOptions(**{"wait_s": 20.0, **options})
        return run_player(lambda stop, **where: FramePlayer(open_frames(path, hz=hz), options, stop, **where))

    return start


@pytest.fixture
def seen(ros):
    """Collectors on the three topics (a subscriber in a namespace of nobody)."""
    probe = ros.node()
    return {
        "depth": ros.collect(probe, Image, "depth", 100),
        "color": ros.collect(probe, Image, "color", 100),
        "info": ros.collect(probe, CameraInfo, "color/camera_info", 100),
        "probe": probe,
    }


def test_frames_arrive_as_recorded_with_one_stamp_per_frame(ros, play, seen, folder):
    player = play(folder, stamps="recorded")
    depth, color, info = (seen[name].wait_for(6) for name in ("depth", "color", "info"))

    ros.wait_until(lambda: not player.thread.is_alive())
    expected = [round((k + 1) * 1e9 / 30) for k in range(4, 10)]
    assert [stamp_ns(m) for m in depth] == [stamp_ns(m) for m in color] == [stamp_ns(m) for m in info] == expected
    for k in range(6):
        np.testing.assert_array_equal(depth_from_image(depth[k]), depth_of(k + 4))
        np.testing.assert_array_equal(color_from_image(color[k]), rgb_of(k + 4))
    assert info[0].k.tolist() == [20, 0, 11.5, 0, 20, 7.5, 0, 0, 1]
    assert {m.header.frame_id for m in (*depth, *color, *info)} == {"camera_color_optical_frame"}


def test_loop_with_present_stamps_goes_forward(play, seen, folder):
    play(folder, loop=True, rate=4.0)
    got = [stamp_ns(m) for m in seen["depth"].wait_for(15)]

    assert all(b > a for a, b in itertools.pairwise(got))


def test_frames_too_large_to_keep_are_read_again_in_each_pass(monkeypatch, play, seen, folder):
    prepared = []
    monkeypatch.setattr(frame_player, "KEPT_BYTES", 4000)
    monkeypatch.setattr(frame_player, "coarse_depth", lambda *given: prepared.append(1) or coarse_depth(*given))

    play(folder, loop=True, rate=4.0, downsample=4)
    depth = seen["depth"].wait_for(15)

    np.testing.assert_array_equal(depth_from_image(depth[13]), coarse_depth(depth_of(5), 4))
    assert len(prepared) >= 15


def test_coarser_depth_comes_with_the_recorded_one_as_reference(ros, play, seen, folder):
    reference = ros.collect(seen["probe"], Image, "depth_reference", 100)

    play(folder, downsample=4, stamps="recorded", loop=True)
    coarse, full = seen["depth"].wait_for(1)[0], reference.wait_for(1)[0]

    np.testing.assert_array_equal(depth_from_image(coarse), coarse_depth(depth_of(4), 4))
    full = reference.wait_for_match(lambda m: stamp_ns(m) == stamp_ns(coarse))
    np.testing.assert_array_equal(depth_from_image(full), depth_of(4))


def test_factor_that_does_not_divide_is_named(ros, folder):
    player = ros.add(
        FramePlayer(open_frames(folder), FramePlayerOptions(downsample=7), threading.Event(), context=ros.context)
    )

    with pytest.raises(RecordingError, match=r"frame frame-000004 of .*scale 7 does not divide 24x16; expected one of"):
        player.play()


def test_unknown_intrinsics_are_published_as_unknown_or_as_given(play, seen, folder):
    (folder / "camera-intrinsics.txt").unlink()

    play(folder)
    assert seen["info"].wait_for(1)[0].k[0] == 0.0

    play(folder, intrinsics=(21.0, 22.0, -11.5, 7.5))
    assert seen["info"].wait_for_match(lambda m: m.k[0] == 21.0).k.tolist() == [21, 0, -11.5, 0, 22, 7.5, 0, 0, 1]


def test_options_that_contradict_each_other_are_all_named():
    with pytest.raises(ConfigError) as error:
        FramePlayerOptions(clock_hz=10.0, intrinsics=(1.0, 2.0))
    for part in ("clock with stamps now", "intrinsics (1.0, 2.0); expected fx fy cx cy"):
        assert part in str(error.value)


def test_command_line():
    given, options = parse_arguments(
        ["dir", "--hz", "15", "--loop", "--downsample", "4", "--intrinsics", "1", "2", "-3", "4"]
    )

    assert (given.folder, given.hz) == ("dir", 15.0)
    assert options == FramePlayerOptions(loop=True, downsample=4, intrinsics=(1.0, 2.0, -3.0, 4.0))


def test_errors_are_on_stderr_and_status_one(ros_environment, tmp_path, capsys):
    assert main(["frame_player", str(tmp_path)]) == 1

    assert "an empty folder; expected one of" in capsys.readouterr().err
