"""Small invented results, without a replay."""

from __future__ import annotations

import dataclasses

import numpy as np

from pagnet_ros.replay.metrics import METRICS
from pagnet_ros.replay.results import Counts, MethodResult, Pairing, Problem, Recording, Results
from pagnet_ros.replay.timeline import Timeline

METHODS = ("fast-x4-sensor", "bilinear", "nearest")
EDGES_M = (0.0, 1.0, 2.0, 3.0, 4.0)


def method(name, place, *, mode="self", sigma=True):
    """A method whose errors grow with its place."""
    worse = 1.0 + 0.3 * place
    metrics = {}
    for key, metric in METRICS.items():
        if (metric.needs != "any" and mode == "none") or (metric.needs == "sigma" and (place or not sigma)):
            value = None
        elif metric.better == "lower":
            value = 12.0 * worse if "frame" in metric.unit else 0.014 * worse
        else:
            value = 0.97 / worse
        metrics[key] = value
    bands = list(zip(EDGES_M, (*EDGES_M[1:], None), strict=True))
    by_range = tuple(
        {"from_m": a, "to_m": b, "pixels": 1000 * (i + 1), "coverage": 0.9, "rmse_m": 0.004 * worse * (i + 1),
         "mae_m": 0.002 * worse * (i + 1), "abs_rel": 0.01, "bias_m": 0.001 * (i - 2)}
        for i, (a, b) in enumerate(bands)
    )  # fmt: skip
    calibration = tuple(
        {"from_m": s, "to_m": 2 * s, "pixels": 50, "expected_m": 1.4 * s, "observed_m": 1.7 * s}
        for s in (0.002, 0.004, 0.008)
    )
    has_sigma = sigma and not place and mode != "none"
    return MethodResult(
        name,
        "baseline" if place else "network",
        {} if place else {"scale": 4, "sha256": "0123abcd" * 8},
        40,
        0,
        metrics,
        by_range if mode != "none" else (),
        calibration if has_sigma else (),
    )


def timelines(frames=40):
    """Deterministic and timing series as the run gives them."""
    metrics, timings = Timeline(), Timeline()
    for k in range(frames):
        values = {f"{name}/rmse_m": 0.01 * (1 + i) + 0.002 * np.sin(k / 3) for i, name in enumerate(METHODS)}
        values |= {f"{name}/flying_pixels": 10.0 * (1 + i) + k % 5 for i, name in enumerate(METHODS)}
        metrics.add(k / 30, {**values, "pairing/offset_ms": 2.0 * np.sin(k)})
        timings.add(k / 30, {**{f"{name}/ms": 20.0 + k % 3 for name in METHODS}, "stage/read": 1.0, "stage/score": 4.0})
    return tuple(metrics.series()), timings.series()


def results(
    mode="self", *, damage=(), problems=(), paths=("run.mcap",), depth="/camera/depth", timings=None, sigma=True
):
    """What a run of 40 frames might have found; every metric has a value."""
    metrics, pace = timelines()
    percentiles = {"p50": 20.0, "p95": 22.0, "p99": 23.0, "mean": 20.5}
    return Results(
        mode=mode,
        scale=4 if mode == "self" else None,
        recording=Recording(
            paths, "bag", depth, "/camera/color", None if mode == "none" else "/camera/depth_reference",
            "/camera/camera_info", depth_size=(24, 32), color_size=(96, 128), seconds=1.3,
        ),
        settings={"metrics": {"edge_px": 3, "range_edges_m": [0, 1, 2]}, "pipeline": {"fill": "near"}},
        counts=Counts(40, 41, 40, 40, 40),
        pairing=Pairing(20.0, 10, 40, offset_ms={"p5": -1.0, "p50": 0.1, "p95": 1.4, "max_abs": 2.0}),
        problems=tuple(problems),
        damage=tuple(damage),
        main=METHODS[0],
        methods=tuple(method(name, place, mode=mode, sigma=sigma) for place, name in enumerate(METHODS)),
        timeline=metrics,
        provenance={"command": ["python", "-m", "pagnet_ros.replay", *paths], "pagnet_ros": "0.1.0", "python": "3.11"},
        timings={
            "wall_s": 4.0, "frames_per_s": 10.0, "realtime_factor": 0.33, "peak_rss_mb": 300.0,
            "stages": {"read": percentiles}, "methods": dict.fromkeys(METHODS, percentiles), "timeline": pace,
        } if timings is None else timings,
    )  # fmt: skip


PROBLEM = Problem("bad_frame", "warn", 3, "/camera/depth: step 7; expected at least 128")


def only(name, frames=10, **metrics):
    """A method with these metrics alone."""
    return MethodResult(name, "network", {}, frames, 0, metrics)


def of(*methods, **changes):
    """The results of these methods."""
    return dataclasses.replace(results(), methods=methods, main=methods[0].name, **changes)
