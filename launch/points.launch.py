"""A point cloud of the node's result, by depth_image_proc: `/depth_hr` in, `/depth_hr/cloud` out.

    ros2 launch pagnet_ros points.launch.py output:=/depth_hr color:=/camera/color/image_raw

The node publishes a cloud of its own, `/depth_hr/points`, that needs none of this; here is another consumer's. The
remappings are for depth_image_proc, whose camera_info is the node's own, with the very stamps of the depth. The node
itself runs already (pagnet.launch.py with `output_info:=below`, as it is by default).
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

HERE = Path(__file__).parent
COLORS_KEPT = 30  # images that wait for their depth, a second of 30 Hz; its own 5 are less than a slow network takes

ARGUMENTS = [
    DeclareLaunchArgument("output", default_value="depth_hr", description="the node's result"),
    DeclareLaunchArgument(
        "color", default_value="", description="the colour image the node takes, for points with colour; empty: without"
    ),
    DeclareLaunchArgument("points", default_value="", description="the point cloud out; empty: <output>/cloud"),
    DeclareLaunchArgument("namespace", default_value="", description="namespace of the relative topics, the node's"),
    DeclareLaunchArgument(
        "color_reliability",
        default_value="best_effort",
        choices=["best_effort", "reliable"],
        description="of the subscription to color: by itself depth_image_proc asks for reliable, which most cameras do "
        "not offer",
    ),
    DeclareLaunchArgument(
        "use_sim_time", default_value="false", choices=["true", "false"], description="take the time from /clock"
    ),
]


def remappings(given: dict[str, str]) -> list[tuple[str, str]]:
    """depth_image_proc's names to the node's.

    Its camera_info is looked for beside the image, so the image is `image_rect`.
    """
    output, color = given["output"], given["color"]
    points = ("points", given["points"] or f"{output}/cloud")
    if not color:
        # the second by Humble's image_transport, which looks beside the name before it was remapped
        return [("image_rect", f"{output}/image_rect"), ("camera_info", f"{output}/camera_info"), points]
    namespace, slash, _ = color.rpartition("/")
    return [
        ("depth_registered/image_rect", f"{output}/image_rect"),
        ("rgb/image_rect_color", color),
        ("rgb/camera_info", f"{output}/camera_info"),  # its name up to Iron; later the one beside color
        (f"{namespace}{slash}camera_info", f"{output}/camera_info"),
        points,
    ]


def make_node(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """depth_image_proc with the arguments' values."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    parameters: dict[str, object] = {"use_sim_time": given["use_sim_time"] == "true"}
    if given["color"]:
        color = absolute(given["color"], given["namespace"])
        parameters["queue_size"] = COLORS_KEPT
        parameters["qos_overrides"] = {color: {"subscription": {"reliability": given["color_reliability"]}}}
    return [
        Node(
            package="depth_image_proc",
            executable="point_cloud_xyzrgb_node" if given["color"] else "point_cloud_xyz_node",
            name="depth_hr_points",
            namespace=given["namespace"],
            parameters=[parameters],
            remappings=remappings(given),
            output="screen",
            emulate_tty=True,
        )
    ]


def absolute(topic: str, namespace: str) -> str:
    """A topic's full name."""
    return topic if topic.startswith("/") else "/" + "/".join(part for part in (namespace.strip("/"), topic) if part)


def generate_launch_description() -> LaunchDescription:
    """Arguments, the DDS environment, depth_image_proc."""
    large_images = PythonLaunchDescriptionSource(str(HERE / "large_images.launch.py"))
    return LaunchDescription([*ARGUMENTS, IncludeLaunchDescription(large_images), OpaqueFunction(function=make_node)])
