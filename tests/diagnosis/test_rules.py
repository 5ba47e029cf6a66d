"""Every rule finds the fault that is planted for it, names it, and leaves a healthy graph alone."""

from dataclasses import replace

import pytest

from pagnet_ros.diagnosis import RULES, diagnose
from pagnet_ros.diagnosis.observation import (
    CAMERA_INFO_TYPE,
    COMPRESSED_TYPE,
    IMAGE_TYPE,
    BondState,
    DepthFacts,
    ImageFacts,
    Observation,
    Process,
)
from tests.diagnosis.healthy import (
    CAMERA,
    DEPTH,
    MS,
    START_NS,
    UID,
    WIDE,
    arrivals,
    changed,
    color_images,
    depth_images,
    healthy,
    info,
    names,
    publisher,
    stream,
    subscriber,
)

FRAME = "camera_color_optical_frame"
YEAR_NS = 31_557_600_000_000_000


def with_sim_time(found, start_ns=1_400_000_000_000_000_000):
    """Messages of a recording that is played with /clock."""
    shift = start_ns - START_NS
    return tuple(replace(a, stamp_ns=a.stamp_ns + shift, sim_ns=a.system_ns + shift - 10 * MS) for a in found)


def alike(found, **more):
    """All that carry one camera's stamps come so: depth, colour and its calibration."""
    same = {"arrivals": found}
    return changed(depth=same, color=same, color_info=same, depth_info=None, **more)


def broken(problem, text):
    return (ImageFacts(0, 0, "64FC1", 1000, FRAME, problem=problem, problem_text=text),)


def lossy(found, keep):
    return tuple(arrival for index, arrival in enumerate(found) if keep(index))


METRES = DepthFacts(zeros=0.0, not_finite=0.05, negative=0.0, median=1.9, p05=0.7, p95=4.2)
LARGE = color_images(size=(1280, 960))
SMALL_SEGMENT = publisher(process=Process(4711, UID, segment_bytes=549_408))

NOTHING = changed(
    depth={"images": tuple(replace(image, checksum=7) for image in depth_images(depth=DepthFacts(1.0, 0.0, 0.0)))}
)

PLANTED = {
    "no_publisher": [
        changed(depth={"publishers": (), "arrivals": (), "images": (), "candidates": ("/cam/depth",)}, depth_info=None),
        changed(color={"publishers": (), "arrivals": (), "images": ()}, nodes=()),
    ],
    "wrong_type": [
        changed(depth={"publishers": (publisher(COMPRESSED_TYPE),), "arrivals": (), "images": ()}),
        changed(color={"publishers": (publisher("std_msgs/msg/String"),), "arrivals": (), "images": ()}),
        changed(color_info={"publishers": (publisher(IMAGE_TYPE),), "arrivals": (), "info": None}),
    ],
    "incompatible_qos": [
        changed(depth={"subscribers": (subscriber(reliability="reliable"),)}),
        changed(color={"subscribers": (subscriber(durability="transient_local"),)}),
        changed(color={"subscribers": (subscriber(deadline_ns=20 * MS),)}),
        changed(
            consumers={
                "outputs": (("/depth_hr", publisher(reliability="best_effort"), (subscriber(reliability="reliable"),)),)
            }
        ),
    ],
    "silent_topic": [changed(depth={"arrivals": (), "images": ()})],
    "other_user": [
        changed(depth={"publishers": (publisher(process=replace(CAMERA, uid=0)),), "arrivals": (), "images": ()})
    ],
    "several_publishers": [changed(color={"publishers": (publisher(), publisher(node="/bag_player"))})],
    "duplicate_node_names": [changed(nodes=("/camera", "/camera", "/pagnet_node"))],
    "camera_info_missing": [
        changed(color_info={"publishers": (), "arrivals": (), "info": None}),
        changed(color_info={"arrivals": (), "info": None}),
    ],
    "camera_info_latched": [changed(color_info={"arrivals": (), "latched": 1})],
    "images_lost": [
        changed(depth={"arrivals": lossy(arrivals(seed=1), lambda i: i % 7 in (0, 3))}),
        changed(
            color={"arrivals": lossy(arrivals(seed=2), lambda i: i % 50 == 0), "images": LARGE[:3]},
            color_info={"info": info(1280, 960)},
        ),
        changed(depth={"arrivals": lossy(arrivals(seed=1), lambda i: i % 7 in (0, 1, 3))}, depth_info=None),
    ],
    "low_rate": [alike(arrivals(7, 1.5))],
    "rates_apart": [
        changed(color={"arrivals": arrivals(50, 10.0)}, color_info={"arrivals": arrivals(50, 10.0)}),
        changed(depth={"arrivals": arrivals(50, 10.0)}, depth_info={"arrivals": arrivals(50, 10.0)}),
    ],
    "zero_stamp": [
        changed(
            color={"arrivals": arrivals(stamp=lambda i, ns: 0)},
            color_info={"arrivals": arrivals(stamp=lambda i, ns: 0)},
        )
    ],
    "frozen_stamps": [changed(depth={"arrivals": arrivals(stamp=lambda i, ns: START_NS)}, depth_info=None)],
    "backward_stamps": [alike(arrivals(stamp=lambda i, ns: START_NS + (i % 75) * 33 * MS + i))],
    "other_clock": [
        changed(depth={"arrivals": arrivals(stamp=lambda i, ns: ns - START_NS + 5_000 * MS)}, depth_info=None),
        changed(depth={"arrivals": arrivals(stamp=lambda i, ns: ns - 3 * YEAR_NS)}, depth_info=None),
        alike(arrivals(stamp=lambda i, ns: ns - YEAR_NS)),
    ],
    "stamps_ahead": [alike(arrivals(stamp=lambda i, ns: ns + 60 * MS))],
    "drifting_stamps": [
        changed(
            depth={"arrivals": arrivals(stamp=lambda i, ns: ns + (ns - START_NS) // 100 + 190 * MS)}, depth_info=None
        ),
        changed(depth={"arrivals": arrivals(stamp=lambda i, ns: ns - (ns - START_NS) // 100)}, depth_info=None),
        changed(depth={"arrivals": arrivals(seed=9, stamp=lambda i, ns: ns + (ns - START_NS) // 150)}, depth_info=None),
    ],
    "late_stream": [
        changed(depth={"arrivals": arrivals(age_ms=300.0)}),
        changed(color={"arrivals": arrivals(age_ms=170.0)}),
        changed(depth={"arrivals": arrivals(age_ms=900.0)}, color={"arrivals": arrivals(age_ms=900.0)}),
    ],
    "never_pairs": [
        changed(
            depth={"arrivals": arrivals(50, 10.0)},
            color={"arrivals": arrivals(50, 10.0, offset_ms=40.0)},
            color_info={"arrivals": arrivals(50, 10.0, offset_ms=40.0)},
            depth_info=None,
        )
    ],
    "camera_info_unsynchronised": [changed(color_info={"arrivals": arrivals(stamp=lambda i, ns: ns + 3 * MS)})],
    "no_clock": [
        changed(consumers={"use_sim_time": True}),
        alike(with_sim_time(arrivals()), clock_publishers=("/bag_player",)),
    ],
    "unknown_encoding": [
        changed(color={"images": broken("unknown_encoding", "unknown colour encoding '64FC1'; expected rgb8.")})
    ],
    "channel_order_unknown": [
        changed(color={"images": tuple(replace(image, encoding="8UC3") for image in color_images())})
    ],
    "malformed_image": [changed(depth={"images": broken("truncated_data", "truncated data: 100 bytes of 200.")})],
    "frozen_images": [changed(depth={"images": tuple(replace(image, checksum=7) for image in depth_images())})],
    "blank_color": [changed(color={"images": color_images(spread=0)})],
    "no_valid_depth": [changed(depth={"images": depth_images(depth=DepthFacts(1.0, 0.0, 0.0))}), NOTHING],
    "millimetres_in_32fc1": [
        changed(depth={"images": depth_images(encoding="32FC1", depth=replace(DEPTH, zeros=0.0))})
    ],
    "zeros_in_32fc1": [changed(depth={"images": depth_images(encoding="32FC1", depth=replace(METRES, zeros=0.05))})],
    "doubtful_unit": [
        changed(depth={"images": depth_images(depth=replace(DEPTH, median=19_000.0, p05=7_000.0, p95=42_000.0))}),
        changed(depth={"images": depth_images(depth=replace(DEPTH, median=2.0, p05=1.0, p95=4.0))}),
        changed(consumers={"depth_unit_m": 0.01}),
    ],
    "negative_depth": [changed(depth={"images": depth_images(encoding="32FC1", depth=replace(METRES, negative=0.01))})],
    "depth_larger_than_color": [
        changed(depth={"images": depth_images(size=(1280, 960))}, depth_info={"info": info(1280, 960)})
    ],
    "shapes_differ": [
        changed(color={"images": WIDE}, color_info={"info": info(1280, 720)}, depth_info=None),
        changed(color={"images": WIDE}, color_info=None, depth_info=None),
    ],
    "fields_of_view_differ": [
        changed(color_info={"info": info(focal=420.0)}),
        changed(depth_info={"info": info(320, 240, focal=420.0)}),
        changed(depth_info={"info": info(320, 240, cx=185.0)}),
    ],
    "frame_ids_differ": [
        changed(
            depth={"images": depth_images(frame_id="camera_depth_optical_frame")},
            depth_info={"info": info(320, 240, frame_id="camera_depth_optical_frame")},
        )
    ],
    "leading_slash": [changed(color={"images": color_images(frame_id="/camera_color_optical_frame")})],
    "empty_frame_id": [changed(depth={"images": depth_images(frame_id="")})],
    "camera_info_uncalibrated": [
        changed(color_info={"info": info(focal=0.0)}),
        changed(color_info={"info": info(focal=float("nan"))}),
        changed(depth_info={"info": info(320, 240, focal=float("inf"))}),
        changed(color_info={"info": info(cx=float("nan"))}),
    ],
    "camera_info_other_size": [
        changed(color_info={"info": info(1280, 960)}),
        changed(color_info={"info": info(640, 360)}),
    ],
    "node_inactive": [changed(consumers={"state": "inactive"})],
    "node_reports": [changed(consumers={"diagnostics_level": 2, "diagnostics": "[device_failed] no kernel image"})],
    "bond": [changed(managed=(BondState("/pagnet_node", "/lifecycle_manager", 4.0, has_bond=False),))],
    "small_shm": [
        changed(machine={"shm_bytes": 64 << 20, "shm_free_bytes": 64 << 20}),
        changed(machine={"shm_bytes": 0}),
    ],
    "full_shm": [changed(machine={"shm_bytes": 1 << 30, "shm_free_bytes": 3 << 20})],
    "torch_without_gpu": [
        changed(machine={"gpu": "NVIDIA H200", "torch_cuda": False, "torch_reason": "built without CUDA"})
    ],
    "no_compiler": [changed(machine={"compiler": ""})],
    "missing_module": [changed(machine={"modules": ("torch",), "torch": ""})],
    "no_ros": [
        Observation(machine=replace(healthy().machine, ros_error="ModuleNotFoundError: No module named 'rclpy'"))
    ],
    "mixed_ros": [changed(machine={"ros_wheels": "7.1.6", "ros_sourced": "/opt/ros/jazzy"})],
    "dds_profile_missing": [
        changed(color={"images": color_images(), "publishers": (SMALL_SEGMENT,)}),
        changed(color={"images": color_images(), "publishers": (replace(SMALL_SEGMENT, reliability="reliable"),)}),
    ],
    "dds_profile_not_found": [
        changed(machine={"dds_profile": "/nowhere.xml", "profile_exists": False}),
        changed(
            color={"publishers": (publisher(process=replace(CAMERA, dds_profile="/no.xml", profile_exists=False)),)}
        ),
    ],
    "small_receive_buffer": [changed(color={"publishers": (replace(publisher(process=None), here=False),)})],
}
CASES = [pytest.param(name, seen, id=f"{name}-{i}") for name, all_ in PLANTED.items() for i, seen in enumerate(all_)]


def test_a_healthy_graph_has_no_findings():
    assert diagnose(healthy()) == []


def test_what_nobody_looked_at_has_no_findings():
    assert diagnose(Observation()) == []


def test_there_is_a_planted_fault_for_every_rule():
    assert set(PLANTED) == set(RULES)
    assert len(RULES) >= 20


@pytest.mark.parametrize(("name", "seen"), CASES)
def test_a_planted_fault_is_named_alone_with_what_came_what_is_expected_and_the_mend(name, seen):
    found = diagnose(seen)
    assert {finding.name for finding in found} == {name}
    for finding in found:
        assert all(text.strip() for text in (finding.about, finding.came, finding.expected))
        assert finding.mend.rstrip().endswith((".", ")"))
        assert finding.text.startswith(finding.about)


@pytest.mark.parametrize("found", RULES.values(), ids=RULES)
def test_a_rule_is_explained_in_one_sentence(found):
    assert found.meaning.endswith(".")
    assert "\n" not in found.meaning
    assert found.mend
    assert found.severity in ("error", "warning")


@pytest.mark.parametrize("step", [3, 7, 11])
def test_faults_together_stop_no_rule(step):
    every = [seen for all_ in PLANTED.values() for seen in all_]
    for i in range(len(every)):
        one, two, three = (every[(i + j * step) % len(every)] for j in range(3))
        mixed = replace(
            one, color=two.color, color_info=three.color_info, consumers=two.consumers, machine=three.machine
        )
        for finding in diagnose(mixed):
            assert finding.text


def test_errors_come_first():
    seen = changed(depth={"arrivals": (), "images": ()}, machine={"compiler": ""})
    assert [finding.severity for finding in diagnose(seen)] == ["error", "warning"]


def test_of_two_late_streams_the_later_is_named():
    seen = changed(depth={"arrivals": arrivals(age_ms=700.0)}, color={"arrivals": arrivals(age_ms=1000.0)})
    assert [finding.about for finding in diagnose(seen) if finding.name == "late_stream"] == [seen.color.topic]
    seen = changed(depth={"arrivals": arrivals(age_ms=700.0)}, color={"arrivals": arrivals(age_ms=720.0)})
    assert len([finding for finding in diagnose(seen) if finding.name == "late_stream"]) == 2


def test_depth_in_the_unit_and_the_range_that_the_node_is_told_is_healthy():
    tenths = {"images": depth_images(depth=replace(DEPTH, median=19_000.0, p05=7_000.0, p95=42_000.0))}
    assert names(changed(depth=tenths, consumers={"depth_unit_m": 0.0001, "max_depth_m": 10.0})) == []
    assert names(changed(depth=tenths, consumers={"depth_unit_m": 0.001, "max_depth_m": 10.0})) == ["doubtful_unit"]
    assert names(changed(depth=tenths, consumers={"depth_unit_m": 0.001, "max_depth_m": 60.0})) == []


def test_a_simulated_camera_without_noise_that_stands_still_is_healthy():
    still = changed(depth={"images": tuple(replace(image, checksum=7) for image in depth_images())})
    on_clock = {"arrivals": with_sim_time(arrivals())}
    simulated = changed(still, depth=on_clock, color=on_clock, color_info=on_clock, depth_info=None)
    assert names(changed(simulated, clock_publishers=("/gazebo",), consumers=())) == []
    told = changed(still, consumers={"use_sim_time": True}, clock_publishers=("/gazebo",))
    assert names(told) == []


def test_a_recording_on_its_own_time_is_healthy():
    on_it = {"consumers": {"use_sim_time": True}, "clock_publishers": ("/bag_player",)}
    assert names(alike(with_sim_time(arrivals()), **on_it)) == []


def test_a_node_that_subscribes_in_two_ways_to_get_what_is_latched_is_healthy():
    both = (
        subscriber(CAMERA_INFO_TYPE),
        subscriber(CAMERA_INFO_TYPE, "/pagnet_node", "reliable", durability="transient_local"),
    )
    assert names(changed(color_info={"subscribers": both})) == []
    assert names(changed(color_info={"subscribers": both[1:]})) == ["incompatible_qos"]


def test_a_camera_of_another_vendor_or_machine_is_healthy():
    far = replace(publisher(process=None), here=False)
    unknown = replace(publisher(process=None), here=None)
    assert names(changed(depth={"publishers": (far,)}, color={"publishers": (unknown,)})) == []


@pytest.mark.parametrize("rate_hz", [5.0, 15.0, 60.0, 90.0])
def test_unsynchronised_cameras_of_any_usual_rate_are_healthy_where_they_pair(rate_hz):
    count, offset = round(5 * rate_hz), min(8.0, 400.0 / rate_hz)
    shifted = arrivals(count, rate_hz, seed=3, offset_ms=offset)
    seen = changed(
        depth={"arrivals": arrivals(count, rate_hz, seed=4)},
        depth_info={"arrivals": arrivals(count, rate_hz, seed=4)},
        color={"arrivals": shifted},
        color_info={"arrivals": shifted},
    )
    assert names(seen) == []


def test_the_transport_to_set_is_the_one_that_the_topic_is_named_by():
    taken = changed(depth={"publishers": (publisher(COMPRESSED_TYPE),), "topic": "/cam/depth/compressed", "images": ()})
    (finding,) = (found for found in diagnose(taken) if found.name == "wrong_type")
    assert finding.mend.startswith("Set the node's depth_transport:=compressed, or remap depth")


def test_two_reliable_ends_need_no_profile():
    publisher_, subscriber_ = replace(SMALL_SEGMENT, reliability="reliable"), subscriber(reliability="reliable")
    assert names(changed(color={"publishers": (publisher_,), "subscribers": (subscriber_,)})) == []


def test_two_frame_rates_that_still_pair_are_healthy():
    seen = changed(color={"arrivals": arrivals(75, 15.0)}, color_info={"arrivals": arrivals(75, 15.0)})
    assert names(seen) == []


def test_a_driver_that_holds_its_camera_info_for_late_comers_and_repeats_it_is_healthy():
    assert names(changed(color_info={"latched": 30})) == []


def test_a_burst_of_late_messages_is_no_drift():
    late = tuple(
        replace(a, steady_ns=a.steady_ns + 90 * MS, system_ns=a.system_ns + 90 * MS) if i > 140 else a
        for i, a in enumerate(arrivals(seed=5))
    )
    assert names(changed(depth={"arrivals": late})) == []


def test_one_camera_on_another_clock_is_an_error_and_both_on_one_a_warning():
    alone, _, together = PLANTED["other_clock"]
    assert {finding.severity for finding in diagnose(alone)} == {"error"}
    assert {finding.severity for finding in diagnose(together)} == {"warning"}


def test_the_cause_of_stamps_that_cannot_pair_is_named_instead_of_the_symptom():
    for cause in ("zero_stamp", "frozen_stamps", "other_clock"):
        for seen in PLANTED[cause]:
            assert "never_pairs" not in names(seen)


def test_images_lost_from_another_machine_get_advice_for_the_network():
    far = replace(publisher(process=None), here=False)
    seen = changed(
        color={"publishers": (far,), "arrivals": lossy(arrivals(), lambda i: i % 5 == 0), "images": color_images()},
        machine={"receive_buffer_bytes": 8 << 20},
    )
    (finding,) = diagnose(seen)
    assert finding.name == "images_lost"
    assert "wired network" in finding.mend


def test_a_streams_own_slop_is_the_nodes():
    wide = changed(PLANTED["never_pairs"][0], consumers={"slop_ms": 50.0})
    assert names(wide) == []


def test_latched_depth_info_is_told_too():
    latched = stream(
        "depth_info", "/camera/depth/camera_info", CAMERA_INFO_TYPE, arrivals=(), latched=1, info=info(320, 240)
    )
    assert names(changed(depth_info=latched)) == ["camera_info_latched"]
