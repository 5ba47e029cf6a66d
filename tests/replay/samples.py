"""Results without a replay."""

from pagnet_ros.replay.results import Counts, MethodResult, Pairing, Problem, Recording, Results


def method(name, frames=10, kind="network", **metrics):
    return MethodResult(name, kind, {"scales": [4]}, frames, 0, metrics, by_range=({"from_m": 0.0, "rmse_m": 0.1},))


def results(*methods, **changes):
    fields = {
        "mode": "self",
        "scale": 4,
        "recording": Recording(
            ("bag",), "bag", "/depth", "/color", None, None, depth_size=(8, 12), color_size=(32, 48)
        ),
        "settings": {"metrics": {"edge_px": 3}, "pipeline": {"fill": "near"}, "scored": True},
        "counts": Counts(depth=10, color=10, pairs=10, evaluated=10),
        "pairing": Pairing(20.0, 10, paired=10, offset_ms={"p5": 0.0, "p50": 0.0, "p95": 0.0, "max_abs": 0.0}),
        "problems": (Problem("wrong_step", "warn", 1, "text"),),
        "damage": (),
        "main": methods[0].name,
        "methods": methods,
        "timeline": ({"name": "a/rmse_m", "bin_s": 1.0, "time_s": [0.5], "mean": [0.1]},),
        "provenance": {"python": "3"},
        "timings": {"wall_s": 1.0, "frames_per_s": 10.0, "peak_rss_mb": 1.0, "methods": {}},
    }
    return Results(**{**fields, **changes})
