"""A world to test and train in: procedural RGB-D scenes, a moving camera, and their renderer.

Pure: seeds in, arrays out; no ROS, no files. Data flows ``Scene.random`` -> ``Renderer``, and on to
`pagnet_ros.sensors`, which makes of the truth what a depth camera would.
"""

from __future__ import annotations

from pagnet_ros.simulation.render import RenderedFrame, Renderer
from pagnet_ros.simulation.scene import STYLES, Scene
from pagnet_ros.simulation.trajectory import LookAround

__all__ = ["STYLES", "LookAround", "RenderedFrame", "Renderer", "Scene"]
