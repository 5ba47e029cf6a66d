"""A sensor profile narrows what is believed: shipped names, YAML files, and refusals."""

import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.ros.parameters import NodeParameters
from pagnet_ros.ros.sensor_limits import ANY_SENSOR, options_of, sensor_limits


def test_no_sensor_leaves_the_parameters_alone():
    options = options_of(NodeParameters(min_depth_m=0.3, max_depth_m=5.0, fill="all", noise_per_m=0.002))
    assert (options.min_depth_m, options.max_depth_m, options.noise_per_m) == (0.3, 5.0, 0.002)
    assert options.fill == "all"
    assert options.metric
    assert sensor_limits("") is ANY_SENSOR


def test_shipped_sensor_narrows_the_range_and_gives_the_noise():
    limits = sensor_limits("kinect")
    options = options_of(NodeParameters(sensor="kinect", max_depth_m=4.0), limits)
    assert options.min_depth_m == limits.min_depth_m > 0.1
    assert options.max_depth_m == 4.0
    assert options.noise_per_m == limits.noise_per_m


def test_profile_file_is_read(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("min_range_m: 0.5\nmax_range_m: 3.0\n")
    assert sensor_limits(str(path)) == (0.5, 3.0, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max_rang_m: 3.0", "unknown fields max_rang_m; did you mean 'max_range_m'?"),
        ("- 1", "holds list; expected a mapping"),
        ("a: [", "cannot be read"),
        ("max_range_m: -1.0", "max_range_m"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
        ("a" * (1 << 20) + "a", "larger than 1 MiB"),
    ],
)
def test_bad_profile_files_are_refused(tmp_path, text, says):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        sensor_limits(str(path))
    assert says in str(raised.value)


def test_missing_file_and_unknown_name_are_told_apart(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        sensor_limits(str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigError, match=r"'kinekt' is not known; expected one of .*kinect"):
        sensor_limits("kinekt")


def test_ranges_without_overlap_are_refused():
    with pytest.raises(ConfigError, match="have no depth in common"):
        options_of(NodeParameters(sensor="kinect", min_depth_m=7.0), sensor_limits("kinect"))
