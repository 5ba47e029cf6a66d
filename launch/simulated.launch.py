"""A simulated camera and the node: everything runs without hardware.

    ros2 launch pagnet_ros simulated.launch.py simulated_sensor:=kinect rate:=30.0

The camera's arguments are here; the node is that of pagnet.launch.py, whose arguments (weights, device, ...) hold here
too.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

HERE = Path(__file__).parent
CAMERA_PARAMS_FILE = HERE.parent / "config" / "simulated_camera.yaml"

# launch argument, the camera's parameter, its type, what it is
CAMERA_PARAMETERS = [
    ("simulated_sensor", "sensor", str, "what degrades the depth: clean, tof, kinect, ..."),
    ("style", "style", str, "kind of scene: room, tabletop, clutter, traps, posters or mixed"),
    ("seed", "seed", int, "which scene of that kind"),
    ("scale", "scale", int, "colour pixels per depth pixel"),
    ("rate", "rate_hz", float, "frames per second"),
    ("jitter_ms", "jitter_ms", float, "largest random shift of each stamp"),
]

ARGUMENTS = [
    DeclareLaunchArgument("namespace", default_value="", description="namespace of the camera and the node"),
    DeclareLaunchArgument(
        "camera_params_file", default_value=str(CAMERA_PARAMS_FILE), description="YAML with the camera's parameters"
    ),
    *(
        DeclareLaunchArgument(name, default_value="", description=f"{text}; empty: what camera_params_file says")
        for name, _, _, text in CAMERA_PARAMETERS
    ),
]


def make_camera(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The camera, in the node's namespace; arguments left empty stay with the parameter file."""

    def value(name: str) -> str:
        return str(LaunchConfiguration(name).perform(context))

    overrides = {
        parameter: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, parameter, kind, _ in CAMERA_PARAMETERS
        if value(name)
    }
    return [
        Node(
            package="pagnet_ros",
            executable="simulated_camera",
            name="simulated_camera",
            namespace=value("namespace"),
            parameters=[value("camera_params_file"), overrides],
            output="screen",
            emulate_tty=True,
            on_exit=end_with_failure,
        )
    ]


def end_with_failure(event: ProcessExited, _: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Nothing comes any more if it could not play; after a normal end the node stays."""
    return [Shutdown(reason=f"simulated_camera ended with status {event.returncode}")] if event.returncode else []


def generate_launch_description() -> LaunchDescription:
    """The arguments, the DDS environment, the camera (first, so that a wrong argument ends it all), the node."""
    included = [PythonLaunchDescriptionSource(str(HERE / f"{name}.launch.py")) for name in ("large_images", "pagnet")]
    large_images, node = (IncludeLaunchDescription(source) for source in included)
    return LaunchDescription([*ARGUMENTS, large_images, OpaqueFunction(function=make_camera), node])
