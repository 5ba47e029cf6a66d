"""Scores a node that runs already, or will: records its inputs and its result, and writes a report of them at the end.

    ros2 launch pagnet_ros evaluate.launch.py depth:=/camera/depth color:=/camera/color out:=out/live

The recording ends with Ctrl-C, after `frames` results, or after `idle_s` of silence; scoring it then may take longer
than launch waits by default.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

HERE = Path(__file__).parent
PATIENCE_S = "86400"  # between Ctrl-C and the end of scoring

ARGUMENTS = [
    DeclareLaunchArgument("depth", default_value="depth", description="the node's depth input"),
    DeclareLaunchArgument("color", default_value="color", description="its colour input"),
    DeclareLaunchArgument("camera_info", default_value="", description="of the colour image; empty: the one beside it"),
    DeclareLaunchArgument(
        "depth_camera_info", default_value="", description="of the depth image; empty: the one beside it"
    ),
    DeclareLaunchArgument("output", default_value="depth_hr", description="the node's result"),
    DeclareLaunchArgument(
        "reference", default_value="", description="better depth of the same view, of colour's size; empty: none"
    ),
    DeclareLaunchArgument(
        "reproject", default_value="true", choices=["true", "false"], description="as the node's: false: registered"
    ),
    DeclareLaunchArgument(
        "params_file",
        default_value="",
        description="YAML with the evaluator's other parameters (depth_unit_m, depth_pose_xyz, registration, "
        "max_depth_m, depth_transport, slop_ms, ...); empty: none",
    ),
    DeclareLaunchArgument("out", default_value="", description="folder of the report; empty: the table is printed"),
    DeclareLaunchArgument("frames", default_value="0", description="end after so many results; 0: never"),
    DeclareLaunchArgument("idle_s", default_value="0.0", description="end after so much silence, seconds; 0: never"),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=["true", "false"], description="take the time from /clock"
    ),
]


def make_evaluator(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The evaluator with the arguments' values."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    wanted = {
        "depth": given["depth"],
        "color": given["color"],
        "color/camera_info": given["camera_info"],
        "depth/camera_info": given["depth_camera_info"],
        "depth_hr": given["output"],
        "reference": given["reference"],
    }
    parameters: dict[str, object] = {
        "with_reference": bool(given["reference"]),
        "reproject": given["reproject"] == "true",
        "out": ParameterValue(LaunchConfiguration("out"), value_type=str),
        "frames": int(given["frames"]),
        "idle_s": float(given["idle_s"]),
        "use_sim_time": given["use_sim_time"] == "true",
    }
    return [
        Node(
            package="pagnet_ros",
            executable="evaluate",
            name="evaluator",
            parameters=[*([given["params_file"]] if given["params_file"] else []), parameters],
            remappings=[(name, topic) for name, topic in wanted.items() if topic and topic != name],
            output="screen",
            emulate_tty=True,
            sigterm_timeout=PATIENCE_S,
            sigkill_timeout=PATIENCE_S,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS environment, the evaluator."""
    large_images = PythonLaunchDescriptionSource(str(HERE / "large_images.launch.py"))
    return LaunchDescription(
        [*ARGUMENTS, IncludeLaunchDescription(large_images), OpaqueFunction(function=make_evaluator)]
    )
