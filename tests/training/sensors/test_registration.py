"""A recording whose depth is off gives a profile that says by how much; others give none."""

import numpy as np
import pytest

pytest.importorskip("pagnet_training.sensors.registration")
from pagnet_ros.recordings.frames import RecordedFrame
from pagnet_ros.sensors import SensorProfile, load_profile, save_profile
from pagnet_training.sensors.registration import RegistrationCheck
from studies.registration_study import Trial, scene_trials, summary
from tests.core.alignment.boxes import boxes


def check(offset, seeds=range(3, 6)):
    made = RegistrationCheck()
    for seed in seeds:
        depth, rgb = boxes(seed=seed, offset=offset)
        frame = RecordedFrame(f"{seed}", seed, seed, depth, rgb)
        assert list(made.watched([frame])) == [frame]
    return made


def test_an_offset_becomes_fields_with_their_evidence(tmp_path):
    made = check((7, -6))
    profile = made.noted(SensorProfile("mine"))
    np.testing.assert_allclose((profile.registration_x_px, profile.registration_y_px), (7, -6), atol=1)
    np.testing.assert_allclose(profile.registration, (7 / 320, -6 / 320), atol=1 / 320)
    assert profile.registration_width == 320
    evidence = profile.evidence["registration_x_px"]
    assert evidence.low <= profile.registration_x_px <= evidence.high
    assert evidence.samples > 10
    assert "must be moved by (+" in made.warnings[0]
    save_profile(profile, tmp_path / "mine.yaml")
    assert load_profile(tmp_path / "mine.yaml") == profile


def test_registered_depth_gives_nothing():
    made = check((0, 0))
    assert made.noted(SensorProfile("mine")) == SensorProfile("mine")
    assert made.warnings == ()


def test_the_study_counts_what_was_told_and_what_was_judged_off():
    rows = summary([*scene_trials(2), Trial("nothing to see", None, None)])
    assert rows["kinect, 1x: registered"]["frames"] == 2
    assert rows["kinect, 1x: registered"]["told"] == 2
    assert rows["kinect, 1x: registered"]["off"] == 0
    assert rows["kinect, 1x: off"]["median_px"] < 1
    assert rows["colour mirrored"]["told"] == 0
    assert rows["nothing to see"]["last"] == "None"
