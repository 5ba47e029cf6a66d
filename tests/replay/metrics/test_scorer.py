"""The scorer as a whole: what it returns, that frames add up, that memory stays, what it refuses."""

import gc
import json
import math
import tracemalloc

import numpy as np
import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.replay.metrics import METRICS, FrameContexts, MetricSettings, Scorer
from tests.replay.metrics.frames import scored, truth

CAMERA = np.array([[60.0, 0, 32], [0, 60, 24], [0, 0, 1]])


def scene(seed, size=(48, 64)):
    """A box before a wall, and a noisy result for it."""
    rng = np.random.default_rng(seed)
    reference = np.where(np.arange(size[1]) < 30, 1.0, 2.0) * np.ones((size[0], 1))
    reference[rng.random(size) < 0.05] = np.nan
    measured = np.where(np.arange(size[1] // 4) < 8, 1.0, 2.0) * np.ones((size[0] // 4, 1))
    measured[2:4, 2:4] = np.nan
    frame = truth(reference, measured, rng.integers(0, 255, (*size, 3)).astype(np.uint8), CAMERA)
    result = (np.nan_to_num(reference, nan=1.5) + 0.02 * rng.standard_normal(size)).astype(np.float32)
    result[:, :3] = np.nan
    return frame, result, np.full(size, 0.02, np.float32)


def run(seeds, has_reference=True):
    scorer, contexts = Scorer(MetricSettings(), has_reference), FrameContexts(MetricSettings())
    frames = [scorer.add(contexts.next(frame), result, sigma) for frame, result, sigma in map(scene, seeds)]
    return scorer, frames


def test_with_a_reference_every_metric_is_there_in_its_order():
    scorer, (first, *_) = run(range(2))
    assert list(first) == list(METRICS)
    assert list(scorer.summary()["metrics"]) == list(METRICS)


def test_without_a_reference_those_that_need_none():
    scorer, (first,) = run([0], has_reference=False)
    expected = [name for name, metric in METRICS.items() if metric.needs == "any"]
    assert list(first) == expected
    assert scorer.summary()["by_range"] == []


def test_the_summary_is_plain_json_without_nan():
    summary = run([0])[0].summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary["metrics"]["flicker_m"] is None  # there is one frame only


def test_a_frame_alone_has_the_metrics_of_its_summary():
    scorer, (frame,) = run([3])
    for name, value in scorer.summary()["metrics"].items():
        assert value == frame[name] or (value is None and math.isnan(frame[name])), name


def test_frames_are_pooled_by_pixel_and_counts_by_frame():
    scorer, (first, second) = run([1, 2])
    pooled, pixels = scorer.summary()["metrics"], scorer.summary()["pixels"]["scored"]
    shares = [run([seed])[0].summary()["pixels"]["scored"] / pixels for seed in (1, 2)]
    mean_square = shares[0] * first["rmse_m"] ** 2 + shares[1] * second["rmse_m"] ** 2
    assert pooled["rmse_m"] == pytest.approx(math.sqrt(mean_square))
    for name in ("flying_pixels", "false_obstacles", "missed_obstacles"):
        assert pooled[name] == pytest.approx((first[name] + second[name]) / 2), name


def test_a_method_alone_scores_as_among_others():
    shared, other, contexts = (*(Scorer(MetricSettings(), True) for _ in range(2)), FrameContexts(MetricSettings()))
    for frame, result, sigma in map(scene, range(3)):
        context = contexts.next(frame)
        other.add(context, result + np.float32(0.1))
        shared.add(context, result, sigma)
    assert shared.summary() == run(range(3))[0].summary()


def test_memory_does_not_grow_with_the_recording():
    scorer, contexts, sizes = Scorer(MetricSettings(), True), FrameContexts(MetricSettings()), []
    frames = [scene(seed) for seed in range(3)]
    tracemalloc.start()
    try:
        for index in range(60):
            frame, result, sigma = frames[index % 3]
            scorer.add(contexts.next(frame), result, sigma)
            if index % 30 == 29:
                gc.collect()
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert sizes[1] - sizes[0] < 48 * 64 * 4  # less than one image in thirty frames


def test_nothing_scored_is_an_empty_summary():
    summary = Scorer(MetricSettings(), True).summary()
    assert summary == {"frames": 0, "metrics": {}, "by_range": [], "calibration": [], "pixels": {}}


def test_an_image_without_a_single_known_or_given_pixel_has_no_metrics(score):
    nothing = np.full((8, 8), np.nan)
    found = score(nothing, nothing, intrinsics=CAMERA, sigma=nothing)
    defined = {name: value for name, value in found.items() if not math.isnan(value)}
    assert defined == {"given_share": 0}


def test_frames_without_a_reference_do_not_count_in_means_per_frame():
    frame, result, _ = scene(1)
    blank = truth(np.full(frame.reference_m.shape, np.nan), frame.measured_m, frame.rgb, CAMERA)
    scorer, contexts, everywhere = Scorer(MetricSettings(), True), FrameContexts(MetricSettings()), result > 0
    first = scorer.add(contexts.next(frame), result, None, everywhere)
    for _ in range(3):
        scorer.add(contexts.next(blank), result, None, everywhere)
    pooled = scorer.summary()["metrics"]
    for name in ("flying_pixels", "flying_common", "false_obstacles", "missed_obstacles"):
        assert pooled[name] == first[name], name
    assert first["flying_common"] == first["flying_pixels"] > 0


def test_a_perfect_result_is_perfect():
    frame, _, _ = scene(0)
    metrics = scored(frame, frame.reference_m)
    assert {metrics[n] for n in ("rmse_m", "flying_pixels", "false_obstacles", "missed_obstacles")} == {0}
    assert {metrics[n] for n in ("coverage", "delta_1_05", "accurate_share")} == {1}


def test_frames_may_change_their_size():
    scorer, contexts = Scorer(MetricSettings(), True), FrameContexts(MetricSettings())
    for seed, size in enumerate([(48, 64), (24, 32), (24, 32)]):
        frame, result, _ = scene(seed, size)
        scorer.add(contexts.next(frame), result)
    assert scorer.summary()["frames"] == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"edge_px": 1.5}, "edge_px = 1.5 is a float; expected a int"),
        ({"edge_step": math.nan}, "edge_step = nan is out of range; expected 0.001 to 1"),
        ({"range_edges_m": (0.0, 2.0, 1.0)}, "range_edges_m = .*expected 2 to 65 rising metres"),
        ({"range_edges_m": (0.0, math.nan)}, "range_edges_m"),
        ({"range_edges_m": (1.0,)}, "range_edges_m"),
        ({"range_edges_m": ()}, "range_edges_m"),
        ({"range_edges_m": "0,1"}, "range_edges_m"),
        ({"min_height_m": 2.0}, "max_height_m = 2.0; expected above min_height_m = 2.0"),
        ({"voxel_m": 0.005, "obstacle_range_m": 50.0}, "cells; expected at most"),
        ({"up": "poses"}, "up = 'poses'; expected one of camera, pose"),
        ({"edge_px": -1, "ramp_px": 1}, "edge_px = -1.*ramp_px = 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        MetricSettings(**settings)
