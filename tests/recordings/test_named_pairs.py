"""Folders as people and their tools lay them out: which images belong together, and in which unit depth is."""

import json
from decimal import Decimal

import cv2
import numpy as np
import pytest

from pagnet_ros.errors import RecordingError
from pagnet_ros.recordings.frames import open_frames, quaternion_pose


def fill(build, folder, names):
    """Depth and colour of each frame under the names that a layout gives them, and two frames of 1 mm difference."""
    for k, (color, depth) in enumerate(names):
        build.write_rgb(folder / color, build.rgb(k))
        if depth.endswith(".npy"):
            (folder / depth).parent.mkdir(parents=True, exist_ok=True)
            np.save(folder / depth, build.depth(k) / np.float32(1000))
        elif depth.endswith((".tif", ".tiff")):
            (folder / depth).parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(folder / depth), build.depth(k) / np.float32(1000))
        else:
            build.write_depth(folder / depth, build.depth(k))
    return folder


LAYOUTS = {
    "one pair": [("color.png", "depth.png")],
    "one pair of JPEG and PNG": [("rgb.jpg", "depth.png")],
    "numbers before": [(f"{k:06d}-color.jpg", f"{k:06d}-depth.png") for k in (1, 7)],
    "numbers behind": [(f"rgb_{k}.png", f"depth_{k}.png") for k in (9, 10)],
    "numbers without a gap": [(f"frame{k:06d}.jpg", f"depth{k:06d}.png") for k in (0, 1)],
    "underscores": [(f"{k:04d}_rgb.png", f"{k:04d}_depth.png") for k in (0, 1)],
    "names": [(f"{name}_color.png", f"{name}_depth.png") for name in ("desk", "hall")],
    "float TIFF": [(f"{k:06d}-color.png", f"{k:06d}-depth.tiff") for k in (0, 1)],
    "NPY": [(f"color_{k}.png", f"depth_{k}.npy") for k in (0, 1)],
    "two folders": [(f"color/{k}.jpg", f"depth/{k}.png") for k in (9, 10)],
    "two folders, names of frames": [
        (f"color/frame-{k:06d}.color.jpg", f"depth/frame-{k:06d}.depth.png") for k in (0, 1)
    ],
    "two folders, padded apart": [(f"images/{k:04d}.png", f"depth/{k}.png") for k in (0, 1)],
    "rgb and float": [(f"rgb/{k:06d}.png", f"depth/{k:06d}.npy") for k in (0, 1)],
    "two folders, capitals": [(f"Color/{k:06d}.JPG", f"Depth/{k:06d}.PNG") for k in (0, 1)],
    "two folders, aligned": [(f"color/{k:06d}.png", f"aligned_depth/{k:06d}.png") for k in (0, 1)],
    "rgb and TIFF": [(f"rgb/{k:06d}.png", f"depth/{k:06d}.tif") for k in (0, 1)],
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_images_of_one_number_or_name_are_one_frame(build, tmp_path, layout):
    names = LAYOUTS[layout]
    frames = list(open_frames(fill(build, tmp_path, names)))
    assert len(frames) == len(names)
    for k, frame in enumerate(frames):
        scale = 1.0 if frame.depth.dtype == np.uint16 else 1000.0
        assert frame.depth[0, 0] * scale == pytest.approx(1000 + k)
        assert np.abs(frame.rgb[0, 0].astype(int) - build.rgb(k)[0, 0]).max() <= 6
        assert frame.stamp_ns > 0
    assert [f.stamp_ns for f in frames] == sorted(f.stamp_ns for f in frames)


def test_the_order_is_that_of_numbers_and_a_gap_stays_one(build, tmp_path):
    folder = fill(build, tmp_path, [(f"color/{k}.png", f"depth/{k}.png") for k in (2, 10, 11)])
    stamps = [entry.depth_stamp_ns for entry in open_frames(folder, hz=10).files]
    assert stamps == [300_000_000, 1_100_000_000, 1_200_000_000]


def test_an_assumed_unit_is_said_and_a_given_one_is_taken(build, tmp_path):
    folder = fill(build, tmp_path, [("color.png", "depth.png")])
    assumed = open_frames(folder)
    assert "taken for millimetres" in assumed.notes[0]
    given = open_frames(folder, depth_unit_m=0.0001)
    assert given.notes == ()
    depth = given.read(0).depth
    assert depth.dtype == np.float32
    assert depth[0, 0] == pytest.approx(0.1)
    assert np.isnan(depth[-1, -1])
    assert open_frames(folder, depth_unit_m=0.001).read(0).depth.dtype == np.uint16


def test_rgb_and_depth_without_stamps_ask_for_the_unit(build, tmp_path):
    folder = fill(build, tmp_path, [(f"rgb/{k:06d}.png", f"depth/{k:06d}.png") for k in range(2)])
    with pytest.raises(RecordingError, match=r"what is the unit of depth here\? --depth-unit 0.001 says millimetres"):
        open_frames(folder)
    assert open_frames(folder, depth_unit_m=0.0002).read(0).depth[0, 0] == pytest.approx(0.2)


def test_a_given_unit_overrules_tum(build, tmp_path):
    folder = fill(build, tmp_path, [(f"rgb/100.{k}00000.png", f"depth/100.{k}00000.png") for k in range(2)])
    assert open_frames(folder).read(0).depth[0, 0] == pytest.approx(0.2)
    assert open_frames(folder, depth_unit_m=0.001).read(0).depth[0, 0] == 1000


@pytest.mark.parametrize("unit", [0.0, -1.0, 2.0, float("nan")])
def test_a_unit_that_cannot_be_is_refused(build, tmp_path, unit):
    with pytest.raises(RecordingError, match=r"depth unit .*expected 0.000001 to 1"):
        open_frames(fill(build, tmp_path, [("color.png", "depth.png")]), depth_unit_m=unit)


def test_scannets_export_comes_with_calibration_and_poses(build, tmp_path):
    fill(build, tmp_path, [(f"color/{k}.jpg", f"depth/{k}.png") for k in range(2)])
    matrix = np.eye(4)
    matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2] = 20, 21, 11.5, 7.5
    (tmp_path / "intrinsic").mkdir()
    (tmp_path / "pose").mkdir()
    np.savetxt(tmp_path / "intrinsic" / "intrinsic_color.txt", matrix)
    for k in range(2):
        pose = np.eye(4)
        pose[0, 3] = k
        np.savetxt(tmp_path / "pose" / f"{k}.txt", pose)
    folder = open_frames(tmp_path)
    assert folder.notes == ()
    np.testing.assert_array_equal(folder.intrinsics, matrix[:3, :3])
    assert folder.read(1).pose[0, 3] == 1.0
    assert folder.read(1).depth.dtype == np.uint16


def test_calibration_of_another_size_is_left_out_and_said(build, tmp_path):
    fill(build, tmp_path, [("color/0.jpg", "depth/0.png")])
    (tmp_path / "intrinsic").mkdir()
    matrix = [[1170.0, 0, 640, 0], [0, 1170.0, 480, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    np.savetxt(tmp_path / "intrinsic" / "intrinsic_color.txt", matrix)
    folder = open_frames(tmp_path)
    assert folder.intrinsics is None
    assert "calibration is of another image size" in folder.notes[0]


def test_stray_scanner_comes_with_calibration_stamps_and_poses(build, tmp_path):
    fill(build, tmp_path, [(f"rgb/{k:06d}.png", f"depth/{k:06d}.png") for k in range(2)])
    (tmp_path / "confidence").mkdir()
    (tmp_path / "camera_matrix.csv").write_text("20, 0, 11.5\n0, 21, 7.5\n0, 0, 1\n")
    rows = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    rows += [f"{100 + k / 4}, {k:06d}, {k}, 0, 0, 0, 0, 0, 1" for k in range(2)]
    (tmp_path / "odometry.csv").write_text("\n".join(rows))
    folder = open_frames(tmp_path)
    assert folder.notes == ()
    assert folder.period_ns == 250_000_000
    assert folder.intrinsics[1, 1] == 21
    assert folder.read(1).pose[0, 3] == 1.0
    (tmp_path / "odometry.csv").write_text("\n".join(rows).replace("100.", "0."))
    assert open_frames(tmp_path).read(0).stamp_ns > 0  # a stamp of zero means "the latest" in tf
    (tmp_path / "odometry.csv").write_text("a\nsoon, 0, 1")
    with pytest.raises(RecordingError, match=r"odometry\.csv: row 'soon 0 1'"):
        open_frames(tmp_path)


def test_record3d_comes_with_calibration_and_poses(build, tmp_path):
    fill(build, tmp_path, [(f"rgb/{k}.jpg", f"depth/{k}.npy") for k in range(2)])
    content = {"K": [20.0, 0, 0, 0, 21.0, 0, 11.5, 7.5, 1], "poses": [[0, 0, 0, 1, k, 0, 0] for k in range(2)]}
    (tmp_path / "metadata.json").write_text(json.dumps(content))
    folder = open_frames(tmp_path)
    assert folder.intrinsics.tolist() == [[20, 0, 11.5], [0, 21, 7.5], [0, 0, 1]]
    assert folder.read(1).pose[0, 3] == 1.0
    np.testing.assert_allclose(folder.read(1).pose[:3, :3], np.diag([1, -1, -1]), atol=1e-12)
    for bad in ("[" * 100_000, "{}", '{"K": [1]}', '{"K": {}}', "[1]", '{"K": [1e999,0,0,0,1,0,0,0,1]}'):
        (tmp_path / "metadata.json").write_text(bad)
        assert open_frames(tmp_path).intrinsics is None


def test_record3d_turns_its_camera_and_not_its_world(build, tmp_path):
    fill(build, tmp_path, [("rgb/0.jpg", "depth/0.npy")])
    turned = np.array([0.1, -0.5, 0.3, 0.8])
    content = {"K": [20.0, 0, 0, 0, 21.0, 0, 11.5, 7.5, 1], "poses": [[*turned, 1, 2, 3]]}
    (tmp_path / "metadata").write_text(json.dumps(content))
    expected = quaternion_pose((1, 2, 3, *turned)) @ np.diag([1.0, -1, -1, 1])
    np.testing.assert_allclose(open_frames(tmp_path).read(0).pose, expected, atol=1e-12)


def test_images_without_a_partner_are_left_out_and_said(build, tmp_path):
    folder = fill(build, tmp_path, [(f"color/{k}.png", f"depth/{k}.png") for k in range(2)])
    build.write_rgb(folder / "color" / "9.png", build.rgb(9))
    opened = open_frames(folder)
    assert len(opened) == 2
    assert any("1 images have no partner and are left out, such as '9.png'" in note for note in opened.notes)


def test_no_pair_at_all_is_a_problem(build, tmp_path):
    fill(build, tmp_path, [("color/1.png", "depth/2.png")])
    with pytest.raises(RecordingError, match="no depth image has a colour image of the same number or name"):
        open_frames(tmp_path)


@pytest.mark.parametrize(("name", "words"), [("rgb.mp4", "ffmpeg -i rgb.mp4"), ("rgbd", "LZFSE")])
def test_what_has_to_be_unpacked_first_is_said(tmp_path, name, words):
    (tmp_path / name).mkdir()
    with pytest.raises(RecordingError, match=words):
        open_frames(tmp_path)


@pytest.mark.parametrize("layout", ["two folders", "numbers before", "names"])
def test_hidden_files_that_macos_leaves_are_not_looked_at(build, tmp_path, layout):
    fill(build, tmp_path, LAYOUTS[layout])
    for path in [*tmp_path.rglob("*.png"), *tmp_path.rglob("*.jpg")]:
        path.with_name(f"._{path.name}").write_bytes(b"\x00\x05\x16\x07")
    assert len(list(open_frames(tmp_path))) == len(LAYOUTS[layout])


@pytest.mark.parametrize(("digits", "unit_ns"), [(13, 10**6), (16, 10**3), (19, 1)])
def test_a_name_that_is_a_time_since_1970_is_the_stamp(build, tmp_path, digits, unit_ns):
    names = [str(1_700_000_000_000_000_000 + k * 33_000_000)[:digits] for k in (0, 1)]
    fill(build, tmp_path, [(f"color/{name}.png", f"depth/{name}.png") for name in names])
    assert [frame.stamp_ns for frame in open_frames(tmp_path)] == [int(name) * unit_ns for name in names]


SECONDS = [f"17000000{k:02d}.{part}" for k in (0, 7) for part in ("05", "0999999", "123456", "2", "25", "5")]
NAMED_IN_SECONDS = {
    "two folders": ("color/{}.png", "depth/{}.png"),
    "words behind": ("{}_color.png", "{}_depth.png"),
    "words before": ("rgb_{}.png", "depth_{}.png"),
    "words behind a dot": ("color/{}.color.png", "depth/{}.depth.png"),
}


@pytest.mark.parametrize("layout", NAMED_IN_SECONDS)
def test_a_name_that_is_a_time_in_seconds_is_the_stamp(build, tmp_path, layout):
    fill(build, tmp_path, [[pattern.format(name) for pattern in NAMED_IN_SECONDS[layout]] for name in SECONDS])
    folder = open_frames(tmp_path)
    assert [frame.stamp_ns for frame in folder] == [int(Decimal(name) * 10**9) for name in SECONDS]
    assert not any("left out" in note for note in folder.notes)


def test_other_fractions_of_a_second_are_no_partner(build, tmp_path):
    fill(build, tmp_path, [("color/1700000000.05.png", "depth/1700000000.5.png")])
    with pytest.raises(RecordingError, match="no depth image has a colour image of the same number or name"):
        open_frames(tmp_path)


@pytest.mark.parametrize(
    ("names", "extra"),
    [
        ([("color/1.png", "depth/1.png")], "color/0001.png"),
        ([("1_color.png", "1_depth.png")], "1_rgb.png"),
    ],
)
def test_an_image_whose_number_is_taken_is_left_out_and_said(build, tmp_path, names, extra):
    folder = fill(build, tmp_path, names)
    build.write_rgb(folder / extra, build.rgb(9))
    opened = open_frames(folder)
    assert len(opened) == 1
    assert any(
        note.startswith("1 images are left out, as others have the same number or name") for note in opened.notes
    )


def test_a_number_that_can_be_no_time_gives_a_stamp_that_a_message_can_hold(build, tmp_path):
    fill(build, tmp_path, [(f"color/{9 * 10**18 + k}.png", f"depth/{9 * 10**18 + k}.png") for k in (0, 1)])
    first, second = (frame.stamp_ns for frame in open_frames(tmp_path))
    assert 0 < first < second < 2**31 * 10**9


def test_a_folder_of_images_that_are_not_read_names_what_it_holds(build, tmp_path):
    fill(build, tmp_path, LAYOUTS["two folders"])
    for path in (tmp_path / "depth").iterdir():
        path.rename(path.with_suffix(".exr"))
    with pytest.raises(RecordingError, match=r"depth/ has no image that is read \(its files end in '.exr'\).*npy"):
        open_frames(tmp_path)


def test_npy_of_the_other_byte_order_is_read(build, tmp_path):
    fill(build, tmp_path, [("color/0.png", "depth/0.png")])
    (tmp_path / "depth" / "0.png").unlink()
    np.save(tmp_path / "depth" / "0.npy", build.depth(3).astype(">u2"))
    (frame,) = open_frames(tmp_path)
    assert np.array_equal(frame.depth, build.depth(3))
    assert frame.depth.dtype == np.uint16


def test_a_tiff_of_float64_is_refused_as_one(build, tmp_path):
    fill(build, tmp_path, [("color/0.png", "depth/0.png")])
    (tmp_path / "depth" / "0.png").unlink()
    assert cv2.imwrite(str(tmp_path / "depth" / "0.tiff"), build.depth(3).astype(np.float64))
    with pytest.raises(RecordingError, match=r"0\.tiff: a TIFF of another kind of sample; expected uint8"):
        open_frames(tmp_path)
