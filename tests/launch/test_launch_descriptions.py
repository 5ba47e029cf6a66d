"""The launch files evaluated by ROS's launch, where that is installed: command lines, environment, order."""

import itertools
from pathlib import Path

import pytest
import yaml

pytest.importorskip("launch_ros", reason="ROS's launch is not installed here (it comes with a ROS 2 install only)")

from launch import LaunchContext
from launch.actions import ExecuteProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.utilities import perform_substitutions
from launch_ros.actions import Node

from tests.launch.test_launch_sources import OTHERS

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


class ParameterLoader(yaml.SafeLoader):
    """Reads the parameter files that launch writes: rcl takes the tag of a list of strings as it is."""


ParameterLoader.add_constructor("tag:yaml.org,2002:python/tuple", ParameterLoader.construct_sequence)


class Started:
    """What a launch file would start: {executable: command lines} in order, and the environment for it."""

    def __init__(self, name, arguments, environ):
        self.context = LaunchContext()
        self.context.launch_configurations.update(arguments)
        for key in (*PROFILES, *MALLOC, "RMW_IMPLEMENTATION"):
            self.context.environment.pop(key, None)
        self.context.environment.update(environ)
        self.all = {}
        source = PythonLaunchDescriptionSource(str(ROOT / "launch" / f"{name}.launch.py"))
        self._expand(source.get_launch_description(self.context))

    def _expand(self, entity):
        if isinstance(entity, Node):
            started = self.all

            def record(action, context):
                words = [perform_substitutions(context, word) for word in action.cmd]
                started.setdefault(Path(words[0]).name, []).append(words[1:])

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ExecuteProcess, "execute", record)
                Node.execute(entity, self.context)
            return
        for child in entity.visit(self.context) or []:
            self._expand(child)

    @property
    def commands(self):
        """{executable: words} of what is started once, or last."""
        return {executable: every[-1] for executable, every in self.all.items()}

    def namespaces(self, executable):
        """Of all processes of an executable."""
        return [word.removeprefix("__ns:=") for words in self.all[executable] for word in words if "__ns:=" in word]

    def remappings(self, executable):
        """{from: to} of everything given by -r, __node and __ns included."""
        words = self.commands[executable]
        pairs = [after.split(":=", 1) for word, after in itertools.pairwise(words) if word == "-r"]
        return dict(pairs)

    def parameters(self, executable):
        """Contents of all parameter files, later ones over earlier ones."""
        words = self.commands[executable]
        merged = {}
        for word, after in itertools.pairwise(words):
            if word == "--params-file":
                for values in yaml.load(Path(after).read_text(), ParameterLoader).values():  # noqa: S506
                    merged |= values["ros__parameters"]
        return merged


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Evaluate a launch file: start("pagnet", color="/cam/image")."""
    # the executables are looked up in the index: one that has ours, and those of the packages we start nodes of
    executables = {"pagnet_ros": [path.name for path in (ROOT / "scripts/run").iterdir()], **OTHERS}
    for package, names in executables.items():
        marker = tmp_path / f"share/ament_index/resource_index/packages/{package}"
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
        (tmp_path / f"lib/{package}").mkdir(parents=True)
        for name in names:
            executable = tmp_path / f"lib/{package}/{name}"
            executable.touch()
            executable.chmod(0o755)
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path))

    def evaluate(name, environ=None, **arguments):
        return Started(name, arguments, environ or {})

    return evaluate


def test_without_arguments_the_node_keeps_its_names_and_starts_itself(start):
    started = start("pagnet")
    assert started.remappings("pagnet_node") == {"__node": "pagnet_node", "__ns": "/"}
    parameters = started.parameters("pagnet_node")
    assert parameters["autostart"] is True
    assert parameters["use_sim_time"] is False
    assert parameters["weights"] == "auto"


def test_a_preset_lies_over_the_parameter_file(start):
    parameters = start("pagnet", preset="mapping").parameters("pagnet_node")
    assert (parameters["publish_out_of_range"], parameters["slop_ms"]) == ("inf", 20.0)


def test_topics_given_are_remapped_and_the_rest_follows_in_the_node(start):
    started = start("pagnet", depth="/cam/depth/image_raw", color="/cam/color/image_raw", namespace="robot1")
    assert started.remappings("pagnet_node") == {
        "__node": "pagnet_node",
        "__ns": "/robot1",
        "depth": "/cam/depth/image_raw",
        "color": "/cam/color/image_raw",
    }


@pytest.mark.parametrize(
    ("output", "info"),
    [("depth_hr", "camera_info"), ("/depth_hr", "/camera_info"), ("/cam/hr/depth", "/cam/hr/camera_info")],
)
def test_the_outputs_camera_info_can_stand_beside_it(start, output, info):
    remapped = start("pagnet", output=output, output_info="beside").remappings("pagnet_node")
    assert remapped["depth_hr/camera_info"] == info
    assert remapped.get("depth_hr", "depth_hr") == output


def test_it_can_be_included_below_a_pushed_namespace(start):
    assert start("pagnet", ros_namespace="/robot1").remappings("pagnet_node")["__ns"] == "/robot1"
    both = start("pagnet", ros_namespace="/robot1", namespace="head").remappings("pagnet_node")
    assert both["__ns"] == "/robot1/head"


def test_arguments_win_over_the_parameter_file_and_empty_ones_do_not(start, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("/**: {ros__parameters: {weights: bicubic, device: cpu, slop_ms: 5.0}}")
    started = start("pagnet", params_file=str(file), weights="rt-x4-clean", autostart="false", use_sim_time="true")
    parameters = started.parameters("pagnet_node")
    assert parameters["weights"] == "rt-x4-clean"
    assert (parameters["device"], parameters["slop_ms"]) == ("cpu", 5.0)
    assert (parameters["autostart"], parameters["use_sim_time"]) == (False, True)


def test_what_is_started_gets_room_for_large_images(start):
    environ = start("pagnet").context.environment
    profiles = {environ[name] for name in PROFILES}
    assert len(profiles) == 1
    assert Path(profiles.pop()).parent == ROOT / "config/dds"
    assert set(MALLOC) <= set(environ)


def test_the_users_own_settings_stand(start):
    environ = start("pagnet", environ={PROFILES[0]: "mine.xml", MALLOC[0]: "1"}).context.environment
    assert (environ[PROFILES[0]], environ[MALLOC[0]]) == ("mine.xml", "1")
    assert PROFILES[1] not in environ
    assert PROFILES[0] not in start("pagnet", environ={"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}).context.environment
    assert PROFILES[0] not in start("pagnet", large_images="false").context.environment


def test_a_bag_is_played_on_its_own_time(start):
    started = start("replay_bag", bag="/bags/kitchen.mcap", rate="0.5", loop="true", depth="/cam/depth")
    assert list(started.commands) == ["bag_player", "pagnet_node"]
    words = started.commands["bag_player"]
    assert words[:8] == ["/bags/kitchen.mcap", "--rate", "0.5", "--start", "0.0", "--wait", "60.0", "--loop"]
    assert "--clock" in words
    assert words[words.index("--wait-for") + 1] == "/pagnet_node"
    assert words[words.index("--wait-topics") + 1 :][:2] == ["/cam/depth", "/color"]
    parameters = started.parameters("pagnet_node")
    assert (parameters["use_sim_time"], parameters["lazy"]) == (True, False)
    assert started.remappings("pagnet_node")["depth"] == "/cam/depth"


def test_a_bag_can_be_played_on_the_machines_time(start):
    started = start("replay_bag", bag="kitchen", use_sim_time="false")
    assert "--clock" not in started.commands["bag_player"]
    assert started.parameters("pagnet_node")["use_sim_time"] is False


def test_the_simulated_camera_and_the_node_share_a_namespace(start):
    started = start("simulated", namespace="robot1", seed="7", rate="30", simulated_sensor="kinect")
    assert {started.remappings(name)["__ns"] for name in started.commands} == {"/robot1"}
    camera = started.parameters("simulated_camera")
    assert (camera["seed"], camera["rate_hz"], camera["sensor"], camera["scale"]) == (7, 30.0, "kinect", 4)
    assert isinstance(camera["rate_hz"], float)


@pytest.mark.parametrize("name", ["pagnet", "simulated", "replay_bag"])
def test_show_args_lists_every_argument_once(name):
    description = PythonLaunchDescriptionSource(str(ROOT / "launch" / f"{name}.launch.py"))
    arguments = description.get_launch_description(LaunchContext()).get_launch_arguments()
    names = [argument.name for argument in arguments]
    assert {"depth", "color", "weights", "large_images"} <= set(names)
    assert all(argument.description != "no description given" for argument in arguments)


def test_the_evaluator_hears_the_nodes_topics_and_a_reference_where_there_is_one(start):
    plain = start("evaluate", depth="/cam/depth", color="/cam/color", output="/cam/depth_hr", out="out/live")
    remapped = plain.remappings("evaluate")
    assert (remapped["depth"], remapped["color"], remapped["depth_hr"]) == ("/cam/depth", "/cam/color", "/cam/depth_hr")
    assert "reference" not in remapped
    parameters = plain.parameters("evaluate")
    assert (parameters["with_reference"], parameters["out"], parameters["frames"]) == (False, "out/live", 0)
    against = start("evaluate", reference="/cam/truth", frames="30", idle_s="5")
    assert against.remappings("evaluate")["reference"] == "/cam/truth"
    parameters = against.parameters("evaluate")
    assert (parameters["with_reference"], parameters["frames"], parameters["idle_s"]) == (True, 30, 5.0)


def test_a_point_cloud_follows_the_node(start):
    started = start("points", namespace="robot1")
    remapped = started.remappings("point_cloud_xyz_node")
    assert remapped["__ns"] == "/robot1"
    assert (remapped["image_rect"], remapped["points"]) == ("depth_hr/image_rect", "depth_hr/cloud")
    environ = started.context.environment
    assert all(name in environ for name in PROFILES), "its clouds are larger than images"


def test_a_coloured_point_cloud_accepts_a_best_effort_camera(start):
    started = start("points", output="/depth_hr", color="color", namespace="robot1")
    parameters = started.parameters("point_cloud_xyzrgb_node")
    assert parameters["qos_overrides./robot1/color.subscription.reliability"] == "best_effort"
    assert parameters["queue_size"] == 30, "depth comes later than colour by what the network takes"
    reliable = start("points", color="/cam/color", color_reliability="reliable").parameters("point_cloud_xyzrgb_node")
    assert reliable["qos_overrides./cam/color.subscription.reliability"] == "reliable"


def test_a_laser_scan_gets_numbers(start):
    parameters = start("laserscan", output_frame="cam", scan_height="40", rate="10").parameters(
        "depthimage_to_laserscan_node"
    )
    assert (parameters["output_frame"], parameters["scan_height"], parameters["scan_time"]) == ("cam", 40, 0.1)
    assert isinstance(parameters["range_max"], float)


@pytest.mark.parametrize(("layer", "plugin"), [("voxel", "voxel_layer"), ("stvl", "stvl_layer")])
def test_a_costmap_hears_the_point_cloud_of_the_output(start, layer, plugin):
    started = start("costmap", layer=layer, output="/cam/depth_hr", global_frame="map")
    assert list(started.commands) == ["nav2_costmap_2d", "lifecycle_manager"]
    assert all(name in started.context.environment for name in PROFILES), "a cloud is larger than an image"
    parameters = started.parameters("nav2_costmap_2d")
    topics = {value for name, value in parameters.items() if name.startswith(plugin) and name.endswith(".topic")}
    assert topics == {"/cam/depth_hr/points"}
    assert plugin in parameters["plugins"]
    assert (parameters["global_frame"], parameters["rolling_window"]) == ("map", True)


def test_the_lifecycle_manager_waits_for_no_bond(start):
    parameters = start("costmap", manage_node="pagnet_node").parameters("lifecycle_manager")
    assert parameters["bond_timeout"] == 0.0
    assert list(parameters["node_names"]) == ["costmap", "pagnet_node"]


def test_several_cameras_keep_their_arguments_apart(start):
    started = start("cameras", cameras="front,rear", color="color/image_raw", weights="bicubic")
    assert sorted(started.namespaces("pagnet_node")) == ["/front", "/rear"]
    for words in started.all["pagnet_node"]:
        assert "color:=color/image_raw" in words
        assert not [word for word in words if word.startswith("depth:=")], "its default stays the node's"


def test_a_single_camera_is_one_node(start):
    assert start("cameras", cameras="head").namespaces("pagnet_node") == ["/head"]
