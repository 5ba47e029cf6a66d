"""Running topics as a source of frames: which pair gets which result, and what is said where none comes."""

import threading

import numpy as np
import pytest

from pagnet_ros.errors import InputError, RecordingError
from pagnet_ros.replay.live import RESULT, WAITING_PAIRS, LiveResult, LiveSource
from pagnet_ros.replay.run import RunOptions, evaluate
from tests.replay.bags import SIZE, START_NS, STEP_NS, camera_info, color, depth_mm, image

TOPICS = {"depth": "/depth", "color": "/color", "camera_info": "/color/camera_info", RESULT: "/depth_hr"}
COARSE = (8, 12)


def result(k, size=SIZE):
    return image(np.full(size, 1.0 + 0.01 * k, np.float32), START_NS + k * STEP_NS)


def depth(k):
    return image(depth_mm(k, COARSE), START_NS + k * STEP_NS)


def rgb(k):
    return image(color(k), START_NS + k * STEP_NS)


def frames_of(messages, topics=TOPICS, **options):
    source = LiveSource(topics, **options)
    for stream, message in messages:
        source.take(stream, message)
    source.close()
    return source, list(source.frames())


def stamps(frames):
    return [(frame.depth_stamp_ns - START_NS) // STEP_NS for frame in frames]


def test_a_pair_and_its_result_make_a_frame_in_any_order():
    orders = (("depth", "color", RESULT), (RESULT, "color", "depth"), ("color", RESULT, "depth"))
    made = {"depth": depth, "color": rgb, RESULT: result}
    for order in orders:
        _, frames = frames_of([(stream, made[stream](3)) for stream in order])
        assert stamps(frames) == [3]
        assert frames[0].depth.shape == COARSE
        assert frames[0].rgb.shape == (*SIZE, 3)


def test_pairs_that_the_node_skipped_are_told_and_left_out():
    messages = [(stream, make(k)) for k in range(4) for stream, make in (("color", rgb), ("depth", depth))]
    source, frames = frames_of([*messages, (RESULT, result(1)), (RESULT, result(3))])
    assert stamps(frames) == [1, 3]
    assert [(p.kind, p.count, p.level) for p in source.tally.problems] == [("no_result", 2, "info")]


def test_what_waits_in_vain_does_not_pile_up():
    source = LiveSource(TOPICS, backlog=10_000)
    count = WAITING_PAIRS + 20
    for k in range(count):
        source.take("color", rgb(k))
        source.take("depth", depth(k))
        source.take(RESULT, image(np.ones(SIZE, np.float32), START_NS + k * STEP_NS + 7))
    source.close()
    assert not list(source.frames())
    assert len(source._waiting) == WAITING_PAIRS
    assert len(source._results) == 10
    assert {p.kind: p.count for p in source.tally.problems} == {"no_result": count, "unpaired_result": count - 10}


def test_messages_that_come_too_fast_are_dropped_and_counted():
    source, frames = frames_of([("depth", depth(k)) for k in range(20)], backlog=5)
    assert not frames
    assert source.tally.counts.depth == 5
    assert source.damage[0].startswith("15 messages came while a frame was evaluated and were dropped")


def test_the_result_itself_is_what_is_evaluated():
    source = LiveSource({**TOPICS, "reference": "/depth_reference"})
    method = LiveResult(source, {"topic": "/depth_hr"})
    for k in range(3):
        source.take("color", rgb(k))
        source.take("depth", depth(k))
        source.take("reference", image(np.full(SIZE, 1.0, np.float32), START_NS + k * STEP_NS))
        source.take(RESULT, result(k))
    source.close()
    found = evaluate(source, [method], RunOptions("reference"))
    assert found.main == RESULT
    assert found.counts.evaluated == 3
    assert found.method(RESULT).figures["rmse_m"] == pytest.approx(np.sqrt((0.01**2 + 0.02**2) / 3), rel=1e-3)
    assert found.recording.kind == "live"


def test_millimetres_are_read_and_zero_is_unknown():
    source = LiveSource(TOPICS)
    millimetres = np.full(SIZE, 1500, np.uint16)
    millimetres[0, 0] = 0
    for stream, message in (("color", rgb(0)), ("depth", depth(0)), (RESULT, image(millimetres, START_NS))):
        source.take(stream, message)
    source.close()
    (frame,) = source.frames()
    answer = LiveResult(source, {})(frame, np.zeros(COARSE, np.float32)).depth_m
    assert np.isnan(answer[0, 0])
    assert answer[1, 1] == np.float32(1.5)


def test_a_result_of_another_size_is_refused_by_name():
    source = LiveSource(TOPICS)
    for stream, message in (("color", rgb(0)), ("depth", depth(0)), (RESULT, result(0, (16, 24)))):
        source.take(stream, message)
    source.close()
    (frame,) = source.frames()
    with pytest.raises(InputError, match="depth_hr is 24 x 16, colour 48 x 32; expected one size"):
        LiveResult(source, {})(frame, np.zeros(COARSE, np.float32))


def test_the_newest_calibration_belongs_to_a_frame():
    messages = [("camera_info", camera_info(START_NS)), ("color", rgb(0)), ("depth", depth(0)), (RESULT, result(0))]
    _, (frame,) = frames_of(messages)
    assert frame.intrinsics[0, 0] == 40.0
    _, (frame,) = frames_of(messages[1:])
    assert frame.intrinsics is None


def test_images_without_a_stamp_are_refused_as_the_node_does():
    source, frames = frames_of([("depth", image(depth_mm(0, COARSE), 0)), ("color", rgb(0))])
    assert not frames
    assert [p.kind for p in source.tally.problems] == ["zero_stamp"]


def test_undecodable_images_are_refused_and_the_next_frame_is_taken():
    bad = image(depth_mm(0, COARSE), START_NS, encoding="64FC1")
    messages = [("color", rgb(0)), ("depth", bad), (RESULT, result(0)), ("color", rgb(1)), ("depth", depth(1))]
    source, frames = frames_of([*messages, (RESULT, result(1))])
    assert stamps(frames) == [1]
    assert source.tally.counts.refused == 1


def test_closing_ends_a_run_that_waits():
    source = LiveSource(TOPICS)
    failed = []

    def run():
        try:
            evaluate(source, [LiveResult(source, {})], RunOptions("none"))
        except RecordingError as error:
            failed.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    source.close()
    thread.join(20)
    assert not thread.is_alive()
    assert "nothing to evaluate" in failed[0]
