"""What the node and the players open to the network: the policy's names and no others, and nothing beside DDS."""

import os
import subprocess
import sys
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.parameter import Parameter

from pagnet_ros.recordings.bags import Bag
from pagnet_ros.recordings.frames import open_frames
from pagnet_ros.ros.node.node import PagnetNode
from pagnet_ros.ros.players.bag_player import BagPlayer, BagPlayerOptions
from pagnet_ros.ros.players.frame_player import FramePlayer, FramePlayerOptions
from pagnet_ros.ros.players.simulated_camera import SimulatedCamera
from tests.replay import bags

POLICY = Path(__file__).parents[3] / "config/sros2/policy.xml"
SMALL = {"width": 96, "height": 64, "style": "traps", "use_sim_time": True}


def allowed(name):
    """{kind: full names} of one profile."""
    (profile,) = ET.parse(POLICY).getroot().iterfind(f".//profile[@node='{name}']")
    found = {"publish": set(), "subscribe": set(), "reply": set()}
    for group in profile:
        (kind,) = group.attrib
        found[kind] |= {
            each.text.replace("~", f"/{name}") if "~" in each.text else f"/{each.text.lstrip('/')}" for each in group
        }
    return found


def opened(node):
    """{kind: full names} that a node has on the graph."""
    own = node.get_name(), node.get_namespace()
    ask = {
        "publish": node.get_publisher_names_and_types_by_node,
        "subscribe": node.get_subscriber_names_and_types_by_node,
        "reply": node.get_service_names_and_types_by_node,
    }
    assert not node.get_client_names_and_types_by_node(*own)
    return {kind: {name for name, _ in names(*own)} for kind, names in ask.items()}


def make_node(tmp_path, stop, context):
    values = {"weights": "bicubic", "device": "cpu", "lazy": False, "use_sim_time": True}
    node = PagnetNode(parameter_overrides=[Parameter(k, value=v) for k, v in values.items()], context=context)
    assert node.trigger_configure().name == "SUCCESS"
    assert node.trigger_activate().name == "SUCCESS"
    return node


def make_camera(tmp_path, stop, context):
    overrides = [Parameter(name, value=value) for name, value in SMALL.items()]
    return SimulatedCamera(stop, parameter_overrides=overrides, context=context)


def make_bag_player(tmp_path, stop, context):
    image = bags.image(bags.depth_mm(0), bags.START_NS)
    color = bags.image(bags.color(0), bags.START_NS)
    rows = [("/depth", bags.START_NS, image), ("/color", bags.START_NS, color)]
    bag = Bag(bags.write(tmp_path / "bag", rows))
    return BagPlayer(bag, BagPlayerOptions(clock_hz=40.0), stop, context=context)


def make_frame_player(tmp_path, stop, context):
    cv2.imwrite(str(tmp_path / "depth.png"), bags.depth_mm(0))
    cv2.imwrite(str(tmp_path / "color.png"), bags.color(0))
    options = FramePlayerOptions(downsample=2, stamps="recorded", clock_hz=40.0)
    return FramePlayer(open_frames(tmp_path), options, stop, context=context)


@pytest.mark.parametrize("make", [make_node, make_camera, make_bag_player, make_frame_player])
def test_the_policy_allows_what_is_opened_and_no_more(ros, tmp_path, make):
    node = ros.add(make(tmp_path, threading.Event(), ros.context))
    wanted = allowed(node.get_name())
    if make is make_bag_player:
        wanted["publish"].remove("/color/camera_info")  # which this bag has not
    ros.wait_until(lambda: opened(node) == wanted, what=f"{wanted} on the graph, {opened(node)}")


def sockets(pid, kind):
    """Local ports of a process's sockets: listening ones of TCP, bound ones of UDP."""
    held = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
    found = set()
    for table in (kind, f"{kind}6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if f"socket:[{fields[9]}]" in held and (kind == "udp" or fields[3] == "0A"):
                found.add(int(fields[1].rpartition(":")[2], 16))
    return found


def unix_listeners(pid):
    held = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
    rows = (line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    return [fields for fields in rows if f"socket:[{fields[6]}]" in held and int(fields[3], 16) & 0x10000]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_nothing_listens_but_dds(ros, start_process_of_node):
    pid = start_process_of_node()
    threads = (path.read_text().strip() for path in Path(f"/proc/{pid}/task").glob("*/comm"))
    dds = {
        int(name.removeprefix("dds.udp.")) for name in threads if name.startswith("dds.udp.")
    }  # Fast DDS names them so
    if not dds:
        pytest.skip("another DDS than Fast DDS, which does not tell its ports")
    low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())  # what sends only
    udp = sockets(pid, "udp")
    assert dds <= udp  # else this test looks at the wrong process
    assert not [port for port in udp - dds if not low <= port <= high]
    assert not sockets(pid, "tcp")
    assert not unix_listeners(pid)


@pytest.fixture
def start_process_of_node(ros):
    processes = []

    def start():
        words = ["--ros-args", "-p", "weights:=bicubic", "-p", "device:=cpu", "-p", "autostart:=true"]
        process = subprocess.Popen(
            [sys.executable, "-m", "pagnet_ros.ros.node", *words], env=ros.child_environment(),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        processes.append(process)
        for line in process.stdout:
            if "]: active:" in line:
                return process.pid
        pytest.fail("the node ended")

    yield start
    for process in processes:
        process.terminate()  # killed, it would leave its shared memory behind
        try:
            process.communicate(timeout=60)
        finally:
            process.kill()
