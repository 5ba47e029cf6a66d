"""The launch files as text, where no ROS launch is installed: what they start, declare and set exists."""

import ast
from pathlib import Path

import pytest

from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.players.simulated_frames import SimulatedCameraOptions
from pagnet_ros.system.settings import fields_of
from pagnet_ros.system.transport import image_environment

ROOT = Path(__file__).resolve().parents[2]
FILES = {path.name.removesuffix(".launch.py"): path for path in (ROOT / "launch").glob("*.launch.py")}
OTHERS = {
    "depth_image_proc": ("point_cloud_xyz_node", "point_cloud_xyzrgb_node"),
    "depthimage_to_laserscan": ("depthimage_to_laserscan_node",),
    "nav2_costmap_2d": ("nav2_costmap_2d",),
    "nav2_lifecycle_manager": ("lifecycle_manager",),
}
"""Packages that the launch files start nodes of, and the executables they have."""
NODE_TOPICS = {
    "depth",
    "color",
    "depth/camera_info",
    "color/camera_info",
    "depth_hr",
    "depth_hr/image_rect",
    "depth_hr/camera_info",
}


def tree(name):
    return ast.parse(FILES[name].read_text(encoding="utf-8"))


def calls(name, function):
    """Keyword arguments (as syntax) and positional ones of each call of a function."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == function:
            yield node.args, {keyword.arg: keyword.value for keyword in node.keywords}


def declared(name):
    return {arguments[0].value: keywords for arguments, keywords in calls(name, "DeclareLaunchArgument")
            if isinstance(arguments[0], ast.Constant)}  # fmt: skip


def strings(node):
    return {child.value for child in ast.walk(node) if isinstance(child, ast.Constant) and isinstance(child.value, str)}


def function(name, called):
    return next(n for n in ast.walk(tree(name)) if isinstance(n, ast.FunctionDef) and n.name == called)


def test_there_is_one_file_per_way_of_using_it():
    ours = {"pagnet", "simulated", "replay_bag", "evaluate", "large_images"}
    assert set(FILES) == ours | {"cameras", "points", "laserscan", "costmap"}


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_argument_is_described(name):
    for arguments, keywords in calls(name, "DeclareLaunchArgument"):
        assert "description" in keywords, f"{ast.unparse(arguments[0])} has no description"


@pytest.mark.parametrize("name", sorted(FILES))
def test_what_is_started_is_installed(name):
    started = [keywords for kind in ("Node", "LifecycleNode") for _, keywords in calls(name, kind)]
    assert started or name in ("large_images", "cameras")
    for keywords in started:
        if keywords["package"].value in OTHERS:
            value = keywords["executable"]
            either = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
            assert {choice.value for choice in either} <= set(OTHERS[keywords["package"].value])
            continue
        assert keywords["package"].value == "pagnet_ros"
        assert (ROOT / "scripts/run" / keywords["executable"].value).is_file()


def test_the_arguments_asked_for_are_there_with_their_defaults():
    arguments = declared("pagnet")
    expected = {"depth", "color", "camera_info", "output", "output_info", "namespace", "params_file", "weights"}
    assert expected | {"sensor", "device", "precision", "autostart", "use_sim_time"} <= set(arguments)
    assert arguments["autostart"]["default_value"].value == "true"
    assert arguments["use_sim_time"]["default_value"].value == "false"
    assert declared("replay_bag")["use_sim_time"]["default_value"].value == "true"
    assert "default_value" not in declared("replay_bag")["bag"], "without a bag there is nothing to replay"


def test_remapped_names_are_the_nodes_topics():
    wanted = next(node for node in ast.walk(function("pagnet", "remappings")) if isinstance(node, ast.Dict))
    assert {key.value for key in wanted.keys} <= NODE_TOPICS


def test_overridden_parameters_are_declared_by_the_node():
    known = {field.name for field in fields_of(NodeParameters)} | {"use_sim_time"}
    loops = [n for n in ast.walk(function("pagnet", "make_node")) if isinstance(n, ast.comprehension)]
    overridden = {name for loop in loops if isinstance(loop.iter, ast.Tuple) for name in strings(loop.iter)}
    assert {"weights", "device", "autostart", "use_sim_time"} <= overridden
    assert overridden <= known


def test_overridden_parameters_are_declared_by_the_camera():
    kinds = {field.name: type(field.default).__name__ for field in fields_of(SimulatedCameraOptions)}
    (table,) = [
        node.value
        for node in tree("simulated").body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CAMERA_PARAMETERS"
    ]
    for row in table.elts:
        _, parameter, kind, _ = row.elts
        assert kinds[parameter.value] == kind.id


def test_the_players_options_exist():
    pytest.importorskip("rclpy", reason="ROS 2 is not installed here (make setup brings it as wheels)")
    from pagnet_ros.ros.players.bag_player import parse_arguments

    options = sorted(text for text in strings(function("replay_bag", "make_player")) if text.startswith("--"))
    assert options == ["--clock", "--loop", "--rate", "--start", "--wait", "--wait-for", "--wait-topics"]
    with_values = [text for name in options for text in ([name] if name in ("--clock", "--loop") else [name, "1"])]
    parse_arguments(["some.mcap", *with_values])


def test_large_images_are_prepared_as_for_plain_processes():
    texts = strings(tree("large_images"))
    for name, value in image_environment({}).items():
        assert name in texts
        assert value in texts or Path(value).name.removesuffix(".xml").removesuffix("_16mb") in "".join(texts)


OUTPUTS = {"/depth_hr", "/depth_hr/image_rect", "/depth_hr/camera_info"}


def remapped(name, **given):
    """What a launch file's own `remappings` makes of its arguments' values."""
    module = ast.Module([function(name, "remappings")], [])
    space = {}
    exec(compile(module, str(FILES[name]), "exec"), space)  # noqa: S102
    defaults = {argument: keywords["default_value"].value for argument, keywords in declared(name).items()}
    return dict(space["remappings"](defaults | {"output": "/depth_hr"} | given))


def test_points_are_made_of_the_nodes_image_and_its_own_camera_info():
    names = remapped("points")
    assert names.pop("points") == "/depth_hr/cloud"
    assert names == {"image_rect": "/depth_hr/image_rect", "camera_info": "/depth_hr/camera_info"}
    assert set(names.values()) <= OUTPUTS


@pytest.mark.parametrize(
    ("color", "beside"), [("/camera/color/image_raw", "/camera/color/camera_info"), ("color", "camera_info")]
)
def test_points_with_colour_take_the_same_calibration(color, beside):
    names = remapped("points", color=color, points="/cloud")
    assert names["depth_registered/image_rect"] == "/depth_hr/image_rect"
    assert names["rgb/image_rect_color"] == color
    assert names[beside] == names["rgb/camera_info"] == "/depth_hr/camera_info"
    assert names["points"] == "/cloud"


def test_a_laser_scan_is_made_of_the_nodes_image_and_its_camera_info():
    names = remapped("laserscan")
    assert names == {"depth": "/depth_hr", "depth_camera_info": "/depth_hr/camera_info", "scan": "/depth_hr/scan"}
