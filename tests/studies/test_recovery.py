from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest

from pagnet_ros.errors import RecordingError
from pagnet_ros.sensors import Evidence
from studies.known_sensors import KNOWN, recordings
from studies.recovery import as_json, results_table, study, summary
from studies.sequences import HELD_OUT
from studies.verdict import judge

SIZE = (60, 80)


def small(number: int, independent: bool = False):
    return recordings(1, 6, SIZE, independent=independent)[number]


class Band:
    """A fit's curves whose intervals are a given share wide."""

    def __init__(self, share: float):
        self.share = share

    def sigma(self, z):
        return np.full_like(z, 0.01)

    def sigma_interval(self, z):
        return self.sigma(z) * (1 - self.share), self.sigma(z) * (1 + self.share)

    def missing(self, z):
        return np.full_like(z, 0.1)

    def missing_interval(self, z):
        return self.missing(z) - self.share, self.missing(z) + self.share


def test_scenes_of_the_judges_are_held_out_and_all_differ():
    made = [*recordings(independent=False), *recordings(independent=True)]
    seeds = {case.plan.seed for case in made}
    assert len(made) == 30
    assert len(seeds) == 15
    assert min(seeds) >= HELD_OUT
    assert {case.profile.name for case in made} == {profile.name for profile in KNOWN}
    assert {case.manner.family for case in made if case.manner} == {"laplace", "student", "mixture"}
    assert {case.manner.shape for case in made if case.manner} == {"polygon", "ellipse", "scratch"}
    assert sum(not case.plan.moving for case in made) == 10


@pytest.mark.parametrize("number", range(len(KNOWN)))
@pytest.mark.parametrize("independent", [False, True])
def test_recordings_are_what_a_recorder_would_have_stored(number, independent):
    frames = list(small(number, independent).frames())
    assert len(frames) == 6
    assert frames[0].depth.dtype == np.uint16
    assert frames[0].depth.shape == frames[0].rgb.shape[:2] == SIZE
    assert frames[0].intrinsics.shape == (3, 3)
    assert 0 < (frames[0].depth == 0).mean() < 0.7
    assert not np.array_equal(frames[0].depth, frames[1].depth)


@pytest.mark.parametrize("independent", [False, True])
def test_the_true_profile_passes_every_check(independent):
    case = small(1, independent)
    checks = judge(case, case.profile)
    assert {check.where for check in checks} == {"range", "brightness", "edge"}
    assert all(check.within for check in checks if check.where != "edge")
    assert all(check.covered is None for check in checks)


def test_a_wrong_profile_fails_where_it_is_wrong():
    case = small(1)
    louder = dataclasses.replace(case.profile, noise_quadratic_per_m=0.004)
    by_quantity = summary(list(study(lambda _: SimpleNamespace(profile=louder, curves=None), [case])))
    assert by_quantity["sigma_within"] < 0.2
    assert by_quantity["missing_range_within"] == 1.0
    leaky = dataclasses.replace(case.profile, missing=0.2)
    by_quantity = summary(list(study(lambda _: SimpleNamespace(profile=leaky, curves=None), [case])))
    assert by_quantity["sigma_within"] == 1.0
    assert by_quantity["missing_range_within"] == 0.0
    assert by_quantity["missing_range_worst"] == pytest.approx(0.19, abs=0.03)


def test_intervals_hold_the_truth_only_if_they_are_wide_enough():
    case = small(1)
    off = dataclasses.replace(case.profile, noise_floor_m=0.0011, noise_quadratic_per_m=0.00242)  # 10 % too much
    assert all(c.covered for c in judge(case, off, Band(0.2)) if c.quantity == "sigma")
    assert not any(c.covered for c in judge(case, off, Band(0.02)) if c.quantity == "sigma")


def test_parameters_are_checked_where_the_fit_gives_an_interval():
    case = small(1)
    fitted = dataclasses.replace(
        case.profile,
        hole_size_px=2.2,
        evidence={"hole_size_px": Evidence(1.9, 2.5, 100, "fit"), "noise_correlation_px": Evidence(1.2, 1.5, 9, "fit")},
    )
    found = {check.quantity: check.covered for check in judge(case, fitted) if check.where == "parameter"}
    assert found == {"hole_size_px": True, "noise_correlation_px": False}


def test_a_refusal_is_counted_and_told():
    def refuse(frames):
        raise RecordingError("nothing there")

    outcomes = list(study(refuse, [small(0)]))
    assert summary(outcomes)["refused"] == 1
    assert outcomes[0].refusal == "nothing there"
    assert json.loads(json.dumps(as_json(outcomes)))["recordings"][0]["refusal"] == "nothing there"
    assert results_table("t", outcomes).row_count == 2
