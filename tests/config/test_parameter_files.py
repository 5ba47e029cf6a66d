"""Each shipped YAML is complete, at the defaults, and refuses what it does not know."""

import dataclasses

import pytest
import yaml

from pagnet_ros.errors import ConfigError
from pagnet_ros.ros.parameters import NodeParameters
from pagnet_ros.ros.players.simulated_frames import SimulatedCameraOptions
from pagnet_ros.system.resources import config_path

FILES = {"pagnet.yaml": NodeParameters, "simulated_camera.yaml": SimulatedCameraOptions}


def parameters_of(name):
    content = yaml.safe_load(config_path(name).read_text(encoding="utf-8"))
    assert list(content) == ["/**"], "holds for a node of any name and namespace"
    assert list(content["/**"]) == ["ros__parameters"]
    return content["/**"]["ros__parameters"]


@pytest.mark.parametrize(("name", "kind"), FILES.items())
def test_a_file_names_every_parameter_at_its_default(name, kind):
    values = parameters_of(name)
    defaults = dataclasses.asdict(kind())
    assert values == defaults
    assert {key: type(value) for key, value in values.items()} == {key: type(v) for key, v in defaults.items()}


def test_the_nodes_file_makes_valid_parameters():
    assert NodeParameters.from_mapping(parameters_of("pagnet.yaml")) == NodeParameters()


def test_an_unknown_key_is_refused_with_the_nearest_name():
    values = {**parameters_of("pagnet.yaml"), "slop_sm": 5.0}
    with pytest.raises(ConfigError, match=r"slop_sm.*slop_ms"):
        NodeParameters.from_mapping(values)


def test_every_parameter_has_a_comment_and_the_live_ones_say_so():
    fields = {field.name: field for field in dataclasses.fields(NodeParameters)}
    for line in config_path("pagnet.yaml").read_text(encoding="utf-8").splitlines():
        name, colon, rest = line.strip().partition(":")
        if colon and name in fields:
            comment = rest.partition("#")[2]
            assert comment, f"{name} has no comment"
            assert ("(live)" in comment) == fields[name].metadata["runtime"], f"{name}: wrong about being live"


def test_every_yaml_and_rviz_file_can_be_read():
    files = [path for path in config_path().rglob("*") if path.suffix in {".yaml", ".rviz"}]
    assert len(files) >= len(FILES) + 2
    for path in files:
        assert yaml.safe_load(path.read_text(encoding="utf-8")), path


def test_nav2_reads_the_cloud_that_the_comment_makes():
    text = config_path("nav2/depth_hr_obstacles.yaml").read_text(encoding="utf-8")
    layer = yaml.safe_load(text)["local_costmap"]["local_costmap"]["ros__parameters"]["voxel_layer"]
    source = layer[layer["observation_sources"]]
    assert f"-r points:={source['topic']}" in text
    assert source["data_type"] == "PointCloud2"
