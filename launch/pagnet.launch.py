"""The node for a live camera: topics in, `/depth_hr` out.

    ros2 launch pagnet_ros pagnet.launch.py depth:=/camera/depth/image_raw color:=/camera/color/image_raw

Arguments become remappings and parameters; all other settings are in the parameter file.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import LifecycleNode
from launch_ros.parameter_descriptions import ParameterValue

HERE = Path(__file__).parent
PARAMS_FILE = HERE.parent / "config" / "pagnet.yaml"
PRESETS = PARAMS_FILE.parent / "presets"
FROM_FILE = "what the parameter file says"

ARGUMENTS = [
    DeclareLaunchArgument("depth", default_value="depth", description="depth image in (16UC1 mm or 32FC1 m)"),
    DeclareLaunchArgument("color", default_value="color", description="colour image in"),
    DeclareLaunchArgument(
        "camera_info",
        default_value="",
        description="camera_info of the colour image; empty: the one beside it (/camera/color/camera_info for "
        "/camera/color/image_raw)",
    ),
    DeclareLaunchArgument(
        "depth_camera_info",
        default_value="",
        description="camera_info of the depth image, by which depth that is not registered is reprojected; empty: the "
        "one beside it",
    ),
    DeclareLaunchArgument("output", default_value="depth_hr", description="depth image out, at colour resolution"),
    DeclareLaunchArgument(
        "output_info",
        default_value="below",
        choices=["below", "beside"],
        description="where the output's camera_info goes: below the image topic (depth_hr/camera_info, for subscribers "
        "of depth_hr/image_rect), or beside it (camera_info, where image_transport looks for that of depth_hr)",
    ),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of the node and its relative topics"),
    DeclareLaunchArgument("name", default_value="pagnet_node", description="name of the node"),
    DeclareLaunchArgument("params_file", default_value=str(PARAMS_FILE), description="YAML with the node's parameters"),
    DeclareLaunchArgument(
        "preset",
        default_value="",
        choices=["", "safe", "dense", "mapping"],
        description="what is published where depth is doubtful (config/presets), over params_file; empty: as that says",
    ),
    DeclareLaunchArgument(
        "weights", default_value="", description=f"zoo name or path of a .safetensors or .onnx file; empty: {FROM_FILE}"
    ),
    DeclareLaunchArgument("sensor", default_value="", description=f"sensor profile; empty: {FROM_FILE}"),
    DeclareLaunchArgument("device", default_value="", description=f"auto, cpu, cuda or cuda:N; empty: {FROM_FILE}"),
    DeclareLaunchArgument("precision", default_value="", description=f"arithmetic of the network; empty: {FROM_FILE}"),
    DeclareLaunchArgument(
        "lazy",
        default_value="",
        choices=["true", "false", ""],
        description=f"receive and compute nothing while nobody subscribes to an output; empty: {FROM_FILE}",
    ),
    DeclareLaunchArgument(
        "autostart",
        default_value="true",
        choices=["true", "false"],
        description="configure and activate at once; false leaves that to a lifecycle manager or `ros2 lifecycle set`",
    ),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=["true", "false"], description="take the time from /clock"
    ),
    DeclareLaunchArgument(
        "respawn", default_value="false", choices=["true", "false"], description="start the node again where it ended"
    ),
    DeclareLaunchArgument("log_level", default_value="info", description="debug, info, warn, error or fatal"),
]


def remappings(given: dict[str, str]) -> list[tuple[str, str]]:
    """The node's topic names to those asked for; the node itself puts what belongs to an image beside or below it."""
    namespace, slash, _ = given["output"].rpartition("/")
    wanted = {
        "depth": given["depth"],
        "color": given["color"],
        "color/camera_info": given["camera_info"],
        "depth/camera_info": given["depth_camera_info"],
        "depth_hr": given["output"],
        "depth_hr/camera_info": f"{namespace}{slash}camera_info" if given["output_info"] == "beside" else "",
    }
    return [(name, topic) for name, topic in wanted.items() if topic and topic != name]


def make_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The node with the arguments' values: those left empty stay with the parameter file."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    overrides: dict[str, object] = {
        name: ParameterValue(LaunchConfiguration(name), value_type=str)
        for name in ("weights", "sensor", "device", "precision")
        if given[name]
    }
    overrides |= {name: given[name] == "true" for name in ("lazy", "autostart", "use_sim_time") if given[name]}
    files = [given["params_file"], *([str(PRESETS / f"{given['preset']}.yaml")] if given["preset"] else [])]
    return [
        LifecycleNode(
            package="pagnet_ros",
            executable="pagnet_node",
            name=given["name"],
            namespace=given["namespace"],
            parameters=[*files, overrides],
            remappings=remappings(given),
            ros_arguments=["--log-level", given["log_level"]],
            output="screen",
            emulate_tty=True,
            respawn=given["respawn"] == "true",
            respawn_delay=1.0,
        )
    ]


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS environment, the node."""
    large_images = PythonLaunchDescriptionSource(str(HERE / "large_images.launch.py"))
    return LaunchDescription([*ARGUMENTS, IncludeLaunchDescription(large_images), OpaqueFunction(function=make_node)])
