"""The run: what is compared with what, that nothing depends on chance, and what happens to frames that do not fit."""

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.errors import ConfigError, InputError, RecordingError
from pagnet_ros.options import UpsamplerOptions
from pagnet_ros.pipeline import DepthUpsampler
from pagnet_ros.replay.frame import ReplayFrame, SourceOptions
from pagnet_ros.replay.methods import FilterMethod, Identity, NetworkMethod, make_baselines
from pagnet_ros.replay.run import evaluate
from pagnet_ros.replay.run_options import Metres, RunOptions, downsampled
from pagnet_ros.replay.source import open_source
from tests.replay.bags import SIZE, START_NS, STEP_NS, color, depth_mm, image, rgbd, write

LOW = (SIZE[0] // 2, SIZE[1] // 2)
OPTIONS = UpsamplerOptions(metric=True)


class Kept:
    """An observer that keeps what it was shown."""

    def __init__(self):
        self.seen = []

    def on_frame(self, frame, truth, outputs, metrics):
        self.seen.append((frame, truth, dict(outputs), metrics))


def replay(path, methods=None, options=None, **source_options):
    kept = Kept()
    with open_source([path], SourceOptions(**source_options)) as source:
        results = evaluate(source, methods or [Identity()], options or RunOptions(), [kept])
    return results, kept.seen


def with_reference(count=4, size=SIZE):
    """Coarse depth, and the fine one on a topic of its own."""
    for topic, stamp_ns, message in rgbd(count, depth_size=LOW):
        yield topic, stamp_ns, message
        if topic == "/cam/depth":
            k = (stamp_ns - START_NS) // STEP_NS
            yield "/cam/depth_reference", stamp_ns + 1, image(depth_mm(k, size), START_NS + k * STEP_NS)


def test_a_perfect_method_has_no_error(tmp_path):
    class Oracle(Identity):
        def __call__(self, frame, measured_m):
            return super().__call__(frame, Metres(0.1, 10.0)(frame.reference))

    results, _ = replay(write(tmp_path / "bag", with_reference()), [Oracle()])
    assert results.mode == "reference"
    metrics = results.methods[0].metrics
    assert (metrics["rmse_m"], metrics["mae_m"], metrics["coverage"]) == (0.0, 0.0, 1.0)
    assert results.counts.evaluated == results.methods[0].frames == 4


def test_the_recorded_depth_is_the_truth_of_its_coarser_self(tmp_path):
    results, seen = replay(write(tmp_path / "bag", rgbd()), options=RunOptions(scale=4))
    assert (results.mode, results.scale) == ("self", 4)
    assert (results.recording.depth_size, results.recording.color_size) == ((8, 12), SIZE)
    frame, truth, outputs, metrics = seen[2]
    np.testing.assert_array_equal(frame.reference, depth_mm(2))
    np.testing.assert_allclose(truth.reference_m[depth_mm(2) > 0], depth_mm(2)[depth_mm(2) > 0] / 1000, rtol=1e-6)
    assert np.isnan(truth.reference_m[:4, :6]).all()  # the hole of the recording is a hole of the truth,
    assert np.isnan(truth.measured_m[0, 0])  # and of the input
    assert outputs["identity"].depth_m.shape == SIZE
    assert metrics["identity"]["rmse_m"] == 0.0  # every edge lies on a coarse pixel's


def test_without_reference_only_metrics_that_need_none_are_made(tmp_path):
    results, seen = replay(write(tmp_path / "bag", rgbd(depth_size=LOW)))
    assert results.mode == "none"
    assert seen[0][1].reference_m is None
    assert results.methods[0].metrics["consistency_m"] == 0.0
    assert "rmse_m" not in results.methods[0].metrics


def test_a_reference_can_be_left_aside(tmp_path):
    bag = write(tmp_path / "bag", with_reference())
    assert replay(bag, options=RunOptions(mode="none"))[0].mode == "none"
    with pytest.raises(ConfigError, match="mode reference, but the recording has none"):
        replay(write(tmp_path / "plain", rgbd()), options=RunOptions(mode="reference"))


def test_networks_get_the_messages_arrays_as_in_the_node(tmp_path):
    upsampler = DepthUpsampler.bicubic(2, device="cpu", options=OPTIONS)
    _, seen = replay(write(tmp_path / "bag", rgbd(2, depth_size=LOW)), [NetworkMethod("net", upsampler, {})])
    expected = DepthUpsampler.bicubic(2, device="cpu", options=OPTIONS)(depth_mm(1, LOW), color(1)).depth
    np.testing.assert_array_equal(seen[1][2]["net"].depth_m, expected)


def test_frames_come_to_observers_in_order_with_their_metrics(tmp_path):
    _, seen = replay(write(tmp_path / "bag", rgbd(7)), options=RunOptions(scale=2))
    assert [frame.index for frame, *_ in seen] == list(range(7))
    assert all(metrics["identity"]["given_share"] > 0 for *_, metrics in seen)


def test_errors_are_compared_on_the_pixels_that_all_methods_give(tmp_path):
    def left_half(measured_m, rgb):
        depth = np.full(rgb.shape[:2], 3.0, np.float32)
        depth[:, rgb.shape[1] // 2 :] = np.nan
        return depth

    bag = write(tmp_path / "bag", rgbd())
    results, _ = replay(bag, [FilterMethod("half", left_half), Identity()], RunOptions(scale=4))
    half, identity = results.methods
    assert half.metrics["rmse_common_m"] == pytest.approx(half.metrics["rmse_m"])
    assert identity.metrics["rmse_common_m"] == 0.0
    assert half.metrics["coverage"] < 0.6


def test_a_method_that_fails_on_a_frame_is_counted_and_the_others_go_on(tmp_path):
    calls = []

    def moody(measured_m, rgb):
        calls.append(1)
        if len(calls) == 2:
            raise InputError("not this one")
        return np.ones(rgb.shape[:2], np.float32)

    results, seen = replay(write(tmp_path / "bag", rgbd(3)), [FilterMethod("moody", moody), Identity()])
    assert [(m.name, m.frames, m.failed) for m in results.methods] == [("moody", 2, 1), ("identity", 3, 0)]
    assert [problem.kind for problem in results.problems] == ["moody_failed"]
    assert [set(outputs) for _, _, outputs, _ in seen] == [{"moody", "identity"}, {"identity"}, {"moody", "identity"}]


def test_a_frame_that_a_method_leaves_out_counts_for_no_method_where_all_are_compared(tmp_path):
    calls = []

    def moody(measured_m, rgb):
        calls.append(1)
        if len(calls) == 2:
            raise InputError("not this one")
        return np.full(rgb.shape[:2], 3.0, np.float32)

    def empty_is_zero(measured_m, rgb):
        depth = np.full(rgb.shape[:2], 3.0, np.float32)
        depth[:, : rgb.shape[1] // 2] = 0.0
        return depth

    bag = write(tmp_path / "bag", rgbd(3))
    methods = [FilterMethod("moody", moody), FilterMethod("half", empty_is_zero), Identity()]
    results, seen = replay(bag, methods, RunOptions(scale=4))
    moody_result, half, _ = results.methods
    assert [np.isnan(scores["half"]["rmse_common_m"]) for *_, scores in seen] == [False, False, False]
    assert moody_result.metrics["rmse_common_m"] == half.metrics["rmse_common_m"]  # both say 3 m on the same pixels


@pytest.mark.parametrize("silent", ["fails", "gives nothing"])
def test_a_method_that_gives_nothing_in_a_whole_recording_leaves_the_others_comparable(tmp_path, silent):
    def nothing(measured_m, rgb):
        if silent == "fails":
            raise InputError("not this one")
        return np.full(rgb.shape[:2], np.nan, np.float32)

    bag = write(tmp_path / "bag", rgbd(3))
    others = [*make_baselines(["bilinear"], OPTIONS), Identity()]
    alone, _ = replay(bag, others, RunOptions(scale=4))
    results, _ = replay(bag, [FilterMethod("silent", nothing), *others], RunOptions(scale=4))
    assert results.methods[0].metrics.get("rmse_common_m") is None
    for method, other in zip(results.methods[1:], alone.methods, strict=True):
        assert method.metrics == other.metrics
        assert method.metrics["rmse_common_m"] is not None
    text = next(problem.text for problem in results.problems if problem.kind == "no_depth")
    assert text.startswith("silent gives no depth in any frame: left out of the common pixels")


def test_a_reference_of_another_size_is_refused(tmp_path):
    with pytest.raises(RecordingError, match="reference is 24 x 16 and colour 48 x 32; expected a reference of"):
        replay(write(tmp_path / "bag", with_reference(size=LOW)))


def test_frames_without_their_reference_are_counted(tmp_path):
    messages = [m for m in with_reference() if m[0] != "/cam/depth_reference" or m[1] < START_NS + STEP_NS]
    results, _ = replay(write(tmp_path / "bag", messages))
    assert (results.counts.evaluated, results.counts.without_reference) == (4, 3)
    assert results.methods[0].metrics["rmse_m"] is not None


def test_depth_beyond_the_limits_counts_as_unknown_in_input_and_truth(tmp_path):
    options = RunOptions(scale=4, pipeline=UpsamplerOptions(metric=True, max_depth_m=1.5))
    _, seen = replay(write(tmp_path / "bag", rgbd(1)), options=options)
    (_, truth, _, _) = seen[0]
    assert np.nanmax(truth.reference_m) == np.nanmax(truth.measured_m) == 1.0


@pytest.mark.parametrize(
    "limits", [{"max_depth_m": 1.5}, {"min_depth_m": 1.5}, {"fill": "none", "registration": "3,0"}]
)
def test_filters_give_depth_where_the_pipeline_does(tmp_path, limits):
    options = UpsamplerOptions(metric=True, remove_flying=False, **limits)
    network = NetworkMethod("net", DepthUpsampler.bicubic(2, device="cpu", options=options), {})
    methods = [network, *make_baselines(["nearest", "bicubic", "guided"], options)]
    bag = write(tmp_path / "bag", rgbd(1, depth_size=LOW))
    _, (seen,) = replay(bag, methods, RunOptions(pipeline=options))
    given = {name: np.isfinite(output.depth_m) for name, output in seen[2].items()}
    assert 0 < given["net"].mean() < 1
    for name in ("nearest", "bicubic", "guided"):
        np.testing.assert_array_equal(given[name], given["net"], name)


def test_that_no_depth_is_valid_is_said_as_by_the_node(tmp_path):
    options = RunOptions(pipeline=UpsamplerOptions(metric=True, min_depth_m=5.0))
    results, _ = replay(write(tmp_path / "bag", rgbd(2)), options=options)
    (problem,) = results.problems
    assert (problem.kind, problem.count) == ("no_valid_depth", 2)
    assert "/cam/depth: all depth values lie at 1 to 2 m; expected some within 5 to 10 m" in problem.text


def test_why_nothing_could_be_evaluated_is_said(tmp_path):
    apart = write(tmp_path / "apart", rgbd(5, offset_ns=50_000_000))
    with pytest.raises(RecordingError, match=r"5 depth and 5 colour images: no stamps within 20 ms .*off by -50\.0 ms"):
        replay(apart)
    swapped = [("/d" if "color" in topic else "/c", t, message) for topic, t, message in rgbd(2, info=False)]
    with pytest.raises(RecordingError, match=r"2 pairs, 2 refused\. /d: unknown depth encoding 'rgb8'"):
        replay(write(tmp_path / "swapped", swapped), depth="/d", color="/c")


def test_a_scale_too_large_for_the_images_is_refused(tmp_path):
    messages = list(rgbd(1, depth_size=(16, 24), info=False))
    with pytest.raises(RecordingError, match="choose a smaller --scale"):
        replay(write(tmp_path / "bag", messages), options=RunOptions(scale=16))


def test_running_without_metrics_gives_outputs_and_times_only(tmp_path):
    results, seen = replay(write(tmp_path / "bag", rgbd()), options=RunOptions(score=False))
    assert results.methods[0].metrics == {}
    assert results.methods[0].frames == len(seen) == 4
    assert results.timings["methods"]["identity"]["p50"] >= 0


def test_methods_must_have_names_of_their_own(tmp_path):
    with open_source([write(tmp_path / "bag", rgbd(1))], SourceOptions()) as source:
        for methods in ([], [Identity(), Identity()]):
            with pytest.raises(ConfigError, match="each name once"):
                evaluate(source, methods, RunOptions())


def test_options_that_contradict_each_other_are_refused():
    for options in ({"mode": "self"}, {"mode": "none", "scale": 4}, {"scale": 1}, {"scale": 17}, {"mode": "best"}):
        with pytest.raises(ConfigError):
            RunOptions(**options)


def test_colour_finer_than_depth_is_reduced_to_it_for_the_self_supervised_mode():
    rgb = np.zeros((64, 96, 3), np.uint8)
    rgb[:, 48:] = 200
    intrinsics = np.array([[80.0, 0, 47.5], [0, 80.0, 31.5], [0, 0, 1]])
    frame = downsampled(ReplayFrame(0, 1, 1, depth_mm(0), rgb, intrinsics=intrinsics), 4)
    assert (frame.depth.shape, frame.rgb.shape, frame.reference.shape) == ((8, 12), (32, 48, 3), (32, 48))
    np.testing.assert_allclose(frame.intrinsics, [[40, 0, 23.5], [0, 40, 15.5], [0, 0, 1]])
    assert frame.rgb[0, 23, 0] == 0
    assert frame.rgb[0, 24, 0] == 200


def test_sizes_are_cut_to_multiples_of_the_scale():
    frame = downsampled(ReplayFrame(0, 1, 1, depth_mm(0), color(0)), 5)
    assert (frame.depth.shape, frame.rgb.shape, frame.reference.shape) == ((6, 9), (30, 45, 3), (30, 45))


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_metres_are_those_of_the_pipeline(dtype):
    import torch

    from pagnet_ros.core.depth import decode_depth

    raw = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    if dtype == np.float32:
        raw = raw.astype(np.float32) / np.float32(997) - np.float32(1)
        raw[0, :3] = (np.nan, np.inf, -np.inf)
    depth, valid, _ = decode_depth(torch.from_numpy(raw), 0.1, 10.0)
    expected = np.where(valid.numpy(), depth.numpy(), np.nan)
    np.testing.assert_array_equal(Metres(0.1, 10.0)(raw), expected)
