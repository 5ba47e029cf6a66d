"""Depth of another size, shape, view or frame than colour is a fault only where the node cannot make it fit."""

import pytest

from tests.diagnosis.healthy import WIDE, changed, depth_images, info, names


def test_images_of_different_shape_with_both_calibrations_are_healthy_as_the_node_reprojects_them():
    assert names(changed(color={"images": WIDE}, color_info={"info": info(1280, 720)})) == []


@pytest.mark.parametrize(
    ("size", "frame_id", "expected"),
    [
        ((848, 480), "camera_color_optical_frame", []),
        ((1280, 960), "camera_depth_optical_frame", ["frame_ids_differ"]),
    ],
)
def test_depth_larger_than_colour_is_no_finding_where_the_node_reprojects_it(size, frame_id, expected):
    seen = changed(
        depth={"images": depth_images(size=size, frame_id=frame_id)},
        depth_info={"info": info(*size, frame_id=frame_id)},
    )
    assert names(seen) == expected
    assert "depth_larger_than_color" in names(changed(seen, depth_info=None))


APART = {"images": depth_images(frame_id="camera_depth_optical_frame")}


def test_frames_that_differ_are_no_finding_where_the_node_reprojects_or_is_told_that_depth_is_registered():
    seen = changed(depth=APART)
    assert names(seen) == ["frame_ids_differ"]
    assert names(changed(seen, consumers={"reproject": True})) == ["frame_ids_differ"]  # tf may be missing
    assert names(changed(seen, consumers={"reproject": True, "has_reprojected": True})) == []
    assert names(changed(seen, consumers={"reproject": False})) == []


def test_another_field_of_view_is_no_finding_where_the_node_is_told_where_the_depth_camera_is():
    wide = changed(depth_info={"info": info(320, 240, focal=400.0)})
    assert names(wide) == ["fields_of_view_differ"]
    assert names(changed(wide, consumers={"has_pose": True})) == []
    assert names(changed(wide, consumers={"reproject": False})) == []


def test_of_images_that_did_not_come_nobody_knows_whether_their_frames_are_one():
    wide = changed(depth_info={"info": info(320, 240, focal=400.0)}, depth={"images": ()})
    assert "fields_of_view_differ" not in names(wide)


def test_what_the_node_is_told_not_to_reproject_has_to_fit():
    larger = changed(depth={"images": depth_images(size=(848, 480))}, depth_info={"info": info(848, 480)})
    assert names(larger) == []
    told = changed(larger, consumers={"reproject": False})
    assert names(told) == ["depth_larger_than_color", "shapes_differ"]


def test_depth_whose_size_was_rounded_to_whole_pixels_has_the_shape_of_colour_as_the_node_has_it():
    uncalibrated = {"color": {"images": WIDE}, "color_info": None, "depth_info": None}
    assert "shapes_differ" not in names(changed(depth={"images": depth_images(size=(64, 35))}, **uncalibrated))
    assert "shapes_differ" in names(changed(depth={"images": depth_images(size=(64, 33))}, **uncalibrated))
