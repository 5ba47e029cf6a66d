"""The command line: from a folder or a bag to a profile and a report."""

import re

import numpy as np
import pytest

pytest.importorskip("pagnet_training.sensors.fit")
from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.bag_writer import BagOptions, write_bag
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.sensors import load_profile
from pagnet_training.sensors import fit
from pagnet_training.sensors.fit import main
from pagnet_training.sensors.recorded import Selection, count_frames, recorded_frames
from tests.training.sensors.fit_worlds import MATRIX, gaussian, record, write_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve frames of a still camera as numbered files."""
    return write_folder(record(gaussian(0.004, 0.05), 12), tmp_path_factory.mktemp("recording") / "frames")


@pytest.fixture(scope="module")
def bag(folder, tmp_path_factory):
    return write_bag(open_frames(folder), tmp_path_factory.mktemp("bags") / "frames", BagOptions(compress=True))


def test_a_folder_becomes_a_profile_and_a_report_that_stands_alone(folder, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the report's pictures need matplotlib")
    out, report = tmp_path / "camera.yaml", tmp_path / "camera.html"
    assert main([str(folder), "--out", str(out), "--report", str(report)]) == 0
    profile = load_profile(out)
    assert profile.name == "camera"
    assert profile.noise_range_curve
    said = capsys.readouterr().out.replace("\n", " ")
    assert "12 frames read as still" in said
    assert "only 12 frames" in said
    page = report.read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") == 3
    assert "http" not in page
    assert "What this recording cannot tell" in page
    for figure in ("missing, %", "noise from pixel to pixel"):  # the simulated frames are like the real ones
        row = re.search(rf"<tr><td>{figure}.*?</tr>", page).group()
        real, simulated, ratio = (float(text) for text in re.findall(r"number'>([\d.]+)<", row))
        assert real > 1, figure
        assert 0.67 < ratio < 1.5, figure
        assert simulated == pytest.approx(ratio * real, rel=0.02)


@pytest.mark.parametrize(
    ("interrupted", "is_written", "said"),
    [("fit.fit_recording", False, "no profile was written"), ("report.write_report", True, "its report was not")],
)
def test_ctrl_c_says_what_was_written(folder, tmp_path, monkeypatch, capsys, interrupted, is_written, said):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(f"pagnet_training.sensors.{interrupted}", stopped)
    out = tmp_path / "camera.yaml"
    assert main([str(folder), "--out", str(out), "--report", str(tmp_path / "camera.html")]) == 130
    assert out.exists() == is_written
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("stopped; ")
    assert line.endswith(said)
    assert (f"{out} was written" in line) == is_written


def test_the_sensor_with_larger_pixels_is_fitted_too(folder, tmp_path):
    out = tmp_path / "coarse.yaml"
    assert main([str(folder), "--scale", "2", "--out", str(out)]) == 0
    profile = load_profile(out)
    assert (profile.width, profile.height) == (80, 60)
    assert profile.fx == pytest.approx(MATRIX[0, 0] / 2)
    assert profile.reduction == "nearest"
    assert profile.provenance.endswith("--scale 2")
    sigma = dict(profile.noise_range_curve)
    assert 0.001 < min(sigma.values()) < 0.0035  # the mean of a block is calmer than its pixels


def test_a_scale_that_does_not_divide_the_image_is_named(folder, tmp_path, capsys):
    assert main([str(folder), "--scale", "7", "--out", str(tmp_path / "p.yaml")]) == 2
    assert "scale 7 does not divide 160x120" in capsys.readouterr().err.replace("\n", " ")


def test_a_place_that_is_not_there_is_named_before_the_fit(tmp_path, capsys):
    assert main([str(tmp_path / "no_recording"), "--out", str(tmp_path / "none" / "p.yaml")]) == 2
    assert "there is no folder" in capsys.readouterr().err.replace("\n", " ")


def test_a_bag_gives_the_frames_of_its_folder(folder, bag):
    for from_bag, from_folder in zip(recorded_frames(bag), recorded_frames(folder), strict=True):
        assert np.array_equal(from_bag.depth, from_folder.depth)
        assert np.array_equal(from_bag.rgb, from_folder.rgb)
        assert np.allclose(from_bag.intrinsics, from_folder.intrinsics)


@pytest.mark.parametrize("source", ["folder", "bag"])
def test_a_part_of_a_recording_is_read(source, request):
    path = request.getfixturevalue(source)
    assert count_frames(path, Selection(every=5)) == 3
    taken = list(recorded_frames(path, Selection(start_s=0.09, duration_s=0.19, every=2)))
    assert [round((frame.stamp_ns - taken[0].stamp_ns) / 33e6) for frame in taken] == [0, 2, 4]


def test_a_bag_without_depth_says_what_it_has(folder, tmp_path, capsys):
    pytest.importorskip("rosbags")
    from rosbags.rosbag2 import Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    text = store.types["std_msgs/msg/String"]
    with Writer(tmp_path / "bag", version=8) as writer:
        connection = writer.add_connection("/chatter", "std_msgs/msg/String", typestore=store)
        writer.write(connection, 1, store.serialize_cdr(text("hello"), "std_msgs/msg/String"))
    assert main([str(tmp_path / "bag"), "--out", str(tmp_path / "p.yaml")]) == 2
    said = capsys.readouterr().err
    assert "no depth image topic found" in said
    assert "/chatter" in said
    assert not (tmp_path / "p.yaml").exists()


def test_a_truncated_bag_says_what_is_readable(bag, tmp_path, capsys):
    (file,) = bag.glob("*.mcap")
    cut = tmp_path / "cut.mcap"
    cut.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert main([str(cut), "--out", str(tmp_path / "p.yaml")]) == 2
    assert "cannot be read as a bag" in capsys.readouterr().err.replace("\n", " ")


def test_colour_in_place_of_depth_is_named(bag):
    with pytest.raises(RecordingError, match="unknown depth encoding 'rgb8'"):
        list(recorded_frames(bag, Selection(depth="/color", color="/depth")))


def test_one_topic_cannot_be_both(bag):
    with pytest.raises(RecordingError, match="/color was named as depth and as colour"):
        list(recorded_frames(bag, Selection(depth="/color", color="/color")))


def test_a_pose_topic_of_another_type_is_refused(bag):
    with pytest.raises(RecordingError, match="expected one of geometry_msgs"):
        list(recorded_frames(bag, Selection(poses="/color")))


def test_of_a_long_recording_about_as_many_frames_as_are_enough_are_taken(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(fit, "ENOUGH", 6)
    monkeypatch.setattr("pagnet_training.sensors.scenes.MIN_FRAMES", 4)
    out = tmp_path / "camera.yaml"
    assert main([str(folder), "--out", str(out)]) == 0
    assert load_profile(out).provenance.endswith("--every 2")
    said = capsys.readouterr()
    assert "6 frames read as still" in said.out
    assert "reading frames, one of every 2: done" in said.err
    assert main([str(folder), "--every", "1", "--out", str(out)]) == 0
    assert "12 frames read as still" in capsys.readouterr().out


@pytest.mark.parametrize(("step_m", "poses", "expected"), [(0.0, False, 2), (0.05, True, 2), (0.005, False, 1)])
def test_no_frame_is_left_out_of_a_moving_recording_without_poses(tmp_path, monkeypatch, step_m, poses, expected):
    monkeypatch.setattr(fit, "ENOUGH", 10)
    moving = record(gaussian(0.004), 20, step_m=step_m, poses=poses)
    folder = write_folder(moving, tmp_path / "frames")
    assert fit._spacing(folder, Selection(), space_only=False) == expected


def test_a_part_of_a_bag_is_counted_before_it_is_read(bag):
    assert count_frames(bag, Selection()) == 12
    assert 5 <= count_frames(bag, Selection(start_s=0.1, duration_s=0.2)) <= 7


def test_a_bag_keeps_the_poses_of_its_folder(folder, bag):
    for from_bag, from_folder in zip(recorded_frames(bag), recorded_frames(folder), strict=True):
        assert np.allclose(from_bag.pose, from_folder.pose)


def test_a_driver_that_repeats_its_last_image_is_named(tmp_path, capsys):
    (first,) = record(gaussian(0.004), 1)
    folder = write_folder([first] * 10, tmp_path / "frames")
    assert main([str(folder), "--out", str(tmp_path / "p.yaml")]) == 2
    assert "the same to the last bit" in capsys.readouterr().err.replace("\n", " ")
