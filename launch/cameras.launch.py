"""One node for each of several cameras: what a camera publishes below its name comes out as `/<name>/depth_hr`.

    ros2 launch pagnet_ros cameras.launch.py cameras:=front,rear depth:=depth/image_raw color:=color/image_raw

Groups keep the arguments of the nodes apart: two plain includes of one file would share them. The node is that of
pagnet.launch.py, whose other arguments (weights, device, ...) hold here too, for all of them alike.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, GroupAction, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration

HERE = Path(__file__).parent

ARGUMENTS = [
    DeclareLaunchArgument("cameras", description="their namespaces, with commas between, such as front,rear"),
    DeclareLaunchArgument("depth", default_value="depth", description="depth image in, below each camera's namespace"),
    DeclareLaunchArgument("color", default_value="color", description="colour image in, likewise"),
]


def make_groups(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """A group for each camera."""
    names = [name.strip() for name in LaunchConfiguration("cameras").perform(context).split(",")]
    source = PythonLaunchDescriptionSource(str(HERE / "pagnet.launch.py"))
    return [
        GroupAction([IncludeLaunchDescription(source, launch_arguments=[("namespace", name)])])
        for name in names
        if name
    ]


def generate_launch_description() -> LaunchDescription:
    """The arguments, and the nodes."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=make_groups)])
