"""The sensor profiles that are shipped: complete, sourced, and what the design's formulas say."""

import math
import re

import pytest
import torch

from pagnet_ros.sensors import PROFILES, SensorProfile, axial_sigma, load_profile
from pagnet_ros.system.resources import config_path

FILES = sorted(config_path("sensors").glob("*.yaml"))
TEXTS = {"name", "description", "provenance", "weights", "reduction", "rate_hz", "width", "height", "covered"}


def sigma(profile, z, theta=0.0):
    return axial_sigma(profile, torch.tensor(z), torch.tensor(0.5), torch.tensor(math.cos(theta))).item()


def test_the_ones_that_others_name_are_there():
    named = {"clean", "tof", "kinect", "tof_paper", "kinect_paper", "kinect_v1", "kinect_v2", "azure_kinect"}
    assert named <= {path.stem for path in FILES} == set(PROFILES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_named_like_its_profile_and_says_where_its_values_come_from(path):
    profile = load_profile(path)
    assert profile.name == path.stem
    assert profile.description
    plain = SensorProfile(profile.name)
    changed = {name for name, value in vars(profile).items() if value != vars(plain)[name]}
    unsourced = changed - TEXTS - {"evidence"} - {name for name, known in profile.evidence.items() if known.source}
    assert not unsourced


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_weights_that_a_profile_names_look_like_a_family_of_the_zoo(path):
    assert re.fullmatch(r"((rt|fast)(-x\d+)?-[a-z-]+)?", load_profile(path).weights)


@pytest.mark.parametrize("z", [0.5, 1.0, 2.0, 4.0])
def test_kinect_v1_is_as_noisy_as_published(z):
    profile = PROFILES["kinect_v1"]
    assert sigma(profile, z) == pytest.approx(0.0012 + 0.0019 * (z - 0.4) ** 2, rel=1e-4)
    theta = math.radians(60)
    tilted = 0.0001 / math.sqrt(z) * theta**2 / (math.pi / 2 - theta) ** 2
    assert sigma(profile, z, theta) - sigma(profile, z) == pytest.approx(tilted, rel=1e-3)


@pytest.mark.parametrize("z", [0.5, 1.0, 2.0, 4.0])
def test_kinect_v2_is_as_noisy_as_published(z):
    assert sigma(PROFILES["kinect_v2"], z) == pytest.approx((1.5 - 0.5 * z + 0.3 * z**2) / 1000, rel=1e-3)


def test_azure_kinect_stays_within_its_data_sheet():
    profile = PROFILES["azure_kinect"]
    worst = [
        axial_sigma(profile, torch.tensor(z), torch.tensor(0.2), torch.tensor(1.0)).item() for z in (0.5, 2.0, 3.5)
    ]
    assert max(worst) <= 0.017
    assert abs(profile.bias_m) + profile.wiggle_m < 0.011
    assert (profile.min_range_m, profile.max_range_m) == (0.5, 3.86)


def test_the_papers_noise_is_five_of_255_levels():
    assert PROFILES["tof_paper"].noise_span == pytest.approx(5 / 255)
