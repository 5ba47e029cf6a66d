"""Folders of frames: every layout, and one error that lists all that is wrong."""

import os

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.frames import open_frames, pose_quaternion, quaternion_pose


def test_numbered_frames_come_with_pixels_stamps_pose_and_intrinsics(build):
    folder = open_frames(build.numbered(count=3, first=5))
    frames = list(folder)

    assert folder.layout == "numbered"
    assert [f.name for f in frames] == ["frame-000005", "frame-000006", "frame-000007"]
    assert [f.stamp_ns for f in frames] == [200_000_000, 233_333_333, 266_666_667]
    np.testing.assert_array_equal(frames[1].depth, build.depth(6))
    np.testing.assert_array_equal(frames[1].rgb, build.rgb(6))
    assert frames[1].depth.dtype == np.uint16
    assert frames[1].pose[0, 3] == 6.0
    np.testing.assert_array_equal(frames[1].intrinsics, [[20, 0, 11.5], [0, 20, 7.5], [0, 0, 1]])
    assert folder.period_ns == pytest.approx(1e9 / 30, abs=1)


def test_a_missing_number_leaves_a_gap_in_time(build):
    path = build.numbered(count=4)
    for file in path.glob("frame-000001.*"):
        file.unlink()

    stamps = [f.depth_stamp_ns for f in open_frames(path, hz=10).files]

    assert stamps == [100_000_000, 300_000_000, 400_000_000]


def test_timestamps_file_gives_exact_stamps(build):
    path = build.numbered(count=2)
    (path / "timestamps.txt").write_text(
        "# seconds number\n1305031102.175304123 0\n1305031102.208637456 frame-000001\n"
    )

    stamps = [f.depth_stamp_ns for f in open_frames(path).files]

    assert stamps == [1305031102175304123, 1305031102208637456]


def test_lost_pose_is_none(build):
    path = build.numbered(count=1)
    (path / "frame-000000.pose.txt").write_text("-inf " * 4 + "\n" + "0 0 0 1\n" * 3)

    assert open_frames(path).read(0).pose is None


def test_frames_can_be_filtered_by_name(build):
    path = build.numbered(count=3)

    assert [f.name for f in open_frames(path, only="002").files] == ["frame-000002"]
    with pytest.raises(RecordingError, match="no frame name contains 'nine'"):
        open_frames(path, only="nine")


def write_tum(build, folder, *, text_files=True, scale=5):
    rgb_rows, depth_rows = [], []
    for k in range(3):
        color_s, depth_s = f"100.{10 + k * 30:02d}0000", f"100.{11 + k * 30:02d}5000"
        build.write_rgb(folder / "rgb" / f"{color_s}.png", build.rgb(k))
        build.write_depth(folder / "depth" / f"{depth_s}.png", build.depth(k) * scale)
        rgb_rows.append(f"{color_s} rgb/{color_s}.png")
        depth_rows.append(f"{depth_s} depth/{depth_s}.png")
    build.write_rgb(folder / "rgb" / "200.000000.png", build.rgb(9))
    rgb_rows.append("200.000000 rgb/200.000000.png")
    if text_files:
        (folder / "rgb.txt").write_text("# color images\n" + "\n".join(rgb_rows))
        (folder / "depth.txt").write_text("# depth maps\n" + "\n".join(depth_rows))
        (folder / "groundtruth.txt").write_text("100.116 1 2 3 0 0 0 1\n100.9 4 5 6 0 0 0 1\n")
    return folder


@pytest.mark.parametrize("text_files", [True, False])
def test_tum_frames_keep_both_stamps_and_become_metres(build, tmp_path, text_files):
    folder = open_frames(write_tum(build, tmp_path / "tum", text_files=text_files))
    frames = list(folder)

    assert folder.layout == "tum"
    assert [(f.stamp_ns, f.color_stamp_ns) for f in frames] == [
        (100_115_000_000, 100_100_000_000),
        (100_415_000_000, 100_400_000_000),
        (100_715_000_000, 100_700_000_000),
    ]
    assert frames[0].depth.dtype == np.float32
    assert np.isnan(frames[0].depth[-1, -1])
    np.testing.assert_allclose(frames[0].depth[:-1] * 1000, build.depth(0)[:-1], rtol=1e-6)
    if text_files:
        assert frames[0].pose[:3, 3].tolist() == [1, 2, 3]
        assert frames[1].pose is None


def test_a_tum_table_made_under_windows_is_read(build, tmp_path):
    folder = write_tum(build, tmp_path / "tum")
    whole = len(open_frames(folder))
    for table in (folder / "rgb.txt", folder / "depth.txt"):
        table.write_bytes(table.read_bytes().replace(b"/", b"\\").replace(b"\n", b"\r\n"))
    assert len(open_frames(folder)) == whole


def test_tum_table_must_not_lead_outside_the_folder(build, tmp_path):
    folder = write_tum(build, tmp_path / "tum")
    build.write_rgb(tmp_path / "secret.png", build.rgb(0))
    (folder / "rgb.txt").write_text("100.1 ../secret.png\n100.4 rgb/missing.png\n")

    with pytest.raises(RecordingError) as error:
        open_frames(folder)

    assert "'../secret.png', which lies outside" in str(error.value)
    assert "'rgb/missing.png', which is not there" in str(error.value)


@pytest.mark.parametrize(
    "text", ["100.1 rgb/a\0b.png\n", "\0\0\0", "100.1\n", "soon rgb/x.png", "nan rgb/x.png", "-1 rgb/x.png"]
)
def test_tables_that_make_no_sense_are_named(build, tmp_path, text):
    folder = write_tum(build, tmp_path / "tum")
    (folder / "rgb.txt").write_text(text)

    with pytest.raises(RecordingError, match=r"rgb\.txt"):
        open_frames(folder)


def test_what_is_no_plain_file_is_not_opened(build):
    path = build.numbered(count=1)
    (path / "frame-000000.depth.png").unlink()
    os.mkfifo(path / "frame-000000.depth.png")

    with pytest.raises(RecordingError, match=r"frame-000000.depth.png: not a plain file"):
        open_frames(path)


def test_pairs_take_the_low_resolution_depth_and_keep_the_other_as_reference(build, tmp_path):
    build.write_rgb(tmp_path / "a_rgb.jpg", build.rgb(1, (32, 48)))
    build.write_depth(tmp_path / "a_depth_lr_mm.png", build.depth(1, (12, 18)))
    build.write_depth(tmp_path / "a_depth_hr_mm.png", build.depth(1, (32, 48)))
    build.write_rgb(tmp_path / "b_rgb.png", build.rgb(2, (20, 20)))
    build.write_depth(tmp_path / "b_depth_mm.png", build.depth(2, (10, 10)))

    folder = open_frames(tmp_path)
    first, second = folder

    assert folder.layout == "pairs"
    assert first.depth.shape == (12, 18)
    assert first.reference.shape == (32, 48)
    assert second.depth.shape == (10, 10)
    assert second.reference is None
    assert second.stamp_ns - first.stamp_ns == 1_000_000_000


def test_everything_wrong_is_listed_at_once(build):
    path = build.numbered(count=6)
    (path / "frame-000000.color.png").unlink()
    build.write_depth(path / "frame-000001.depth.png", build.depth(1, (8, 24)))
    build.write_depth(path / "frame-000002.depth.png", build.depth(2).astype(np.uint8))
    whole = (path / "frame-000003.color.png").read_bytes()
    (path / "frame-000003.color.png").write_bytes(whole[: len(whole) // 2])
    (path / "frame-000004.depth.png").write_bytes(b"not an image at all")
    (path / "frame-000005.depth.png").write_bytes(b"")
    (path / "frame-000005.pose.txt").write_text("1 2 3")

    with pytest.raises(RecordingError) as error:
        open_frames(path)

    text = str(error.value)
    for part in (
        "7 problem(s)",
        "frame-000000.depth.png has no color image",
        "frame-000002.depth.png is 1-channel uint8",
        "frame-000003.color.png: the PNG is cut short",
        "frame-000004.depth.png: starts with b'not an i'",
        "frame-000005.depth.png: an empty file",
        "frame-000005.pose.txt does not hold 4x4 numbers",
    ):
        assert part in text


def test_other_size_than_the_first_frame_is_named(build):
    path = build.numbered(count=3)
    build.write_depth(path / "frame-000002.depth.png", build.depth(2, (8, 24)))

    with pytest.raises(RecordingError, match=r"frame-000002.depth.png is 24x8, but frame-000000.depth.png is 24x16"):
        open_frames(path)


def test_depth_larger_than_colour_is_named(build, tmp_path):
    build.write_rgb(tmp_path / "a_rgb.png", build.rgb(0))
    build.write_depth(tmp_path / "a_depth_mm.png", build.depth(0, (32, 48)))

    with pytest.raises(RecordingError, match=r"a_depth_mm.png \(48x32\) is larger than a_rgb.png \(24x16\)"):
        open_frames(tmp_path)


def test_intrinsics_of_another_camera_are_refused(build):
    path = build.numbered(intrinsics="585 0 320\n0 585 240\n0 0 1\n")

    with pytest.raises(RecordingError, match=r"cx=320 cy=240; expected .* of the 24x16 colour image, not"):
        open_frames(path)


@pytest.mark.parametrize("centre", [(-9.0, 7.5), (11.5, -20.0), (40.0, 7.5)])
def test_the_centre_of_an_image_that_was_cut_may_lie_outside_of_it(build, centre):
    path = build.numbered(intrinsics=f"585 0 {centre[0]}\n0 585 {centre[1]}\n0 0 1\n")

    assert tuple(open_frames(path).intrinsics[:2, 2]) == centre


def test_long_lists_of_problems_are_cut(build):
    path = build.numbered(count=30)
    for file in path.glob("*.color.png"):
        file.unlink()

    with pytest.raises(RecordingError, match=r"30 problem\(s\)[\s\S]*\.\.\. and 10 more"):
        open_frames(path)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda p: p / "absent", "found nothing; expected a folder of frames"),
        (lambda p: p, "an empty folder; expected one of"),
        (lambda p: (p / "notes.txt").write_text("x") and p, "1 files, none named like a frame"),
        (lambda p: (p / "file").write_text("x") and p / "file", "found a file; expected a folder"),
    ],
)
def test_no_recording_there(tmp_path, make, text):
    with pytest.raises(RecordingError, match=text):
        open_frames(make(tmp_path))


def test_rate_out_of_range(build):
    with pytest.raises(RecordingError, match=r"0 frames per second; expected 0.01 to 1000"):
        open_frames(build.numbered(), hz=0.0)


def test_damage_inside_a_file_is_named_when_the_frame_is_read(build):
    path = build.numbered(count=2)
    file = path / "frame-000001.depth.png"
    data = bytearray(file.read_bytes())
    start = data.index(b"IDAT") + 4
    data[start : start + 20] = bytes(20)
    file.write_bytes(data)

    folder = open_frames(path)
    folder.read(0)
    with pytest.raises(
        RecordingError, match=r"frame frame-000001 of .*frame-000001.depth.png: the image data is damaged"
    ):
        folder.read(1)


def test_images_are_not_turned_by_exif(build, tmp_path):
    rgb = build.rgb(0, (16, 32))
    ok, data = cv2.imencode(".jpg", rgb[..., ::-1])
    assert ok
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    app1 = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (tmp_path / "a_rgb.jpg").write_bytes(data.tobytes()[:2] + app1 + data.tobytes()[2:])
    build.write_depth(tmp_path / "a_depth_mm.png", build.depth(0, (8, 16)))

    assert open_frames(tmp_path).read(0).rgb.shape == (16, 32, 3)


def test_quaternion_becomes_a_rotation():
    half = np.sqrt(0.5)
    pose = quaternion_pose((1.0, 2.0, 3.0, 0.0, 0.0, half, half))

    np.testing.assert_allclose(pose[:3, :3], [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)
    assert pose[:3, 3].tolist() == [1, 2, 3]


@given(
    st.tuples(*[st.floats(-5, 5)] * 3),
    st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: np.linalg.norm(q) > 0.01),
)
def test_a_pose_survives_its_way_through_a_quaternion(at, turn):
    pose = quaternion_pose((*at, *turn))
    numbers = pose_quaternion(pose)
    assert numbers[6] >= 0
    np.testing.assert_allclose(quaternion_pose(numbers), pose, atol=1e-12)
