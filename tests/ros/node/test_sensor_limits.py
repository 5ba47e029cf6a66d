"""A sensor profile narrows the range: shipped names, YAML files, and refusals."""

import pytest

from pagnet_ros.errors import ConfigError
from pagnet_ros.ros.node.parameters import NodeParameters
from pagnet_ros.ros.node.sensor_limits import ANY_SENSOR, options_of, sensor_limits
from pagnet_ros.sensors import load_profile


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
    assert (options.noise_floor_m, options.noise_per_m) == limits.noise


def test_profile_file_is_read(tmp_path):
    path = tmp_path / "mine.yaml"
    offset = "registration_x_px: 6.4\nregistration_y_px: -3.2\nregistration_width: 640\n"
    path.write_text(f"min_range_m: 0.5\nmax_range_m: 3.0\nweights: rt-mine\n{offset}")
    limits = sensor_limits(str(path))
    assert limits == (0.5, 3.0, None, "rt-mine", (0.01, -0.005))
    assert options_of(NodeParameters(sensor=str(path)), limits).known_offset == (0.01, -0.005)
    assert options_of(NodeParameters(noise_per_m=0.003), limits).noise_per_m == 0.003


@pytest.mark.parametrize(
    ("fields", "noise"),
    [
        ("noise_floor_m: 0.004", (0.004, 0.0)),
        ("noise_quadratic_per_m: 0.002", (0.0, 0.002)),
        ("noise_floor_m: 0.001\nnoise_quadratic_per_m: 0.002", (0.001, 0.002)),
        ("noise_quadratic_per_m: 3.0", (0.0, 0.1)),
        ("noise_floor_m: 3.0", (1.0, 0.0)),
    ],
)
def test_noise_becomes_a_floor_and_a_square_within_the_options_limits(tmp_path, fields, noise):
    path = tmp_path / "mine.yaml"
    path.write_text(f"min_range_m: 0.5\nmax_range_m: 3.0\n{fields}\n")
    assert sensor_limits(str(path)).noise == pytest.approx(noise, abs=1e-5)


def test_a_tabulated_noise_is_followed_as_well_as_a_square_can(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("min_range_m: 0.5\nmax_range_m: 3.0\nnoise_range_curve: [[0.5, 0.002], [3.0, 0.012]]\n")
    noise = sensor_limits(str(path)).noise
    for z in (0.5, 1.5, 3.0):
        assert noise.floor_m + noise.per_m * z**2 == pytest.approx(0.004 * z, rel=0.4)


@pytest.mark.parametrize("name", ["kinect", "kinect_v1", "kinect_v2"])
def test_published_noise_survives_the_simplification(name):
    limits, profile = sensor_limits(name), load_profile(name)
    for z in (0.8, 1.5, 3.0, profile.max_range_m):
        published = profile.noise_floor_m + profile.noise_quadratic_per_m * (z - profile.noise_z0_m) ** 2
        assert limits.noise.floor_m + limits.noise.per_m * z**2 == pytest.approx(published, rel=0.35)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("max_rang_m: 3.0", "unknown field 'max_rang_m'; did you mean 'max_range_m'?"),
        ("- 1", "holds list; expected a mapping"),
        ("a: [", "cannot be read"),
        ("max_range_m: -1.0", "max_range_m"),
        ("!!python/object/apply:os.system ['true']", "cannot be read"),
        ("a" * (1 << 20) + "a", "1048577 bytes; expected at most"),
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
