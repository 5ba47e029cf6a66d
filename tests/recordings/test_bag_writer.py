"""A folder of frames becomes a bag: what is in it, and that failures leave nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rosbags", reason="the rosbags library is not installed")

from pagnet_ros.errors import ConfigError, RecordingError
from pagnet_ros.recordings.bag_writer import BagOptions, write_bag
from pagnet_ros.recordings.bags import Bag
from pagnet_ros.recordings.coarse import coarse_depth
from pagnet_ros.recordings.frames import open_frames

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_frames_come_back_from_the_bag(build, tmp_path, storage):
    frames = open_frames(build.numbered(count=3))

    path = write_bag(frames, tmp_path / "out" / "bag", BagOptions(storage=storage))

    with Bag(path) as bag:
        decoded = [(m.topic.name, m.header_stamp_ns, bag.decode(m)) for m in bag.messages()]
    depth = [m for name, _, m in decoded if name == "/depth"]
    color = [m for name, _, m in decoded if name == "/color"]
    info = [m for name, _, m in decoded if name == "/color/camera_info"]
    for k, frame in enumerate(frames):
        np.testing.assert_array_equal(depth[k].data.view(np.uint16).reshape(16, 24), frame.depth)
        np.testing.assert_array_equal(color[k].data.reshape(16, 24, 3), frame.rgb)
        assert depth[k].header.stamp == color[k].header.stamp == info[k].header.stamp
    assert (depth[0].encoding, depth[0].step, color[0].encoding) == ("16UC1", 48, "rgb8")
    assert info[0].k.tolist() == [20, 0, 11.5, 0, 20, 7.5, 0, 0, 1]
    assert [s for n, s, _ in decoded if n == "/depth"] == [33_333_333, 66_666_667, 100_000_000]


def test_coarse_depth_is_written_with_its_reference(build, tmp_path):
    frames = open_frames(build.numbered(count=1))

    options = BagOptions(downsample=4, depth_topic="/cam/depth", color_topic="/cam/color")

    with Bag(write_bag(frames, tmp_path / "bag", options)) as bag:
        coarse = bag.decode(bag.first("/cam/depth"))
        reference = bag.decode(bag.first("/cam/depth_reference"))
    np.testing.assert_array_equal(coarse.data.view(np.uint16).reshape(4, 6), coarse_depth(frames.read(0).depth, 4))
    assert (reference.width, reference.height) == (24, 16)


def test_unknown_calibration_is_written_as_such(build, tmp_path):
    frames = open_frames(build.numbered(count=1, intrinsics=""))

    with Bag(write_bag(frames, tmp_path / "bag")) as bag:
        info = bag.decode(bag.first("/color/camera_info"))
    assert info.k[0] == 0.0
    assert (info.width, info.height) == (24, 16)


def test_an_existing_bag_is_replaced_only_by_force(build, tmp_path):
    one, two = (open_frames(build.numbered(count=n, name=f"n{n}")) for n in (1, 2))
    path = write_bag(one, tmp_path / "bag")

    with pytest.raises(RecordingError, match="there already; choose another name, or replace it with --force"):
        write_bag(two, path)
    write_bag(two, path, BagOptions(force=True))

    with Bag(path) as bag:
        assert bag.topics["/depth"].count == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bag", "n1", "n2"]


def test_force_never_replaces_what_is_no_bag(build, tmp_path):
    frames = open_frames(build.numbered(count=1))
    precious = tmp_path / "home"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")

    with pytest.raises(RecordingError, match="not a bag folder, so --force does not replace it"):
        write_bag(frames, precious, BagOptions(force=True))

    assert (precious / "thesis.txt").read_text() == "years of work"


def test_a_damaged_frame_leaves_nothing_and_keeps_the_old_bag(build, tmp_path):
    good = open_frames(build.numbered(count=1, name="good"))
    path = write_bag(good, tmp_path / "bag")
    bad = open_frames(build.numbered(count=2, name="bad"))
    data = bytearray(bad.files[1].depth.read_bytes())
    start = data.index(b"IDAT") + 4
    data[start : start + 20] = bytes(20)
    bad.files[1].depth.write_bytes(data)

    with pytest.raises(RecordingError, match="frame-000001"):
        write_bag(bad, path, BagOptions(force=True))

    with Bag(path) as bag:
        assert bag.topics["/depth"].count == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad", "bag", "good"]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_full_disk_leaves_nothing(build, tmp_path, storage):
    folder = build.root / "large"
    rng = np.random.default_rng(0)
    for k in range(4):
        build.write_rgb(folder / f"frame-{k:06d}.color.png", rng.integers(0, 255, (400, 600, 3), np.uint8))
        build.write_depth(folder / f"frame-{k:06d}.depth.png", rng.integers(0, 9000, (400, 600), np.uint16))
    out = tmp_path / "out"
    # A file size limit makes writes fail as a full disk does, without filling one.
    code = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (1500000, 1500000));"
        "from pagnet_ros.ros.players.frames_to_bag import main; sys.exit(main(sys.argv[1:]))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(out / "bag"), "--storage", storage],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 1
    assert "writing failed" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(out.iterdir()) == []


def test_options_name_everything_wrong_at_once():
    with pytest.raises(ConfigError, match=r"storage = 'zip'; expected .*; downsample = 0 is out of range"):
        BagOptions(storage="zip", downsample=0)
    with pytest.raises(ConfigError, match=r"compress needs storage mcap; topic 'depth'; .*; topic '/a b'"):
        BagOptions(storage="sqlite3", depth_topic="depth", color_topic="/a b", compress=True)
