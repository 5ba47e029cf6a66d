"""A healthy graph as an observation, and small ways to make it ill."""

from dataclasses import replace

import numpy as np

from pagnet_ros.core.stamps import Arrival
from pagnet_ros.diagnosis import diagnose
from pagnet_ros.diagnosis.observation import (
    CAMERA_INFO_TYPE,
    IMAGE_TYPE,
    CameraInfoFacts,
    DepthFacts,
    Endpoint,
    ImageFacts,
    Machine,
    NodeFacts,
    Observation,
    Process,
    Stream,
)

MS = 1_000_000
START_NS = 1_800_000_000_000_000_000
UID = 1000
CAMERA = Process(4711, UID, segment_bytes=35 << 20)
DEPTH = DepthFacts(zeros=0.05, not_finite=0.0, negative=0.0, median=1900.0, p05=700.0, p95=4200.0)


def arrivals(count=150, rate_hz=30.0, age_ms=15.0, jitter_ms=4.0, seed=0, offset_ms=0.0, stamp=None):
    """Messages of a regular camera; `stamp(index, stamp_ns)` changes what is stamped."""
    rng = np.random.default_rng(seed)
    jitter_ms = min(jitter_ms, 250.0 / rate_hz)  # none overtakes another
    found = []
    for index in range(count):
        taken = START_NS + round((index * 1000.0 / rate_hz + offset_ms) * MS)
        arrived = taken + round((age_ms + jitter_ms * rng.random() ** 2) * MS)
        stamped = taken if stamp is None else int(stamp(index, taken))
        found.append(Arrival(arrived - START_NS, arrived, stamped))
    return tuple(sorted(found, key=lambda arrival: arrival.steady_ns))


def publisher(kind=IMAGE_TYPE, node="/camera", reliability="best_effort", process=CAMERA, **more):
    return Endpoint(node, kind, reliability, more.pop("durability", "volatile"), here=True, process=process, **more)


def subscriber(kind=IMAGE_TYPE, node="/pagnet_node", reliability="best_effort", **more):
    return Endpoint(node, kind, reliability, more.pop("durability", "volatile"), **more)


def depth_images(count=10, encoding="16UC1", depth=DEPTH, frame_id="camera_color_optical_frame", size=(320, 240)):
    width, height = size
    bytes_ = width * height * (4 if encoding == "32FC1" else 2)
    return tuple(
        ImageFacts(width, height, encoding, bytes_, frame_id, checksum=index, depth=depth) for index in range(count)
    )


def color_images(count=10, size=(640, 480), frame_id="camera_color_optical_frame", spread=240):
    width, height = size
    return tuple(
        ImageFacts(width, height, "rgb8", 3 * width * height, frame_id, checksum=1000 + index, spread=spread)
        for index in range(count)
    )


def info(width=640, height=480, focal=525.0, frame_id="camera_color_optical_frame", cx=None):
    scale = width / 640
    centre = (width - 1) / 2 if cx is None else cx
    return CameraInfoFacts(width, height, focal * scale, focal * scale, centre, (height - 1) / 2, frame_id)


def stream(name, topic, kind, **more):
    found = Stream(
        name, topic, kind, publishers=(publisher(kind),), subscribers=(subscriber(kind),), arrivals=arrivals()
    )
    return replace(found, **more)


def healthy():
    """30 Hz, colour 640x480 and registered depth 320x240, both calibrated; one active node."""
    return Observation(
        seconds=5.0,
        depth=stream("depth", "/camera/depth/image", IMAGE_TYPE, images=depth_images(), arrivals=arrivals(seed=1)),
        color=stream("color", "/camera/color/image", IMAGE_TYPE, images=color_images(), arrivals=arrivals(seed=2)),
        depth_info=stream("depth_info", "/camera/depth/camera_info", CAMERA_INFO_TYPE, info=info(320, 240)),
        color_info=stream("color_info", "/camera/color/camera_info", CAMERA_INFO_TYPE, info=info()),
        nodes=("/camera", "/pagnet_node", "/rviz"),
        consumers=(
            NodeFacts(
                "/pagnet_node",
                state="active",
                use_sim_time=False,
                slop_ms=20.0,
                diagnostics_level=0,
                diagnostics="publishing at 30.0 Hz",
                outputs=(
                    ("/depth_hr", publisher(node="/pagnet_node", reliability="reliable"), (subscriber(node="/rviz"),)),
                ),
            ),
        ),
        machine=Machine(uid=UID, torch="2.13.0", receive_buffer_bytes=212_992),
    )


def changed(seen=None, **streams):
    """A healthy observation with fields of some streams replaced: changed(depth={"arrivals": ()})."""
    seen = seen or healthy()
    for name, fields in streams.items():
        value = getattr(seen, name)
        if not isinstance(fields, dict):
            new = fields
        elif isinstance(value, tuple):
            new = (replace(value[0], **fields),)
        else:
            new = replace(value, **fields)
        seen = replace(seen, **{name: new})
    return seen


def names(seen):
    """Of all that the rules find."""
    return [finding.name for finding in diagnose(seen)]


WIDE = color_images(size=(1280, 720))
