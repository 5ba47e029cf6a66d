"""Whether a predicted sigma tells how large errors are."""

import math

import numpy as np
import pytest

from pagnet_ros.replay.metrics import MetricSettings, Scorer
from tests.replay.metrics.frames import black, scored

NAMES = ("sigma_error_ratio", "within_1_sigma", "within_2_sigma", "sigma_ence")


def test_normalised_errors(score):
    found = score([[1.0, 1.0], [1.0, 1.0]], [[1.01, 0.99], [1.03, 1.0]], sigma=[[0.02, 0.02], [0.02, 0.02]])
    assert found["sigma_error_ratio"] == pytest.approx(math.sqrt((0.25 + 0.25 + 2.25) / 4), rel=1e-4)
    assert found["within_1_sigma"] == 3 / 4
    assert found["within_2_sigma"] == 1


def test_calibration_error_is_weighted_by_pixels(score):
    """Three pixels promise 1 cm and keep 2 cm, one promises 4 cm and keeps 3 cm."""
    found = score([[1.0, 1.0], [1.0, 1.0]], [[1.02, 0.98], [1.02, 1.03]], sigma=[[0.01, 0.01], [0.01, 0.04]])
    assert found["sigma_ence"] == pytest.approx((3 * 1.0 + 1 * 0.25) / 4, rel=1e-3)


def test_the_table_sets_expected_beside_observed():
    scorer = Scorer(MetricSettings(), has_reference=True)
    reference = np.ones((2, 3), np.float32)
    result = np.array([[1.001, 1.03, 1.04], [1.0, 2.0, 1.5]], np.float32)
    sigma = np.array([[0.001, 0.03, 0.04], [np.nan, 0.5, 0.0]], np.float32)
    for _ in range(2):
        scored(black(reference), result, sigma, scorer=scorer)
    table = scorer.summary()["calibration"]
    assert [(row["from_m"], row["to_m"], row["pixels"]) for row in table] == [
        (0.0, 0.0025, 2),
        (0.02, 0.04, 2),
        (0.04, 0.08, 2),
        (0.32, None, 2),
    ]
    assert [row["expected_m"] for row in table] == pytest.approx([0.001, 0.03, 0.04, 0.5])
    assert [row["observed_m"] for row in table] == pytest.approx([0.001, 0.03, 0.04, 1.0], rel=1e-3)


def test_a_normal_error_of_the_promised_size_is_calibrated():
    rng = np.random.default_rng(0)
    sigma = rng.uniform(0.004, 0.1, (200, 300)).astype(np.float32)
    reference = np.full((200, 300), 3.0, np.float32)
    result = (reference + sigma * rng.standard_normal(sigma.shape)).astype(np.float32)
    found = scored(black(reference), result, sigma)
    assert [found[name] for name in NAMES] == pytest.approx([1, 0.683, 0.954, 0], abs=0.02)


def test_without_sigma_calibration_is_undefined(score):
    found = score([[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0], [1.0, 1.0]])
    assert all(math.isnan(found[name]) for name in NAMES)
