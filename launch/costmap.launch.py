"""A Nav2 costmap of the node's result: the costmap, and the lifecycle manager that starts it.

    ros2 launch pagnet_ros costmap.launch.py global_frame:=odom robot_base_frame:=base_link
    ros2 launch pagnet_ros costmap.launch.py layer:=stvl manage_node:=pagnet_node

To see what Nav2 would see, without the rest of Nav2; the layer's parameters in config/nav2 are the same as for your own
Nav2 parameters. The costmap's frames and size and the manager's nodes are arguments; the point cloud is the node's own.
tf from `global_frame` to `robot_base_frame` and to the camera has to be there.
"""

from pathlib import Path

import yaml
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

HERE = Path(__file__).parent
NAV2 = HERE.parent / "config" / "nav2"
LAYERS = {"voxel": "depth_hr_obstacles.yaml", "stvl": "depth_hr_stvl.yaml"}

ARGUMENTS = [
    DeclareLaunchArgument("output", default_value="/depth_hr", description="the node's result"),
    DeclareLaunchArgument(
        "layer",
        default_value="voxel",
        choices=list(LAYERS),
        description="voxel: Nav2's own voxel layer; stvl: spatio_temporal_voxel_layer, which forgets with time",
    ),
    DeclareLaunchArgument("global_frame", default_value="odom", description="frame the costmap stands in"),
    DeclareLaunchArgument("robot_base_frame", default_value="base_link", description="frame of the robot"),
    DeclareLaunchArgument("size_m", default_value="6", description="length and width of the costmap, whole m"),
    DeclareLaunchArgument("resolution", default_value="0.05", description="of the costmap, m"),
    DeclareLaunchArgument(
        "manage_node",
        default_value="",
        description="name of an up-sampling node that the lifecycle manager shall start too (launched with "
        "autostart:=false); empty: none",
    ),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=["true", "false"], description="take the time from /clock"
    ),
]


def costmap_parameters(given: dict[str, str]) -> dict[str, object]:
    """The layer as in config/nav2, on the point cloud of this output, in a costmap that moves with the robot."""
    whole = yaml.safe_load((NAV2 / LAYERS[given["layer"]]).read_text(encoding="utf-8"))
    parameters: dict[str, object] = whole["local_costmap"]["local_costmap"]["ros__parameters"]
    for layer in parameters.values():
        for source in layer.values() if isinstance(layer, dict) else ():
            if isinstance(source, dict) and "topic" in source:
                source["topic"] = points_topic(given)
    return parameters | {
        "global_frame": given["global_frame"],
        "robot_base_frame": given["robot_base_frame"],
        "rolling_window": True,
        "width": int(given["size_m"]),
        "height": int(given["size_m"]),
        "resolution": float(given["resolution"]),
        "update_frequency": 5.0,
        "publish_frequency": 5.0,
        "use_sim_time": given["use_sim_time"] == "true",
    }


def points_topic(given: dict[str, str]) -> str:
    """Absolute, because the costmap would look below its own name otherwise."""
    return f"/{given['output'].strip('/')}/points"


def make_nodes(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The costmap and its manager with the arguments' values."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    managed = ["costmap", *([given["manage_node"]] if given["manage_node"] else [])]
    manager: dict[str, object] = {
        "node_names": managed,
        "autostart": True,
        "bond_timeout": 0.0,  # neither a costmap by itself nor pagnet_node sends a heartbeat
        "use_sim_time": given["use_sim_time"] == "true",
    }
    return [
        Node(
            package="nav2_costmap_2d",
            executable="nav2_costmap_2d",
            name="costmap",
            parameters=[costmap_parameters(given)],
            output="screen",
            emulate_tty=True,
        ),
        Node(
            package="nav2_lifecycle_manager",
            executable="lifecycle_manager",
            name="lifecycle_manager_depth_hr",
            parameters=[manager],
            output="screen",
            emulate_tty=True,
        ),
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS environment, the costmap, its manager."""
    large_images = PythonLaunchDescriptionSource(str(HERE / "large_images.launch.py"))
    return LaunchDescription([*ARGUMENTS, IncludeLaunchDescription(large_images), OpaqueFunction(function=make_nodes)])
