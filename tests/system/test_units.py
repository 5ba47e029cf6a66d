"""Depth as it is recorded, in metres; the same float32 values as the pipeline's own conversion."""

import numpy as np
import torch

from pagnet_ros.core.depth import decode_depth
from pagnet_ros.system.units import from_counts, in_metres


def test_every_millimetre_value_becomes_what_the_pipeline_makes_of_it():
    stored = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    ours = in_metres(stored)
    assert ours.dtype == np.float32
    assert np.isnan(ours[0, 0])
    theirs, valid, _ = decode_depth(torch.from_numpy(stored), 0.0, 100.0)
    assert np.array_equal(ours, np.where(valid.numpy(), theirs.numpy(), np.nan), equal_nan=True)


def test_what_is_no_measurement_becomes_nan_and_the_input_stays():
    stored = np.array([[0.0, -1.0, np.inf, -np.inf, np.nan, 2.5]], np.float32)
    before = stored.copy()
    assert np.array_equal(in_metres(stored), [[np.nan] * 5 + [2.5]], equal_nan=True)
    assert np.array_equal(stored, before, equal_nan=True)


def test_counts_of_another_unit_become_metres_and_all_else_stays():
    counts = np.array([[0, 15_000]], np.uint16)
    assert np.array_equal(from_counts(counts, 0.0001), np.array([[np.nan, 1.5]], np.float32), equal_nan=True)
    assert from_counts(counts, 0.001) is counts
    metres = counts.astype(np.float32)
    assert from_counts(metres, 0.0001) is metres
