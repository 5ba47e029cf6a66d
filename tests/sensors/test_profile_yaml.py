"""Sensor profiles as files: what is written comes back, and what comes from outside is not trusted."""

import dataclasses
import random
import re
from pathlib import Path

import pytest
import yaml

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors import PROFILES, Evidence, SensorProfile, load_profile, save_profile
from pagnet_ros.sensors.profile_checks import is_curve

FITTED = SensorProfile(
    "mine",
    description="a camera – “ours”",
    width=640,
    height=480,
    noise_floor_m=1e-05,
    noise_range_curve=((0.5, 0.001), (2.0, 0.006)),
    shadow_side="right",
    covered={"range_m": (0.6, 3.1)},
    evidence={
        "noise_floor_m": Evidence(0.5e-5, 1.5e-5, 1000, "fit: temporal differences"),
        "noise_range_curve": Evidence((0.0009, 0.005), (0.0011, 0.007), 12, "fit"),
        "flying": Evidence(source="not seen in this recording"),
    },
)


@pytest.mark.parametrize("profile", [FITTED, *PROFILES.values()], ids=lambda profile: profile.name)
def test_what_is_saved_loads_as_the_same(tmp_path, profile):
    path = tmp_path / "profile.yaml"
    save_profile(profile, path)
    assert load_profile(path) == load_profile(str(path)) == profile
    assert [file.name for file in tmp_path.iterdir()] == ["profile.yaml"]


def test_random_profiles_come_back(tmp_path):
    dice = random.Random(1)
    for number in range(30):
        values = {name: dice.uniform(0.001, 0.39) for name, value in vars(SensorProfile("x")).items()
                  if type(value) is float and name not in ("fx", "fy", "max_range_m")}  # fmt: skip
        values["registration_width"] = 640
        curves = [each.name for each in dataclasses.fields(SensorProfile) if is_curve(each)]
        values |= {name: ((0.1, dice.random()), (1.0, dice.random())) for name in curves if dice.random() < 0.5}
        profile = SensorProfile(f"p{number}", **values)
        save_profile(profile, tmp_path / "p.yaml")
        assert load_profile(tmp_path / "p.yaml") == profile


def test_only_what_differs_from_the_default_is_written(tmp_path):
    save_profile(SensorProfile("mine", missing=0.1), tmp_path / "p.yaml")
    assert yaml.safe_load((tmp_path / "p.yaml").read_text()) == {"name": "mine", "missing": 0.1}


def test_an_existing_file_is_replaced_and_a_folder_that_is_not_there_is_named(tmp_path):
    for missing in (0.1, 0.2):
        save_profile(SensorProfile("mine", missing=missing), tmp_path / "p.yaml")
    assert load_profile(tmp_path / "p.yaml").missing == 0.2
    with pytest.raises(ConfigError, match=r"nowhere/p\.yaml cannot be written"):
        save_profile(FITTED, tmp_path / "nowhere" / "p.yaml")


def load(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load_profile(path)


def test_values_may_stand_alone_or_with_evidence_and_the_name_is_the_files(tmp_path):
    profile = load(tmp_path, "missing: 0.1\nflying: {value: 0.2, low: 0.1, high: 0.3, samples: 9, source: fit}\n")
    assert (profile.name, profile.missing, profile.flying) == ("mine", 0.1, 0.2)
    assert profile.evidence == {"flying": Evidence(0.1, 0.3, 9, "fit")}


def test_a_sensor_is_added_by_the_example_of_contributing(tmp_path):
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    profile = load(tmp_path, example)
    assert len(example.splitlines()) <= 10
    assert (profile.name, profile.max_range_m, profile.noise_quadratic_per_m) == ("mine", 6.0, 0.002)
    assert profile.evidence["noise_quadratic_per_m"].samples == 120000


def test_numbers_that_yaml_takes_for_texts_are_numbers(tmp_path):
    profile = load(tmp_path, "noise_floor_m: 1e-3\nnoise_range_curve: [[5e-1, 1e-3], [1, 2e-3]]\n")
    assert profile.noise_floor_m == 0.001
    assert profile.noise_range_curve == ((0.5, 0.001), (1.0, 0.002))


def test_every_problem_of_a_file_is_in_one_message(tmp_path):
    text = "mising: 0.1\nflying: {value: 2.0, sampels: 3}\nbias_m: {low: 1}\nshadow_side: up\nnoise_range_curve: 3\n"
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    for part in (
        "mine.yaml",
        "unknown field 'mising'; did you mean 'missing'?",
        "unknown field 'flying.sampels'; did you mean 'samples'?",
        "flying=2.0 (expected 0 to 1)",
        "bias_m has no value",
        "shadow_side='up' (expected one of none, left, right)",
        "noise_range_curve=3",
    ):
        assert part in str(caught.value), part


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- 1", "holds list; expected a mapping"),
        ("", "holds NoneType"),
        ("a: [", "cannot be read"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
        ("missing: !!python/name:os.system", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("a" * (1 << 20) + "a", "expected at most 1048576"),
        ("evidence: {missing: 1}", "unknown field 'evidence'"),
        ("name: {value: x}", "name={'value': 'x'} (expected a text)"),
        ("1: 2", "unknown field 1"),
        ("missing: [[1, 2]]", "missing=([1, 2],) (expected a finite number)"),
        ("covered: {range_m: 3}", "covered 'range_m': 3"),
    ],
)
def test_bad_files_are_refused(tmp_path, text, says):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 3000


def test_a_bomb_of_aliases_makes_no_long_message(tmp_path):
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, "\n".join(lines) + "\nmissing: *a11\nnoise_range_curve: *a11\n")
    assert len(str(caught.value)) < 20_000


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_profile(path)


def test_a_name_is_shipped_and_a_path_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kinect.yaml").write_text("missing: 0.5")
    assert load_profile("kinect") is PROFILES["kinect"]
    assert load_profile("kinect.yaml").missing == 0.5
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read .*shipped profile: azure_kinect"):
        load_profile("none.yaml")
    with pytest.raises(ConfigError, match="is not known"):
        load_profile("../kinect".replace("/", "\\"))


def test_the_shipped_ones_are_a_mapping():
    assert "kinect" in PROFILES
    assert "lidar" not in PROFILES
    assert len(PROFILES) == len(list(PROFILES)) >= 8
    assert dataclasses.replace(PROFILES["tof"], name="other") != PROFILES["tof"]
