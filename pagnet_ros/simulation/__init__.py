"""A world to test and train in: procedural RGB-D scenes, a moving camera, and what a depth sensor makes of them.

Pure: seeds in, arrays out; no ROS, no files. Data flows ``Scene.random`` -> ``Renderer`` -> ``sense``.
"""

from __future__ import annotations

from pagnet_ros.simulation.camera import PinholeCamera, look_at
from pagnet_ros.simulation.render import RenderedFrame, RenderedTensors, Renderer, render
from pagnet_ros.simulation.scene import STYLES, Scene
from pagnet_ros.simulation.sensor import axial_sigma, missing_probability, sense, to_millimetres
from pagnet_ros.simulation.sensor_profile import PROFILES, SensorProfile, sensor_profile
from pagnet_ros.simulation.trajectory import LookAround

__all__ = [
    "PROFILES",
    "STYLES",
    "LookAround",
    "PinholeCamera",
    "RenderedFrame",
    "RenderedTensors",
    "Renderer",
    "Scene",
    "SensorProfile",
    "axial_sigma",
    "look_at",
    "missing_probability",
    "render",
    "sense",
    "sensor_profile",
    "to_millimetres",
]
