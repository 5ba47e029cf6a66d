"""Recordings that cannot be used: every one ends in a message that says what is missing, and in no profile."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("pagnet_training.sensors.fit")
from pagnet_ros.errors import PagnetError, RecordingError
from pagnet_ros.recordings.bag_writer import write_bag
from pagnet_ros.recordings.frames import open_frames
from pagnet_training.sensors.fit import FitError, fit_recording, main
from tests.training.sensors.fit_worlds import gaussian, record, write_folder

GOOD = gaussian(0.004)


def changed(frames, **changes):
    return [
        dataclasses.replace(frame, **{k: v(frame, i) for k, v in changes.items()}) for i, frame in enumerate(frames)
    ]


def test_three_frames_are_too_few():
    with pytest.raises(RecordingError, match=r"3 usable frame\(s\); expected at least 8"):
        fit_recording(record(GOOD, 3))


def test_a_moving_camera_needs_poses():
    with pytest.raises(RecordingError, match=r"no poses; expected .* PoseStamped .* --space-only"):
        fit_recording(record(GOOD, 10, step_m=0.08, poses=False))


def test_single_frames_do_where_there_are_no_poses():
    result = fit_recording(record(GOOD, 10, step_m=0.08, poses=False), space_only=True)
    assert result.motion.mode == "space"
    assert result.curves.sigma(np.array([2.0])) == pytest.approx([0.004], rel=0.15)
    assert any("without poses" in warning for warning in result.warnings)


def test_all_holes():
    frames = changed(record(GOOD, 10), depth=lambda f, i: np.full_like(f.depth, np.nan))
    with pytest.raises(RecordingError, match="are measured in the first 10 frames"):
        fit_recording(frames)


def test_constant_depth():
    frames = changed(record(GOOD, 10), depth=lambda f, i: np.full_like(f.depth, 1.25))
    with pytest.raises(RecordingError, match=r"the depth is constant \(1.250 m"):
        fit_recording(frames)


def test_a_size_that_changes():
    frames = changed(record(GOOD, 20), depth=lambda f, i: f.depth if i < 18 else f.depth[::2, ::2].copy())
    with pytest.raises(RecordingError, match="depth frame 19 is 80x60, the first was 160x120"):
        fit_recording(frames)


def test_random_numbers_do_not_converge():
    rng = np.random.default_rng(1)
    frames = changed(record(GOOD, 10), depth=lambda f, i: rng.uniform(0.5, 5.0, f.depth.shape).astype(np.float32))
    with pytest.raises(FitError, match=r"did not converge: .*no profile was written"):
        fit_recording(frames)


@pytest.mark.parametrize("content", [None, b"", b"\x89MCAP0\r\n" + bytes(300)])
def test_the_command_line_says_it_and_writes_nothing(content, tmp_path, capsys):
    recording, out = tmp_path / "a.mcap", tmp_path / "p.yaml"
    if content is not None:
        recording.write_bytes(content)
    assert main([str(recording), "--out", str(out)]) == 2
    assert "a.mcap" in capsys.readouterr().err.replace("\n", "")
    assert not out.exists()


def noise_only(frame, index):
    return np.random.default_rng(index).uniform(0.5, 5.0, frame.depth.shape).astype(np.float32)


UNUSABLE = {
    "three frames": (lambda: record(GOOD, 3), "3 usable frame(s)"),
    "moving without poses": (lambda: record(GOOD, 10, step_m=0.08, poses=False), "the recording has no poses"),
    "all holes": (lambda: changed(record(GOOD, 10), depth=lambda f, i: np.zeros_like(f.depth)), "are measured"),
    "constant depth": (
        lambda: changed(record(GOOD, 10), depth=lambda f, i: np.full_like(f.depth, 1.25)),
        "the depth is constant",
    ),
    "random numbers": (lambda: changed(record(GOOD, 10), depth=noise_only), "did not converge"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_recording_leaves_no_profile(name, tmp_path, capsys):
    frames, said = UNUSABLE[name]
    out = tmp_path / "p.yaml"
    assert main([str(write_folder(frames(), tmp_path / "frames")), "--out", str(out)]) == 2
    assert said in capsys.readouterr().err.replace("\n", " ")
    assert not out.exists()


def test_a_bag_with_a_damaged_middle_leaves_no_profile(tmp_path, capsys):
    pytest.importorskip("rosbags")
    frames = open_frames(write_folder(record(GOOD, 10), tmp_path / "frames"))
    (file,) = write_bag(frames, tmp_path / "bag").glob("*.mcap")
    content = bytearray(file.read_bytes())
    content[len(content) // 4 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 4)
    file.write_bytes(bytes(content))
    assert main([str(file), "--out", str(tmp_path / "p.yaml")]) == 2
    assert str(file.name) in capsys.readouterr().err.replace("\n", "")
    assert not (tmp_path / "p.yaml").exists()


def test_wrong_numbers_are_named():
    from pagnet_training.sensors.recorded import Selection

    with pytest.raises(PagnetError, match=r"start -1.0 s.*duration 0.0 s.*every 0"):
        Selection(start_s=-1.0, duration_s=0.0, every=0)
