from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.sensors import SensorMemory, SensorProfile, save_profile, sense, to_millimetres
from pagnet_training.sensors.recorded import Selection
from studies.realism import FIGURES, judge, main, read_posed
from studies.sequences import HELD_OUT, SequencePlan, true_frames

SENSOR = SensorProfile("true", noise_floor_m=0.01, depth_step_m=0.001, missing=0.15, hole_size_px=1.5)
FRAMES = 14


def write_recording(folder: Path, poses: bool = True) -> Path:
    """A posed folder of frames seen through `SENSOR`."""
    folder.mkdir()
    plan = SequencePlan(HELD_OUT + 7, "room", (60, 80), FRAMES, hz=10.0)
    camera, memory = plan.camera, SensorMemory()
    np.savetxt(folder / "camera-intrinsics.txt", camera.matrix)
    for index, frame in enumerate(true_frames(plan)):
        seen = sense(frame.depth_m, camera, SENSOR, index, memory=memory)
        cv2.imwrite(str(folder / f"frame-{index:06d}.depth.png"), to_millimetres(seen))
        cv2.imwrite(str(folder / f"frame-{index:06d}.color.png"), frame.rgb[..., ::-1])
        if poses:
            np.savetxt(folder / f"frame-{index:06d}.pose.txt", frame.pose)
    return folder


def test_the_sensor_that_made_the_recording_is_nearer_than_the_papers_degradations(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "recording")
    save_profile(SENSOR, tmp_path / "true.yaml")
    arguments = [str(folder), "--no-fit", "--profiles", str(tmp_path / "true.yaml"), "--json", str(tmp_path / "r.json")]
    assert main(arguments) == 0
    results = json.loads((tmp_path / "r.json").read_text())
    assert results["real"]["frames"] == FRAMES // 2
    assert set(results["rows"]) == {"tof_paper", "kinect_paper", "true", "first half"}
    true = results["rows"]["true"]
    assert true["temporal"] < 0.1
    for figure in FIGURES:
        for baseline in ("tof_paper", "kinect_paper"):
            assert true[figure] < results["rows"][baseline][figure], figure
    assert true["missing_rate"] == pytest.approx(results["real"]["missing_rate"], abs=0.03)
    assert true["temporal_by_range"]


def test_a_recording_without_poses_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_recording(tmp_path / "recording", poses=False)
    with pytest.raises(RecordingError, match="no pose; the depth that was there is put together from several views"):
        read_posed(folder, Selection())
    assert main([str(folder), "--no-fit"]) == 2
    assert "no pose" in capsys.readouterr().err


def test_too_few_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="7 frames; expected at least 12"):
        read_posed(write_recording(tmp_path / "recording"), Selection(every=2))


def test_the_rim_that_is_missing_in_every_frame_does_not_count(tmp_path: Path) -> None:
    folder = write_recording(tmp_path / "recording")
    for path in folder.glob("*.depth.png"):
        depth = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        depth[:, :8] = 0
        cv2.imwrite(str(path), depth)
    results = judge(
        list(open_frames(folder)), [SENSOR, *(SENSOR.__class__(name) for name in ("tof_paper", "kinect_paper"))]
    )
    assert results["real"]["missing_rate"] == pytest.approx(0.15, abs=0.03)
