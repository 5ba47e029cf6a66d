"""A recorded bag and the node, both on the bag's time.

    ros2 launch pagnet_ros replay_bag.launch.py bag:=kitchen.mcap depth:=/camera/depth color:=/camera/color

The player's arguments are here; the node is that of pagnet.launch.py, whose arguments (depth, color, weights, ...) hold
here too.
"""

from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, Shutdown
from launch.events.process import ProcessExited
from launch.launch_description_entity import LaunchDescriptionEntity
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

HERE = Path(__file__).parent

ARGUMENTS = [
    DeclareLaunchArgument("bag", description="bag: its folder, a .mcap or .db3 file, or a .bag of ROS 1"),
    DeclareLaunchArgument("rate", default_value="1.0", description="recorded seconds per second"),
    DeclareLaunchArgument("start", default_value="0.0", description="seconds to leave out at the beginning"),
    DeclareLaunchArgument(
        "loop", default_value="false", choices=["true", "false"], description="begin again at the end"
    ),
    DeclareLaunchArgument(
        "wait",
        default_value="60.0",
        description="at most so many seconds to wait for the node's subscriptions before playing",
    ),
    DeclareLaunchArgument(
        "lazy",
        default_value="false",
        choices=["true", "false"],
        description="receive and compute nothing while nobody subscribes to an output",
    ),
    DeclareLaunchArgument(
        "use_sim_time", default_value="true", choices=["true", "false"], description="play /clock and go by it"
    ),
]


def make_player(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """The player, with its command line."""
    given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in ARGUMENTS}
    nodes = {"namespace": "", "name": "pagnet_node", "depth": "depth", "color": "color"}  # declared by pagnet.launch.py
    given |= {name: LaunchConfiguration(name, default=value).perform(context) for name, value in nodes.items()}
    options = ["--rate", given["rate"], "--start", given["start"], "--wait", given["wait"]]
    options += ["--loop"] if given["loop"] == "true" else []
    options += ["--clock"] if given["use_sim_time"] == "true" else []
    options += ["--wait-for", absolute(given["name"], given["namespace"])]
    options += ["--wait-topics", *(absolute(given[topic], given["namespace"]) for topic in ("depth", "color"))]
    return [
        Node(
            package="pagnet_ros",
            executable="bag_player",
            name="bag_player",
            arguments=[given["bag"], *options],
            output="screen",
            emulate_tty=True,
            on_exit=end_with_failure,
        )
    ]


def absolute(name: str, namespace: str) -> str:
    """A name of the node's in full."""
    return name if name.startswith("/") else "/" + "/".join(part for part in (namespace.strip("/"), name) if part)


def end_with_failure(event: ProcessExited, _: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Nothing comes any more if it could not play; after a normal end the node stays."""
    return [Shutdown(reason=f"bag_player ended with status {event.returncode}")] if event.returncode else []


def generate_launch_description() -> LaunchDescription:
    """The arguments, the DDS environment, the player (first, so that a wrong argument ends it all), the node."""
    included = [PythonLaunchDescriptionSource(str(HERE / f"{name}.launch.py")) for name in ("large_images", "pagnet")]
    large_images, node = (IncludeLaunchDescription(source) for source in included)
    return LaunchDescription([*ARGUMENTS, large_images, OpaqueFunction(function=make_player), node])
