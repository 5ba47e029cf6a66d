"""The launch files evaluated by ROS's launch, where that is installed: command lines, environment, order."""

import itertools
from pathlib import Path

import pytest

pytest.importorskip("launch_ros", reason="ROS's launch is not installed here (it comes with a ROS 2 install only)")

from launch import LaunchContext
from launch.actions import ExecuteProcess
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.utilities import perform_substitutions
from launch_ros.actions import Node

ROOT = Path(__file__).resolve().parents[2]
PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
MALLOC = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")


class Started:
    """What a launch file would start: {executable: command line} in order, and the environment for it."""

    def __init__(self, name, arguments, environ):
        self.context = LaunchContext()
        self.context.launch_configurations.update(arguments)
        for key in (*PROFILES, *MALLOC, "RMW_IMPLEMENTATION"):
            self.context.environment.pop(key, None)
        self.context.environment.update(environ)
        self.commands = {}
        source = PythonLaunchDescriptionSource(str(ROOT / "launch" / f"{name}.launch.py"))
        self._expand(source.get_launch_description(self.context))

    def _expand(self, entity):
        if isinstance(entity, Node):
            commands = self.commands

            def record(action, context):
                words = [perform_substitutions(context, word) for word in action.cmd]
                commands[Path(words[0]).name] = words[1:]

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ExecuteProcess, "execute", record)
                Node.execute(entity, self.context)
            return
        for child in entity.visit(self.context) or []:
            self._expand(child)

    def remappings(self, executable):
        """{from: to} of everything given by -r, __node and __ns included."""
        words = self.commands[executable]
        pairs = [after.split(":=", 1) for word, after in itertools.pairwise(words) if word == "-r"]
        return dict(pairs)

    def parameters(self, executable):
        """Contents of all parameter files, later ones over earlier ones."""
        import yaml

        words = self.commands[executable]
        merged = {}
        for word, after in itertools.pairwise(words):
            if word == "--params-file":
                for values in yaml.safe_load(Path(after).read_text()).values():
                    merged |= values["ros__parameters"]
        return merged


@pytest.fixture
def start(monkeypatch, tmp_path):
    """Evaluate a launch file: start("pagnet", color="/cam/image")."""
    # the executables are looked up in the index: an index that has ours
    marker = tmp_path / "share/ament_index/resource_index/packages/pagnet_ros"
    marker.parent.mkdir(parents=True)
    marker.touch()
    folder = tmp_path / "lib/pagnet_ros"
    folder.mkdir(parents=True)
    for script in (ROOT / "scripts/run").iterdir():
        (folder / script.name).symlink_to(script)
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
    assert words[:8] == ["/bags/kitchen.mcap", "--rate", "0.5", "--start", "0.0", "--wait", "10.0", "--loop"]
    assert "--clock" in words
    assert started.parameters("pagnet_node")["use_sim_time"] is True
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
