"""A laser scan of the node's result, by depthimage_to_laserscan: `/depth_hr` in, `/depth_hr/scan` out.

    ros2 launch pagnet_ros laserscan.launch.py output_frame:=camera_link scan_height:=40

The node itself runs already (pagnet.launch.py). The scan holds the nearest depth of each column over `scan_height` rows
about the middle of the image.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

HERE = Path(__file__).parent

ARGUMENTS = [
    DeclareLaunchArgument("output", default_value="depth_hr", description="the node's result"),
    DeclareLaunchArgument("scan", default_value="", description="the laser scan out; empty: <output>/scan"),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of the relative topics, the node's"),
    DeclareLaunchArgument(
        "output_frame",
        default_value="camera_link",
        description="the camera's frame with x forward and z up (REP 103); never the optical frame, whose z is forward",
    ),
    DeclareLaunchArgument("scan_height", default_value="10", description="rows of the image that count, pixels"),
    DeclareLaunchArgument("range_min", default_value="0.3", description="nearest distance in the scan, m"),
    DeclareLaunchArgument("range_max", default_value="5.0", description="farthest distance in the scan, m"),
    DeclareLaunchArgument("rate", default_value="30.0", description="the depth camera's frame rate, Hz"),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=["true", "false"], description="take the time from /clock"
    ),
]


def remappings(given: dict[str, str]) -> list[tuple[str, str]]:
    """depthimage_to_laserscan's names to the node's."""
    output = given["output"]
    return [
        ("depth", output),
        ("depth_camera_info", f"{output}/camera_info"),
        ("scan", given["scan"] or f"{output}/scan"),
    ]


def make_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """depthimage_to_laserscan with the arguments' values."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    parameters: dict[str, object] = {
        "output_frame": given["output_frame"],
        "scan_height": int(given["scan_height"]),
        "range_min": float(given["range_min"]),
        "range_max": float(given["range_max"]),
        "scan_time": 1.0 / float(given["rate"]),
        "use_sim_time": given["use_sim_time"] == "true",
    }
    return [
        Node(
            package="depthimage_to_laserscan",
            executable="depthimage_to_laserscan_node",
            name="depth_hr_scan",
            namespace=given["namespace"],
            parameters=[parameters],
            remappings=remappings(given),
            output="screen",
            emulate_tty=True,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS environment, depthimage_to_laserscan."""
    large_images = PythonLaunchDescriptionSource(str(HERE / "large_images.launch.py"))
    return LaunchDescription([*ARGUMENTS, IncludeLaunchDescription(large_images), OpaqueFunction(function=make_node)])
