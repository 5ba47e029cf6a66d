"""The examples of CONTRIBUTING work as they stand there."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed (neither a sourced ROS 2 nor the wheels)")

from rclpy.parameter import Parameter
from sensor_msgs.msg import Image

from pagnet_ros.messages.image import depth_from_image
from pagnet_ros.ros.node.outputs import LAYERS, Layer
from pagnet_ros.ros.parameters import declare, read
from pagnet_ros.system.settings import Settings, setting
from tests.ros.node.node_rig import RELIABLE, START_NS, Rig

TEXT = (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
(PARAMETER,) = (example for example in EXAMPLES if "setting(" in example)
(TOPIC,) = (example for example in EXAMPLES if "LAYERS" in example)


def test_the_examples_are_short():
    assert max(len(example.splitlines()) for example in (PARAMETER, TOPIC)) <= 10


def test_a_parameter_is_added_in_one_place(ros):
    names = {"dataclass": dataclass, "Settings": Settings, "setting": setting}
    exec(PARAMETER, names)  # noqa: S102  # our own document
    kind = names["MyParameters"]
    node = ros.node("any", parameter_overrides=[Parameter("gain", value=2)])
    assert declare(node, kind, fixed=()) == {}
    assert read(node, kind).gain == 2.0
    assert node.describe_parameter("gain").description == "what depth is multiplied by"
    assert not node.set_parameters([Parameter("gain", value=11.0)])[0].successful


def test_a_topic_is_added_in_one_place(ros, monkeypatch):
    layers = dict(LAYERS)
    exec(TOPIC, {"np": np, "LAYERS": layers, "Layer": Layer})  # noqa: S102  # our own document
    for leaf, layer in layers.items():
        monkeypatch.setitem(LAYERS, leaf, layer)
    rig = Rig(ros, listen=False)
    images = ros.collect(rig.camera, Image, "depth_hr/nearest", RELIABLE)
    ros.wait_until(rig.node._outputs.wanted)
    rig.wait_matched()
    rig.send(START_NS, value=2.5)
    np.testing.assert_allclose(depth_from_image(images.wait_for(1)[0]), 2.5, rtol=1e-4)
