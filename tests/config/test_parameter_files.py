"""Each shipped YAML is complete, at the defaults, and refuses what it does not know."""

import pytest
import yaml

from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.players.simulated_frames import SimulatedCameraOptions
from pagnet_ros.system.resources import config_path
from pagnet_ros.system.settings import fields_of

FILES = {"pagnet.yaml": NodeParameters, "simulated_camera.yaml": SimulatedCameraOptions}


def parameters_of(name):
    content = yaml.safe_load(config_path(name).read_text(encoding="utf-8"))
    assert list(content) == ["/**"], "holds for a node of any name and namespace"
    assert list(content["/**"]) == ["ros__parameters"]
    return content["/**"]["ros__parameters"]


@pytest.mark.parametrize(("name", "kind"), FILES.items())
def test_a_file_names_every_parameter_at_its_default(name, kind):
    values = parameters_of(name)
    defaults = {field.name: field.default for field in fields_of(kind)}
    assert values == defaults
    assert {key: type(value) for key, value in values.items()} == {key: type(v) for key, v in defaults.items()}


@pytest.mark.parametrize("name", ["safe", "dense", "mapping"])
def test_a_preset_holds_live_parameters_that_fit_together(name):
    values = parameters_of(f"presets/{name}.yaml")
    live = {field.name for field in fields_of(NodeParameters) if field.metadata["live"]}
    assert set(values) <= live
    assert NodeParameters(**values) != NodeParameters()


def test_every_parameter_has_a_comment_and_the_live_ones_say_so():
    fields = {field.name: field for field in fields_of(NodeParameters)}
    for line in config_path("pagnet.yaml").read_text(encoding="utf-8").splitlines():
        name, colon, rest = line.strip().partition(":")
        if colon and name in fields:
            comment = rest.partition("#")[2]
            assert comment, f"{name} has no comment"
            assert ("(live)" in comment) == fields[name].metadata["live"], f"{name}: wrong about being live"


def test_every_yaml_and_rviz_file_can_be_read():
    files = [path for path in config_path().rglob("*") if path.suffix in {".yaml", ".rviz"}]
    assert len(files) >= len(FILES) + 2
    for path in files:
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path


def nav2_sources(name):
    """{source: parameters} of the first layer of a Nav2 file."""
    text = config_path(f"nav2/{name}.yaml").read_text(encoding="utf-8")
    parameters = yaml.safe_load(text)["local_costmap"]["local_costmap"]["ros__parameters"]
    layer = parameters[parameters["plugins"][0]]
    return {source: layer[source] for source in layer["observation_sources"].split()}


@pytest.mark.parametrize("name", ["depth_hr_obstacles", "depth_hr_stvl"])
def test_nav2_reads_the_cloud_that_is_made(name):
    sources = nav2_sources(name).values()
    assert {source["topic"] for source in sources} == {"/depth_hr/points"}
    assert {source["data_type"] for source in sources} == {"PointCloud2"}
    assert [source["marking"] for source in sources].count(True) == 1
    assert [source["clearing"] for source in sources].count(True) == 1


def test_both_layers_of_nav2_take_the_same_range():
    (voxel,) = nav2_sources("depth_hr_obstacles").values()
    stvl = nav2_sources("depth_hr_stvl")
    assert stvl["mark"]["obstacle_range"] == voxel["obstacle_max_range"]
    assert (stvl["clear"]["min_z"], stvl["clear"]["max_z"]) == (
        voxel["raytrace_min_range"],
        voxel["raytrace_max_range"],
    )
    for name in ("min_obstacle_height", "max_obstacle_height"):
        assert stvl["mark"][name] == voxel[name]
