"""Which frames the report shows, and that they are read again and drawn."""

import math

import numpy as np
import pytest

from pagnet_ros.replay.frame import ReplayFrame, SourceOptions
from pagnet_ros.replay.highlights import Ranking, draw_chosen
from pagnet_ros.replay.methods import Identity, make_baselines
from pagnet_ros.replay.run import answers, evaluate
from pagnet_ros.replay.run_options import RunOptions
from pagnet_ros.replay.source import open_source
from tests.replay.bags import rgbd, write

RGB, DEPTH = np.zeros((4, 4, 3), np.uint8), np.ones((2, 2), np.float32)


def ranking(values, step_s=2.0):
    """After frames with these values, `step_s` apart, numbered by tens."""
    found = Ranking("ours", "self")
    for k, value in enumerate(values):
        frame = ReplayFrame(10 * k, 1, 1, DEPTH, RGB, recorded_ns=round(1e18) + round(k * step_s * 1e9))
        found.on_frame(frame, None, {}, {"ours": {"rmse_m": value}})
    return found


def roles(values, step_s=2.0):
    return [(chosen.role.split()[0], chosen.number // 10) for chosen in ranking(values, step_s).chosen()]


def test_the_three_worst_the_median_and_the_best_frame_are_shown():
    values = [5.0, 1.0, 9.0, 3.0, 7.0, 2.0, 8.0, 4.0, 6.0]
    assert roles(values) == [("Worst", 2), ("Worst", 6), ("Worst", 4), ("Median", 0), ("Best", 1)]
    assert [chosen.value for chosen in ranking(values).chosen()] == [9.0, 8.0, 7.0, 5.0, 1.0]


def test_the_worst_frames_are_of_different_moments():
    assert roles([1.0, 9.0, 8.9, 8.8, 8.7, 5.0], step_s=0.4)[:2] == [("Worst", 1), ("Worst", 4)]


def test_no_frame_is_shown_twice_and_those_without_a_value_are_never_the_worst():
    assert roles([3.0]) == [("Worst", 0)]
    assert roles([math.nan, 1.0, math.inf, 2.0]) == [("Worst", 3), ("Worst", 1)]


def test_without_any_value_the_first_frame_is_a_sample_and_without_frames_there_is_none():
    assert roles([math.nan] * 3) == [("A", 0)]
    assert roles([]) == []


def test_without_a_reference_frames_are_ranked_by_what_contradicts_the_measurement():
    assert Ranking("ours", "none").metric.name == "consistency_m"


@pytest.mark.parametrize("kind", ["bag", "folder"])
def test_the_chosen_frames_are_read_again_and_are_the_ones_that_were_scored(kind, tmp_path, frame_folder):
    pytest.importorskip("rosbags", reason="the rosbags library is not installed")
    path = write(tmp_path / "bag", rgbd(8)) if kind == "bag" else frame_folder(8)
    methods, options = [Identity(), *make_baselines(["bilinear"], RunOptions().pipeline)], RunOptions(scale=4)
    wanted, seen, again = Ranking("bilinear", "self"), {}, []

    class Kept:
        def on_frame(self, frame, truth, outputs, scores):
            seen[frame.index] = (frame, {name: output.depth_m for name, output in outputs.items()})

    with open_source([path], SourceOptions(every=2)) as source:
        evaluate(source, methods, options, [wanted, Kept()])

    def reread(only):
        again.append(set(only))
        with open_source([path], SourceOptions(every=2)) as source:
            for given in answers(source, methods, options, only):
                frame, depths = seen[given.frame.index]
                assert given.frame.depth_stamp_ns == frame.depth_stamp_ns
                for name, output in given.outputs.items():
                    np.testing.assert_array_equal(output.depth_m, depths[name])
                yield given

    pictures = draw_chosen(wanted, reread)
    assert again == [{chosen.number for chosen in wanted.chosen()}]
    assert len(pictures) == len(again[0])
    assert pictures[0].title.startswith("Worst frame: RMSE of bilinear")
    assert all(picture.url.startswith("data:image/") for picture in pictures)
    assert ("frame-00000" in pictures[0].text) == (kind == "folder")
