"""Depth against analytic surfaces; colour that betrays, or does not betray, the geometry."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pagnet_ros.errors import ConfigError
from pagnet_ros.sensors import PinholeCamera, look_at
from pagnet_ros.simulation import Renderer, Scene, raster
from pagnet_ros.simulation.shading import ColorOptics, Lighting
from pagnet_ros.simulation.surfaces import (
    ROUND,
    Material,
    SurfaceBuilder,
    rotation_euler,
    rotation_facing,
)
from pagnet_ros.simulation.textures import CUTOUT_NUMBERS, RELIEF_NUMBERS, TEXTURE_NUMBERS
from tests.simulation.worlds import CAMERA, GREY, POSE, scene_of, slopes


@given(nx=st.floats(-0.8, 0.8), nz=st.floats(-0.8, 0.8), distance=st.floats(0.5, 6.0))
@settings(max_examples=15, deadline=None)
def test_a_plane_has_the_depth_that_its_equation_gives(nx, nz, distance):
    b = SurfaceBuilder()
    normal = np.array([nx, -1.0, nz])
    b.plane(normal, (0, distance, 0), GREY)
    frame = Renderer(scene_of(b))(CAMERA)
    x, y = slopes()
    # World (x, z_depth, -y) of a camera point at depth z: n . P = n . P0.
    expected = -distance / (nx * x - 1.0 - nz * y)
    expected[(expected < 0) | (expected > 1e3)] = np.nan
    known = np.isfinite(expected)
    assert np.allclose(frame.depth_m[known], expected[known], rtol=1e-4)
    assert np.isnan(frame.depth_m[~known & (np.abs(nx * x - 1.0 - nz * y) > 0.01)]).all()


@given(cx=st.floats(-0.5, 0.5), cz=st.floats(-0.4, 0.4), distance=st.floats(0.8, 4.0), radius=st.floats(0.05, 0.4))
@settings(max_examples=15, deadline=None)
def test_a_sphere_has_its_near_intersection_and_outward_normals(cx, cz, distance, radius):
    b = SurfaceBuilder()
    b.ellipsoid(rotation_euler(0.3, 0.2, 0.1), (cx, distance, cz), (radius,) * 3, GREY)
    frame = Renderer(scene_of(b))(CAMERA)
    x, y = slopes()
    a, h = x * x + y * y + 1, x * cx - y * cz + distance
    root = h * h - a * (cx * cx + cz * cz + distance**2 - radius**2)
    inside = root > 1e-3
    assume(inside.any())  # else it lies beside the image
    expected = (h[inside] - np.sqrt(root[inside])) / a[inside]
    assert np.allclose(frame.depth_m[inside], expected, rtol=2e-3)
    assert np.isnan(frame.depth_m[root < -1e-3]).all()
    points = np.stack((x[inside] * expected, y[inside] * expected, expected), axis=-1)
    outward = (points - [cx, -cz, distance]) / radius
    assert np.abs((frame.normal[inside] * outward).sum(-1) - 1).max() < 0.01


def test_a_cylinder_shows_its_near_wall_and_closes_with_its_lid():
    b = SurfaceBuilder()
    b.cone(rotation_euler(), (0, 2.0, -0.55), (0.2, 0.2, 0.25), GREY, bottom=True, top=True)
    frame = Renderer(scene_of(b))(CAMERA)
    x, y = slopes()
    column = 63
    wall = (1.0 * 2.0 - np.sqrt(4.0 - (x[0, column] ** 2 + 1) * (4.0 - 0.04))) / (x[0, column] ** 2 + 1)
    row = round(0.55 / wall * CAMERA.fy + CAMERA.cy)
    assert frame.depth_m[row, column] == pytest.approx(wall, rel=1e-4)
    lid_row = round(0.3 / 2.0 * CAMERA.fy + CAMERA.cy)
    assert frame.depth_m[lid_row, column] == pytest.approx(0.3 / y[lid_row, column], rel=1e-4)


def test_a_box_is_closed_and_hides_what_is_behind_it():
    b = SurfaceBuilder()
    b.plane((0, -1, 0), (0, 3, 0), GREY)
    b.box(rotation_euler(), (0, 2.0, 0), (0.3, 0.5, 0.2), GREY)
    depth = Renderer(scene_of(b))(CAMERA).depth_m
    assert depth[48, 64] == pytest.approx(1.5, rel=1e-5)
    assert depth[2, 2] == pytest.approx(3.0, rel=1e-5)
    x, y = slopes()
    front = (np.abs(x * 1.5) < 0.29) & (np.abs(y * 1.5) < 0.19)
    assert np.allclose(depth[front], 1.5, rtol=1e-5)


def test_many_small_surfaces_and_few_large_ones_are_drawn_alike(monkeypatch):
    scene = Scene.random(4, "clutter")
    together = Renderer(scene)(CAMERA)
    monkeypatch.setattr(raster, "_SMALL_PIXELS", 0)
    one_by_one = Renderer(scene)(CAMERA)
    different = ~np.isclose(together.depth_m, one_by_one.depth_m, rtol=1e-4, equal_nan=True)
    assert different.mean() < 2e-4  # rounding decides a few outline pixels


def test_a_cutout_has_holes_and_its_relief_bends_only_its_inside():
    b = SurfaceBuilder()
    b.plane((0, -1, 0), (0, 3, 0), GREY)
    facing = rotation_facing((0, -1, 0))
    b.card(facing, (0, 1.5, 0), (0.5, 0.4), GREY, outline=CUTOUT_NUMBERS["grille"][0])
    depth = Renderer(scene_of(b))(CAMERA).depth_m
    assert 0.1 < np.isclose(depth, 1.5).mean() < 0.6
    assert np.all(np.isclose(depth, 1.5) | np.isclose(depth, 3.0))
    b.card(facing, (0, 1.0, 0), (0.2, 0.2), GREY, relief=RELIEF_NUMBERS["bumps"][0], relief_m=0.05)
    bent = Renderer(scene_of(b))(CAMERA).depth_m
    inside = bent < 1.2
    assert 0.02 < np.ptp(bent[inside]) <= 0.101
    assert np.array_equal(bent[~inside], depth[~inside])


def test_a_relief_covers_the_pixels_of_its_card_wherever_it_lies_in_the_image():
    bent, flat = SurfaceBuilder(), SurfaceBuilder()
    for x, z in ((-0.35, -0.25), (0.35, -0.25), (-0.35, 0.25), (0.35, 0.25)):
        place = rotation_facing((0, -1, 0)), (x, 1.0, z), (0.1, 0.1), GREY
        bent.card(*place, relief=RELIEF_NUMBERS["bumps"][0], relief_m=0.1)
        flat.card(*place)
    covered = np.isfinite(Renderer(scene_of(flat))(CAMERA).depth_m)
    assert covered.sum() > 4 * 500
    assert np.array_equal(np.isfinite(Renderer(scene_of(bent))(CAMERA).depth_m), covered)


def test_nothing_hit_is_nan_and_black():
    b = SurfaceBuilder()
    b.card(rotation_facing((0, -1, 0)), (0, 1, 0), (0.1, 0.1), GREY, outline=ROUND)
    frame = Renderer(scene_of(b))(CAMERA)
    assert np.isnan(frame.depth_m[0, 0])
    assert frame.rgb[0, 0].max() == 0
    assert frame.depth_m[48, 64] == pytest.approx(1.0)


@pytest.mark.parametrize("kind", ["poster", "text", "checker", "stripes", "wood"])
def test_a_texture_trap_has_strong_colour_edges_and_flat_depth(kind):
    b = SurfaceBuilder()
    b.plane((0, -1, 0), (0, 2, 0), GREY)
    trap = Material(TEXTURE_NUMBERS[kind][0], (0.05, 0.05, 0.1), (0.9, 0.8, 0.7), repeats_per_m=0.8, offset=(0.5, 0.5))
    b.card(rotation_facing((0, -1, 0)), (0, 2, 0), (0.6, 0.5), trap, decal=True)
    frame = Renderer(scene_of(b))(CAMERA)
    assert np.allclose(frame.depth_m, 2.0, rtol=1e-5)
    grey = frame.rgb.mean(-1)
    assert np.abs(np.diff(grey, axis=1)).max() > 25


def test_a_depth_edge_need_not_show_in_colour():
    b = SurfaceBuilder()
    b.plane((0, -1, 0), (0, 3, 0), GREY)
    b.card(rotation_facing((0, -1, 0)), (0, 1.5, 0), (0.3, 0.3), GREY)
    frame = Renderer(scene_of(b))(CAMERA)
    assert np.ptp(frame.depth_m) > 1.4
    assert np.ptp(frame.rgb.astype(int)) <= 1


def test_a_projected_pattern_runs_on_across_a_depth_edge_at_the_viewpoint_only():
    slide = Material(TEXTURE_NUMBERS["cloud"][0], (0.1, 0.1, 0.1), (0.9, 0.9, 0.9), repeats_per_m=0.5, projected=True)
    images = []
    for step in (0.0, 1.2):
        b = SurfaceBuilder()
        b.plane((0, -1, 0), (0, 3, 0), slide)
        b.card(rotation_facing((0, -1, 0)), (0, 3 - step, 0), (0.4, 0.3), slide, decal=step == 0.0)
        images.append(Renderer(scene_of(b))(CAMERA).rgb.astype(int))
    assert np.ptp(images[0]) > 60
    assert np.abs(images[0] - images[1]).max() <= 2
    moved = POSE.copy()
    moved[0, 3] = 0.3
    assert np.abs(Renderer(scene_of(b))(CAMERA, moved).rgb.astype(int) - images[1]).max() > 20


def test_random_trap_scenes_hold_depth_edges_without_colour_and_colour_edges_without_depth():
    hidden = loud = 0
    for seed in range(6):
        frame = Renderer(Scene.random(seed, "traps"))(PinholeCamera.from_fov(160, 120))
        depth_edge = np.abs(np.diff(np.log(frame.depth_m), axis=1)) > 0.05
        colour_edge = np.abs(np.diff(frame.rgb.astype(int).mean(-1), axis=1))
        hidden += (depth_edge & (colour_edge < 4)).sum()
        flat = np.abs(np.diff(np.log(frame.depth_m), axis=1)) < 0.01
        loud += (flat & (colour_edge > 30)).sum()
    assert hidden > 100
    assert loud > 100


def test_the_lamp_casts_a_shadow_on_the_far_side_of_an_object():
    b = SurfaceBuilder()
    b.plane((0, -1, 0), (0, 3, 0), GREY)
    b.card(rotation_facing((0, -1, 0)), (0, 2, 0), (0.25, 0.25), GREY)
    lamp = Lighting(
        ambient=(0.1,) * 3, sun=(0.0,) * 3, lamp=(3.0,) * 3, lamp_position=(-1.5, 0.3, 0.0), lamp_target=(0, 3, 0)
    )
    lit = Renderer(scene_of(b, lighting=lamp))(CAMERA)
    wall = np.isclose(lit.depth_m, 3.0, rtol=1e-3)
    row = lit.rgb[48].astype(int).mean(-1)
    left, right = row[: CAMERA.width // 2][wall[48, :64]], row[64:][wall[48, 64:]]
    assert right.min() < 0.6 * left.min()


@pytest.mark.parametrize("style", ["room", "tabletop", "clutter", "traps", "posters"])
def test_random_scenes_are_closed_varied_and_within_range(style):
    camera = PinholeCamera.from_fov(96, 72)
    for seed in range(5):
        frame = Renderer(Scene.random(seed, style))(camera)
        assert frame.rgb.dtype == np.uint8
        assert frame.depth_m.dtype == np.float32
        assert np.isfinite(frame.depth_m).all()
        assert frame.depth_m.min() > 0.02
        assert np.percentile(frame.depth_m, 90) < 12
        assert np.ptp(frame.depth_m) > 0.2
        assert frame.rgb.std() > 5
        assert np.allclose(np.linalg.norm(frame.normal, axis=-1), 1, atol=1e-3)
        assert frame.cos_incidence.min() >= 0
        assert 0 <= frame.albedo.min() <= frame.albedo.max() <= 1


def test_the_same_seed_gives_bit_identical_scenes_and_frames():
    camera = PinholeCamera.from_fov(80, 60)
    first, second = (Renderer(Scene.random(11))(camera, noise_seed=3) for _ in range(2))
    for name in ("rgb", "depth_m", "albedo", "cos_incidence", "normal", "surface"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    other = Renderer(Scene.random(12))(camera)
    assert not np.array_equal(first.depth_m, other.depth_m)


def test_noise_differs_between_frames_and_geometry_does_not():
    renderer = Renderer(Scene.random(3, "room"))
    first, second = renderer(CAMERA, noise_seed=1), renderer(CAMERA, noise_seed=2)
    assert np.array_equal(first.depth_m, second.depth_m)
    assert not np.array_equal(first.rgb, second.rgb)


def test_colour_noise_has_the_strength_that_the_optics_say():
    b = SurfaceBuilder()
    b.plane((0, -1, 0), (0, 3, 0), GREY)
    optics = ColorOptics(mean_level=0.25, blur_px=0.0, shot_noise=0.0, read_noise=0.02, vignette=0.0, contrast=0.0)
    rgb = Renderer(scene_of(b, optics=optics))(CAMERA).rgb / 255.0
    linear = rgb**2
    assert linear.mean() == pytest.approx(0.25, abs=0.01)
    assert linear.std(axis=(0, 1)) == pytest.approx([0.02] * 3, rel=0.1)
    assert abs(np.corrcoef(linear[..., 0].ravel(), linear[..., 1].ravel())[0, 1]) < 0.05


def test_two_views_agree_on_the_world():
    scene = Scene.random(2, "room")
    renderer = Renderer(scene)
    camera = PinholeCamera.from_fov(160, 120)
    eye, target = scene.viewpoint[:3, 3], scene.look_target
    first = renderer(camera, look_at(eye, target))
    moved = look_at(eye + np.array([0.05, 0.02, 0.03]), target)
    second = renderer(camera, moved)
    v, u = np.mgrid[0:120, 0:160]
    rays = np.stack(((u - camera.cx) / camera.fx, (v - camera.cy) / camera.fy, np.ones_like(u)), -1)
    pose = look_at(eye, target)
    world = (rays * first.depth_m[..., None]) @ pose[:3, :3].T + pose[:3, 3]
    seen = (world - moved[:3, 3]) @ moved[:3, :3]
    column = np.rint(seen[..., 0] / seen[..., 2] * camera.fx + camera.cx).astype(int)
    row = np.rint(seen[..., 1] / seen[..., 2] * camera.fy + camera.cy).astype(int)
    inside = (column >= 0) & (column < 160) & (row >= 0) & (row < 120)
    ratio = second.depth_m[row[inside], column[inside]] / seen[..., 2][inside]
    assert (np.abs(ratio - 1) < 0.03).mean() > 0.9


def test_unknown_styles_and_negative_seeds_are_refused():
    with pytest.raises(ConfigError, match=r"'attic'.*room, tabletop, clutter, traps, posters, mixed"):
        Scene.random(1, "attic")
    with pytest.raises(ConfigError, match="seed is -1"):
        Scene.random(-1)


def test_mixed_scenes_draw_every_style():
    assert {Scene.random(seed).style for seed in range(40)} == {"room", "tabletop", "clutter", "traps"}


def test_posters_are_planes_but_for_their_edges():
    for seed in range(3):
        inverse = 1 / Renderer(Scene.random(seed, "posters"))(CAMERA).depth_m.astype(np.float64)
        bend = np.abs(np.diff(inverse, 2, axis=1)) / np.ptp(inverse)
        assert (bend < 1e-3).mean() > 0.8
        assert (bend > 0.05).any()


def test_a_pose_that_is_none_is_refused_before_rendering():
    with pytest.raises(ConfigError, match="not a rotation"):
        Renderer(Scene.random(1, "traps"))(CAMERA, 2 * np.eye(4))
