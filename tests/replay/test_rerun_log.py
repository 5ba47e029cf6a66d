"""The recording for the rerun viewer: what is in it, and what is said where it cannot be written."""

import sys
from pathlib import Path

import numpy as np
import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.replay.frame import ReplayFrame
from pagnet_ros.replay.methods import MethodOutput
from pagnet_ros.replay.metrics import FrameTruth
from pagnet_ros.replay.rerun_log import RerunLog, points_of
from tests.replay.samples import METHODS

K = np.array([[100.0, 0.0, 63.5], [0.0, 100.0, 47.5], [0.0, 0.0, 1.0]])


def show(log, k=0, *, intrinsics=K, pose=None, methods=METHODS):
    """One frame, as the run shows it to its observers."""
    rgb, depth = np.full((96, 128, 3), k, np.uint8), np.ones((96, 128), np.float32)
    stamp_ns = 1_700_000_000_000_000_000 + k * 33_000_000
    frame = ReplayFrame(k, stamp_ns, stamp_ns, depth[::4, ::4], rgb, depth, intrinsics, pose, recorded_ns=stamp_ns)
    outputs = {name: MethodOutput(depth) for name in methods}
    log.on_frame(frame, FrameTruth(depth, depth[::4, ::4], rgb), outputs, {name: {"rmse_m": 0.1} for name in methods})


@pytest.fixture
def rr():
    return pytest.importorskip("rerun", reason="the rerun SDK is not installed (extra `rerun`)")


def read(path):
    """{entity path: number of its chunks} of a recording, and its time lines."""
    chunk = pytest.importorskip("rerun.chunk", reason="this rerun SDK cannot read recordings")
    entities, timelines = {}, set()
    for found in chunk.RrdReader(str(path)).stream():
        entities[str(found.entity_path)] = entities.get(str(found.entity_path), 0) + 1
        timelines |= set(found.timeline_names)
    return entities, timelines


def test_colour_depths_points_and_metrics_are_in_it(rr, tmp_path):
    path = tmp_path / "a.rrd"
    with RerunLog(path, main=METHODS[0]) as log:
        for k in range(3):
            show(log, k, pose=np.eye(4))
    entities, timelines = read(path)
    for name in ("input", "reference", *METHODS):
        assert f"/world/camera/depth/{name}" in entities
    assert "/world/camera/color" in entities
    assert {name for name in entities if "points" in name} == {f"/world/points/{n}" for n in (METHODS[0], "reference")}
    assert "/metrics/rmse_m/bicubic" in entities
    assert {"frame", "time", "stamp"} <= timelines


def test_without_intrinsics_there_are_no_points(rr, tmp_path):
    with RerunLog(tmp_path / "a.rrd", main=METHODS[0]) as log:
        show(log, intrinsics=None)
    entities, _ = read(tmp_path / "a.rrd")
    assert not [name for name in entities if "points" in name]
    assert "/world/camera/depth/input" in entities


def test_a_name_with_slashes_stays_one_name(rr, tmp_path):
    odd = "out/my net.safetensors"
    with RerunLog(tmp_path / "a.rrd", main=odd) as log:
        show(log, methods=(odd,))
    entities, _ = read(tmp_path / "a.rrd")
    assert [name for name in entities if name.startswith("/world/points/out\\/my")]


def test_a_full_disk_is_an_os_error(rr):
    def fill():
        with RerunLog(Path("/dev/full"), main=METHODS[0]) as log:
            for k in range(50):
                show(log, k)

    with pytest.raises(OSError, match="No space left"):
        fill()


def test_without_the_sdk_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ConfigError, match=r"pip install '\.\[rerun\]'"):
        RerunLog(tmp_path / "a.rrd", main="x")
    assert not list(tmp_path.iterdir())


def test_points_lie_where_the_camera_model_puts_them():
    depth = np.full((96, 128), np.nan, np.float32)
    depth[0, 0], depth[47, 63] = 2.0, 1.0
    rgb = np.zeros((96, 128, 3), np.uint8)
    rgb[0, 0] = (9, 8, 7)
    positions, colors = points_of(depth, rgb, K, most=10**6)
    np.testing.assert_allclose(positions, [[-1.27, -0.95, 2.0], [-0.005, -0.005, 1.0]], atol=1e-6)
    assert colors[0].tolist() == [9, 8, 7]


def test_a_cloud_keeps_to_its_number_of_points():
    depth = np.ones((480, 640), np.float32)
    positions, _ = points_of(depth, np.zeros((480, 640, 3), np.uint8), K, most=5000)
    assert 2000 < len(positions) <= 5000
