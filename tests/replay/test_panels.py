"""Which frames are kept for the report, and that the memory for them is bounded."""

import dataclasses

import numpy as np
import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.replay.panels import FrameView, PanelCollector, PanelSettings


def view(index, value, *, shape=(48, 64), reference=True, error_at=None, methods=("ours", "bicubic")):
    depth = np.full(shape, 2.0, np.float32)
    ours = depth.copy()
    if error_at is not None:
        ours[error_at] += np.float32(0.5)
    rgb = np.full((*shape, 3), index % 256, np.uint8)
    depths = {name: ours for name in methods}
    figures = {"ours": {"rmse_m": value}, "bicubic": {"rmse_m": 1.0}}
    return FrameView(
        index, 10**9 + index, 2.0 * index, rgb, depth[::4, ::4], depth if reference else None, depths, figures
    )


def collect(values, **settings):
    collector = PanelCollector("ours", "rmse_m", PanelSettings(**settings))
    for index, value in enumerate(values):
        collector.add(view(index, value))
    return collector


def roles(panels):
    return [(panel.role, panel.frame.index) for panel in panels]


def test_the_worst_the_median_and_the_best_frame_are_kept():
    values = [5.0, 1.0, 9.0, 3.0, 7.0, 2.0, 8.0, 4.0, 6.0]
    assert roles(collect(values, worst=2).panels()) == [("worst", 2), ("worst", 6), ("median", 0), ("best", 1)]


def test_a_panel_says_by_which_value_it_was_chosen():
    assert [panel.value for panel in collect([5.0, 1.0, 9.0], worst=1).panels()] == [9.0, 5.0, 1.0]


def test_the_worst_frames_are_of_different_moments():
    values = [1.0, 9.0, 8.9, 8.8, 8.7, 5.0, 5.1, 2.0, 1.0]
    assert roles(collect(values, worst=2, best=0, apart_s=5.0).panels())[:2] == [("worst", 1), ("worst", 4)]
    assert roles(collect(values, worst=2, best=0, apart_s=7.0).panels())[:2] == [("worst", 1), ("worst", 6)]


def test_a_worse_neighbour_takes_the_place_of_a_frame():
    assert roles(collect([5.0, 6.0, 7.0, 1.0], worst=2, apart_s=3.0).panels())[0] == ("worst", 2)


def test_no_frame_is_shown_twice():
    assert roles(collect([3.0]).panels()) == [("worst", 0)]
    assert len(collect([3.0, 3.0, 3.0]).panels()) == 3


@pytest.mark.parametrize("order", ["rising", "falling", "shuffled", "drifting"])
def test_the_median_frame_is_near_the_median_whatever_the_order(order):
    values = np.linspace(0.0, 1.0, 2001)
    if order == "falling":
        values = values[::-1]
    elif order == "shuffled":
        values = np.random.default_rng(3).permutation(values)
    elif order == "drifting":
        values = np.sin(np.linspace(0, 30, values.size)) + np.linspace(0, 3, values.size)
    panels = collect(values.tolist()).panels()
    shown = next(panel.value for panel in panels if panel.role == "median")
    rank = float(np.mean(values < shown))
    assert 0.35 < rank < 0.65


def test_what_is_kept_does_not_grow_with_the_recording():
    collector = collect(np.random.default_rng(1).uniform(size=3000).tolist())
    kept = {
        r.frame.index
        for ranked in (collector._worst, collector._best, collector._near, collector._spread)
        for r in ranked
    }
    assert len(kept) <= 3 + 1 + PanelCollector.NEAR + PanelCollector.SPREAD


def test_frames_without_a_figure_are_never_the_worst():
    panels = collect([float("nan"), 1.0, float("inf"), 2.0], worst=1).panels()
    assert roles(panels) == [("worst", 3), ("median", 1)]


def test_without_any_figure_a_sample_is_shown():
    (panel,) = collect([float("nan")] * 20).panels()
    assert panel.role == "sample"
    assert np.isnan(panel.value)


def test_without_frames_there_are_no_panels():
    assert PanelCollector("ours", "rmse_m").panels() == []


def test_the_window_lies_where_the_method_errs():
    collector = PanelCollector("ours", "rmse_m")
    collector.add(view(0, 1.0, error_at=(slice(30, 36), slice(50, 58))))
    window = collector.panels()[0].frame.window
    assert window.rows[0] <= 30
    assert window.rows[1] >= 36
    assert window.columns[0] <= 50
    assert window.columns[1] >= 58
    assert window.rgb.shape == (12, 16, 3)
    assert window.reference_m.shape == window.depths_m["ours"].shape == (12, 16)


def test_without_a_reference_the_window_lies_where_the_measurement_is_contradicted():
    collector = PanelCollector("ours", "consistency_m")
    collector.add(view(0, 1.0, reference=False, error_at=(slice(4, 10), slice(4, 10))))
    frame = collector.panels()[0].frame
    assert frame.window.rows[0] <= 4 < frame.window.rows[1]
    assert frame.whole.reference_m is None


def test_depths_are_thinned_without_mixing_surfaces():
    step = np.where(np.arange(1000) % 2 == 0, 1.0, 3.0).astype(np.float32)
    depth = np.broadcast_to(step, (500, 1000)).copy()
    big = FrameView(
        0, 0, 0.0, np.zeros((500, 1000, 3), np.uint8), depth[::4, ::4], depth, {"ours": depth}, {"ours": {"e": 1.0}}
    )
    collector = PanelCollector("ours", "e", PanelSettings(side_px=100))
    collector.add(big)
    whole = collector.panels()[0].frame.whole
    assert whole.rgb.shape == (50, 100, 3)
    assert set(np.unique(whole.depths_m["ours"])) <= {1.0, 3.0}


def test_kept_frames_do_not_change_with_the_caller_s_arrays():
    frame = view(0, 1.0)
    collector = PanelCollector("ours", "rmse_m")
    collector.add(frame)
    frame.depths_m["ours"][:] = 99.0
    frame.rgb[:] = 99
    kept = collector.panels()[0].frame.whole
    assert kept.depths_m["ours"].max() == 2.0
    assert kept.rgb.max() == 0


def test_only_so_many_methods_are_kept_and_the_main_one_always():
    collector = PanelCollector("ours", "rmse_m", PanelSettings(methods=2))
    collector.add(view(0, 1.0, methods=("nearest", "bilinear", "bicubic", "ours")))
    assert list(collector.panels()[0].frame.whole.depths_m) == ["nearest", "ours"]


def test_a_method_that_gave_nothing_is_survived():
    frame = view(0, 1.0)
    nothing = {"ours": np.full((48, 64), np.nan, np.float32)}
    collector = PanelCollector("ours", "rmse_m")
    collector.add(dataclasses.replace(frame, depths_m=nothing))
    collector.add(dataclasses.replace(frame, index=1, time_s=9.0, depths_m={"bicubic": frame.depths_m["bicubic"]}))
    assert len(collector.panels()) == 2


def test_settings_out_of_range_are_all_named():
    with pytest.raises(ConfigError, match=r"worst=-1, expected 0 to 20; side_px=8, expected 32 to 2048"):
        PanelSettings(worst=-1, side_px=8)
